"""Rings telephones for a call: a new leg, by one telephone of somebody or by several.

An officer has several where `endpoint` names them (`PJSIP/1001&PJSIP/1011`, as `Dial()` has it) or
where one endpoint is registered at several places, of which the platform dials only the first by
itself. All ring, one answers, and it is one leg all the time: each has a channel; the leg's own is
the first, the others are its *twins*. That one of them goes, busy or not there, is nothing as long
as another rings.
"""

from __future__ import annotations

from typing import Final

from adapters.voice.model import Leg, LegState, Target
from adapters.voice.platform_actions import FindContacts, HangUp, Originate
from adapters.voice.platform_events import Event
from adapters.voice.step import Step
from protocol.messages import CallState
from protocol.reasons import Reason

SPARE_S: Final = 10.0
"""The platform stops a ringing telephone so long after we should have: we may not be there."""
CONTACTS_MAX: Final = 10


def dial_next(step: Step, *, request_id: str | None = None) -> list[Leg]:
    """Dial who is next of those who wait to be rung."""
    call = step.call
    count = len(call.waiting) if call.at_once else 1
    now, call.waiting = call.waiting[:count], call.waiting[count:]
    return [dial(step, target, request_id=request_id) for target in now]


def dial(
    step: Step,
    target: Target,
    *,
    auto_answer: bool = False,
    leg_id: str | None = None,
    caller_id: str | None = None,
    request_id: str | None = None,
) -> Leg:
    """Ring somebody: a new leg of the call, 115 dialling.

    `leg_id` is given for the root of a call that we make; `caller_id` is what the telephone shows
    (if not said: who the call is from), `request_id` the command that it is an outcome of.
    """
    call = step.call
    leg_id = leg_id or step.new_id()
    leg = Leg(
        id=leg_id,
        channel=step.names.channel(leg_id),
        number=target.number,
        login=target.login,
        started=step.at,
        ring_until=step.later(target.ring_s),
        request_id=request_id or step.request_id,
    )
    call.legs[leg_id] = leg
    _ring(step, leg, target, shown=caller_id, auto_answer=auto_answer)
    step.tell_state(leg, CallState.DIALLING)
    _ring_others(step, leg, target)
    return leg


def send_on(step: Step, leg: Leg, target: Target) -> None:
    """Ring somebody else for a leg whose telephone sent it on: 115 dialling once more."""
    leg.sent_on.append(leg.number or "")
    step.call.move(leg, f"{step.names.channel(leg.id)}-f{len(leg.sent_on)}")
    leg.number, leg.login = target.number, target.login
    leg.state, leg.rang = LegState.DIALLING, False
    leg.cause = leg.tech_cause = None
    leg.ring_until = step.later(target.ring_s)
    _ring(step, leg, target)
    step.tell_state(leg, CallState.DIALLING, Reason.TRANSFERRED)
    _ring_others(step, leg, target)


def _ring(
    step: Step,
    leg: Leg,
    target: Target,
    *,
    shown: str | None = None,
    auto_answer: bool = False,
) -> None:
    """Ring the first telephone of a target, by the leg's own channel."""
    endpoint = target.endpoint.partition("&")[0]
    originate(
        step,
        leg,
        leg.channel,
        endpoint,
        ring_s=target.ring_s,
        owner=leg.id,
        shown=shown,
        auto_answer=auto_answer,
    )


def _ring_others(step: Step, leg: Leg, target: Target) -> None:
    """Ring the other telephones of an officer who has several (`twins`)."""
    others = target.endpoint.split("&")[1:]
    for endpoint in others:
        ring_twin(step, leg, endpoint, target.ring_s)
    if not others:
        step.do(FindContacts(channel=leg.channel, leg_id=leg.id, endpoint=target.endpoint))


def originate(
    step: Step,
    leg: Leg,
    channel: str,
    endpoint: str,
    *,
    ring_s: float,
    owner: str,
    shown: str | None = None,
    auto_answer: bool = False,
) -> None:
    """Have the platform dial for a leg. `owner` is whose failure it is that it would not."""
    call = step.call
    origin = call.legs.get(call.id) if leg.id != call.id else None
    shown = shown or (call.dialled if origin is None else None) or call.show or call.number
    variables = {"LINKAGE_CALLID": leg.id, "LINKAGE_ROOTID": call.id}
    variables |= {f"LINKAGE_{key}": value for key, value in call.data.items()}
    if call.event_id is not None:
        variables["LINKAGE_EVENTID"] = call.event_id
    step.do(
        Originate(
            channel=channel,
            call_id=call.id,
            leg_id=leg.id,
            endpoint=endpoint,
            give_up_s=ring_s + SPARE_S,
            shown=shown,
            originator=origin.channel if origin is not None and origin.alive else None,
            auto_answer=auto_answer,
            variables=variables,
            owner=owner,
        )
    )


# --- several telephones of one officer -----------------------------------------------------------
def ring_twin(step: Step, leg: Leg, endpoint: str, ring_s: float) -> None:
    """Ring one more telephone for a leg that rings."""
    twin = step.next_name("c")
    leg.twins.append(twin)
    originate(step, leg, twin, endpoint, ring_s=ring_s, owner=twin)


def drop_twins(step: Step, leg: Leg) -> None:
    """Stop a leg's other telephones."""
    for twin in leg.twins:
        step.do(HangUp(channel=twin))
    step.call.channels += leg.twins
    leg.twins = []


def contacts_found(step: Step, event: Event) -> None:
    """Where an endpoint is registered; the platform rings at the first of these places."""
    leg = step.call.legs.get(event.leg_id or "")
    if leg is None or not leg.ringing or leg.twins or leg.ring_until is None:
        return
    ring_s = max(1.0, (leg.ring_until - step.now).total_seconds())
    for endpoint in event.contacts[1:CONTACTS_MAX]:
        ring_twin(step, leg, endpoint, ring_s)


def one_answered(step: Step, leg: Leg, channel: str) -> None:
    """One of the telephones answered: it has the leg, and the others stop ringing."""
    if channel in leg.twins:
        step.do(HangUp(channel=leg.channel))
        leg.twins.remove(channel)
        step.call.move(leg, channel)
    drop_twins(step, leg)


def one_less(step: Step, leg: Leg, channel: str) -> bool:
    """One channel of a leg is gone; whether another still rings."""
    if not leg.twins:
        return False
    if channel == leg.channel:
        step.call.move(leg, leg.twins.pop(0))
    else:
        leg.twins.remove(channel)
        step.call.channels.append(channel)
    return True


def one_failed(step: Step, owner: str) -> bool:
    """The platform would not dial one of several telephones; whether another still rings."""
    for leg in step.call.legs.values():
        if owner in leg.twins:
            return one_less(step, leg, owner)
        if owner == leg.id and leg.twins:
            return one_less(step, leg, leg.channel)
    return False
