"""Conferences: one mixing bridge, members who come and go (103, 104), and their end.

A conference is a call whose legs are its members; a member's MemberId is his leg's CallId. Its own
CallId is told by 115 first, so that members' legs, recordings and hang-ups have a call to belong
to. It ends on command, when the last member leaves and nobody is being called any more, or when
its time is over; one that was made empty (203) waits for its first member.
"""

from __future__ import annotations

from adapters.voice import legs
from adapters.voice.callout import convening
from adapters.voice.media import call_recording
from adapters.voice.model import Call, Conference, Leg
from adapters.voice.step import Step
from linkage.convening.people import Convening
from protocol.messages import (
    CallState,
    CallStateNotice,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    HangupNotice,
    HangupScope,
    HangupSide,
    MemberNoticeAction,
)
from protocol.reasons import Reason


def conference_of(call: Call) -> Conference:
    """The conference that a call is; only for calls that are one."""
    assert call.conference is not None
    return call.conference


def members(call: Call) -> list[Leg]:
    """Who is in it, on hold or not."""
    return [leg for leg in call.legs.values() if leg.up]


def is_full(call: Call) -> bool:
    """No more fit in."""
    most = conference_of(call).max_members
    return most is not None and len(members(call)) >= most


# --- its beginning and its end -------------------------------------------------------------------
def begin(step: Step, conference: Conference) -> None:
    """There is a conference: 115 for its CallId, 103 created."""
    step.call.conference = conference
    _tell_state(step, CallState.DIALLING)
    tell(step, ConferenceNoticeAction.CREATED, request_id=step.request_id)


def proceed(step: Step) -> None:
    """Call who is due; once all have come or failed, 103 connected."""
    call = step.call
    for finished in convening.advance(step):
        conference = conference_of(call)
        if members(call) and not conference.connected:
            conference.connected = True
            request_id = finished.request_id if finished.told else None
            tell(step, ConferenceNoticeAction.CONNECTED, request_id=request_id)


def end(step: Step, reason: int, side: HangupSide, *, owner: str = "") -> None:
    """Everybody has to go, nobody else is called; the first reason given stays."""
    call = step.call
    if call.reason is None:
        call.reason, call.side = reason, side
        call.request_id = step.request_id
    convening.stop_all(step, Reason.CONFERENCE_ENDED, side)
    for leg in list(call.legs.values()):
        if leg.alive and leg.leaving is None:
            legs.hang_up(step, leg, Reason.CONFERENCE_ENDED, side, owner=owner)
            owner = ""


def is_over(call: Call) -> bool:
    """Nobody is left, and nobody is expected."""
    if any(leg.alive for leg in call.legs.values()) or call.convenings:
        return False
    return call.reason is not None or conference_of(call).empty_until is None


def why_over(call: Call) -> tuple[int | None, HangupSide | None]:
    """Nobody said why it ends: everybody left, or nobody came."""
    last = max(call.legs.values(), key=lambda leg: leg.ended or leg.started, default=None)
    if last is not None and last.lost and last.reason is not None:
        return last.reason, HangupSide.PLATFORM
    if conference_of(call).answered is None:
        return Reason.CALL_FAILED, HangupSide.PLATFORM
    return Reason.NORMAL, HangupSide.CALLEE


def on_time(step: Step) -> None:
    """Somebody is tried again; its time is over, or nobody has come for too long."""
    call, conference = step.call, conference_of(step.call)
    if convening.wake(step):
        proceed(step)
    due = [each for each in (conference.until, conference.empty_until) if each is not None]
    if call.reason is None and due and min(due) <= step.now:
        end(step, Reason.CONFERENCE_ENDED, HangupSide.PLATFORM)


# --- members -------------------------------------------------------------------------------------
def alerting(step: Step, leg: Leg) -> None:
    """The telephone of somebody who is called rings: 104."""
    leg.announced = True
    tell_member(step, leg, MemberNoticeAction.RINGING, request_id=leg.request_id)


