"""Which call or conference a command means: what fits all its names (protocol.md#naming-calls).

Platforms number their calls each for itself, so one CallId may be several calls. Nothing is
guessed: what a command names beside the id must fit (OpId, EventId, the dispatcher, a number, the
conference of the call), and where several are left the sender has to say more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from linkage.correlation.business_events import event_of, final_event
from linkage.correlation.reused_ids import is_same_number
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation
from protocol import messages as m
from protocol.message import Message

ENDED_TOGETHER_US: Final = 3600 * 1_000_000
"""Of calls that have ended those come into question that ended so long before the last of them."""
BOUND_BY: Final = {
    "sms": "sms_id",
    "fax": "fax_id",
    "mail": "mail_id",
    "video": "video_id",
    "file": "file_id",
}
"""What a 281 may name beside a call: kind of the native key, and the field."""
SHOWN: Final = 5
"""Candidates that a refusal names."""
DISPATCHERS: Final = ("from_login_id", "target_login_id", "login_id")
"""Elements that name who is in the call that is meant; the first that is given counts."""


def called(records: RecordsPort, message: Message) -> list[Operation]:
    """Every call under a command's CallId that could be meant, of any platform, by its id alone.

    Of a platform only the latest: it does not give the CallId of a call that lives to another.
    """
    return [] if message.call_id is None else _latest(records.find_calls(message.call_id))


def convened(records: RecordsPort, message: Message) -> list[Operation]:
    """The same for its ConferenceID."""
    named = message.conference_id
    return [] if named is None else _latest(records.find_conferences(named))


def _latest(found: Iterable[Operation]) -> list[Operation]:
    by_platform: dict[str, Operation] = {}
    for operation in found:
        by_platform.setdefault(operation.platform, operation)
    return list(by_platform.values())


def by_op_id(records: RecordsPort, message: Message) -> Operation | None:
    """The operation that an OpId names; None: it names none, or one that is not known."""
    named = message.op_id
    return records.operation(int(named)) if named is not None and named.isdecimal() else None


def fitting(
    records: RecordsPort, message: Message, candidates: Sequence[Operation]
) -> list[Operation]:
    """Those of several operations with one id that fit all else a command names.

    Those that live before those that have ended. One: it is meant. None, several: nobody knows
    which.
    """
    named = by_op_id(records, message)
    if message.op_id is not None:
        candidates = [each for each in candidates if named is not None and each.root == named.root]
    if len(candidates) > 1:
        candidates = _of_event(records, message, candidates)
        candidates = _of_platforms(records, message, candidates)
        candidates = _of_people(records, message, candidates)
    living = [each for each in candidates if each.ended_at is None]
    if living or len(candidates) < 2:  # noqa: PLR2004 - one is no choice
        return living or list(candidates)
    last = max(each.ended_at or 0 for each in candidates)
    return [each for each in candidates if (each.ended_at or 0) >= last - ENDED_TOGETHER_US]


def _of_event(
    records: RecordsPort, message: Message, candidates: Sequence[Operation]
) -> Sequence[Operation]:
    """201 gives a call its event; any other command names one that the call has."""
    if message.event_id is None or isinstance(message, m.CreateEvent):
        return candidates
    events = {each.event_pk for each in records.find_events(message.event_id)}

    def is_of_it(candidate: Operation) -> bool:
        event = event_of(records, candidate.event_pk)
        if event is None:
            return False
        return not events.isdisjoint((event.event_pk, final_event(records, event).event_pk))

    return [each for each in candidates if is_of_it(each)] or candidates


def _of_platforms(
    records: RecordsPort, message: Message, candidates: Sequence[Operation]
) -> Sequence[Operation]:
    """A call and a conference that are named together are of one platform."""
    if message.call_id is None or message.conference_id is None:
        return candidates
    places = {each.platform for each in called(records, message)}
    places &= {each.platform for each in convened(records, message)}
    return [each for each in candidates if each.platform in places]


def _of_people(
    records: RecordsPort, message: Message, candidates: Sequence[Operation]
) -> Sequence[Operation]:
    """Those with the dispatcher and the number in them, else those of which nothing is known."""
    names = (getattr(message, name, None) for name in DISPATCHERS)
    login = next((name for name in names if isinstance(name, str)), None)
    if login is not None:
        logins = {
            each.op_id: {part.login_id for part in records.tree(each.root)} - {None}
            for each in candidates
        }
        fits = [each for each in candidates if login in logins[each.op_id]]
        candidates = fits or [each for each in candidates if not logins[each.op_id]]
    number = getattr(message, "phone_num", None)
    if isinstance(number, str):
        numbers = {each.op_id: _numbers(records, each) for each in candidates}
        fits = [
            each
            for each in candidates
            if any(is_same_number(known, number) for known in numbers[each.op_id])
        ]
        candidates = fits or [each for each in candidates if not numbers[each.op_id]]
    return candidates


def _numbers(records: RecordsPort, call: Operation) -> list[str]:
    parts = records.tree(call.root)
    return [n for part in parts for n in (part.from_num, part.to_num) if n is not None]


def targets(records: RecordsPort, owner: str, message: Message) -> list[Operation]:
    """The call and the conference that an application's command means, of those it may use."""
    if message.call_id is None and message.conference_id is None:
        named = by_op_id(records, message)
        return [] if named is None or not may_use(owner, named) else [named]
    found: list[Operation] = []
    for candidates in (called(records, message), convened(records, message)):
        mine = [operation for operation in candidates if may_use(owner, operation)]
        fits = fitting(records, message, mine)
        found += fits if len(fits) == 1 else []
    return found


def may_use(owner: str, operation: Operation) -> bool:
    """Whether an application may name an operation: its owner, or anyone where nobody has it."""
    return operation.owner in {None, owner}


def bind_target(records: RecordsPort, owner: str, message: m.BindEvent) -> Operation | None:
    """The operation that a 281 names: by OpId, by an id of its platform's, or by CallId."""
    if message.op_id is not None:
        return by_op_id(records, message)
    for kind, name in BOUND_BY.items():
        named = getattr(message, name)
        if named is not None:
            same = _latest(records.find_all(f"{kind}:{named}"))
            return _only(each for each in same if may_use(owner, each))
    found = targets(records, owner, message)
    return found[0] if found else None


def _only(operations: Iterable[Operation]) -> Operation | None:
    found = list(operations)
    return found[0] if len(found) == 1 else None


def in_words(candidates: Sequence[Operation]) -> str:
    """Candidates as the sender of a command can choose among them; the first few."""
    return "; ".join(
        f"OpId {each.op_id} at {each.platform} ({each.from_num or '?'} to {each.to_num or '?'}"
        + (f", {each.login_id}" if each.login_id is not None else "")
        + (", ended)" if each.ended_at is not None else ")")
        for each in candidates[:SHOWN]
    )
