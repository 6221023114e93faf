"""What becomes of a leg when the platform tells something: it rings, is answered, moves, ends.

Every handler takes a `Step` and an `Event` and tolerates what comes twice, late or out of order.
"""

from __future__ import annotations

from adapters.voice import dialling, diversion, refer
from adapters.voice.call_end import ended
from adapters.voice.call_policy import policy_of
from adapters.voice.model import Leg, LegState
from adapters.voice.platform_actions import HangUp
from adapters.voice.platform_events import Event, EventKind
from adapters.voice.step import Step
from protocol.messages import CallState


def entered(step: Step, event: Event) -> None:
    """It came under our control: picked up, back from elsewhere, or in the place of another."""
    if event.replaces is not None:
        refer.replaced(step, event)
        return
    leg = leg_of(step, event)
    if leg is not None and leg.elsewhere:
        if not refer.bounced(step, leg, event):
            diversion.came_back(step, leg, event)
    elif leg is not None and event.channel is not None and step.dialled(leg):
        dialling.one_answered(step, leg, event.channel.id)
        answered(step, leg)
    elif leg is None and event.channel is not None:
        # A colleague took it off the telephone that rings: his channel has that one's arguments.
        leg = step.call.legs.get(event.leg_id or "")
        if leg is not None and diversion.picked_up(step, leg, event.channel):
            dialling.drop_twins(step, leg)
            answered(step, leg)


def answered(step: Step, leg: Leg) -> None:
    """A telephone that we rang was picked up."""
    if not leg.ringing:
        if leg.leaving is not None and leg.answered is None:
            # Picked up while we gave up on it: the DELETE has gone already, or goes once more.
            step.do(HangUp(channel=leg.channel))
        return
    leg.state, leg.answered, leg.ring_until = LegState.ANSWERED, step.at, None
    step.tell_state(leg, CallState.ANSWERED)
    policy_of(step.call).answered(step, leg)
    leg.request_id = None  # what comes of it later is no outcome of the command any more


def picked_up(step: Step, event: Event) -> None:
    """It is answered: of one that came in, by whoever answered it for us."""
    leg = leg_of(step, event)
    if leg is not None and not step.dialled(leg) and leg.alive:
        leg.state = LegState.ANSWERED
        leg.answered = leg.answered or step.at


def ringing(step: Step, event: Event) -> None:
    """Its telephone rings, or a carrier plays a tone."""
    leg = leg_of(step, event)
    if leg is None:
        dialled_for(step, event)
    else:
        early = event.kind is EventKind.EARLY_MEDIA
        _rings(step, leg, CallState.EARLY_MEDIA if early else CallState.ALERTING)


def forwarded(step: Step, event: Event) -> None:
    """Its telephone sends the call on."""
    leg = leg_of(step, event)
    if leg is None:
        dialled_for(step, event)
    else:
        diversion.forwarded(step, leg, event)


def dialled_for(step: Step, event: Event) -> None:
    """Somebody else is rung on behalf of one who was parked: nobody fetched them in time."""
    parked = step.call.leg_of_channel(event.caller or "")
    if parked is not None and leg_of(step, event) is None:
        diversion.timed_out(step, parked)


def _rings(step: Step, leg: Leg, state: CallState) -> None:
    """The other side is being called: 180, or a carrier's own ringing tone (183) without any.

    Each is told once by 115, in whatever order and however often they come; that somebody rings
    is told by the first of them (104, 105).
    """
    if not leg.ringing or (leg.id == step.call.id and not step.dialled(leg)):
        return
    first = leg.state is LegState.DIALLING
    if state is CallState.EARLY_MEDIA:
        if leg.state is LegState.EARLY_MEDIA:
            return
        leg.state = LegState.EARLY_MEDIA
    else:
        if leg.rang:
            return
        leg.rang = True
        leg.state = max(leg.state, LegState.ALERTING)
    step.tell_state(leg, state)
    if first:
        policy_of(step.call).alerting(step, leg)


def joined(step: Step, event: Event) -> None:
    """It came into a bridge: ours, or one elsewhere."""
    leg = leg_of(step, event)
    if leg is not None and leg.alive and event.bridge == step.bridge:
        leg.inside = True
        policy_of(step.call).watch_bridge(step)
    elif leg is not None and leg.away:
        diversion.moved(step, leg, event)
    elif leg is None and event.channel is not None:
        diversion.fetched(step, event.channel, event)


def parted(step: Step, event: Event) -> None:
    """It left our bridge."""
    leg = leg_of(step, event)
    if leg is not None and event.bridge == step.bridge:
        leg.inside = False
        policy_of(step.call).watch_bridge(step)


def hangup_requested(step: Step, event: Event) -> None:
    """Its party hangs up: why is kept for its end."""
    leg = leg_of(step, event)
    if leg is not None:
        leg.cause, leg.tech_cause = event.cause, event.status


def left(step: Step, event: Event) -> None:
    """It left our control: it has ended, or goes on elsewhere."""
    leg = leg_of(step, event)
    if leg is not None and leg.alive and not leg.away:
        diversion.left(step, leg)


def found(step: Step, event: Event) -> None:
    """It was looked up: it lives elsewhere, or is gone."""
    leg = leg_of(step, event)
    if leg is None or not leg.alive:
        return
    if event.channel is not None and event.channel.alive:
        diversion.found(step, leg, event)
        refer.went_on(step)
    else:
        ended(step, leg)


def gone(step: Step, event: Event) -> None:
    """It is no more."""
    leg = leg_of(step, event)
    if leg is None or not leg.alive or event.channel is None:
        return
    if dialling.one_less(step, leg, event.channel.id):
        return
    if event.cause is not None and leg.cause is None:
        leg.cause, leg.tech_cause = event.cause, event.status
    if step.dialled(leg) and diversion.goes_on(leg, event.cause):
        diversion.left(step, leg)
        return
    ended(step, leg)


def leg_of(step: Step, event: Event) -> Leg | None:
    """The leg of the call that an event is about."""
    return None if event.channel is None else step.call.leg_of_channel(event.channel.id)
