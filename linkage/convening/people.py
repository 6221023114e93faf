"""Who is called out (210, 204): persons with numbers in order, in groups that want enough.

| CallMode | who rings at a time | enough |
|---|---|---|
| 1 all | everybody | never: each is called until he joins or fails |
| 2 sequential | one, in the order of the list | one |
| 3 ring all, first wins | everybody | one |
| 4 N of group | as many as are still missing, in order | `wanted` |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from protocol.messages import CallMode


class Fate(IntEnum):
    """How far the calling of a person has come."""

    WAITING = 1
    RINGING = 2
    JOINED = 3
    FAILED = 4
    SKIPPED = 5


@dataclass(slots=True, kw_only=True)
class Try:
    """One number to dial, and how the command has it; `obstacle` is why it cannot be dialled."""

    number: str
    written: str
    num_type: str | None = None
    endpoint: str = ""
    login: str | None = None
    obstacle: int | None = None


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody to reach. `tries` are still to be dialled, `number` was last, `leg` rings.

    `number` is as the command has it. `tried` are the numbers that were dialled; before one is
    repeated, we wait until `due`.
    """

    tries: list[Try]
    number: str
    num_type: str | None = None
    staff_id: str | None = None
    staff_name: str | None = None
    fate: Fate = Fate.WAITING
    attempt: int = 0
    tried: list[str] = field(default_factory=list)
    due: datetime | None = None
    leg: str | None = None

    @property
    def open(self) -> bool:
        """Neither there nor given up."""
        return self.fate in {Fate.WAITING, Fate.RINGING}

    @property
    def next_number(self) -> str | None:
        """What would be dialled for him now; None: nothing that is left can be."""
        return next((each.number for each in self.tries if each.obstacle is None), None)


@dataclass(slots=True, kw_only=True)
class Race:
    """A group. `wanted` counts where not all are called."""

    group_id: str | None = None
    mode: CallMode = CallMode.ALL
    wanted: int = 1
    persons: list[Person] = field(default_factory=list)

    def count(self, *fates: Fate) -> int:
        """How many persons stand so."""
        return sum(person.fate in fates for person in self.persons)

    @property
    def enough(self) -> bool:
        """Nobody else of the group is needed."""
        return self.mode is not CallMode.ALL and self.count(Fate.JOINED) >= self.wanted

    @property
    def places(self) -> int:
        """How many may ring at a time."""
        if self.mode in {CallMode.ALL, CallMode.FIRST_WINS}:
            return len(self.persons)
        return self.wanted - self.count(Fate.JOINED)


@dataclass(slots=True, kw_only=True)
class Convening:
    """One command that calls people out; `told`: by 110 and 116, as for 210.

    `reported` is how many persons were settled at the last 116. `patience_s`: after an outage
    longer than that nobody else is called.
    """

    request_id: str | None
    login_id: str | None = None
    ring_s: float
    patience_s: float = 30.0
    told: bool = True
    races: list[Race] = field(default_factory=list)
    reported: int = 0

    def persons(self) -> Iterator[tuple[Race, Person]]:
        """Everybody, with the group."""
        return ((race, person) for race in self.races for person in race.persons)

    def count(self, *fates: Fate) -> int:
        """How many persons stand so."""
        return sum(race.count(*fates) for race in self.races)

    @property
    def finished(self) -> bool:
        """Everybody is there or given up."""
        return not self.count(Fate.WAITING, Fate.RINGING)