def answered(step: Step, leg: Leg) -> None:
    """Somebody answered, and is let in unless the conference was closed meanwhile."""
    call, conference = step.call, conference_of(step.call)
    full = len(members(call)) > (conference.max_members or len(call.legs))
    if conference.locked or full:
        legs.hang_up(step, leg, Reason.CONFERENCE_CLOSED, HangupSide.PLATFORM)
        return
    legs.seat(step, leg)
    leg.announced = True
    if conference.answered is None:
        conference.answered, conference.empty_until = step.at, None
        _tell_state(step, CallState.ANSWERED)
    tell_member(step, leg, MemberNoticeAction.JOINED, request_id=leg.request_id)
    convening.joined(step, leg)
    proceed(step)


def gone(step: Step, leg: Leg) -> None:
    """A member left, or somebody who was called could not be had."""
    if leg.announced:
        kicked = leg.reason == Reason.KICKED and leg.answered is not None
        action = MemberNoticeAction.KICKED if kicked else MemberNoticeAction.LEFT
        tell_member(step, leg, action, reason=leg.reason, request_id=leg.request_id)
    if step.call.reason is None:
        convening.failed(step, leg)
        proceed(step)


def held(step: Step, holder: Leg) -> None:
    """A member pressed the hold key of his telephone: 104."""
    tell_member(step, holder, MemberNoticeAction.HOLD)


def retrieved(step: Step, holder: Leg) -> None:
    """And once more."""
    tell_member(step, holder, MemberNoticeAction.RETRIEVE)


def watch_bridge(step: Step) -> None:
    """115 bridged while two or more are together; recording while anybody is in."""
    call = step.call
    call_recording.go_on(step)
    inside = sum(leg.inside for leg in call.legs.values())
    if call.bridged != (inside > 1):
        call.bridged = inside > 1
        _tell_state(step, CallState.BRIDGED if call.bridged else CallState.UNBRIDGED)
    if inside and conference_of(call).record and not call.recordings and call.reason is None:
        call_recording.start_recording(step)


# --- what is told --------------------------------------------------------------------------------
def tell(
    step: Step,
    action: ConferenceNoticeAction,
    *,
    reason: int | None = None,
    request_id: str | None = None,
) -> None:
    """103 for the conference."""
    call, conference = step.call, conference_of(step.call)
    step.tell(
        ConferenceNotice(
            call_id=call.id,
            conference_id=conference.id,
            login_id=call.officer,
            event_id=call.event_id,
            action=action,
            subject=conference.subject,
            member_count=len(members(call)),
            reason=reason,
            request_id=request_id,
        )
    )


def tell_member(
    step: Step,
    leg: Leg,
    action: MemberNoticeAction,
    *,
    reason: int | None = None,
    request_id: str | None = None,
) -> None:
    """104 for a member."""
    step.tell(
        ConferenceMemberNotice(
            call_id=leg.id,
            parent_call_id=step.call.id,
            conference_id=step.conference_id,
            login_id=leg.login,
            member_id=leg.id,
            staff_id=leg.staff_id,
            phone_num=leg.number,
            action=action,
            reason=reason,
            request_id=request_id,
        )
    )


def _tell_state(step: Step, state: CallState) -> None:
    """115 for the conference's own CallId."""
    call = step.call
    step.tell(
        CallStateNotice(
            call_id=call.id,
            conference_id=step.conference_id,
            login_id=call.officer,
            state=state,
            phone_num=call.show,
            request_id=step.request_id,
        )
    )


def tell_end(step: Step) -> None:
    """103 ended, and 102 for the conference's own CallId."""
    call, conference = step.call, conference_of(step.call)
    tell(step, ConferenceNoticeAction.ENDED, reason=call.reason, request_id=call.request_id)
    ended = call.ended or step.at
    talked = 0.0 if conference.answered is None else (ended - conference.answered).total_seconds()
    step.tell(
        HangupNotice(
            call_id=call.id,
            conference_id=conference.id,
            login_id=call.officer,
            event_id=call.event_id,
            reason=call.reason,
            side=call.side,
            start_time=call.started,
            answer_time=conference.answered,
            end_time=ended,
            duration=max(0, round(talked)),
            record_id=call.last_record,
            scope=HangupScope.CALL,
            request_id=call.request_id,
        ),
        ended,
        made_up=any(leg.lost for leg in call.legs.values() if leg.ended == ended),
    )


def convene(step: Step, one: Convening) -> None:
    """Begin to call people into the conference."""
    step.call.convenings.append(one)
    proceed(step)
