"""What a scenario expects to be seen, and what must not be: `[[expect]]` and `[[never]]`.

```toml
[[expect]]
at = "application"
type = 102
where = { EventId = "1213243", RecordId = "*" }
within_s = 40
```
At each place they are met in the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from protocol.kinds import direction_of
from protocol.message import Message
from protocol.messages import message_class
from protocol.roles import DIRECTIONS, Role
from protocol.suggest import suggestion
from simulators.message_values import ANY, elements, problem_with
from simulators.scenario.toml_tables import TomlTable


class Place(StrEnum):
    """Where something is to be seen."""

    APPLICATION = "application"
    PLATFORM = "platform"


HEARD: Final = {
    place: DIRECTIONS[role][1]
    for place, role in ((Place.APPLICATION, Role.APPLICATION), (Place.PLATFORM, Role.PLATFORM))
}
"""What comes to a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A message that is to be seen somewhere (or, under `never`, is not).

    `within_s` counts from when the expectation before it at this place was met; from the start for
    the first. `title` is for people; `table` where it stands in the file.
    """

    at: Place
    number: int
    where: Mapping[str, Any] = field(default_factory=dict)
    within_s: float | None = None
    title: str = ""
    table: str = ""

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.where.items())
        text = f"{self.number} at the {self.at}" + (f" with {said}" if said else "")
        text += "" if self.within_s is None else f" within {self.within_s:g} s"
        return text + (f" ({self.title})" if self.title else "")


def read_expectation(table: TomlTable, *, timed: bool) -> Expectation:
    """One table; `timed`: it may have `within_s`."""
    where = table.anything("where", {})
    at = table.choice("at", Place, Place.APPLICATION)
    number = table.anything("type")
    title = table.maybe_text("title") or ""
    within_s = table.seconds("within_s", None, above_0=True) if timed else None
    table.close()
    cls = read_type(table, "type", number)
    if cls is not None:
        check_heard(table, "type", cls, at)
        check_where(table, cls, where)
    return Expectation(
        at=at,
        number=0 if cls is None else cls.number,
        where=where if isinstance(where, dict) else {},
        within_s=within_s,
        title=title,
        table=table.key,
    )


def read_type(table: TomlTable, name: str, number: Any) -> type[Message] | None:
    """The class of a message type; what is none is a problem of the table."""
    whole = isinstance(number, int) and not isinstance(number, bool)
    cls = message_class(number) if whole else None
    if cls is None:
        said = "is missing: give" if number is None else f"{number!r} is no message type: give"
        table.problem(name, f"{said} a message type of the catalogue, such as 100")
    return cls


def check_heard(table: TomlTable, name: str, cls: type[Message], at: Place) -> None:
    """What goes the other way never comes."""
    if direction_of(cls.number) in HEARD[at]:
        return
    there = [place for place in Place if direction_of(cls.number) in HEARD[place]]
    hears = " and ".join(f"{digit}xx" for digit in sorted(HEARD[at]))
    remedy = f'; say at = "{there[0]}"' if there and name == "type" else ""
    table.problem(name, f"{cls.number} never comes to the {at}, which hears {hears}{remedy}")


def check_where(table: TomlTable, cls: type[Message], where: Any) -> None:
    """Elements that the message does not have, and values that they never have."""
    if not isinstance(where, dict):
        table.problem("where", "wants a table, such as { State = 4 }")
        return
    known = elements(cls)
    for name, value in where.items():
        if name not in known:
            near = suggestion(name, known)
            table.problem("where", f"{cls.number} {cls.english} has no element {name!r}: {near}")
        elif value != ANY and (problem := problem_with(cls, name, value)) is not None:
            table.problem("where", f"{name} is never {value!r}: {problem}")
