"""Conferences and the death of linkage or of Asterisk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from linkage.ports import Outcome
from protocol.messages import (
    CallMode,
    CallOutProgressNotice,
    CallOutResultNotice,
    ConferenceAction,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    HangupNotice,
    HangupScope,
    MemberNoticeAction,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason
from tests.fakes.adapter_ports import KilledError, Notices
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.conference_scene import (
    control,
    convene,
    ended,
    group,
    joins,
    person,
    result,
    rings,
    two,
)
from tests.fakes.running_adapter import Place, Running, forgotten


async def test_members_stay_and_the_convening_goes_on_after_a_kill(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        outcome = await convene(
            adapter,
            group(CallMode.ALL, person("1", "1001"), person("2", "1002")),
            group(CallMode.SEQUENTIAL, person("3", "1003"), person("4", "139")),
        )
        await rings(adapter, "1003")
        await rings(adapter, "1002")
        await joins(asterisk, adapter, "1001")
        await adapter.notices.any(CallOutProgressNotice, answered=1)
        await place.memory.until(lambda: '"pending": []' in place.memory.table[key(outcome)])
    await asterisk.hang_up(asterisk.leg("1003").id)  # while nobody looks
    async with place.run() as adapter:
        lost = await result(adapter, "3")
        await rings(adapter, "139")
        await asterisk.pick_up("1002")
        told = await result(adapter, "2")
        await asterisk.pick_up("139@trunk")
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
        await asterisk.hang_up(asterisk.leg("1001").id)
        left = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
        )
        assert not adapter.notices.of(ConferenceNotice, action=ConferenceNoticeAction.CREATED)
        await adapter.do(control(outcome.ids["conference_id"] or "", ConferenceAction.END))
        await ended(adapter)
        await forgotten(place, asterisk)
    assert (lost.reason, lost.request_id) == (Reason.STATE_LOST, "C1")
    assert (told.reason, left.reason) == (None, Reason.NORMAL)
    assert asterisk.dialled == ["1001", "1002", "1003", "139@trunk"]


async def test_who_was_rung_in_a_step_that_was_killed_is_not_rung_again(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.refuse_dialling = {"1001": 500, "1002": 500}
    asterisk.telephones["1003"] = "busy"
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + 3  # both second numbers are dialled by then
        people = person("1", "1001", "1003"), person("2", "1002", "139")
        await convene(adapter, group(CallMode.ALL, *people))
        assert isinstance(await adapter.ended(), KilledError)
    assert asterisk.dialled == ["1003", "139@trunk"]
    assert [each.number for each in asterisk.lines.values()] == ["139@trunk"]
    place.memory.fail_at = None
    async with place.run() as adapter:
        lost = await result(adapter, "1")
        await asterisk.hang_up(asterisk.leg("139@trunk").id, 19)
        await ended(adapter)
        await forgotten(place, asterisk)
    assert lost.reason == Reason.STATE_LOST
    assert asterisk.dialled == ["1003", "139@trunk"]


def key(outcome: Outcome) -> str:
    call_id = outcome.ids["call_id"]
    return f"call:{call_id}"


async def test_a_conference_that_died_with_asterisk_is_told_as_reconstructed(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await two(asterisk, adapter)
        await asterisk.restart()
        await adapter.ended()
    async with place.run() as adapter:
        over, _ = await ended(adapter)
        told = [each.reconstructed for each in adapter.notices.told if each.message is over]
        await forgotten(place, asterisk)
    assert (over.reason, told) == (Reason.PLATFORM_FAULT, [True])


async def _story(asterisk: FakeAsterisk, adapter: Running) -> None:
    asterisk.telephones["1003"] = "busy"
    outcome = await convene(
        adapter,
        group(CallMode.ALL, person("1", "1001")),
        group(CallMode.SEQUENTIAL, person("3", "1003"), person("2", "1002")),
        record=True,
    )
    await joins(asterisk, adapter, "1001")
    await joins(asterisk, adapter, "1002")
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
    await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
    await adapter.do(control(outcome.ids["conference_id"] or "", ConferenceAction.END))
    await ended(adapter)
    await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.SAVED)


async def test_wherever_it_is_killed_a_conference_is_brought_to_its_end(tmp_path: Path) -> None:
    """Kill the adapter at every write to its memory in turn; nobody is rung who rings or is in."""
    kills = 0
    while True:
        async with FakeAsterisk() as asterisk:
            place = Place.at(tmp_path, asterisk.settings())
            killed, before = await _killed_at(asterisk, place, kills)
            if killed:
                await _comes_to_an_end(asterisk, place, kills, before)
        if not killed:
            break
        kills += 1
    assert kills > 20


async def _killed_at(asterisk: FakeAsterisk, place: Place, write: int) -> tuple[bool, Notices]:
    async with place.run() as adapter:
        place.memory.fail_at = place.memory.puts + write
        loop = asyncio.get_running_loop()

        async def all_of_it() -> None:
            await _story(asterisk, adapter)
            await forgotten(place, asterisk)

        story = loop.create_task(all_of_it())
        await asyncio.wait({story, adapter.task}, return_when=asyncio.FIRST_COMPLETED)
        killed = not story.done() or story.exception() is not None
        story.cancel()
        await asyncio.wait({story})
        if killed:
            assert isinstance(await adapter.ended(), KilledError)
    place.memory.fail_at = None
    return killed, adapter.notices


async def _comes_to_an_end(
    asterisk: FakeAsterisk, place: Place, write: int, before: Notices
) -> None:
    async with place.run() as adapter:
        # Whoever rings or is in hangs up, until nobody is called any more.
        while place.memory.table.keys() != {"link"} or asterisk.lines or asterisk.bridges:
            for line in list(asterisk.lines.values()):
                await asterisk.hang_up(line.id, None if line.in_app else 19)
            seen = place.memory.puts
            if place.memory.table.keys() != {"link"}:
                await place.memory.until(
                    lambda seen=seen: (
                        place.memory.puts > seen  # type: ignore[misc] # a default for each round
                        or place.memory.table.keys() == {"link"}
                    )
                )
        both = (before, adapter.notices)
        for notices in both:
            once = [
                len(notices.of(ConferenceNotice, action=ConferenceNoticeAction.CREATED)),
                len(notices.of(ConferenceNotice, action=ConferenceNoticeAction.ENDED)),
                len(notices.of(HangupNotice, scope=HangupScope.CALL)),
                *(len(notices.of(CallOutResultNotice, staff_id=staff)) for staff in "123"),
            ]
            # Once, or once more by the next one when the first was killed while telling.
            assert max(once) <= 1, f"killed at write {write}"
        assert asterisk.rung_twice == [], f"killed at write {write}"
        assert not asterisk.stored, f"killed at write {write}"
