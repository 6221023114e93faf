"""Our adapter at a real HylaFAX, whose faxes go over a modem and a line to a real spandsp."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.ports import CommandError, Outcome
from linkage.ports.probe import State
from protocol import messages as m
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.fax_scene import FaxScene
from tests.real.conftest import REQUIRED
from tests.real.peers.fax import BUSY_NUMBER, FaxLine, fax_root, missing_fax_peers

PAGES_PS = """%!PS
/Courier findfont 60 scalefont setfont
1 1 3 { 100 500 moveto (PAGE ) show 3 string cvs show showpage } for
"""


@pytest.fixture(autouse=True)
def _peers() -> None:
    """These tests need other peers than Asterisk alone."""
    missing = missing_fax_peers()
    if missing and REQUIRED:
        pytest.fail(f"LINKAGE_REQUIRE_REAL=1, but {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[FaxLine]:
    async with FaxLine(tmp_path) as made:
        yield made


@pytest.fixture
async def exchange(line: FaxLine, tmp_path: Path) -> AsyncIterator[Path]:
    """A folder that the tools of the fax peers see, with `three.tif` and `three.pdf` in it."""
    inside = f"/tmp/linkage-{tmp_path.name}"
    folder = fax_root() / inside.removeprefix("/")
    folder.mkdir(parents=True)
    (folder / "three.ps").write_text(PAGES_PS)
    common = ("-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sPAPERSIZE=a4", "-dFIXEDMEDIA")
    tiff = ("-sDEVICE=tiffg3", "-r204x196", f"-sOutputFile={inside}/three.tif")
    pdf = ("-sDEVICE=pdfwrite", f"-sOutputFile={inside}/three.pdf")
    for form in (tiff, pdf):
        assert not await line.tool("gs", *common, *form, f"{inside}/three.ps")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(300)  # three real faxes, one after the other: 25 s each
async def test_three_pages_arrive_equal_page_by_page_and_a_busy_line_is_tried_again(
    line: FaxLine, exchange: Path, tmp_path: Path
) -> None:
    scene = FaxScene(line, tmp_path, poll_s=0.5)
    scene.patience_s = 250.0
    inside = f"/{exchange.relative_to(fax_root())}"
    async with scene.running():
        (fine,) = await scene.adapter.probe("adapter fax", scene.make().context.settings)  # type: ignore[union-attr]
        tiff = await scene.keep((exchange / "three.tif").read_bytes())
        pdf = await scene.keep((exchange / "three.pdf").read_bytes(), "three.pdf")
        sent = await scene.send(tiff, "1001", BUSY_NUMBER, retry=0)
        stopped = await scene.send(tiff, "1003")
        cancelled = await scene.do(m.CancelFax(request_id="2"))
        as_pdf = await scene.send(pdf, "1002")
        ends = {each.phone_num: each for each in await scene.ended(4)}
    assert fine.state is State.OK
    assert all(isinstance(each, Outcome) for each in (sent, stopped, cancelled, as_pdf))
    for number in ("1001", "1002"):
        told = ends[number]
        assert (told.status, told.pages_sent, told.pages) == (m.FaxStatus.DONE, 3, 3)
    assert (ends[BUSY_NUMBER].status, ends[BUSY_NUMBER].reason) == (
        m.FaxStatus.FAILED, Reason.FAX_BUSY,
    )  # fmt: skip
    assert ends["1003"].reason == Reason.OPERATOR_CANCELLED
    shutil.copy(line.arrived("1001"), exchange / "came.tif")
    compared = await line.tool("tiffcmp", f"{inside}/three.tif", f"{inside}/came.tif")
    differing = [row for row in compared.splitlines() if not row.startswith("Directory ")]
    assert compared.count("Directory ") >= 2, compared  # it went on to the last page
    assert all("SubFileType" in row for row in differing), compared


@pytest.mark.timeout(200)
async def test_a_fax_that_comes_in_is_told_once_with_its_pages_and_caller(
    line: FaxLine, exchange: Path, tmp_path: Path
) -> None:
    scene = FaxScene(line, tmp_path, poll_s=0.5, number="5550")
    scene.patience_s = 150.0
    async with scene.running():
        line.call(exchange / "three.tif", "13900000001")
        await scene.until(lambda: scene.told(m.FaxReceivedNotice))
    async with scene.running():
        pass  # a new run does not tell it again
    (fax,) = scene.told(m.FaxReceivedNotice)
    assert (fax.phone_num, fax.to_num, fax.pages) == ("13900000001", "5550", 3)
    assert fax.csid == "CITIZEN-1"
    assert fax.file_id is not None
    assert (await scene.content(fax.file_id)).startswith((b"II*\0", b"MM\0*"))


async def test_what_is_no_fax_is_refused_before_the_server_sees_it(
    line: FaxLine, tmp_path: Path
) -> None:
    scene = FaxScene(line, tmp_path)
    async with scene.running():
        program = await scene.keep(PAGES_PS.encode(), "three.ps")
        refused = await scene.send(program, "1001")
    assert isinstance(refused, CommandError)
    assert refused.result == Result.BAD_VALUE
