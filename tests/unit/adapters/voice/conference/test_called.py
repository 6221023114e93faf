"""Who is called for a conference, in which order, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallState,
    CallStateNotice,
    CancelCallOut,
    ConferenceAction,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Hangup,
    HangupNotice,
    HangupSide,
    Hold,
    HoldAction,
    MemberAction,
    MemberNoticeAction,
    MuteAction,
    MuteCall,
    Phone,
    Staff,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.conference_scene import (
    about,
    control,
    convene,
    ended,
    group,
    joins,
    person,
    result,
    rings,
    single,
    two,
)
from tests.fakes.running_adapter import Place, forgotten, refused


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
    assert outcome.ids["conference_id"] != outcome.ids["call_id"]
    assert len(outcome.ids["conference_id"] or "") <= 20
    assert (created.call_id, created.conference_id) == (
        outcome.ids["call_id"],
        outcome.ids["conference_id"],
    )
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
    assert (one.event_id, one.call_id, one.login_id) == ("E1", outcome.ids["call_id"], "99")
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
    monkeypatch.setattr("linkage.convening.race.AGAIN_AFTER_S", 0.05)
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
    monkeypatch.setattr("linkage.convening.race.AGAIN_AFTER_S", 0.05)
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
