"""A folder of mails, as IMAP sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(eq=False)
class Held:
    """A mail in a folder."""

    uid: int
    octets: bytes
    at: datetime
    flags: set[str] = field(default_factory=set)


class Folder:
    """Mails in their order."""

    def __init__(self) -> None:
        self.validity = 1_000
        self.mails: list[Held] = []
        self.next_uid = 1

    def append(self, octets: bytes, at: datetime, flags: set[str] | None = None) -> Held:
        """A mail comes in."""
        held = Held(self.next_uid, octets, at, flags or set())
        self.next_uid += 1
        self.mails.append(held)
        return held

    def make_anew(self) -> None:
        """The folder is removed and made again, with the same mails."""
        self.validity += 1
        self.next_uid = 1
        mails, self.mails = self.mails, []
        for each in mails:
            self.append(each.octets, each.at, each.flags)

    def move_away_and_back(self, held: Held) -> Held:
        """What a person does by mistake: the mail gets a new UID."""
        self.mails.remove(held)
        return self.append(held.octets, held.at, held.flags)
