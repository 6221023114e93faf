"""Our adapter at an SMS centre that is not ours, and Kannel at the one that we simulate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from linkage.ports import AdapterRefusedError, CommandError, Outcome
from protocol import messages as m
from protocol.reasons import Reason
from protocol.results import Result
from simulators.clock import RealClock
from simulators.sms_centre import SmsCentre, wire
from tests.fakes.sms_scene import SmsScene
from tests.real.conftest import REQUIRED
from tests.real.peers.sms import Kannel, NodeSmsCentre, missing_sms_peers

CHINESE = "一号楼三层起火，请立即疏散到南门集合😀。"


@pytest.fixture(autouse=True)
def _peers() -> None:
    """These tests need other peers than Asterisk."""
    missing = missing_sms_peers()
    if missing and REQUIRED:
        pytest.fail(f"LINKAGE_REQUIRE_REAL=1, but {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[NodeSmsCentre]:
    async with NodeSmsCentre(tmp_path) as made:
        yield made


# --- our adapter at npm's smpp -------------------------------------------------------------------
async def test_a_text_its_receipt_with_an_id_in_another_form_and_an_answer(
    centre: NodeSmsCentre,
) -> None:
    scene = SmsScene(centre)
    async with scene.running():
        assert isinstance(await scene.send("13900000001", valid_seconds=600), Outcome)
        (report,) = await scene.reported()
        (submitted,) = await centre.heard("submitted")
        assert (submitted["message"], submitted["from"]) == ("fire", "12345")
        assert submitted["registered"] == 1
        assert submitted["reference"] is not None
        assert report.status == m.SmsReportStatus.DELIVERED
        assert scene.results[0].status == m.SmsSendStatus.ACCEPTED
        centre.tell(source_addr="13900000001", destination_addr="12345", short_message="收到 OK")
        await scene.until(lambda: scene.told(m.SmsReceivedNotice))
        (answer,) = scene.told(m.SmsReceivedNotice)
        assert (answer.phone_num, answer.content) == ("13900000001", "收到 OK")
        assert all(each["status"] == 0 for each in await centre.heard("delivered", 2))


async def test_a_long_text_in_chinese_comes_in_parts_that_join_to_it(
    centre: NodeSmsCentre,
) -> None:
    scene, text = SmsScene(centre), CHINESE * 8
    async with scene.running():
        await scene.send("13900000001", text)
        (report,) = await scene.reported()
        parts = await centre.heard("submitted", 3)
    assert (report.parts_ok, report.parts) == (3, 3)
    assert [each["udh"][0][-2:] for each in parts] == ["01", "02", "03"]
    assert all(each["coding"] == 8 for each in parts)
    assert "".join(each["message"] for each in parts) == text  # no pair of surrogates is torn


async def test_it_is_told_that_we_are_there(centre: NodeSmsCentre) -> None:
    scene = SmsScene(centre)
    async with scene.running():
        scene.disk.open.clear()
        centre.tell(enquire=True)
        await centre.heard("enquired")
        scene.disk.open.set()


async def test_a_refusal_and_a_lost_answer(centre: NodeSmsCentre) -> None:
    scene = SmsScene(centre)
    async with scene.running():
        await scene.send("13900000099")
        assert scene.results[0].reason == Reason.SMS_BAD_NUMBER
        lost = await scene.send("13900000098")
        assert isinstance(lost, CommandError)
        assert lost.result == Result.TIMEOUT
    async with scene.running():
        (report,) = await scene.reported()
        assert report.reason == Reason.OUTCOME_UNKNOWN
        await scene.settled()
    assert len(await centre.heard("dropped")) == 1


async def test_a_wrong_password_is_told_as_that(centre: NodeSmsCentre) -> None:
    scene = SmsScene(centre, password="wrong")
    async with asyncio.timeout(20):
        with pytest.raises(AdapterRefusedError, match="mend system_id and password"):
            await scene.make().run(scene.disk)


# --- Kannel at our centre ------------------------------------------------------------------------
async def test_kannel_is_bound_sends_hears_receipts_and_what_citizens_write(
    tmp_path: Path,
) -> None:
    came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def note(request: web.Request) -> web.Response:
        came.put_nowait({"path": request.path, **request.query})
        return web.Response()

    application = web.Application()
    application.router.add_get("/mo", note)
    application.router.add_get("/dlr", note)
    runner = web.AppRunner(application, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    back = runner.addresses[0][1]
    centre = SmsCentre(clock=RealClock(speed=10.0), with_tlvs=False)
    try:
        async with (
            centre,
            Kannel(tmp_path, centre.address[1], back) as kannel,
            aiohttp.ClientSession() as http,
        ):
            for number in ("13900000001", "13900000091"):
                query = {
                        "username": "tester", "password": "foobar", "from": "12345",
                        "to": number, "text": "x" * 200, "dlr-mask": "3",
                        "dlr-url": f"http://127.0.0.1:{back}/dlr?to={number}&type=%d",
                    }  # fmt: skip
                url = f"http://127.0.0.1:{kannel.http_port}/cgi-bin/sendsms"
                async with http.get(url, params=query) as answer:
                    assert answer.status == 202
            assert await centre.wait_for_text("13900000001", within_s=30) == "x" * 200
            assert wire.place_of(centre.taken[0].sm)[1] == 2
            told: dict[str, str] = {}
            async with asyncio.timeout(30):
                while len(told) < 2:
                    one = await came.get()
                    told[one["to"]] = one["type"]
            assert told == {"13900000001": "1", "13900000091": "2"}
            centre.receive("13900000001", "12345", "收到")
            async with asyncio.timeout(30):
                heard = await came.get()
            assert (heard["path"], heard["from"], heard["coding"]) == (
                    "/mo", "13900000001", "2",
                )  # fmt: skip
            async with asyncio.timeout(30):
                while centre.stored:  # noqa: ASYNC110 - Kannel has answered when it is empty
                    await asyncio.sleep(0.05)
    finally:
        await runner.cleanup()
