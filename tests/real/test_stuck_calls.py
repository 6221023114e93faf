"""A call whose hang-up Asterisk told and nobody took, with the link up all the time.

No resync repairs that, for there is none: linkage asks after a while, the adapter looks.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from adapters.asterisk.client import AriClient
from adapters.asterisk.settings import Settings
from linkage.client import Application
from linkage.config.adapters import read_settings
from linkage.store.read.reader import StoreReader
from protocol.messages import CreateEvent, HangupNotice, HangupScope
from protocol.reasons import Reason
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.linkage import LinkageProcess
from tests.real.peers.sipp import FOREVER_S, SippOfficer, Talk
from tests.real.test_main_job import Desk, call, open_event

SWEEP = "\n[sweep]\nask_after_h = 0.0006\nevery_s = 0.3\n"
WITHIN_S = 30.0


async def asked(folder: Path, count: int) -> list[Any]:
    """The 193 with which the adapter answered, once they are so many."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            with StoreReader.open(folder / "data" / "linkage.db") as reader:
                answers = [entry for entry in reader.entries() if entry.type == 193]
            if len(answers) >= count:
                return answers
            await asyncio.sleep(0.2)


async def hush(ari: AriClient, app: str, allowed: list[str]) -> None:
    """Let Asterisk tell the application of nothing but these."""
    body = {"allowed": [{"type": kind} for kind in allowed]}
    await ari.request("PUT", f"/applications/{app}/eventFilter", body=body)


async def test_a_call_that_lives_is_left_alone_and_one_that_died_unheard_is_ended(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        phone = SippOfficer("1001", answer_after_s=0.3, script=(Talk(FOREVER_S),))
        asterisk = await stack.enter_async_context(AsteriskServer(officers={"1001": phone.port}))
        await stack.enter_async_context(phone)
        linkage = LinkageProcess(tmp_path, asterisk, officers={"1001": "23"})
        linkage.config.write_text(linkage.config.read_text() + SWEEP)
        await stack.enter_async_context(linkage)
        application = await stack.enter_async_context(
            Application("127.0.0.1", linkage.port, "desk", secret=linkage.secret)
        )
        desk = Desk(application)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        listening = group.create_task(desk.listen())
        stack.callback(listening.cancel)
        await stack.enter_async_context(call(asterisk))
        call_id = await open_event(desk)

        (alive,) = (await asked(tmp_path, 1))[:1]
        assert [each.call_id for each in alive.message.calls][:1] == [call_id]
        assert not [each for each in desk.told if isinstance(each, HangupNotice)]

        settings = read_settings(
            Settings,
            "pbx",
            {
                "url": asterisk.ari_url.removesuffix("/ari"),
                "user": asterisk.ari_user,
                "password": asterisk.ari_password,
                "hotline": {"12345": {"officers": ["1001"]}},
                "officer": {"1001": {"login": "23", "endpoint": "PJSIP/1001"}},
            },
        )
        async with AriClient(settings) as ari:
            await hush(ari, asterisk.app, ["TextMessageReceived"])
            for channel in await ari.request("GET", "/channels"):
                await ari.request("DELETE", f"/channels/{channel['id']}")

        end = await desk.next(HangupNotice, lambda item: item.scope is HangupScope.CALL)
        assert (end.call_id, end.reason) == (call_id, Reason.STATE_LOST)
        reply = await application.send(CreateEvent(event_id="after"))
        assert reply.result == 0
    with StoreReader.open(tmp_path / "data" / "linkage.db") as reader:
        made_up = [entry for entry in reader.entries() if entry.reconstructed]
    assert 102 in {entry.type for entry in made_up}
    assert {entry.source for entry in made_up} == {"pbx"}, "the adapter itself told of it"
