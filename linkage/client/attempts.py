"""What became of the attempts to be registered: where, how often, and why the last one failed."""

from __future__ import annotations

from typing import Final

ADDRESSES_MAX: Final = 8
"""Addresses whose last failure is remembered; strangers may knock at a listener from many."""


class Attempts:
    """Failures by address since the last registration; as a text, all of them on one line."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, str]] = {}

    def __str__(self) -> str:
        return "; ".join(
            reason if times == 1 else f"{reason} (tried {times} times)"
            for times, reason in self._failures.values()
        )

    def failed(self, address: str, reason: str) -> None:
        """One more at that address, which is the latest."""
        times, _ = self._failures.pop(address, (0, ""))
        self._failures[address] = times + 1, reason
        if len(self._failures) > ADDRESSES_MAX:
            del self._failures[next(iter(self._failures))]

    def clear(self) -> None:
        """There is a registration: what was before is of no interest."""
        self._failures.clear()
