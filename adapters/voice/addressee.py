"""Whom a command means: which call, which party of it, and whom it wants to be rung."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.voice import dialplan
from adapters.voice.model import Call, Leg, Target
from adapters.voice.settings import VoiceSettings
from adapters.voice.step import Step
from linkage.ports import CommandError
from protocol.message import Message
from protocol.messages import CancelCallOut
from protocol.reasons import Reason
from protocol.results import Result


# --- which call ----------------------------------------------------------------------------------
def call_meant(
    message: Message,
    settings: VoiceSettings,
    calls: Iterable[Call],
    find: Callable[[str], Call | None],
    conferences: Mapping[str, str],
) -> Call:
    """The call that a command means.

    `find` gives a call by its CallId or that of a leg, `conferences` the CallId of a ConferenceID.

    Raises:
        CommandError: there is none, or several come into question.
    """
    if message.conference_id is not None:
        return _by_conference_id(message, find(conferences.get(message.conference_id, "")))
    if message.call_id is not None:
        found = find(message.call_id)
        if found is None:
            raise CommandError(Result.NO_CALL, f"no call {message.call_id} is alive")
        return found
    if isinstance(message, CancelCallOut):
        return _by_call_out(message, calls)
    return _by_party(message, settings, calls)


def _by_conference_id(message: Message, call: Call | None) -> Call:
    if call is None:
        raise CommandError(Result.NO_CONFERENCE, f"no conference {message.conference_id}")
    named = message.call_id
    if named not in {None, call.id} and named not in call.legs:
        raise CommandError(Result.NO_CALL, f"call {named} is not of that conference")
    return call


def _by_call_out(message: CancelCallOut, calls: Iterable[Call]) -> Call:
    """The call into which somebody is being called, by the command or by the event."""
    for call in calls:
        by_event = message.event_id is not None and message.event_id == call.event_id
        if any(
            each.request_id == message.request_id if message.request_id else by_event
            for each in call.convenings
        ):
            return call
    raise CommandError(Result.WRONG_STATE, "nobody is being called by that any more")


def _by_party(message: Message, settings: VoiceSettings, calls: Iterable[Call]) -> Call:
    number = getattr(message, "phone_num", None)
    login = message.login_id or getattr(message, "from_login_id", None)
    if number is None and login is None:
        raise CommandError(Result.MISSING_FIELD, "CallId must say which call")
    found = [call for call in calls if _has(call, settings, number, login)]
    if not found:
        raise CommandError(Result.NO_CALL, "no such call is alive")
    if len(found) > 1:
        raise CommandError(Result.WRONG_STATE, "several calls fit: name the CallId")
    return found[0]


def _has(call: Call, settings: VoiceSettings, number: str | None, login: str | None) -> bool:
    alive = [leg for leg in call.legs.values() if leg.alive]
    return (
        number is None or any(dialplan.same(settings, leg.number, number) for leg in alive)
    ) and (login is None or any(leg.login == login for leg in alive))


# --- which party, and whom to ring ---------------------------------------------------------------
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
