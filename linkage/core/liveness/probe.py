"""One question to a platform about operations that have been silent for long (215 → 193).

Pure: pages of the answer in, a verdict for each operation out. The verdict is careful: a call that
the platform does not list is dead, for it was asked about just that call; what an answer need not
contain (the legs of a call that is listed, the members of a conference) is dead only where the
answer shows that this platform does list such things.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from linkage.store.rows import Operation
from protocol import messages as m

ITEMS_MAX: Final = 20_000
"""Things that one answer may list; a platform that lists more is not listened to."""
PHONE_NUM_MAX: Final = 25
"""Characters of a PhoneNum (protocol.md#values)."""

Find = Callable[[int | None], Operation | None]
"""An operation by OpId."""


class EndlessAnswerError(Exception):
    """A platform lists more than there can be."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: a call or a conference of a platform."""

    call_id: str | None = None
    conference_id: str | None = None

    def query(self) -> m.QueryCall:
        """The question."""
        return m.QueryCall(call_id=self.call_id, conference_id=self.conference_id)


def subject_of(operation: Operation, find: Find) -> Subject | None:
    """What to ask about for an operation; None where there is nothing to name.

    Platforms answer for calls; whether they know their legs one by one is their own affair. So a
    leg is asked about by its call as long as that lives.
    """
    match operation.kind:
        case "recording":
            parent = find(operation.parent)
            return None if parent is None else subject_of(parent, find)
        case "member" | "conference":
            number = operation.conference_id
            return None if number is None else Subject(conference_id=number)
        case _:
            call = _asked_call(operation, find)
            return None if call.call_id is None else Subject(call_id=call.call_id)


def _asked_call(operation: Operation, find: Find) -> Operation:
    root = find(operation.root)
    by_root = root is not None and root.kind == "call" and root.ended_at is None
    return root if root is not None and by_root else operation


@dataclass(slots=True)
class Probe:
    """A question that is out, and what was answered so far. Times are microseconds.

    `asked_us` is by the wall clock (compared with the journal), `deadline_us` by the steady one.
    `op_ids` are the operations in doubt.
    """

    platform: str
    op_ids: tuple[int, ...]
    asked_us: int
    deadline_us: int
    pages: set[int] = field(default_factory=set)
    last_page: int = 1
    calls: set[str] = field(default_factory=set)
    with_legs: set[str] = field(default_factory=set)
    numbers: dict[str, set[str]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    items: int = 0

    def take(self, page: m.SnapshotNotice) -> bool:
        """One page; whether the answer is complete now.

        Raises:
            EndlessAnswerError: there is no end to it.
        """
        self.items += 1 + len(page.calls) + sum(1 + len(c.members) for c in page.conferences)
        if self.items > ITEMS_MAX:
            raise EndlessAnswerError
        for call in page.calls:
            self._take_call(call)
        for conference in page.conferences:
            self._take_conference(conference)
        self.pages.add(page.page or 1)
        self.last_page = max(self.last_page, page.pages or 1, page.page or 1)
        # Counted up to the last: a platform that counts otherwise than it says has not said all.
        return len(self.pages) == self.last_page

    def _take_call(self, call: m.CallSnapshot) -> None:
        self.calls.add(call.call_id)
        if call.parent_call_id not in {None, call.call_id}:
            self.with_legs.add(str(call.parent_call_id))
        if call.conference_id is not None:
            numbers = self.numbers.setdefault(call.conference_id, set())
            numbers.update(n for n in (call.phone_num, call.to_num) if n is not None)

    def _take_conference(self, conference: m.ConferenceSnapshot) -> None:
        known = self.members.setdefault(conference.conference_id, set())
        for member in conference.members:
            ids = (member.member_id, member.phone_num, member.staff_id, member.call_id)
            known.update(each for each in ids if each is not None)
            if member.call_id is not None:
                self.calls.add(member.call_id)

    def lives(self, operation: Operation, find: Find) -> bool | None:
        """Whether an operation lives, by the complete answer; None where it does not say."""
        match operation.kind:
            case "recording":
                parent = find(operation.parent)
                return None if parent is None else self.lives(parent, find)
            case "member":
                return self._member_lives(operation)
            case "conference":
                return operation.conference_id in self.members.keys() | self.numbers.keys()
            case _:
                return self._call_lives(operation, find)

    def _call_lives(self, operation: Operation, find: Find) -> bool | None:
        if operation.call_id in self.calls:
            return True
        call = _asked_call(operation, find)
        if call is operation or call.call_id not in self.calls:
            return False
        return False if call.call_id in self.with_legs else None

    def _member_lives(self, operation: Operation) -> bool | None:
        number = operation.conference_id or ""
        if number not in self.members and number not in self.numbers:
            return False
        who = {operation.native.partition("/")[2], operation.to_num, operation.call_id}
        known = self.members.get(number, set())
        if who & (known | self.numbers.get(number, set())):
            return True
        return False if known else None


def last_word(operation: Operation, parent: Operation | None, reason: int) -> m.Message:
    """The notice that an operation is over, as its platform would have given it."""
    match operation.kind:
        case "conference":
            return m.ConferenceNotice(
                conference_id=operation.conference_id,
                call_id=operation.call_id,
                action=m.ConferenceNoticeAction.ENDED,
                reason=reason,
            )
        case "member":
            who = operation.native.partition("/")[2]
            return m.ConferenceMemberNotice(
                conference_id=operation.conference_id,
                member_id=who,
                phone_num=_number(who) if who == operation.to_num else None,
                action=m.MemberNoticeAction.LEFT,
                reason=reason,
            )
        case "recording":
            return m.RecordingNotice(
                record_id=operation.native.partition(":")[2],
                call_id=operation.call_id,
                conference_id=operation.conference_id,
                action=m.RecordingNoticeAction.FAILED,
                reason=reason,
            )
        case _:
            above = None if parent is None else parent.call_id
            return m.HangupNotice(
                call_id=operation.call_id,
                conference_id=operation.conference_id,
                parent_call_id=None if above == operation.call_id else above,
                login_id=operation.login_id,
                phone_num=_number(operation.from_num),
                side=m.HangupSide.PLATFORM,
                scope=m.HangupScope.LEG if operation.kind == "leg" else m.HangupScope.CALL,
                reason=reason,
            )


def _number(kept: str | None) -> str | None:
    """What is kept as a number, where a PhoneNum can carry it."""
    return kept if kept is not None and len(kept) <= PHONE_NUM_MAX else None
