"""What is done with members of a conference."""

from __future__ import annotations

import pytest

from protocol.messages import (
    CallMode,
    ConferenceAction,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    CreateEvent,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    IncomingCallNotice,
    Member,
    MemberAction,
    MemberNoticeAction,
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


async def test_nobody_stays_muted_by_a_command_that_was_refused_over_the_second_one(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        one, other = asterisk.leg("1001"), asterisk.leg("1002")
        asterisk.refuse[("POST", f"{other.id}/mute")] = 500
        command = control(conference_id, ConferenceAction.MUTE_ALL)
        assert await refused(adapter, command) == Result.VENDOR
        await asterisk.until(lambda: not one.silent)


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


async def test_one_who_was_shown_out_before_the_next_could_not_be_is_told_as_such(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        _, conference_id = await two(asterisk, adapter)
        asterisk.refuse[("DELETE", f"channels/{asterisk.leg('1002').id}")] = 500
        both = (Member(phone_num="1001"), Member(phone_num="1002"))
        kick = ConferenceMemberControl(
            conference_id=conference_id, action=MemberAction.KICK, members=both
        )
        assert await refused(adapter, kick) == Result.VENDOR
        gone = await adapter.notices.any(ConferenceMemberNotice, reason=Reason.KICKED)
        leg = await adapter.notices.any(HangupNotice, phone_num="1001")
        asterisk.refuse.clear()
        await adapter.do(about(conference_id, MemberAction.KICK, phone_num="1002"))
    assert (gone.action, gone.phone_num) == (MemberNoticeAction.KICKED, "1001")
    assert (gone.request_id, leg.reason, leg.side) == ("C2", Reason.KICKED, HangupSide.OPERATOR)


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


async def test_who_is_not_there_any_more_or_never_came_is_called_again(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["139@trunk"] = "busy"
    async with place.run() as adapter:
        everybody = [person("1", "1001"), person("2", "1002"), person("3", "139")]
        outcome = await convene(adapter, group(CallMode.ALL, *everybody))
        conference_id = outcome.ids["conference_id"] or ""
        left = await joins(asterisk, adapter, "1001")
        await joins(asterisk, adapter, "1002")
        busy = await result(adapter, "3")
        assert busy.reason == Reason.BUSY
        await asterisk.hang_up(left)
        gone = await adapter.notices.any(
            ConferenceMemberNotice, action=MemberNoticeAction.LEFT, phone_num="1001"
        )
        asterisk.telephones["139@trunk"] = "rings"
        again = about(conference_id, MemberAction.REDIAL, phone_num="1 39")
        await adapter.do(again)
        assert await refused(adapter, again) == Result.WRONG_STATE  # it rings already
        told = await adapter.notices.next(
            ConferenceMemberNotice, action=MemberNoticeAction.RINGING, phone_num="139"
        )
        assert (told.staff_id, told.request_id) == ("3", "C2")
        await adapter.do(about(conference_id, MemberAction.REDIAL, member_id=gone.member_id))
        await asterisk.pick_up("1001")
        await asterisk.pick_up("139@trunk")
        await adapter.notices.next(
            ConferenceMemberNotice, action=MemberNoticeAction.JOINED, phone_num="139"
        )
        assert await refused(adapter, again) == Result.ALREADY_EXISTS
        nobody = about(conference_id, MemberAction.REDIAL, phone_num="140")
        assert await refused(adapter, nobody) == Result.NOT_A_MEMBER
        await adapter.do(control(conference_id, ConferenceAction.LOCK))
        assert await refused(adapter, again) == Result.CONFERENCE_LOCKED
    assert asterisk.dialled == ["1001", "1002", "139@trunk", "139@trunk", "1001"]


async def test_a_hotline_is_called_into_a_conference_officer_by_officer(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["1001"] = "busy"
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.ALL, person("1", "12345")))
        await joins(asterisk, adapter, "1002")
        told = await result(adapter, "1")
    assert asterisk.dialled == ["1001", "1002"]
    assert (told.reason, told.phone_num) == (None, "12345")


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
