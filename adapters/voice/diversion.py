"""What becomes of a leg when its telephone, or somebody outside, takes it elsewhere.

Forwarded (302), picked up by a colleague, parked, redirected or bridged by another program: the
leg stays the leg that it was, with its CallId; what changes is its channel, its officer, or that
it is not with us. That a channel leaves our control is no hang-up: one that left us and is not
gone at once is looked up before anything is told of it (decision 0029).
"""

from __future__ import annotations

import re
from typing import Final

from adapters.voice import dialling, dialplan, legs, ringing
from adapters.voice.model import Leg
from adapters.voice.platform_actions import FindChannel, HangUp, Watch, WatchParking
from adapters.voice.platform_events import Channel, Event
from adapters.voice.settings import NUMBER
from adapters.voice.step import Step
from protocol.messages import HangupSide, ParkNoticeAction, ParkPickupNotice
from protocol.reasons import Reason

FORWARDS_MAX: Final = 5
"""So often one call is sent on from telephone to telephone."""
LOOK_AFTER_S: Final = 0.3
"""A channel that ended is destroyed within milliseconds after it left us."""
NO_REASON: Final = frozenset({None, 0, 16, 23})
"""Causes of a ringing channel that goes because its call goes on elsewhere: picked up, sent on."""


# --- forwarded -----------------------------------------------------------------------------------
def forwarded(step: Step, leg: Leg, event: Event) -> None:
    """A telephone that rings sends the call elsewhere (302), and the platform rings there.

    Where that is a number we ring it ourselves; so it is told, and may be outside. Anything else,
    a SIP address for one, is the leg's new channel.
    """
    if event.forwarded is None or not leg.ringing:
        return
    if not re.fullmatch(NUMBER, event.forward) and not leg.twins:
        step.call.move(leg, event.forwarded.id)
        return
    step.do(HangUp(channel=event.forwarded.id))
    if leg.twins:
        return  # another telephone of the officer's rings: who is there answers
    rung = {*leg.sent_on, leg.number}
    goal = dialplan.number_target(step.settings, event.forward)
    target = None if goal is None else next((x for x in goal.each if x.number not in rung), None)
    if (
        target is None
        # Who is no officer sends on to officers only: nobody outside calls by our trunk.
        or (leg.login is None and dialplan.is_outside(target))
        or len(leg.sent_on) >= FORWARDS_MAX
    ):
        leg.reason, leg.side = Reason.UNREACHABLE, HangupSide.CALLEE
        return
    dialling.send_on(step, leg, target)
    under_way = step.call.transfer
    if under_way is not None and under_way.to_leg == leg.id:
        under_way.to_login, under_way.to_number = leg.login, leg.number


# --- picked up -----------------------------------------------------------------------------------
def picked_up(step: Step, leg: Leg, by: Channel) -> bool:
    """A colleague took the call that rings at a telephone; False where it rings no more."""
    if not leg.ringing:
        step.do(HangUp(channel=by.id))
        return False
    step.call.move(leg, by.id)
    number = dialplan.officer_of_channel(step.settings, by)
    leg.number = number or leg.number
    leg.login = step.settings.officer[number].login if number else None
    _tell(step, leg, ParkNoticeAction.PICKED_UP, leg.login)
    return True


# --- gone, or only elsewhere ---------------------------------------------------------------------
def left(step: Step, leg: Leg) -> None:
    """A channel left our application: if it is not destroyed at once, see where it is."""
    leg.seated = False
    leg.look_at = step.later(LOOK_AFTER_S)


def goes_on(leg: Leg, cause: int | None) -> bool:
    """Whether a ringing channel may have gone only since its call goes on by another one.

    What tells so comes before that or right after it.
    """
    return leg.ringing and cause in NO_REASON


def on_time(step: Step) -> None:
    """Look up what left us and was not destroyed."""
    for leg in step.call.legs.values():
        if leg.look_at is not None and leg.look_at <= step.now:
            leg.look_at, leg.looking = None, True
            step.do(FindChannel(channel=leg.channel))


def found(step: Step, leg: Leg, event: Event) -> None:
    """It lives, and is not with us: parked, fetched, or moved by another program."""
    if not leg.elsewhere:
        return  # it came back meanwhile
    leg.looking = False
    if not leg.away:
        leg.away, leg.seated = True, False
        if leg.id == step.call.anchor:
            ringing.cancel_ringing(step, Reason.ANSWERED_ELSEWHERE)
            legs.stop_music(step)
        if event.parking:
            step.do(WatchParking())
    if event.parking and not leg.parked:
        _tell(step, leg, ParkNoticeAction.PARKED, step.call.officer)
    elif leg.parked and not event.parking:
        number = None if event.channel is None else event.channel.connected
        officer = step.settings.officer.get(number or "")
        _tell(step, leg, ParkNoticeAction.RETRIEVED, officer.login if officer else None)
    leg.parked = event.parking


def moved(step: Step, leg: Leg, event: Event) -> None:
    """What is elsewhere came into a bridge there: it is fetched, or parked once more."""
    alone = len(event.members) < 2  # noqa: PLR2004 - who fetches it comes next
    if leg.parked != event.parking and (event.parking or not alone):
        step.do(FindChannel(channel=leg.channel))


def fetched(step: Step, by: Channel, event: Event) -> None:
    """Somebody who is none of ours came into the bridge of one who was parked."""
    officer = dialplan.officer_of_channel(step.settings, by)
    for leg in step.call.legs.values():
        if leg.parked and leg.channel in event.members and not event.parking:
            login = None if officer is None else step.settings.officer[officer].login
            _tell(step, leg, ParkNoticeAction.RETRIEVED, login)
            leg.parked = False


def timed_out(step: Step, leg: Leg) -> None:
    """Nobody fetched it: the platform rings who parked it."""
    if leg.parked:
        _tell(step, leg, ParkNoticeAction.TIMEOUT, None)
        leg.parked = False


def came_back(step: Step, leg: Leg, event: Event) -> None:
    """What was elsewhere is with us again: it speaks with who is there, or somebody is rung."""
    call = step.call
    leg.away = leg.parked = leg.looking = False
    leg.look_at = None
    if any(each.up for each in call.legs.values() if each is not leg):
        legs.seat(step, leg)
        return
    target = dialplan.inside_target(step.settings, event.dialled)
    target = target or dialplan.inside_target(step.settings, call.hotline)
    if target is not None:
        call.waiting, call.at_once = list(target.each), target.at_once
    legs.seat(step, leg)
    legs.start_music(step)
    ringing.ring_next(step)


def watch(step: Step, leg: Leg) -> None:
    """Have the platform tell us of a channel that came in also when it has left us, or ended."""
    step.do(Watch(channel=leg.channel))


def _tell(step: Step, leg: Leg, action: ParkNoticeAction, by: str | None) -> None:
    step.tell(
        ParkPickupNotice(
            call_id=leg.id,
            parent_call_id=None if leg.id == step.call.id else step.call.id,
            login_id=step.call.officer,
            action=action,
            by_login_id=by,
        )
    )
