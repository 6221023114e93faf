"""Whose is what a command names beside its call and its event? Another's is refused with 203.

A command may reach into a call by more than its CallId: by the call that is supervised (207), the
conference that somebody is moved to (203, 204), a dispatcher or a number without any call (202,
205, 206 …), a recording, a message or a file that a platform keeps (208, 221, 285 …). What linkage
does not know is the platform's to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from linkage.core.rights.refusal import RefusedError
from linkage.correlation.command_target import in_words, may_use
from linkage.ports.store import Tx
from linkage.store.rows import Operation
from protocol.message import Message
from protocol.results import Result

KEPT: Final = {
    208: ("rec", "record_id"),
    221: ("sms", "sms_id"),
    222: ("sms", "sms_id"),
    231: ("fax", "fax_id"),
    232: ("fax", "fax_id"),
    241: ("mail", "mail_id"),
    242: ("mail", "mail_id"),
    251: ("video", "video_id"),
}
"""Commands about what a platform has already: the prefix of its native key, and the field."""
AT_SOMEBODYS_CALL: Final = frozenset({200, 202, 205, 206, 207, 208, 209, 213, 214})
"""Commands that, where they name no call, are for the one that a dispatcher or a number is in."""


def check_named(unit: Tx, message: Message, owner: str) -> None:
    """Calls and conferences under other names, people in calls, an OpId.

    Raises:
        RefusedError: 203, one of them belongs to another application.
    """
    _check(owner, "TargetCallId", _named(message, "target_call_id"), unit.records.find_calls)
    _check(
        owner,
        "ToConferenceID",
        _named(message, "to_conference_id"),
        unit.records.find_conferences,
    )
    _check(owner, "ParentCallId", message.parent_call_id, unit.records.find_calls)
    if message.op_id is not None and message.op_id.isdecimal():
        operation = unit.records.operation(int(message.op_id))
        if operation is not None and not may_use(owner, operation):
            raise _anothers(f"OpId {message.op_id}")
    _check_people(unit, message, owner)


def check_kept(unit: Tx, message: Message, owner: str, platform: str) -> None:
    """What the platform that the command goes to keeps under an id of its own.

    Raises:
        RefusedError: 203, it belongs to another application.
    """
    native = _kept(message)
    operation = None if native is None else unit.records.find_operation(platform, native)
    if operation is not None and not may_use(owner, operation):
        raise _anothers(str(native).replace(":", " ", 1))


def _check_people(unit: Tx, message: Message, owner: str) -> None:
    named = message.call_id or message.conference_id or _named(message, "target_call_id")
    if named or _named(message, "record_id"):
        return
    login, number = _people(message)
    for call in _calls_of_people(unit, message):
        if not may_use(owner, call):
            raise RefusedError(
                Result.OTHER_TENANT,
                f"{number or login} is in a call of another application: name a CallId of yours",
            )


def _people(message: Message) -> tuple[str | None, str | None]:
    """The dispatcher and the number whose call a command is for."""
    login = _named(message, "target_login_id") or _named(message, "from_login_id")
    return login or message.login_id, _named(message, "phone_num")


def _calls_of_people(unit: Tx, message: Message) -> list[Operation]:
    """The open calls that they are in."""
    login, number = _people(message)
    if message.number not in AT_SOMEBODYS_CALL or (login is None and number is None):
        return []
    return unit.queries.open_calls_of(login, number)


def place_of(unit: Tx, message: Message, owner: str) -> str | None:
    """The platform of what a command names that names neither its call nor its conference.

    The call that is supervised (TargetCallId), else the one that a dispatcher or a number is in.
    None: nothing of it is known, or nothing is named. Which of several calls at one platform is
    meant that platform knows.

    Raises:
        RefusedError: 306, it could be at several.
    """
    kept = _kept(message)
    if kept is not None:
        return _place_of_kept(unit, kept, owner)
    target = _named(message, "target_call_id")
    found = (
        unit.records.find_calls(target) if target is not None else _calls_of_people(unit, message)
    )
    mine = [call for call in found if call.ended_at is None and may_use(owner, call)]
    login, number = _people(message)
    both = [call for call in mine if login is None or call.login_id == login]
    choice = both if number is not None and both else mine
    if len({call.platform for call in choice}) > 1:
        raise RefusedError(
            Result.WRONG_STATE,
            f"{target or number or login} is in calls of several platforms, name a CallId or an "
            f"OpId: {in_words(choice)}",
        )
    return choice[0].platform if choice else None


def names_kept(message: Message) -> bool:
    """Whether a command names something that a platform keeps."""
    return _kept(message) is not None


def _kept(message: Message) -> str | None:
    """The native key of what a command names that a platform keeps."""
    kind, name = KEPT.get(message.number, ("", ""))
    named = _named(message, name)
    return None if named is None else f"{kind}:{named}"


def _place_of_kept(unit: Tx, native: str, owner: str) -> str | None:
    found = unit.records.find_all(native)
    mine = [each for each in found if may_use(owner, each)]
    if found and not mine:
        raise _anothers(native.replace(":", " ", 1))
    if len({each.platform for each in mine}) > 1:
        raise RefusedError(
            Result.WRONG_STATE, f"{native} is at several platforms, name an OpId: {in_words(mine)}"
        )
    return mine[0].platform if mine else None


def _check(
    owner: str,
    element: str,
    written: str | None,
    find: Callable[[str], Sequence[Operation]],
) -> None:
    there = () if written is None else find(written)
    if there and not any(may_use(owner, item) for item in there):
        raise _anothers(f"{element} {written}")


def _named(message: Message, name: str) -> str | None:
    value = getattr(message, name, None)
    return value if isinstance(value, str) else None


def _anothers(what: str) -> RefusedError:
    return RefusedError(Result.OTHER_TENANT, f"{what} belongs to another application")
