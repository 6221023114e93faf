"""What a step of a call costs on disk, and that a kill at any write doubles and loses nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from adapters.voice.command_execution import ANSWER_S
from linkage.ports import CommandError
from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceNotice,
    GapNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    KeyValue,
    PlatformStatusNotice,
    RecordingNotice,
    RecordingNoticeAction,
    SetCallData,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.results import Result
from tests.fakes.adapter_ports import KilledError, Notices, show
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, forgotten

HOTLINE = {"12345": {"officers": ["1001", "1002"], "record": True}}
OF_THE_LINK = (GapNotice, PlatformStatusNotice)


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected and recorded; their CallId and channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.START)
    return call.call_id, channel


async def test_a_blind_transfer_is_written_down_once_before_it_rings_and_told_at_once(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    class Requests(list[tuple[str, str]]):
        """Asterisk's requests, each with the commits before it."""

        def append(self, request: tuple[str, str]) -> None:
            commits.append((request, len(adapter.port.records)))
            super().append(request)

    commits: list[tuple[tuple[str, str], int]] = []
    asterisk.silent.add("1002")  # it is dialled, and nothing more is told of it
    place = Place.at(tmp_path, asterisk.settings(hotline=HOTLINE))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        before = len(adapter.port.records)
        asterisk.requests = Requests()
        command = Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id="13")
        outcome = await adapter.do(command)
        written, told = adapter.port.records[before : before + 2]
    rings = f"channels/linkage-{outcome.ids['call_id']}"
    (rung,) = [count for (method, path), count in commits if (method, path) == ("POST", rings)]
    assert rung == before + 1
    assert written == ([], {f"call:{call_id}"})
    assert told == ([TransferNotice.number, CallStateNotice.number], {f"call:{call_id}"})


async def test_a_step_without_requests_is_one_commit(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with Place.at(tmp_path, asterisk.settings(hotline=HOTLINE)).run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        command = Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id="13")
        await adapter.do(command)
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        rings = [
            numbers for numbers, _ in adapter.port.records if TransferNotice.number in numbers
        ]
    # 115 alerting and 105 ringing are one event of Asterisk's, and one commit.
    assert rings[-1] == [CallStateNotice.number, TransferNotice.number]


async def test_a_command_that_is_begun_by_its_commit_does_not_expire_in_it(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with Place.at(tmp_path, asterisk.settings()).run() as adapter:
        adapter.notices.gate.clear()
        create = ConferenceControl(action=ConferenceAction.CREATE, login_id="23", event_id="E1")
        doing = asyncio.get_running_loop().create_task(adapter.do(create, expire_s=0.2))
        await asyncio.wait({doing}, timeout=0.4)
        adapter.notices.gate.set()
        outcome = await doing
        created = await adapter.notices.any(ConferenceNotice)
    assert created.conference_id == outcome.ids["conference_id"]


async def test_a_platform_that_falls_still_during_a_slow_write_does_nothing_late(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(hotline=HOTLINE))
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        place.memory.gate.clear()
        asterisk.requests.clear()
        command = Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id="13")
        doing = asyncio.get_running_loop().create_task(adapter.do(command, expire_s=2.0))
        await asterisk.until(lambda: ("GET", "asterisk/ping") in asterisk.requests)
        asterisk.freeze()
        await asyncio.wait({doing}, timeout=ANSWER_S + 0.2)
        place.memory.gate.set()
        with pytest.raises(CommandError) as error:
            await doing
        asterisk.thaw()
        await adapter.do(SetCallData(call_id=call_id, data=(KeyValue(key="a", value="b"),)))
    assert error.value.result == Result.EXPIRED
    assert "1002" not in asterisk.dialled


async def test_a_gap_is_told_however_often_the_start_after_it_is_killed(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings())
    async with place.run():
        pass
    gap: list[GapNotice] = []
    seen = json.loads(place.memory.table["link"])["seen"]
    writes = 0
    while not gap:
        place.memory.fail_at = place.memory.puts + writes
        async with place.run(connected=False) as adapter:
            assert isinstance(await adapter.ended(), KilledError)
        gap = adapter.notices.of(GapNotice)
        writes += 1
    assert gap[0].since == datetime.fromisoformat(seen)


async def _story(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id, channel = await speak(asterisk, adapter)
    await adapter.do(Transfer(call_id=call_id, mode=TransferMode.BLIND, to_login_id="13"))
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    await asterisk.pick_up("1002")
    await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
    await asterisk.hang_up(channel)
    await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


@pytest.mark.parametrize("late", [False, True], ids=["before a write", "after a write"])
async def test_wherever_it_is_killed_every_notice_comes_once(tmp_path: Path, late: bool) -> None:
    kills = 0
    while True:
        async with FakeAsterisk() as asterisk:
            place = Place.at(tmp_path, asterisk.settings(hotline=HOTLINE))
            place.memory.late = late
            before = await _killed_at(asterisk, place, kills)
            if before is None:
                break
            async with place.run() as adapter:
                for line in list(asterisk.lines.values()):
                    if line.args[0] == "caller":
                        await asterisk.hang_up(line.id)
                await forgotten(place, asterisk)
            _once(before, adapter.notices, f"killed at write {kills}")
            assert not asterisk.rung_twice, f"killed at write {kills}"
        kills += 1
    assert kills > 20


async def _killed_at(asterisk: FakeAsterisk, place: Place, write: int) -> Notices | None:
    """The notices until the kill; None: it was over before."""
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + write + place.memory.late

        async def all_of_it() -> None:
            await _story(asterisk, adapter)
            await forgotten(place, asterisk)

        story = asyncio.get_running_loop().create_task(all_of_it())
        await asyncio.wait({story, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
        killed = not story.done() or story.exception() is not None
        story.cancel()
        await asyncio.wait({story})
        if killed:
            assert isinstance(await adapter.ended(), KilledError)
    place.memory.fail_at = None
    return adapter.notices if killed else None


def _once(before: Notices, after: Notices, when: str) -> None:
    told = [
        each.message
        for each in (*before.told, *after.told)
        if not isinstance(each.message, OF_THE_LINK)
    ]
    twice = [text for text, count in Counter(map(show, told)).items() if count > 1]
    assert not twice, when
    ends = [each for each in told if isinstance(each, HangupNotice)]
    assert sum(each.scope is HangupScope.CALL for each in ends) == 1, when
    assert sum(isinstance(each, IncomingCallNotice) for each in told) == 1, when
    saved = [each for each in told if isinstance(each, RecordingNotice)]
    started = sum(each.action is RecordingNoticeAction.START for each in saved)
    assert sum(each.action is RecordingNoticeAction.SAVED for each in saved) == started, when
