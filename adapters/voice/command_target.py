"""A command on its way into a call, and whom it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.voice import dialplan
from adapters.voice.model import Leg, Target
from adapters.voice.step import Step
from linkage.ports import CommandError
from protocol.message import Message
from protocol.reasons import Reason
from protocol.results import Result


@dataclass(frozen=True, slots=True)
class TargetedCommand:
    """A command on its way into a call: `leg` is the party that it names, by CallId or LoginId."""

    message: Any
    leg: Leg | None


def named_leg(step: Step, message: Message) -> Leg | None:
    """The party that a command names, by the CallId of a leg or by LoginId."""
    call = step.call
    if message.call_id in call.legs and message.call_id != call.id:
        return call.legs[message.call_id]
    if message.login_id is None:
        return None
    return next(
        (leg for leg in call.legs.values() if leg.alive and leg.login == message.login_id), None
    )


def refuse(detail: str) -> CommandError:
    """The command does not fit the state of the call (306)."""
    return CommandError(Result.WRONG_STATE, detail)


def no_number(name: str, text: str) -> CommandError:
    """What was given as a number cannot be one (103)."""
    reason = Reason.INVALID_FORMAT
    return CommandError(
        Result.BAD_VALUE, f"{name} {text!r} is no number that can be dialled (reason {reason:d})"
    )


def speaking_officer(step: Step, leg: Leg | None) -> Leg:
    """The officer who does something: the one named, or the only one there is."""
    if leg is not None and leg.up and leg.id != step.call.anchor:
        return leg
    officers = step.call.officers_up()
    if leg is None and len(officers) == 1:
        return officers[0]
    if not officers:
        raise refuse("nobody speaks with the caller yet")
    raise CommandError(Result.NO_LOGIN, "name the officer by LoginId: several are in the call")


def find_target(
    step: Step, login: str | None, number: str | None, *, but: str | None = None
) -> Target:
    """Who is meant by a LoginId or a number; refused where that cannot be dialled.

    Of a hotline's officers `but` is not rung: he has the call already.
    """
    settings = step.settings
    if login is not None:
        officer = settings.officer_of(login)
        if officer is None:
            raise CommandError(Result.NO_LOGIN, f"no telephone is known for LoginId {login}")
        return dialplan.officer_target(settings, officer, settings.ring_s)
    if number is None:
        raise CommandError(Result.MISSING_FIELD, "ToLoginId or ToNum must say where to")
    if dialplan.known(settings, number) is None:
        raise no_number("ToNum", number)
    found = dialplan.number_target(settings, number, but=but)
    if found is None:
        raise CommandError(Result.NO_TRUNK, f"{number} is no officer's, and there is no trunk")
    return found


def party(step: Step, order: TargetedCommand) -> Leg:
    """The party that hears or is heard: the one named, or the anchor of a call between two."""
    leg = order.leg or step.call.legs.get(step.call.anchor)
    if leg is None:
        raise CommandError(Result.NOT_A_MEMBER, "which member? name his CallId or LoginId")
    if not leg.alive or leg.leaving is not None:
        raise refuse("the party has gone")
    return leg
