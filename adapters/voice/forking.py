"""Several telephones of one officer: all ring, one answers, and it is one leg all the time.

An officer has several where `endpoint` names them (`PJSIP/1001&PJSIP/1011`, as `Dial()` has it) or
where one endpoint is registered at several places, of which the platform dials only the first by
itself. Each has a channel; the leg's own is the first, the others are its *twins*. That one of
them goes, busy or not there, is nothing as long as another rings.
"""

from __future__ import annotations

from typing import Final

from adapters.voice import legs
from adapters.voice.model import Leg
from adapters.voice.platform_actions import HangUp
from adapters.voice.platform_events import Event
from adapters.voice.step import Step

CONTACTS_MAX: Final = 10


def contacts(step: Step, event: Event) -> None:
    """Where an endpoint is registered; the platform rings at the first of these places."""
    leg = step.call.legs.get(event.leg_id or "")
    if leg is None or not leg.ringing or leg.twins or leg.ring_until is None:
        return
    ring_s = max(1.0, (leg.ring_until - step.now).total_seconds())
    for endpoint in event.contacts[1:CONTACTS_MAX]:
        legs.ring_twin(step, leg, endpoint, ring_s)


def answered(step: Step, leg: Leg, channel: str) -> None:
    """One of the telephones answered: it has the leg, and the others stop ringing."""
    if channel in leg.twins:
        step.do(HangUp(channel=leg.channel))
        leg.twins.remove(channel)
        step.call.move(leg, channel)
    legs.drop_twins(step, leg)


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


def failed(step: Step, owner: str) -> bool:
    """The platform would not dial one of several telephones; whether another still rings."""
    for leg in step.call.legs.values():
        if owner in leg.twins:
            return one_less(step, leg, owner)
        if owner == leg.id and leg.twins:
            return one_less(step, leg, leg.channel)
    return False
