"""How much of what the implementation sends is read: while a check runs, and in the whole run.

A linkage that was flooded would refuse with 404 what its disk does not take; the kit has no disk,
and must come to its end all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bound:
    """What is read at most. Heartbeats count as messages: they cost as much to look at."""

    messages: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.messages} messages and {self.bytes // MIB} MiB"


OF_CHECK: Final = Bound(10_000, 32 * MIB)
"""A check asks for a handful; a switchboard that is busy besides sends some hundred."""
OF_RUN: Final = Bound(50_000, 128 * MIB)
"""All of it is kept until the end."""


class Mailbox:
    """Counts what comes; `flooded` is told once for each check in which it becomes too much."""

    def __init__(self, flooded: Callable[[], None]) -> None:
        self._flooded = flooded
        self._messages = self._bytes = 0
        self._run_messages = self._run_bytes = 0
        self.cut = ""
        """What was not read in this check, for a person; "": all was."""

    def begin(self) -> None:
        """The next check begins."""
        self._messages = self._bytes = 0
        self.cut = ""

    @property
    def spent(self) -> bool:
        """True when nothing more is read in this run."""
        return _beyond(OF_RUN, self._run_messages, self._run_bytes)

    def take(self, *, messages: int = 0, size: int = 0) -> None:
        """So many messages, or bytes, have come."""
        self._messages += messages
        self._bytes += size
        self._run_messages += messages
        self._run_bytes += size
        if not self.cut and (self.spent or _beyond(OF_CHECK, self._messages, self._bytes)):
            self.cut = (
                f"{self._messages} messages and heartbeats, {self._bytes} bytes in this check "
                f"({self._run_messages} and {self._run_bytes} in the run): the connection was "
                "cut, the rest is not read"
            )
            self._flooded()


def _beyond(bound: Bound, messages: int, size: int) -> bool:
    return messages > bound.messages or size > bound.bytes
