"""Calls that come in: a channel that entered becomes a call (100), and somebody is rung for it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.phone_numbers import is_withheld
from adapters.voice import dialplan, diversion, ringing
from adapters.voice.model import Call, Leg, LegState
from adapters.voice.platform_actions import IndicateRinging, SetVariable, TakeTransfers
from adapters.voice.platform_events import Event
from adapters.voice.step import Step
from protocol.fields import CONTROL
from protocol.messages import CallDirection, IncomingCallNotice

CALLER: Final = "caller"
OFFICER: Final = "officer"
"""Who is it that dials, by the dialplan."""
PHONE_MAX: Final = 25
NAME_MAX: Final = 200


def phone(value: str | None) -> str | None:
    """What fits into a PhoneNum, None where a number is withheld or is no number."""
    text = CONTROL.sub("", value or "").strip()[:PHONE_MAX].strip()
    return None if text in {"", "NULL", "EMPTY"} or is_withheld(text) else text


def caller_name(value: str | None, number: str | None) -> str | None:
    """What fits into a CallerName; without one it says that the number is withheld."""
    word = number if number is not None and is_withheld(number) else ""
    text = CONTROL.sub("", value or word).strip()[:NAME_MAX].strip()
    return None if text in {"", "NULL", "EMPTY"} else text


def new_call(event: Event, call_id: str, started: datetime) -> Call:
    """The call that begins with a channel that entered and that we do not know."""
    channel = event.channel
    assert channel is not None
    number = event.number or channel.number or ""
    root = Leg(
        id=call_id,
        channel=channel.id,
        number=phone(number),
        state=LegState.ALERTING,
        started=started,
    )
    if channel.up:
        root.state, root.answered = LegState.ANSWERED, started
    return Call(
        id=call_id,
        anchor=call_id,
        direction=CallDirection.OUT if event.role == OFFICER else CallDirection.IN,
        number=root.number,
        name=caller_name(channel.caller_name, number),
        dialled=phone(event.dialled or channel.exten),
        started=started,
        legs={call_id: root},
    )


def begin(step: Step) -> None:
    """A call came in: 100, ringing tone for the caller, and whoever is to be rung."""
    call, settings, root = step.call, step.settings, step.call.root
    dialled = call.dialled or ""
    target = dialplan.inside_target(settings, dialled)
    if call.direction is CallDirection.OUT:
        if (officer := settings.officer.get(root.number or "")) is not None:
            root.login = call.officer = officer.login
        target = target or dialplan.number_target(settings, dialled)
    if target is not None:
        call.waiting, call.at_once = list(target.each), target.at_once
    if target is not None and target.officers:
        call.hotline, call.record = target.number, settings.hotline[target.number].record
    one = call.waiting[0].login if call.waiting and not call.at_once else None
    step.tell(
        IncomingCallNotice(
            call_id=call.id,
            login_id=root.login if call.direction is CallDirection.OUT else one,
            direction=call.direction,
            phone_num=call.number,
            to_num=call.dialled,
            caller_name=call.name,
        )
    )
    step.do(SetVariable(channel=root.channel, name="LINKAGE_CALLID", value=call.id))
    if call.waiting and root.answered is None:
        step.do(IndicateRinging(channel=root.channel))
    ringing.ring_next(step)
    # After the first telephone is rung: nobody waits for these.
    step.do(TakeTransfers(channel=root.channel))
    diversion.watch(step, root)
