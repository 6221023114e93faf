"""Has a call do what the race of its call-outs wants, and tells how far it has come (110, 116)."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.voice import dialling, legs
from adapters.voice.model import Call, Leg, Target
from adapters.voice.step import Step
from linkage.convening import race
from linkage.convening.people import Convening, Fate
from linkage.convening.race import Action, Dial, Progress, Settled, StopRinging, Whereabouts
from protocol.messages import CallOutProgressNotice, CallOutResultNotice, HangupSide
from protocol.reasons import Reason


def advance(step: Step) -> list[Convening]:
    """Dial whoever is due; returns what has come to its end by that, and forgets it."""
    call = step.call
    _apply(step, race.advance(call.convenings, _whereabouts(call)))
    finished = [each for each in call.convenings if each.finished]
    call.convenings = [each for each in call.convenings if not each.finished]
    return finished


def joined(step: Step, leg: Leg) -> None:
    """Somebody who was called is in the call."""
    _apply(step, race.joined(step.call.convenings, leg.id))


def failed(step: Step, leg: Leg) -> None:
    """Somebody who was called could not be had by this number: the next is tried by `advance`."""
    unwanted = leg.side is HangupSide.OPERATOR or leg.reason == Reason.CONFERENCE_CLOSED
    actions = race.failed(
        step.call.convenings,
        leg.id,
        number=leg.number,
        reason=leg.reason,
        unwanted=unwanted,
        now=step.now,
    )
    _apply(step, actions)


def stop(
    step: Step,
    convening: Convening,
    reason: int,
    side: HangupSide,
    *,
    group_id: str | None = None,
    staff_id: str | None = None,
) -> int:
    """Call no more, wholly or a group or a person; returns how many persons that concerned."""
    actions = race.stop(convening, reason, side, group_id=group_id, staff_id=staff_id)
    _apply(step, actions)
    return sum(isinstance(each, Settled) for each in actions)


def stop_all(step: Step, reason: int, side: HangupSide) -> None:
    """The call is over: nobody else is called into it."""
    _apply(step, race.stop_all(step.call.convenings, reason, side))
    step.call.convenings = []


def wake(step: Step) -> bool:
    """Whether somebody may be tried again by now; then `advance` does."""
    return race.wake(step.call.convenings, step.now)


def outlast(step: Step, outage_s: float) -> bool:
    """Give up whom nobody would have waited for during an outage; returns whether there is one."""
    actions = race.outlast(step.call.convenings, outage_s)
    _apply(step, actions)
    return bool(actions)


def why_nobody(step: Step) -> int:
    """Why a call out found nobody: what all telephones that rang say."""
    reasons = [
        leg.reason
        for leg in step.call.legs.values()
        if leg.answered is None and leg.reason is not None
    ]
    return race.common_reason(reasons) if reasons else Reason.CALL_FAILED


def _whereabouts(call: Call) -> Whereabouts:
    where = Whereabouts()
    for leg in call.legs.values():
        if leg.alive:
            where.note(leg.number, leg.staff_id, there=leg.up)
    return where


# --- what the race wants -------------------------------------------------------------------------
def _apply(step: Step, actions: Iterable[Action]) -> None:
    for action in actions:
        match action:
            case Dial():
                _dial(step, action)
            case StopRinging(person, reason, side):
                leg = step.call.legs.get(person.leg or "")
                if leg is not None:
                    legs.hang_up(step, leg, reason, side)
            case Settled() if action.convening.told:
                _tell_result(step, action)
            case Progress(convening) if convening.told:
                _tell_progress(step, convening)


def _dial(step: Step, action: Dial) -> None:
    attempt, convening = action.attempt, action.convening
    target = Target(
        number=attempt.number,
        endpoint=attempt.endpoint,
        login=attempt.login,
        ring_s=convening.ring_s,
    )
    leg = dialling.dial(step, target, request_id=convening.request_id)
    leg.staff_id = action.person.staff_id
    action.person.leg = leg.id


def _tell_result(step: Step, settled: Settled) -> None:
    """110, once for each person."""
    call, convening, person = step.call, settled.convening, settled.person
    step.tell(
        CallOutResultNotice(
            event_id=call.event_id,
            call_id=call.id,
            login_id=convening.login_id,
            conference_id=step.conference_id,
            phone_num=person.number,
            reason=settled.reason,
            group_id=settled.race.group_id,
            staff_id=person.staff_id,
            staff_name=person.staff_name,
            num_type=person.num_type,
            attempt=person.attempt,
            answer_time=step.at if settled.reason is None else None,
            request_id=convening.request_id,
        )
    )


def _tell_progress(step: Step, convening: Convening) -> None:
    """116: how many are there, how many are still called."""
    step.tell(
        CallOutProgressNotice(
            event_id=step.call.event_id,
            call_id=step.call.id,
            conference_id=step.conference_id,
            login_id=convening.login_id,
            request_id=convening.request_id,
            total=convening.count(*Fate),
            answered=convening.count(Fate.JOINED),
            failed=convening.count(Fate.FAILED),
            skipped=convening.count(Fate.SKIPPED),
            pending=convening.count(Fate.WAITING, Fate.RINGING),
            finished=convening.finished,
        )
    )
