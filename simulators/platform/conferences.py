"""Conferences: 103 and 104; 203 and 204."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from protocol.messages import (
    CallState,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    HangupSide,
    MemberAction,
    MemberNoticeAction,
)
from protocol.messages import Member as NamedMember
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.calls import Calls
from simulators.platform.exchange import (
    Answer,
    Call,
    CallKind,
    Conference,
    Exchange,
    Member,
    RefusedError,
)
from simulators.platform.parties import RING_S
from simulators.platform.switch import Leg

# 204's action → what 104 says of it, the attribute of the leg it sets, and to what.
SWITCHES: Final[Mapping[MemberAction, tuple[MemberNoticeAction, str, bool]]] = {
    MemberAction.MUTE: (MemberNoticeAction.MUTED, "muted", True),
    MemberAction.UNMUTE: (MemberNoticeAction.UNMUTED, "muted", False),
    MemberAction.DEAF: (MemberNoticeAction.DEAF, "deaf", True),
    MemberAction.UNDEAF: (MemberNoticeAction.UNDEAF, "deaf", False),
    MemberAction.HOLD: (MemberNoticeAction.HOLD, "held", True),
    MemberAction.RETRIEVE: (MemberNoticeAction.RETRIEVE, "held", False),
}
SUPPORTED: Final = frozenset(
    {
        ConferenceAction.CREATE,
        ConferenceAction.END,
        ConferenceAction.LOCK,
        ConferenceAction.UNLOCK,
        ConferenceAction.MUTE_ALL,
        ConferenceAction.UNMUTE_ALL,
        ConferenceAction.RENAME,
    }
)
MEMBER_ACTIONS: Final = frozenset(SWITCHES) | {
    MemberAction.ADD,
    MemberAction.KICK,
    MemberAction.REDIAL,
}


class Conferences:
    """Bridges and who is in them."""

    def __init__(self, exchange: Exchange, calls: Calls) -> None:
        self._exchange = exchange
        self._calls = calls
        exchange.before_end.append(self._call_ends)
        exchange.on_drop.append(self.leaves)

    # --- 203 ------------------------------------------------------------------------------------
    def control(self, command: ConferenceControl, request_id: str) -> Answer:
        """203: create, end, lock, unlock, mute all, rename; 501 for the rest."""
        if command.action not in SUPPORTED:
            raise RefusedError(
                Result.NOT_SUPPORTED, f"Action {command.action.value} is not served"
            )
        if command.action is ConferenceAction.CREATE:
            call = self.open(
                event_id=command.event_id,
                login_id=command.login_id,
                request_id=request_id,
                subject=command.subject,
                max_members=command.max_members,
            )
            return Answer(
                result=Result.ACCEPTED, call_id=call.id, conference_id=call.conference_id
            )
        call = self._exchange.named_call(command)
        conference = _conference(call)
        if command.action is ConferenceAction.END:
            self._calls.end(
                call, Reason.CONFERENCE_ENDED, HangupSide.OPERATOR, request_id=request_id
            )
        elif command.action is ConferenceAction.RENAME:
            conference.subject = command.subject
            self._notice(call, ConferenceNoticeAction.MODE, request_id)
        elif command.action in {ConferenceAction.LOCK, ConferenceAction.UNLOCK}:
            conference.locked = command.action is ConferenceAction.LOCK
            said = ConferenceNoticeAction.LOCKED if conference.locked else None
            self._notice(call, said or ConferenceNoticeAction.UNLOCKED, request_id)
        else:
            muted = command.action is ConferenceAction.MUTE_ALL
            action = MemberAction.MUTE if muted else MemberAction.UNMUTE
            for member in conference.talking():
                self._set(call, member, action, request_id)
            self._notice(call, ConferenceNoticeAction.MODE, request_id)
        return Answer(call_id=call.id, conference_id=conference.id)

    def open(
        self,
        *,
        event_id: str | None,
        login_id: str | None,
        request_id: str,
        subject: str | None = None,
        max_members: int | None = None,
    ) -> Call:
        """A new conference without anybody in it; 103 says so."""
        exchange = self._exchange
        call = Call(
            id=exchange.new_call_id(),
            kind=CallKind.CONFERENCE,
            started=exchange.now,
            login_id=login_id,
            event_id=event_id,
            conference=Conference(
                id=exchange.new_conference_id(), subject=subject, max_members=max_members
            ),
        )
        assert call.conference is not None
        exchange.calls[call.id] = call
        exchange.conferences[call.conference.id] = call
        self._notice(call, ConferenceNoticeAction.CREATED, request_id)
        return call

    def connected(self, call: Call, request_id: str) -> None:
        """Everybody has come or failed: the conference stands (patent step 420)."""
        if call.conference is not None and not call.conference.connected:
            call.conference.connected = True
            self._notice(call, ConferenceNoticeAction.CONNECTED, request_id)

    # --- who comes and goes ---------------------------------------------------------------------
    def rings(
        self, call: Call, leg: Leg, staff_id: str | None, request_id: str | None = None
    ) -> None:
        """Somebody is being called into the conference; no effect on other calls."""
        if call.conference is None:
            return
        member = Member(id=self._exchange.new_id("m"), leg=leg, staff_id=staff_id)
        call.conference.members[member.id] = member
        self._member_notice(call, member, MemberNoticeAction.RINGING, request_id=request_id)

    def joins(self, call: Call, leg: Leg) -> None:
        """The telephone was answered: its holder is in until the receiver is down."""
        member = _member_of(call, leg)
        if member is not None:
            self._member_notice(call, member, MemberNoticeAction.JOINED)
        talks_s = self._exchange.site.party(leg.line).talks_s
        if talks_s is not None:
            leg.timers.append(
                self._exchange.switch.after(talks_s, partial(self._hangs_up, call, leg))
            )

    def leaves(self, call: Call, leg: Leg, reason: Reason) -> None:
        """Out of the conference, whether it was joined or not."""
        member = _member_of(call, leg)
        if member is not None:
            assert call.conference is not None
            del call.conference.members[member.id]
            self._member_notice(call, member, MemberNoticeAction.LEFT, reason=reason)

    def _hangs_up(self, call: Call, leg: Leg) -> None:
        self._exchange.drop_leg(call, leg, Reason.NORMAL)
        self._calls.end_if_alone(call, Reason.NORMAL)

    def _call_ends(self, call: Call, reason: Reason) -> None:
        if call.conference is None:
            return
        for leg in self._exchange.live_legs(call):
            self._exchange.drop_leg(call, leg, reason)
        self._notice(call, ConferenceNoticeAction.ENDED, call.end_request_id, reason)

    # --- 204 ------------------------------------------------------------------------------------
    def member_control(self, command: ConferenceMemberControl, request_id: str) -> Answer:
        """204: add, kick, mute, deafen, hold and back, redial; 501 for the rest."""
        if command.action not in MEMBER_ACTIONS:
            raise RefusedError(
                Result.NOT_SUPPORTED, f"Action {command.action.value} is not served"
            )
        call = self._exchange.named_call(command)
        conference = _conference(call)
        act: Callable[[NamedMember], None]
        if command.action in {MemberAction.ADD, MemberAction.REDIAL}:
            if conference.locked:
                raise RefusedError(Result.CONFERENCE_LOCKED, "the conference is locked")
            act = partial(self._add, call, request_id)
        elif command.action is MemberAction.KICK:
            act = partial(self._kick, call, request_id)
        else:
            act = partial(self._switch_member, call, command.action, request_id)
        for named in command.members:
            act(named)
        return Answer(call_id=call.id, conference_id=conference.id)

    def _add(self, call: Call, request_id: str, named: NamedMember) -> None:
        conference = _conference(call)
        if named.phone_num is None:
            raise RefusedError(Result.MISSING_FIELD, "PhoneNum: whom to call into the conference")
        full = conference.max_members
        if full is not None and len(conference.members) >= full:
            raise RefusedError(Result.CONFERENCE_FULL, f"the conference holds {full} members")
        exchange = self._exchange
        leg = Leg(
            id=exchange.new_call_id(),
            line=named.phone_num,
            login_id=exchange.site.login_at(named.phone_num),
        )
        call.legs.append(leg)
        exchange.switch.ring(
            leg,
            timeout_s=RING_S,
            answered=partial(self._added, call),
            failed=partial(self._not_added, call),
        )
        exchange.leg_state(call, leg, CallState.ALERTING)
        self.rings(call, leg, named.staff_id, request_id)

    def _added(self, call: Call, leg: Leg) -> None:
        call.answered = self._exchange.now if call.answered is None else call.answered
        self._exchange.leg_state(call, leg, CallState.ANSWERED)
        self.joins(call, leg)

    def _not_added(self, call: Call, leg: Leg, reason: Reason) -> None:
        self._exchange.leg_state(call, leg, CallState.FAILED, reason)
        self.leaves(call, leg, reason)

    def _kick(self, call: Call, request_id: str, named: NamedMember) -> None:
        member = _find(call, named)
        conference = _conference(call)
        del conference.members[member.id]
        self._member_notice(
            call, member, MemberNoticeAction.KICKED, reason=Reason.KICKED, request_id=request_id
        )
        self._exchange.drop_leg(call, member.leg, Reason.KICKED, request_id)
        self._calls.end_if_alone(call, Reason.KICKED)

    def _switch_member(
        self, call: Call, action: MemberAction, request_id: str, named: NamedMember
    ) -> None:
        self._set(call, _find(call, named), action, request_id)

    def _set(self, call: Call, member: Member, action: MemberAction, request_id: str) -> None:
        said, attribute, value = SWITCHES[action]
        setattr(member.leg, attribute, value)
        self._member_notice(call, member, said, request_id=request_id)

    # --- notices --------------------------------------------------------------------------------
    def _notice(
        self,
        call: Call,
        action: ConferenceNoticeAction,
        request_id: str | None,
        reason: Reason | None = None,
    ) -> None:
        conference = _conference(call)
        self._exchange.emit(
            ConferenceNotice(
                call_id=call.id,
                conference_id=conference.id,
                login_id=call.login_id,
                event_id=call.event_id,
                action=action,
                subject=conference.subject,
                member_count=len(conference.talking()),
                reason=reason,
                request_id=request_id,
            )
        )

    def _member_notice(
        self,
        call: Call,
        member: Member,
        action: MemberNoticeAction,
        *,
        reason: Reason | None = None,
        request_id: str | None = None,
    ) -> None:
        self._exchange.emit(
            ConferenceMemberNotice(
                event_id=call.event_id,
                call_id=member.leg.id,
                parent_call_id=call.id,
                conference_id=call.conference_id,
                login_id=member.leg.login_id,
                member_id=member.id,
                staff_id=member.staff_id,
                phone_num=member.leg.line,
                action=action,
                reason=reason,
                request_id=request_id,
            )
        )


def _conference(call: Call) -> Conference:
    if call.conference is None:
        raise RefusedError(Result.NO_CONFERENCE, f"CallId {call.id} is no conference")
    return call.conference


def _member_of(call: Call, leg: Leg) -> Member | None:
    if call.conference is None:
        return None
    return next((one for one in call.conference.members.values() if one.leg is leg), None)


def _find(call: Call, named: NamedMember) -> Member:
    for member in _conference(call).members.values():
        if (
            member.id == named.member_id
            or (named.phone_num is not None and member.leg.line == named.phone_num)
            or (named.staff_id is not None and member.staff_id == named.staff_id)
        ):
            return member
    raise RefusedError(Result.NOT_A_MEMBER, "nobody of that name is in the conference")
