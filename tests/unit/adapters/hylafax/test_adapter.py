"""What becomes of faxes at a simulated server, and what is told of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from linkage.clock import SystemClock
from linkage.ports import CommandError, Outcome
from linkage.ports.probe import State
from protocol import messages as m
from protocol.reasons import Reason
from protocol.results import Result
from simulators.fax_server import BEHAVIOURS
from simulators.fax_server.spool import tiff
from tests.fakes.fax_scene import FaxScene, fax_scene

Status = m.FaxStatus


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[FaxScene]:
    async with fax_scene(tmp_path, blocked=("1380000*",)) as made:
        yield made


async def test_three_pages_to_two_numbers_each_with_its_end(scene: FaxScene) -> None:
    async with scene.running():
        outcome = await scene.send(await scene.keep(tiff(3)), "02012345600", "02012345601")
        assert isinstance(outcome, Outcome)
        assert outcome.ids == {"fax_id": "F1"}
        ends = await scene.ended(2)
    assert {(e.phone_num, e.status, e.pages_sent, e.pages, e.request_id) for e in ends} == {
        ("02012345600", Status.DONE, 3, 3, "1"), ("02012345601", Status.DONE, 3, 3, "1"),
    }  # fmt: skip
    assert all(job.document == tiff(3) for job in scene.server.jobs)
    assert not [key for key in scene.disk.memory if key.startswith("fax:")]


@pytest.mark.parametrize(
    ("digits", "status", "reason", "pages"),
    [
        ("91", Status.FAILED, Reason.FAX_BUSY, 0),
        ("92", Status.FAILED, Reason.NO_ANSWER, 0),
        ("93", Status.FAILED, Reason.FAX_NO_CARRIER, 0),
        ("94", Status.PARTIAL, Reason.FAX_DISCONNECTED, 1),
        ("95", Status.DONE, None, 2),
        ("96", Status.FAILED, Reason.FAX_TRAINING, 0),
        ("99", Status.FAILED, Reason.PLATFORM_FAULT, 0),
    ],
)
async def test_how_a_fax_ends(
    scene: FaxScene, digits: str, status: Status, reason: Reason | None, pages: int
) -> None:
    assert digits in BEHAVIOURS
    async with scene.running():
        sent = await scene.send(await scene.keep(tiff(2)), f"020123456{digits}", retry=1)
        assert isinstance(sent, Outcome)
        (end,) = await scene.ended()
    assert (end.status, end.reason, end.pages_sent) == (status, reason, pages)
    retries = [each for each in scene.results if each.status is Status.RETRYING]
    assert len(retries) == (digits != "99")
    assert all((each.attempt, each.phone_num) == (1, end.phone_num) for each in retries)


async def test_an_answer_that_is_lost_is_unknown_until_the_queue_shows_the_job(
    scene: FaxScene,
) -> None:
    async with scene.running():
        lost = await scene.send(await scene.keep(tiff(1)), "02012345698")
        assert isinstance(lost, CommandError)
        assert lost.result == Result.TIMEOUT
        (end,) = await scene.ended()
    assert end.status is Status.DONE
    assert len(scene.server.jobs_to("02012345698")) == 1


async def test_who_may_not_be_faxed_is_told_and_the_others_are(scene: FaxScene) -> None:
    async with scene.running():
        sent = await scene.send(await scene.keep(tiff(1)), "13800001111", "x", "02012345600")
        assert isinstance(sent, Outcome)
        ends = await scene.ended(3)
    assert {(each.phone_num, each.reason) for each in ends} == {
        ("13800001111", Reason.BARRED), ("x", Reason.INVALID_FORMAT), ("02012345600", None),
    }  # fmt: skip
    assert [job.to for job in scene.server.jobs] == ["02012345600"]


@pytest.mark.parametrize(
    ("content", "result"),
    [(b"%!PS\nshowpage", Result.BAD_VALUE), (b"", Result.BAD_VALUE), (None, Result.NO_FILE)],
)
async def test_what_is_no_fax_is_not_sent(
    scene: FaxScene, content: bytes | None, result: Result
) -> None:
    file_id = "0" * 20 if content is None else await scene.keep(content)
    async with scene.running():
        refused = await scene.send(file_id, "02012345600")
    assert isinstance(refused, CommandError)
    assert refused.result == result
    assert not scene.server.jobs


async def test_what_cannot_be_done_is_said_and_nothing_sent(tmp_path: Path) -> None:
    async with fax_scene(tmp_path, fax_bytes=100) as scene, scene.running():
        file_id, small = await scene.keep(tiff(1)), await scene.keep(b"%PDF-1.4")
        for refused, result in (
            (await scene.send(small, "1", cover="to you"), Result.NOT_SUPPORTED),
            (await scene.send(small, "1", resolution="holographic"), Result.BAD_VALUE),
            (await scene.send(file_id, "1"), Result.TOO_LONG),
            (await scene.do(m.CancelFax(fax_id="none")), Result.WRONG_STATE),
            (await scene.do(m.QueryFax(fax_id="none")), Result.WRONG_STATE),
        ):
            assert isinstance(refused, CommandError)
            assert refused.result == result
        assert not scene.server.jobs


async def test_each_job_says_all_that_the_one_before_may_have_left(scene: FaxScene) -> None:
    at = SystemClock().utc() + timedelta(days=1)
    async with scene.running():
        file_id = await scene.keep(tiff(1))
        await scene.send(file_id, "02012345600", send_time=at, resolution="standard", retry=0)
        await scene.send(file_id, "02012345601")
        await scene.ended(2)
    first, second = (job.parameters for job in scene.server.jobs)
    assert (first["SENDTIME"], second["SENDTIME"]) == (f"{at:%Y%m%d%H%M}", "NOW")
    assert (first["VRES"], second["VRES"]) == ("98", "196")
    assert (first["MAXDIALS"], second["MAXDIALS"]) == ("1", "4")
    assert second["LASTTIME"] == "000300"


async def test_a_fax_is_stopped_and_asked_about(scene: FaxScene) -> None:
    async with scene.running():
        await scene.send(await scene.keep(tiff(50)), "02012345600", fax_id="FX")
        assert isinstance(await scene.do(m.QueryFax(fax_id="FX")), Outcome)
        assert isinstance(await scene.do(m.CancelFax(fax_id="FX")), Outcome)
        (end,) = await scene.ended()
    asked = next(each for each in scene.results if each.status is None)
    assert (asked.fax_id, asked.request_id) == ("FX", "2")
    assert end.reason == Reason.OPERATOR_CANCELLED


async def test_pages_are_told_while_it_is_sent(scene: FaxScene) -> None:
    async with scene.running():
        await scene.send(await scene.keep(tiff(4)), "02012345600")
        await scene.ended()
    pages = [each.page or 0 for each in scene.told(m.FaxProgressNotice)]
    assert pages
    assert pages == sorted(set(pages))


async def test_what_comes_in_is_kept_and_told_once_over_runs(scene: FaxScene) -> None:
    fax = scene.server.receive("13900000001", pages=2, station="CITIZEN")
    async with scene.running():
        await scene.until(lambda: scene.told(m.FaxReceivedNotice))
    scene.server.receive("13900000002")
    async with scene.running():
        await scene.until(lambda: len(scene.told(m.FaxReceivedNotice)) > 1)
    first, second = scene.told(m.FaxReceivedNotice)
    assert (first.phone_num, first.to_num, first.pages, first.csid) == (
        "13900000001", "12345", 2, "CITIZEN",
    )  # fmt: skip
    assert first.file_id is not None
    assert await scene.content(first.file_id) == fax.content
    assert second.phone_num == "13900000002"


async def test_a_name_that_was_used_again_is_another_fax(scene: FaxScene) -> None:
    scene.server.receive("13900000001", file="fax000000001.tif")
    async with scene.running():
        await scene.until(lambda: scene.told(m.FaxReceivedNotice))
        again = scene.server.receive("13900000002", file="fax000000001.tif")
        again.time += timedelta(seconds=5)
        await scene.until(lambda: len(scene.told(m.FaxReceivedNotice)) > 1)
    numbers = [each.phone_num for each in scene.told(m.FaxReceivedNotice)]
    assert numbers[0] == "13900000001"
    assert numbers[-1] == "13900000002"


async def test_old_faxes_are_no_news_to_a_new_linkage(scene: FaxScene) -> None:
    scene.server.receive("13900000001").time -= timedelta(days=2)
    scene.server.receive("13900000002").time -= timedelta(hours=2)
    async with scene.running():
        await scene.until(lambda: scene.told(m.FaxReceivedNotice))
    assert [each.phone_num for each in scene.told(m.FaxReceivedNotice)] == ["13900000002"]


async def test_the_probe_says_what_is_wrong(scene: FaxScene) -> None:
    adapter = scene.make()
    (fine,) = await adapter.probe("fax", adapter.context.settings)
    scene.server.users["linkage"] = "another"
    (refused,) = await adapter.probe("fax", adapter.context.settings)
    await scene.server.stop()
    (away,) = await adapter.probe("fax", adapter.context.settings)
    assert [each.state for each in (fine, refused, away)] == [
        State.OK, State.BROKEN, State.WARNING,
    ]  # fmt: skip
    assert "secret" not in refused.detail
