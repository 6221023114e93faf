"""What the duty desk of a scenario does by itself: `[[application.rule]]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.kinds import COMMANDS
from protocol.message import Message
from protocol.suggest import suggestion
from simulators.message_values import ComposeError, check, elements
from simulators.scenario.expectations import Place, check_heard, check_where, read_type
from simulators.scenario.toml_tables import TomlTable

START: Final = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the duty desk does: a command, `after_s` after something came (None: after the start).

    A rule with `once` (the default) is done with after its first use.
    """

    on: int | None
    send: type[Message]
    words: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    after_s: float = 0.0
    once: bool = True


def read_rule(table: TomlTable) -> Rule | None:
    """One `[[application.rule]]`; None where it cannot be used, which is noted."""
    on = table.anything("on", START)
    send = table.anything("send")
    where = table.anything("where", {})
    words = table.anything("with", {})
    after_s = table.seconds("after_s", 0.0) or 0.0
    once = table.yes("once", default=True)
    table.close()
    trigger = None if on == START else read_type(table, "on", on)
    command = read_type(table, "send", send)
    if on == START and where:
        table.problem("where", "nothing has come at the start: remove it, or say on = TYPE")
    if trigger is not None:
        _check_placeholders(table, trigger, words)
        check_heard(table, "on", trigger, Place.APPLICATION)
        check_where(table, trigger, where)
    if command is None:
        return None
    if command.number not in COMMANDS:
        table.problem("send", f"{send} is no command of an application: give one of 2xx")
    elif not isinstance(words, dict):
        table.problem("with", 'wants a table, such as { CallId = "$CallId" }')
    else:
        try:
            check(command, words)
        except ComposeError as error:
            table.problem("with", str(error))
    return Rule(
        on=None if trigger is None else trigger.number,
        send=command,
        words=words if isinstance(words, dict) else {},
        where=where if isinstance(where, dict) else {},
        after_s=after_s,
        once=once,
    )


def _check_placeholders(table: TomlTable, trigger: type[Message], words: Any) -> None:
    known = elements(trigger)
    for name in _placeholders(words):
        if name not in known:
            near = suggestion(name, known)
            table.problem("with", f"${name}: {trigger.number} has no such element: {near}")


def _placeholders(words: Any) -> Iterator[str]:
    """The names behind `$`, however deep."""
    if isinstance(words, dict | list):
        for value in words.values() if isinstance(words, dict) else words:
            yield from _placeholders(value)
    elif isinstance(words, str) and words.startswith("$"):
        yield words[1:]
