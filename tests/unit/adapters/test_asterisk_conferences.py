"""Conferences and call-outs against an Asterisk in this process: who is called, what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import CommandError, Outcome
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    CancelCallOut,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    CreateEvent,
    Group,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    IncomingCallNotice,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    Member,
    MemberAction,
    MemberNoticeAction,
    MuteAction,
    MuteCall,
    Phone,
    RecordingNotice,
    RecordingNoticeAction,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.unit.adapters.fake_asterisk import FakeAsterisk
from tests.unit.adapters.fakes import KilledError, Notices
from tests.unit.adapters.running import Place, Running

TRUNK = "PJSIP/{number}@trunk"


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
def place(asterisk: FakeAsterisk, tmp_path: Path) -> Place:
    return Place.at(tmp_path, asterisk.settings(trunk=TRUNK))


def person(staff_id: str, *numbers: str) -> Staff:
    """Somebody with numbers of type 01, 02, …"""
    phones = (
        Phone(number=number, num_type=f"{place:02}")
        for place, number in enumerate(numbers, start=1)
    )
    return Staff(staff_id=staff_id, staff_name=f"Name {staff_id}", phone_nums=tuple(phones))


def group(mode: CallMode, *staff: Staff, wanted: int | None = None) -> Group:
    return Group(group_id=f"G{mode.value}", call_mode=mode, staff=staff, wanted=wanted)


async def convene(adapter: Running, *groups: Group, **more: Any) -> Outcome:
    command = CallOut(
        **{"call_type": CallOutType.CONFERENCE, "login_id": "99", "event_id": "E1", **more},
        groups=groups,
    )
    return await adapter.do(command)


async def rings(adapter: Running, number: str) -> None:
    """Wait until a telephone rings."""
    await adapter.notices.any(
        CallStateNotice, state=CallState.ALERTING, to_num=number.removesuffix("@trunk")
    )


async def joins(asterisk: FakeAsterisk, adapter: Running, number: str) -> str:
    """Somebody answers and is in; returns the channel."""
    await rings(adapter, number)
    channel = await asterisk.pick_up(number)
    await asterisk.until(lambda: asterisk.lines[channel].bridge is not None)
    await adapter.notices.any(
        ConferenceMemberNotice,
        action=MemberNoticeAction.JOINED,
        phone_num=number.removesuffix("@trunk"),
    )
    return channel


async def result(adapter: Running, staff_id: str) -> CallOutResultNotice:
    return await adapter.notices.any(CallOutResultNotice, staff_id=staff_id)


async def two(asterisk: FakeAsterisk, adapter: Running, **more: Any) -> tuple[str, str]:
    """A conference of 1001 and 1002; returns its CallId and ConferenceID."""
    outcome = await convene(
        adapter, group(CallMode.ALL, person("1", "1001"), person("2", "1002")), **more
    )
    await joins(asterisk, adapter, "1001")
    await joins(asterisk, adapter, "1002")
    await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
    await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
    return outcome.call_id or "", outcome.conference_id or ""


async def ended(adapter: Running) -> tuple[ConferenceNotice, HangupNotice]:
    return (
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.ENDED),
        await adapter.notices.any(HangupNotice, scope=HangupScope.CALL),
    )


async def forgotten(place: Place, asterisk: FakeAsterisk) -> None:
    """Wait until nothing of any call is left, neither on disk nor at Asterisk."""
    await place.memory.until(lambda: place.memory.table.keys() == {"link"})
    await asterisk.until(lambda: not asterisk.bridges and not asterisk.lines)


async def refused(adapter: Running, message: Any) -> Result:
    with pytest.raises(CommandError) as error:
        await adapter.do(message)
    return error.value.result


def control(conference_id: str, action: ConferenceAction, **more: Any) -> ConferenceControl:
    return ConferenceControl(conference_id=conference_id, action=action, **more)


def about(conference_id: str, action: MemberAction, **member: Any) -> ConferenceMemberControl:
    return ConferenceMemberControl(
        conference_id=conference_id, action=action, members=(Member(**member),)
    )


# --- who is called -------------------------------------------------------------------------------
async def test_everybody_of_a_group_is_called_at_once_and_told_one_by_one(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["1003"] = "busy"
    async with place.run() as adapter:
        outcome = await convene(
            adapter,
            group(CallMode.ALL, person("1", "1001"), person("2", "1002"), person("3", "1003")),
            show_num="110",
        )
        created = await adapter.notices.next(ConferenceNotice)
        await rings(adapter, "1001")
        await joins(asterisk, adapter, "1002")
        await joins(asterisk, adapter, "1001")
        connected = await adapter.notices.next(ConferenceNotice)
        progress = adapter.notices.of(CallOutProgressNotice)
        results = {
            each.staff_id: (each.reason, each.attempt, each.answer_time is not None)
            for each in adapter.notices.of(CallOutResultNotice)
        }
        one = await result(adapter, "1")
        (bridge,) = asterisk.bridges.values()
        assert len(bridge.members) == 2
    assert asterisk.rung_twice == []
    assert outcome.conference_id != outcome.call_id
    assert len(outcome.conference_id or "") <= 20
    assert (created.call_id, created.conference_id) == (outcome.call_id, outcome.conference_id)
    assert (created.action, created.login_id, created.event_id, created.request_id) == (
        ConferenceNoticeAction.CREATED, "99", "E1", "C1",
    )  # fmt: skip
    assert (connected.action, connected.member_count) == (ConferenceNoticeAction.CONNECTED, 2)
    assert results == {
        "1": (None, 1, True),
        "2": (None, 1, True),
        "3": (Reason.BUSY, 1, False),
    }
    assert (one.group_id, one.staff_name, one.num_type) == ("G1", "Name 1", "01")
    assert (one.event_id, one.call_id, one.login_id) == ("E1", outcome.call_id, "99")
    assert [(each.pending, each.answered, each.failed) for each in progress] == [
        (2, 0, 1), (1, 1, 1), (0, 2, 1),
    ]  # fmt: skip
    assert [each.finished for each in progress] == [False, False, True]


async def test_the_next_candidate_is_called_after_a_failure_and_no_more_than_needed(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["1001"] = "rejected"
    async with place.run() as adapter:
        await convene(
            adapter,
            group(
                CallMode.SEQUENTIAL,
                person("1", "1001"), person("2", "1002"), person("3", "1003"),
            ),
        )  # fmt: skip
        await joins(asterisk, adapter, "1002")
        reasons = {staff: (await result(adapter, staff)).reason for staff in "123"}
        await adapter.notices.any(CallOutProgressNotice, finished=True, skipped=1)
    assert reasons == {"1": Reason.REJECTED, "2": None, "3": Reason.SKIPPED}
    assert asterisk.dialled == ["1001", "1002"]


async def test_all_ring_and_the_first_wins(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        await convene(
            adapter, group(CallMode.FIRST_WINS, person("1", "1001"), person("2", "1002"))
        )
        await rings(adapter, "1001")
        await joins(asterisk, adapter, "1002")
        lost = await result(adapter, "1")
        left = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
        )
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
    assert (lost.reason, left.reason) == (Reason.ANSWERED_ELSEWHERE, Reason.ANSWERED_ELSEWHERE)


async def test_so_many_of_a_group_are_called_as_are_wanted(
    asterisk: FakeAsterisk, place: Place
) -> None:
    staff = [person(str(number), f"139{number}") for number in range(5)]
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.N_OF_GROUP, *staff, wanted=2))
        await joins(asterisk, adapter, "1390@trunk")
        assert asterisk.dialled == ["1390@trunk", "1391@trunk"]
        await rings(adapter, "1391")
        await asterisk.hang_up(asterisk.leg("1391@trunk").id, 17)
        await joins(asterisk, adapter, "1392@trunk")
        reasons = [(await result(adapter, each.staff_id or "")).reason for each in staff]
    assert reasons == [None, Reason.BUSY, None, Reason.SKIPPED, Reason.SKIPPED]


async def test_a_persons_numbers_are_tried_one_by_one_in_the_order_of_their_types(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.asterisk.convening.AGAIN_AFTER_S", 0.05)
    asterisk.telephones |= {"139@trunk": "busy", "138@trunk": "unallocated"}
    phones = (
        Phone(number="1001"),
        Phone(number="138", num_type="02"),
        Phone(number="139", num_type="01"),
    )
    somebody = Staff(staff_id="1", phone_nums=phones)
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.ALL, somebody), retry=1, timeout=60)
        await rings(adapter, "1001")
        await asterisk.hang_up(asterisk.leg("1001").id, 21)
        # Once more from the start, but for the number that does not exist.
        await asterisk.until(lambda: asterisk.dialled.count("1001") == 2)
        await asterisk.pick_up("1001")
        told = await result(adapter, "1")
    assert asterisk.dialled == ["139@trunk", "138@trunk", "1001", "139@trunk", "1001"]
    assert (told.reason, told.phone_num, told.num_type, told.attempt) == (None, "1001", None, 5)
    assert len(adapter.notices.of(CallOutResultNotice)) == 1


async def test_a_number_is_given_a_moment_before_it_is_tried_again(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["1001"] = "busy"
    async with place.run() as adapter:
        await convene(
            adapter, group(CallMode.SEQUENTIAL, person("1", "1001"), person("2", "1002")), retry=3
        )
        await adapter.notices.any(HangupNotice, phone_num="1001")
        await adapter.do(CancelCallOut(request_id="C1"))
        told = await result(adapter, "1")
        await ended(adapter)
    # His place is kept meanwhile: nobody else was called.
    assert asterisk.dialled.count("1001") == 1
    assert "1002" not in asterisk.dialled
    assert (told.reason, told.attempt) == (Reason.OPERATOR_CANCELLED, 1)


async def test_a_single_call_is_tried_again(
    asterisk: FakeAsterisk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.asterisk.convening.AGAIN_AFTER_S", 0.05)
    asterisk.telephones["139@trunk"] = "busy"
    async with place.run() as adapter:
        await single(adapter, "139", retry=2)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        told = await result(adapter, "1")
        await forgotten(place, asterisk)
    assert (told.reason, told.attempt) == (Reason.BUSY, 3)
    assert asterisk.dialled == ["1001", *["139@trunk"] * 3]


async def test_a_telephone_rings_as_long_as_the_command_says(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.ALL, person("1", "1001")), timeout=1)
        told = await result(adapter, "1")
        over, end = await ended(adapter)
        await forgotten(place, asterisk)
    assert told.reason == Reason.NO_ANSWER
    assert (over.reason, end.reason, end.side) == (
        Reason.CALL_FAILED, Reason.CALL_FAILED, HangupSide.PLATFORM,
    )  # fmt: skip
    assert not adapter.notices.of(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)


@pytest.mark.parametrize("by", ["number", "staff"])
async def test_nobody_is_called_twice_at_once(
    asterisk: FakeAsterisk, place: Place, by: str
) -> None:
    twin = person("1", "1002") if by == "staff" else person("7", "1001")
    async with place.run() as adapter:
        await convene(
            adapter,
            group(CallMode.ALL, person("1", "1001")),
            group(CallMode.SEQUENTIAL, twin, person("3", "1003")),
        )
        await joins(asterisk, adapter, "1001")
        await adapter.notices.any(CallOutProgressNotice, finished=True, answered=2, skipped=1)
    assert asterisk.dialled == ["1001"]
    assert len(adapter.notices.of(CallOutResultNotice, reason=None)) == 2


async def test_numbers_that_cannot_be_dialled_fail_and_the_others_are_called(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    place = Place.at(tmp_path, asterisk.settings())  # no trunk
    none = group(CallMode.ALL, person("1", "139"))
    async with place.run() as adapter:
        command = CallOut(call_type=CallOutType.CONFERENCE, groups=(none,))
        assert await refused(adapter, command) == Result.NO_TRUNK
        odd = CallOut(groups=(group(CallMode.ALL, person("1", "a/b&c")),))
        assert await refused(adapter, odd) == Result.BAD_VALUE
        many = CallOut(groups=(group(CallMode.ALL, person("1", "1001")),), retry=10**9)
        assert await refused(adapter, many) == Result.OVERLOAD
        assert place.memory.table.keys() == {"link"}
        await convene(
            adapter,
            group(CallMode.ALL, person("1", "139"), person("2", "1/2"), person("3", "1001")),
        )
        await joins(asterisk, adapter, "1001")
        reasons = {staff: (await result(adapter, staff)).reason for staff in "123"}
        assert reasons == {"1": Reason.NO_TRUNK, "2": Reason.INVALID_FORMAT, "3": None}


async def test_everybody_unreachable_at_once_ends_the_conference(
    asterisk: FakeAsterisk, place: Place
) -> None:
    staff = [person(str(number), f"139{number}") for number in range(60)]
    asterisk.telephones |= {f"139{number}@trunk": "absent" for number in range(60)}
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.SEQUENTIAL, *staff))
        over, _ = await ended(adapter)
        await forgotten(place, asterisk)
    reasons = [each.reason for each in adapter.notices.of(CallOutResultNotice)]
    assert reasons == [Reason.UNREACHABLE] * 60
    assert over.reason == Reason.CALL_FAILED


async def test_what_this_adapter_cannot_do_is_refused(
    asterisk: FakeAsterisk, place: Place
) -> None:
    groups = (group(CallMode.ALL, person("1", "1001")),)
    async with place.run() as adapter:
        notify = CallOut(call_type=CallOutType.NOTIFY, groups=groups, text="!")
        assert await refused(adapter, notify) == Result.NOT_SUPPORTED
        nowhere = CallOut(conference_id="7", groups=groups)
        assert await refused(adapter, nowhere) == Result.NO_CONFERENCE
        cancel = CancelCallOut(request_id="C9")
        assert await refused(adapter, cancel) == Result.WRONG_STATE
        _, conference_id = await two(asterisk, adapter)
        for action in (ConferenceAction.MERGE, ConferenceAction.EXTEND):
            assert await refused(adapter, control(conference_id, action)) == Result.NOT_SUPPORTED
        volume = about(conference_id, MemberAction.VOLUME, phone_num="1001")
        assert await refused(adapter, volume) == Result.NOT_SUPPORTED
        hold = Hold(conference_id=conference_id, action=HoldAction.HOLD)
        assert await refused(adapter, hold) == Result.WRONG_STATE
        single = CallOut(conference_id=conference_id, call_type=CallOutType.SINGLE, groups=groups)
        assert await refused(adapter, single) == Result.BAD_VALUE
        mute = MuteCall(conference_id=conference_id, action=MuteAction.MUTE)
        assert await refused(adapter, mute) == Result.NOT_A_MEMBER
        stranger = Hangup(conference_id=conference_id, call_id="nobody")
        assert await refused(adapter, stranger) == Result.NO_CALL


# --- cancelled -----------------------------------------------------------------------------------
@pytest.mark.parametrize("named", ["request_id", "event_id", "conference_id", "call_id"])
async def test_a_call_out_is_cancelled_and_who_is_in_stays(
    asterisk: FakeAsterisk, place: Place, named: str
) -> None:
    async with place.run() as adapter:
        outcome = await convene(
            adapter,
            group(CallMode.ALL, person("1", "1001"), person("2", "1002")),
            group(CallMode.SEQUENTIAL, person("3", "1003", "139")),
        )
        for number in ("1002", "1003"):
            await rings(adapter, number)
        await joins(asterisk, adapter, "1001")
        whom = {
            "request_id": "C1",
            "event_id": "E1",
            "conference_id": outcome.conference_id,
            "call_id": outcome.call_id,
        }
        cancel: dict[str, Any] = {named: whom[named]}
        await adapter.do(CancelCallOut(**cancel, staff_id="2"))
        assert (await result(adapter, "2")).reason == Reason.OPERATOR_CANCELLED
        assert not adapter.notices.of(CallOutResultNotice, staff_id="3")
        await adapter.do(CancelCallOut(**cancel))
        assert (await result(adapter, "3")).reason == Reason.OPERATOR_CANCELLED
        await adapter.notices.any(CallOutProgressNotice, finished=True, answered=1, failed=2)
        assert await refused(adapter, CancelCallOut(**cancel)) == Result.WRONG_STATE
        await asterisk.until(lambda: len(asterisk.lines) == 1)
    assert asterisk.dialled == ["1001", "1002", "1003"]


async def test_a_conference_to_which_nobody_is_called_any_more_ends(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.ALL, person("1", "1001")))
        await rings(adapter, "1001")
        await adapter.do(CancelCallOut(request_id="C1"))
        await ended(adapter)
        await forgotten(place, asterisk)


# --- its life ------------------------------------------------------------------------------------
async def test_it_ends_when_the_last_member_has_left(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        call_id, conference_id = await two(asterisk, adapter)
        await asterisk.hang_up(asterisk.leg("1001").id)
        await adapter.notices.any(CallStateNotice, state=CallState.UNBRIDGED, call_id=call_id)
        assert not adapter.notices.of(ConferenceNotice, action=ConferenceNoticeAction.ENDED)
        await asterisk.hang_up(asterisk.leg("1002").id)
        over, end = await ended(adapter)
        await forgotten(place, asterisk)
        assert await refused(adapter, control(conference_id, ConferenceAction.LOCK)) in {
            Result.NO_CONFERENCE,
            Result.NO_CALL,
        }
    left = adapter.notices.of(ConferenceMemberNotice, action=MemberNoticeAction.LEFT)
    assert [(each.phone_num, each.reason) for each in left] == [
        ("1001", Reason.NORMAL), ("1002", Reason.NORMAL),
    ]  # fmt: skip
    assert (over.reason, end.reason, end.side) == (
        Reason.NORMAL, Reason.NORMAL, HangupSide.CALLEE,
    )  # fmt: skip
    assert (end.call_id, end.conference_id) == (call_id, conference_id)


@pytest.mark.parametrize("how", ["203", "202", "202 event"])
async def test_it_is_ended_on_command_with_all_that_belongs_to_it(
    asterisk: FakeAsterisk, place: Place, how: str
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        await adapter.do(about(conference_id, MemberAction.ADD, phone_num="1003"))
        await rings(adapter, "1003")
        await convene(
            adapter,
            group(CallMode.SEQUENTIAL, person("8", "138"), person("9", "139")),
            conference_id=conference_id,
        )
        await rings(adapter, "138")
        commands = {
            "203": control(conference_id, ConferenceAction.END),
            "202": Hangup(conference_id=conference_id),
            "202 event": Hangup(event_id="E1", scope=HangupScope.EVENT),
        }
        await adapter.do(commands[how])
        over, end = await ended(adapter)
        await forgotten(place, asterisk)
        told = {staff: (await result(adapter, staff)).reason for staff in "89"}
    assert told == {"8": Reason.CONFERENCE_ENDED, "9": Reason.CONFERENCE_ENDED}
    assert (over.reason, over.request_id, end.side) == (
        Reason.CONFERENCE_ENDED, "C4", HangupSide.OPERATOR,
    )  # fmt: skip
    assert len(adapter.notices.of(HangupNotice, reason=Reason.CONFERENCE_ENDED)) == 5


async def test_an_empty_one_waits_for_members_and_ends_when_its_time_is_over(
    asterisk: FakeAsterisk, place: Place
) -> None:
    create = ConferenceControl(
        action=ConferenceAction.CREATE, login_id="13", subject="Lage", event_id="E2"
    )
    async with place.run() as adapter:
        outcome = await adapter.do(create)
        assert outcome.conference_id
        created = await adapter.notices.next(ConferenceNotice)
        await adapter.do(about(outcome.conference_id, MemberAction.ADD, phone_num="1001"))
        await joins(asterisk, adapter, "1001")
        member = adapter.notices.of(ConferenceMemberNotice)
        await adapter.do(control(outcome.conference_id, ConferenceAction.END))
        await ended(adapter)
        assert not adapter.notices.of(CallOutResultNotice)
        brief = await adapter.do(ConferenceControl(action=ConferenceAction.CREATE, duration=1))
        over = await adapter.notices.any(
            ConferenceNotice,
            action=ConferenceNoticeAction.ENDED,
            conference_id=brief.conference_id,
        )
        await forgotten(place, asterisk)
    assert (created.subject, created.event_id, created.request_id) == ("Lage", "E2", "C1")
    assert {each.request_id for each in member} == {"C2"}
    assert over.reason == Reason.CONFERENCE_ENDED


async def test_a_locked_conference_lets_nobody_in(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        await convene(
            adapter,
            group(CallMode.ALL, person("3", "1003", "139")),
            conference_id=conference_id,
        )
        await rings(adapter, "1003")
        await adapter.do(control(conference_id, ConferenceAction.LOCK))
        await asterisk.pick_up("1003")
        late = await result(adapter, "3")
        add = about(conference_id, MemberAction.ADD, phone_num="138")
        assert await refused(adapter, add) == Result.CONFERENCE_LOCKED
        await adapter.do(control(conference_id, ConferenceAction.UNLOCK))
        await adapter.do(add)
        await joins(asterisk, adapter, "138@trunk")
        actions = [each.action for each in adapter.notices.of(ConferenceNotice)]
    assert late.reason == Reason.CONFERENCE_CLOSED
    assert "139@trunk" not in asterisk.dialled
    assert actions == [
        ConferenceNoticeAction.CREATED,
        ConferenceNoticeAction.CONNECTED,
        ConferenceNoticeAction.LOCKED,
        ConferenceNoticeAction.UNLOCKED,
    ]


async def test_a_full_conference_lets_nobody_in(asterisk: FakeAsterisk, place: Place) -> None:
    create = ConferenceControl(action=ConferenceAction.CREATE, max_members=1)
    async with place.run() as adapter:
        conference_id = (await adapter.do(create)).conference_id or ""
        groups = group(CallMode.ALL, person("1", "1001"), person("2", "1002"))
        await convene(adapter, groups, conference_id=conference_id)
        await rings(adapter, "1002")
        await joins(asterisk, adapter, "1001")
        await asterisk.pick_up("1002")
        assert (await result(adapter, "2")).reason == Reason.CONFERENCE_CLOSED
        add = about(conference_id, MemberAction.ADD, phone_num="1003")
        assert await refused(adapter, add) == Result.CONFERENCE_FULL


async def test_it_is_recorded_from_the_first_member_to_the_last(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, conference_id = await two(asterisk, adapter, record=True)
        start = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        await adapter.do(control(conference_id, ConferenceAction.RECORD_OFF))
        saved = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await adapter.do(control(conference_id, ConferenceAction.RECORD_ON))
        await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.START)
        await adapter.do(control(conference_id, ConferenceAction.END))
        second = await adapter.notices.next(RecordingNotice, action=RecordingNoticeAction.SAVED)
        await forgotten(place, asterisk)
        switched = [each.action for each in adapter.notices.of(ConferenceNotice)][2:4]
    assert (start.call_id, start.conference_id) == (call_id, conference_id)
    assert (saved.conference_id, second.conference_id) == (conference_id, conference_id)
    assert saved.record_id != second.record_id
    assert switched == [ConferenceNoticeAction.RECORD_OFF, ConferenceNoticeAction.RECORD_ON]


async def test_sounds_are_played_to_all(asterisk: FakeAsterisk, place: Place) -> None:
    create = ConferenceControl(action=ConferenceAction.CREATE)
    async with place.run() as adapter:
        empty = (await adapter.do(create)).conference_id or ""
        play = control(empty, ConferenceAction.PLAY, file_id="beep")
        assert await refused(adapter, play) == Result.WRONG_STATE
        _, conference_id = await two(asterisk, adapter)
        await adapter.do(control(conference_id, ConferenceAction.PLAY, file_id="beep"))
        told = await adapter.notices.next(MediaNotice, action=MediaNoticeAction.START)
        path = f"bridges/{next(iter(asterisk.bridges))}/play/{told.play_id}"
        assert ("POST", path) in asterisk.requests
        nothing = control(conference_id, ConferenceAction.PLAY)
        assert await refused(adapter, nothing) == Result.MISSING_FIELD
        await adapter.do(
            MediaControl(conference_id=conference_id, action=MediaAction.PLAY, file_id="beep")
        )
        await adapter.notices.next(MediaNotice, action=MediaNoticeAction.START)
        digits = MediaControl(conference_id=conference_id, action=MediaAction.COLLECT)
        assert await refused(adapter, digits) == Result.NOT_A_MEMBER
    assert told.conference_id == conference_id


# --- members -------------------------------------------------------------------------------------
async def test_a_member_is_muted_made_deaf_and_put_on_hold(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        line = asterisk.leg("1002")
        steps = [
            (MemberAction.MUTE, MemberNoticeAction.MUTED, {"in"}),
            (MemberAction.DEAF, MemberNoticeAction.DEAF, {"in", "out"}),
            (MemberAction.UNMUTE, MemberNoticeAction.UNMUTED, {"out"}),
            (MemberAction.UNDEAF, MemberNoticeAction.UNDEAF, set()),
        ]
        for action, said, silent in steps:
            await adapter.do(about(conference_id, action, staff_id="2"))
            told = await adapter.notices.next(ConferenceMemberNotice, action=said)
            assert (told.phone_num, told.staff_id) == ("1002", "2")
            assert line.silent == silent
        hold = about(conference_id, MemberAction.HOLD, phone_num="1002")
        await adapter.do(hold)
        held = await adapter.notices.next(ConferenceMemberNotice, action=MemberNoticeAction.HOLD)
        assert (line.bridge, line.music) == (None, True)
        assert await refused(adapter, hold) == Result.WRONG_STATE
        await adapter.do(about(conference_id, MemberAction.RETRIEVE, member_id=held.member_id))
        await adapter.notices.next(ConferenceMemberNotice, action=MemberNoticeAction.RETRIEVE)
        await asterisk.until(lambda: line.bridge is not None and not line.music)
        again = about(conference_id, MemberAction.RETRIEVE, member_id=held.member_id)
        assert await refused(adapter, again) == Result.WRONG_STATE
    assert (held.request_id, held.call_id) == ("C6", held.member_id)


async def test_all_but_who_commands_it_are_muted(asterisk: FakeAsterisk, place: Place) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        await adapter.do(control(conference_id, ConferenceAction.MUTE_ALL, login_id="23"))
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.MODE)
        assert asterisk.leg("1001").silent == set()
        assert asterisk.leg("1002").silent == {"in"}
        await adapter.do(control(conference_id, ConferenceAction.UNMUTE_ALL))
        await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.UNMUTED, phone_num="1002"
        )
        assert asterisk.leg("1002").silent == set()
    assert len(adapter.notices.of(ConferenceMemberNotice, action=MemberNoticeAction.UNMUTED)) == 1


async def test_a_member_is_shown_out_and_one_who_only_rings_is_called_off(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        await adapter.do(about(conference_id, MemberAction.KICK, phone_num="1002"))
        kicked = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.KICKED
        )
        leg = await adapter.notices.any(HangupNotice, phone_num="1002")
        await convene(
            adapter,
            group(CallMode.ALL, person("3", "1003", "139")),
            conference_id=conference_id,
        )
        await rings(adapter, "1003")
        mute = about(conference_id, MemberAction.MUTE, phone_num="1003")
        assert await refused(adapter, mute) == Result.WRONG_STATE
        await adapter.do(about(conference_id, MemberAction.KICK, phone_num="1003"))
        called_off = await result(adapter, "3")
        gone = about(conference_id, MemberAction.KICK, phone_num="1002")
        assert await refused(adapter, gone) == Result.NOT_A_MEMBER
    assert (kicked.reason, kicked.request_id, leg.reason) == (Reason.KICKED, "C2", Reason.KICKED)
    assert called_off.reason == Reason.KICKED
    assert "139@trunk" not in asterisk.dialled


async def test_members_are_added_by_number_only_and_once(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        nameless = about(conference_id, MemberAction.ADD, staff_id="3")
        assert await refused(adapter, nameless) == Result.MISSING_FIELD
        there = about(conference_id, MemberAction.ADD, phone_num="1001")
        assert await refused(adapter, there) == Result.ALREADY_EXISTS
        odd = about(conference_id, MemberAction.ADD, phone_num="1/2")
        assert await refused(adapter, odd) == Result.BAD_VALUE


async def test_one_member_is_hung_up_by_his_call_id_or_number(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        member = adapter.notices.of(ConferenceMemberNotice, phone_num="1001")[0]
        await adapter.do(Hangup(conference_id=conference_id, call_id=member.call_id))
        await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
        )
        leg = Hangup(conference_id=conference_id, phone_num="1002", scope=HangupScope.LEG)
        await adapter.do(leg)
        await ended(adapter)
        await forgotten(place, asterisk)


@pytest.mark.parametrize(
    "one",
    [Hangup(phone_num="1002"), Hangup(event_id="E1", login_id="13")],
    ids=["number", "login"],
)
async def test_who_hangs_up_somebody_does_not_end_the_conference_for_all(
    asterisk: FakeAsterisk, place: Place, one: Hangup
) -> None:
    async with place.run() as adapter:
        call_id, _ = await two(asterisk, adapter)
        await adapter.do(one)
        await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1002"
        )
        assert asterisk.leg("1001").bridge is not None
        await adapter.do(Hangup(call_id=call_id))
        await ended(adapter)
        await forgotten(place, asterisk)


async def test_a_telephones_own_hold_and_transfer_keys_are_taken_as_what_they_are(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        call_id, _ = await two(asterisk, adapter)
        await asterisk.say("ChannelHold", asterisk.leg("1001").id)
        held = await adapter.notices.next(ConferenceMemberNotice, action=MemberNoticeAction.HOLD)
        await asterisk.say("ChannelUnhold", asterisk.leg("1001").id)
        await adapter.notices.next(ConferenceMemberNotice, action=MemberNoticeAction.RETRIEVE)
        channel = asterisk.leg("1001").id
        await asterisk.refer(channel, "1003")
        await asterisk.until(
            lambda: not any(each.name.startswith("Local/") for each in asterisk.lines.values())
        )
        await asterisk.hang_up(channel)
        await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
        )
        assert not adapter.notices.of(IncomingCallNotice)
        await adapter.do(CreateEvent(call_id=call_id, event_id="E7"))
        await adapter.do(Hangup(event_id="E7", scope=HangupScope.EVENT))
        over, _ = await ended(adapter)
    assert held.phone_num == "1001"
    assert over.event_id == "E7"


# --- one dispatcher, one number ------------------------------------------------------------------
async def single(adapter: Running, *numbers: str, **more: Any) -> Outcome:
    command: dict[str, Any] = {"login_id": "23", "call_type": CallOutType.SINGLE, **more}
    return await convene(adapter, group(CallMode.ALL, person("1", *numbers)), **command)


async def test_a_dispatcher_is_connected_with_a_number(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["138@trunk"] = "busy"
    async with place.run() as adapter:
        outcome = await single(adapter, "138", "139", record=True)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        assert asterisk.dialled == ["1001"]
        await asterisk.pick_up("1001")
        await rings(adapter, "139")
        assert "tone:ring" in asterisk.plays.values()
        await asterisk.pick_up("139@trunk")
        told = await result(adapter, "1")
        bridged = await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        assert "tone:ring" not in asterisk.plays.values()
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        call_id = outcome.call_id or ""
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(asterisk.leg("139@trunk").id)
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await forgotten(place, asterisk)
    assert outcome.conference_id is None
    assert (told.call_id, told.login_id, told.phone_num) == (call_id, "23", "139")
    assert (told.reason, told.attempt, told.conference_id) == (None, 2, None)
    assert (bridged.call_id, bridged.login_id, bridged.phone_num) == (call_id, "23", "1001")
    assert (end.call_id, end.reason, end.side) == (call_id, Reason.NORMAL, HangupSide.CALLEE)
    assert len(adapter.notices.of(CallOutResultNotice)) == 1


@pytest.mark.parametrize("who", ["dispatcher", "number", "dispatcher gives up", "cancelled"])
async def test_a_single_call_that_does_not_come_about_is_told(
    asterisk: FakeAsterisk, place: Place, who: str
) -> None:
    asterisk.telephones |= {
        "dispatcher": {"1001": "busy"},
        "number": {"139@trunk": "unallocated"},
    }.get(who, {})
    async with place.run() as adapter:
        await single(adapter, "139")
        if who != "dispatcher":
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
            channel = await asterisk.pick_up("1001")
        if who == "dispatcher gives up":
            await rings(adapter, "139")
            await asterisk.hang_up(channel)
        if who == "cancelled":
            await rings(adapter, "139")
            await adapter.do(CancelCallOut(request_id="C1"))
        told = await result(adapter, "1")
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await forgotten(place, asterisk)
    reasons = {
        "dispatcher": Reason.BUSY,
        "number": Reason.UNALLOCATED,
        "dispatcher gives up": Reason.NORMAL,
        "cancelled": Reason.OPERATOR_CANCELLED,
    }
    assert told.reason == reasons[who]
    assert end.reason is not None
    assert len(adapter.notices.of(CallOutResultNotice)) == 1


async def test_a_single_call_that_makes_no_sense_is_refused(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        one, other = person("1", "139"), person("2", "138")
        for groups, login, why in (
            ((group(CallMode.ALL, one),), None, Result.MISSING_FIELD),
            ((group(CallMode.ALL, one),), "98", Result.NO_LOGIN),
            ((group(CallMode.ALL, one, other),), "23", Result.BAD_VALUE),
            ((group(CallMode.ALL, person("1", "1001")),), "23", Result.BAD_VALUE),
        ):
            command = CallOut(call_type=CallOutType.SINGLE, login_id=login, groups=groups)
            assert await refused(adapter, command) == why
        assert place.memory.table.keys() == {"link"}
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        lock = ConferenceControl(call_id=call.call_id, action=ConferenceAction.LOCK)
        assert await refused(adapter, lock) == Result.NO_CONFERENCE


# --- loss ----------------------------------------------------------------------------------------
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
        await adapter.do(control(outcome.conference_id or "", ConferenceAction.END))
        await ended(adapter)
        await forgotten(place, asterisk)
    assert (lost.reason, lost.request_id) == (Reason.STATE_LOST, "C1")
    assert (told.reason, left.reason) == (None, Reason.NORMAL)
    assert asterisk.dialled == ["1001", "1002", "1003", "139@trunk"]


def key(outcome: Outcome) -> str:
    return f"call:{outcome.call_id}"


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
    await adapter.do(control(outcome.conference_id or "", ConferenceAction.END))
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
