"""Which call a command means: by ConferenceID, CallId, the call-out to cancel, or a party."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from adapters.voice.dialplan import same
from adapters.voice.model import Call
from adapters.voice.settings import VoiceSettings
from linkage.ports import CommandError
from protocol.message import Message
from protocol.messages import CancelCallOut
from protocol.results import Result


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
    return (number is None or any(same(settings, leg.number, number) for leg in alive)) and (
        login is None or any(leg.login == login for leg in alive)
    )
