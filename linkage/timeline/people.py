"""Who stands on a ladder: one column for each person, by whatever number they are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from linkage.correlation.reused_ids import SUBSCRIBER_DIGITS, digits_of, is_same_number
from linkage.timeline.correspondence import written_by, written_to
from linkage.timeline.ladder import Kind, Participant
from protocol import messages as m
from protocol.message import Message

_ORDER: Final = list(Kind)


class People:
    """The columns of a ladder, gathered while its rungs are drawn.

    Args:
        messages: of the event, in their order: they say which numbers are whose.
    """

    def __init__(self, messages: Iterable[Message | None]) -> None:
        self.columns: dict[str, Participant] = {}
        self._logins: dict[str, str] = {}
        self._callers: set[str] = set()
        self._persons: dict[str, tuple[str, str]] = {}
        self._called: set[str] = set()
        self._numbers: dict[str, list[str]] = {}
        """Last digits → numbers as they were written first."""
        self._written_to: set[str] = set()
        for message in messages:
            self._learn(message)

    def _learn(self, message: Message | None) -> None:
        """Which numbers are whose, so that one person gets one column."""
        match message:
            case m.IncomingCallNotice(direction=m.CallDirection.IN, phone_num=str(number)):
                self._callers.add(self._as_first_written(number))
            case m.TransferNotice():
                self._same(message.to_num, message.to_login_id)
                self._same(message.from_ext, message.from_login_id)
            case m.CallStateNotice(parent_call_id=str()):
                self._same(message.to_num, message.login_id)
            case m.CallOutResultNotice(phone_num=str(number), staff_name=str(name)):
                self._persons.setdefault(
                    self._as_first_written(number), (f"staff:{message.staff_id or name}", name)
                )
            case m.CallOut():
                self._learn_staff(message)
            case Message():
                self._learn_correspondents(message)
            case _:
                pass

    def _learn_correspondents(self, message: Message) -> None:
        """Who writes first stands where callers do, who is written to where called parties do."""
        sender, receiver = written_by(message), written_to(message)
        if receiver is not None:
            self._written_to.add(self._as_first_written(receiver))
        if sender is not None and self._as_first_written(sender) not in self._written_to:
            self._callers.add(self._as_first_written(sender))

    def _as_first_written(self, number: str) -> str:
        """A number as it stood first in the event: `+86` and zeros come and go."""
        if "@" in number or len(digits_of(number)) < SUBSCRIBER_DIGITS:
            return number
        alike = self._numbers.setdefault(digits_of(number)[-SUBSCRIBER_DIGITS:], [])
        known = next((each for each in alike if is_same_number(each, number)), None)
        if known is None:
            alike.append(number)
        return known or number

    def _learn_staff(self, message: m.CallOut) -> None:
        for staff in (staff for group in message.groups for staff in group.staff):
            for phone in staff.phone_nums:
                name = staff.staff_name or phone.number
                self._persons[self._as_first_written(phone.number)] = (
                    f"staff:{staff.staff_id or name}",
                    name,
                )

    def _same(self, number: str | None, login: str | None) -> None:
        if number is not None and login is not None and number not in self._callers:
            self._logins[number] = login

    def participants(self) -> tuple[Participant, ...]:
        """The columns, from left to right; within a kind, in order of appearance."""
        found = sorted(self.columns.values(), key=lambda item: _ORDER.index(item.kind))
        return tuple(replace(item, called=item.key in self._called) for item in found)

    def column(self, key: str, name: str, kind: Kind) -> str:
        """A column by its key, made where it is new; the key."""
        self.columns.setdefault(key, Participant(key, name, kind))
        return key

    def party(self, number: str | None, login: str | None = None) -> str | None:
        """The column of a person, known by a number, an address or a LoginId."""
        number = None if number is None else self._as_first_written(number)
        if number is not None and number in self._callers:
            return self.column(f"party:{number}", number, Kind.CALLER)
        if login is None and number in self._persons:
            return self.column(*self._persons[number], Kind.PARTY)
        who = login or self._logins.get(number or "") or number
        return None if who is None else self.column(f"party:{who}", who, Kind.PARTY)

    def was_called(self, party: str | None) -> str | None:
        """Note that somebody was called out or convened."""
        if party is not None and self.columns[party].kind is Kind.PARTY:
            self._called.add(party)
        return party

    def peer(self, peer_id: str, kind: Kind) -> str:
        """The column of a peer."""
        return self.column(f"peer:{peer_id}", peer_id, kind)
