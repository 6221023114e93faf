"""Events that make no sense, links that are lost, processes that are killed: no call is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    GapCause,
    GapNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    PlatformStatusNotice,
    RecordingNotice,
    RecordingNoticeAction,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from tests.fakes.adapter_ports import KilledError, Notices
from tests.fakes.asterisk import FakeAsterisk, Line
from tests.fakes.hotline_calls import hotline, over, speak, transfer
from tests.fakes.running_adapter import Place, Running, forgotten


async def test_events_that_make_no_sense_cost_nothing_but_themselves(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        for text in ("", "[]", "nonsense", "{}", '{"type": 5}', '{"type": "StasisStart"}'):
            await asterisk.send_raw(text)
        await asterisk.send_raw("[" * 100_000)
        await asterisk.send_raw('{"type":"ChannelDestroyed","channel":{"id":"nobody"}}')
        await asterisk.send_raw('{"type":"RecordingFinished","recording":{"name":"linkage-x-r1"}}')
        await asterisk.say("ChannelDtmfReceived", channel, digit="\x00")
        await asterisk.say("ChannelUnheardOf", channel)
        await asterisk.hang_up(channel)
        end = await over(adapter, call_id)
    assert end.reason == Reason.NORMAL


async def test_events_that_come_twice_count_once(asterisk: FakeAsterisk, tmp_path: Path) -> None:
    asterisk.stutter = True
    place = hotline(asterisk, tmp_path, record=True)
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await transfer(adapter, call_id, TransferMode.BLIND, to_login_id="13")
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await forgotten(place, asterisk)
        told = adapter.notices.listing()
    assert len(told) == len(set(told))
    assert len(adapter.notices.of(IncomingCallNotice)) == 1


async def test_a_late_start_of_a_channel_that_ended_begins_no_call(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        start = next(each for each in asterisk.events if each["type"] == "StasisStart")
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await forgotten(place, asterisk)
        await asterisk.send_raw(json.dumps(start))
        await asterisk.call()
        second = await adapter.notices.next(IncomingCallNotice)
    assert second.call_id != call_id
    assert len(adapter.notices.of(IncomingCallNotice)) == 2


async def test_a_slow_core_delays_one_call_only_in_its_telling(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        adapter.notices.gate.clear()
        channel = await asterisk.call()
        # The telephone rings although the core has taken no notice yet.
        await asterisk.until(lambda: len(asterisk.lines) == 2)
        await asterisk.pick_up("1001")
        await asterisk.hang_up(channel)
        adapter.notices.gate.set()
        call = await adapter.notices.next(IncomingCallNotice)
        await over(adapter, call.call_id)
        states = [each.state for each in adapter.notices.of(CallStateNotice)]
    assert states[:3] == [CallState.DIALLING, CallState.ALERTING, CallState.ANSWERED]


async def test_a_core_that_takes_nothing_from_the_beginning_keeps_no_telephone_from_ringing(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run(connected=False) as adapter:
        adapter.notices.gate.clear()
        await place.memory.until(lambda: "link" in place.memory.table)
        await asterisk.call()
        await asterisk.until(lambda: len(asterisk.lines) == 2, timeout_s=5)
        adapter.notices.gate.set()
        await adapter.notices.next(PlatformStatusNotice)
        await adapter.notices.next(IncomingCallNotice)


async def test_too_much_that_waits_gives_the_link_up(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.voice.call_registry.BACKLOG_MAX", 3)
    async with place.run() as adapter:
        adapter.notices.gate.clear()
        channel = await asterisk.call()
        for _ in range(6):
            await asterisk.press(channel, "1")
        error = await adapter.ended()
    assert isinstance(error, AdapterUnavailableError)
    assert "wait" in str(error)


async def test_too_much_that_waits_for_a_resync_gives_the_link_up(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.voice.call_registry.BACKLOG_MAX", 3)
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
    reads = len(asterisk.requests)
    async with place.run(connected=False) as adapter:
        adapter.notices.gate.clear()  # so the gap is not taken, which the resync waits for
        await asterisk.until(lambda: ("GET", "bridges") in asterisk.requests[reads:])
        for _ in range(6):
            await asterisk.press(channel, "1")
        error = await adapter.ended(timeout_s=5)
    assert isinstance(error, AdapterUnavailableError)
    assert "wait" in str(error)


async def test_calls_that_died_with_asterisk_are_closed_as_reconstructed(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = hotline(asterisk, tmp_path, record=True)
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
        await asterisk.restart()
        assert isinstance(await adapter.ended(), AdapterUnavailableError)
    async with place.run() as adapter:
        end = await over(adapter, call_id)
        gap = adapter.notices.of(GapNotice)
        told = [each.reconstructed for each in adapter.notices.told if each.message is end]
        await forgotten(place, asterisk)
        await speak(asterisk, adapter)
    assert (end.reason, told) == (Reason.PLATFORM_FAULT, [True])
    assert [each.cause for each in gap] == [GapCause.RESTART]


async def test_a_caller_whose_channel_is_called_like_one_before_the_restart_is_a_new_caller(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, channel = await speak(asterisk, adapter)
        await asterisk.restart()
        await adapter.ended()
    async with place.run() as adapter:
        await asterisk.call(channel=channel)
        await adapter.notices.next(IncomingCallNotice)


async def test_a_new_caller_is_not_taken_for_one_from_before_the_restart(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
        await asterisk.restart()
        await adapter.ended()
    asterisk.lines[channel] = Line(
        id=channel,
        name="PJSIP/caller-00000000",
        state="Ring",
        args=["caller", "12345", "13900139000"],
        number="13900139000",
        in_app=True,
    )
    async with place.run() as adapter:
        end = await over(adapter, call_id)
        call = await adapter.notices.any(IncomingCallNotice)
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
    assert end.reason == Reason.PLATFORM_FAULT
    assert call.phone_num == "13900139000"


async def test_people_in_talk_are_left_alone_by_one_that_knows_nothing_of_them(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await speak(asterisk, adapter)
    (bridge,) = asterisk.bridges.values()
    together = set(bridge.members)
    place.memory.table.clear()  # somebody has deleted our data, or it is another linkage's call
    async with place.run() as adapter:
        await asterisk.call(number="13900139000")
        call = await adapter.notices.next(IncomingCallNotice)
        assert adapter.notices.of(IncomingCallNotice) == [call]
        assert set(bridge.members) == together
    assert call.phone_num == "13900139000"
    assert ("DELETE", f"bridges/{bridge.id}") not in asterisk.requests


async def test_an_unreadable_record_is_forgotten_and_nothing_else(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
    place.memory.table |= {
        "call:x": '{"call": {}}',
        "call:y": "[]",
        "rec:z": '{"fetch": {"do": []}}',
    }
    async with place.run() as adapter:
        await asterisk.hang_up(channel)
        await over(adapter, call_id)
        await forgotten(place, asterisk)


async def test_a_call_is_not_forgotten_for_what_fails_while_it_is_taken_up(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("some number is none")

    async with place.run() as adapter:
        call_id, channel = await speak(asterisk, adapter)
    with monkeypatch.context() as patch:
        patch.setattr("adapters.voice.resync.no_longer_held", fails)
        async with place.run(connected=False) as adapter:
            assert isinstance(await adapter.ended(), ValueError)
    async with place.run() as adapter:
        await asterisk.hang_up(channel)
        await over(adapter, call_id)


async def test_the_next_officer_is_rung_where_one_cannot_be_any_more_after_a_kill(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + 1  # the first officer rings already
        await asterisk.call()
        assert isinstance(await adapter.ended(), KilledError)
    place.memory.fail_at = None
    asterisk.lose(asterisk.leg("1001").id)
    asterisk.telephones["1001"] = "absent"
    async with place.run() as adapter:
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING, to_num="1002")
        (failed,) = adapter.notices.of(CallStateNotice, state=CallState.FAILED)
    assert failed.reason == Reason.UNREACHABLE


async def test_what_is_due_and_makes_no_sense_does_not_keep_everybody_else_waiting(
    asterisk: FakeAsterisk, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.run() as adapter:
        call_id, _ = await speak(asterisk, adapter)
    record = json.loads(place.memory.table[f"call:{call_id}"])
    overdue = {"from_leg": "nobody", "to_leg": "", "until": record["call"]["started"]}
    record["call"]["transfer"] = overdue
    place.memory.table[f"call:{call_id}"] = json.dumps(record)
    async with place.run() as adapter:
        await asterisk.call(number="13900139000")
        await adapter.notices.any(IncomingCallNotice, phone_num="13900139000")
        await asyncio.sleep(0.2)
    assert 1 <= caplog.text.count("could not be decided") <= 3


async def test_another_program_that_takes_the_application_is_said_so(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await asterisk.say("ApplicationReplaced")
        error = await adapter.ended()
    assert isinstance(error, AdapterUnavailableError)
    assert "app" in str(error)


async def test_wrong_credentials_are_refused_for_good(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings(password="wrong"))
    with pytest.raises(AdapterRefusedError, match=r"ari\.conf"):
        async with place.run():
            pass


async def test_nobody_at_the_address_is_tried_again(tmp_path: Path) -> None:
    async with FakeAsterisk() as gone:
        settings = gone.settings()
    with pytest.raises(AdapterUnavailableError, match="cannot be reached"):
        async with Place.at(tmp_path, settings).run():
            pass


async def _transfer_story(asterisk: FakeAsterisk, adapter: Running) -> None:
    call_id, channel = await speak(asterisk, adapter)
    await transfer(adapter, call_id, TransferMode.CONSULT, to_login_id="13")
    await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
    await asterisk.pick_up("1002")
    await adapter.notices.next(TransferNotice, phase=CallPhase.CONSULTING)
    await transfer(adapter, call_id, TransferMode.COMPLETE)
    await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
    await asterisk.hang_up(channel)
    await over(adapter, call_id)
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


async def test_wherever_it_is_killed_a_call_is_brought_to_its_end(tmp_path: Path) -> None:
    """Kill the adapter at every write to its memory in turn; the next one must finish the call."""
    kills = 0
    while True:
        async with FakeAsterisk() as asterisk:
            place = hotline(asterisk, tmp_path, record=True)
            killed, told = await _killed_at(asterisk, place, kills)
            if not killed:
                break
            await _comes_to_an_end(asterisk, place, kills, told)
        kills += 1
    assert kills > 30


async def _killed_at(asterisk: FakeAsterisk, place: Place, write: int) -> tuple[bool, Notices]:
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + write
        story = asyncio.get_running_loop().create_task(_transfer_story(asterisk, adapter))
        await asyncio.wait({story, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
        killed = not story.done() or story.exception() is not None
        if killed:
            story.cancel()
            await asyncio.wait({story})
            assert isinstance(await adapter.ended(), KilledError)
        else:
            end = asyncio.get_running_loop().create_task(forgotten(place, asterisk))
            await asyncio.wait({end, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
            killed = adapter.task.done()
            end.cancel()
            await asyncio.wait({end})
            if killed:
                assert isinstance(adapter.task.exception(), KilledError)
    place.memory.fail_at = None
    return killed, adapter.notices


async def _comes_to_an_end(
    asterisk: FakeAsterisk, place: Place, write: int, before: Notices
) -> None:
    """A new adapter takes up what lives; then the caller hangs up, and nothing is left."""
    async with place.run() as adapter:
        for line in list(asterisk.lines.values()):
            if line.args[0] == "caller":
                await asterisk.hang_up(line.id)
        await forgotten(place, asterisk)
        both = (before, adapter.notices)
        ends = [len(each.of(HangupNotice, scope=HangupScope.CALL)) for each in both]
        begins = [len(each.of(IncomingCallNotice)) for each in both]
        lost = adapter.notices.of(RecordingNotice, action=RecordingNoticeAction.FAILED)
        # Once, or once more by the next one when the first was killed while telling.
        assert max(ends) == 1, f"killed at write {write}"
        assert max(begins) == 1, f"killed at write {write}"
        assert not lost, f"killed at write {write}"
        assert not asterisk.stored, f"killed at write {write}"
