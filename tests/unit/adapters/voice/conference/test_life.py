"""How a conference begins and ends, is locked, recorded and played to."""

from __future__ import annotations

import pytest

from protocol.messages import (
    CallMode,
    CallOutResultNotice,
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    MemberAction,
    MemberNoticeAction,
    RecordingNotice,
    RecordingNoticeAction,
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
    two,
)
from tests.fakes.running_adapter import Place, forgotten, refused


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
        assert outcome.ids["conference_id"]
        created = await adapter.notices.next(ConferenceNotice)
        await adapter.do(about(outcome.ids["conference_id"], MemberAction.ADD, phone_num="1001"))
        await joins(asterisk, adapter, "1001")
        member = adapter.notices.of(ConferenceMemberNotice)
        await adapter.do(control(outcome.ids["conference_id"], ConferenceAction.END))
        await ended(adapter)
        assert not adapter.notices.of(CallOutResultNotice)
        brief = await adapter.do(ConferenceControl(action=ConferenceAction.CREATE, duration=1))
        over = await adapter.notices.any(
            ConferenceNotice,
            action=ConferenceNoticeAction.ENDED,
            conference_id=brief.ids["conference_id"],
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
        conference_id = (await adapter.do(create)).ids["conference_id"] or ""
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
        empty = (await adapter.do(create)).ids["conference_id"] or ""
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
