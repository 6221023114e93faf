"""What sends texts: started, spoken to, watched, stopped."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.comparison.process_rig import ProcessRig
from benchmarks.sms.traffic import Line, Traffic

SENDER: Final = "12345"
NUMBERS: Final = 10_000
"""Receivers: so many numbers, in turn."""


def number_of(name: str) -> str:
    """Whom a text goes to."""
    return f"139{int(name[8:], 16) % NUMBERS:08}"


def text_of(name: str) -> str:
    """What it says: its name is in it, so that the centre sees when it is submitted twice."""
    return f"Fire in hall 3, engine 12 to the south gate. Report your arrival. {name}"


class SmsRig(ProcessRig):
    """One system, from its start to its end. One use only.

    Args:
        folder: where its data and logs go; empty.
        lines: how many applications will send.
        centre_port: where the SMS centre listens.
    """

    def __init__(self, folder: Path, lines: int, centre_port: int) -> None:
        super().__init__(folder)
        self.lines = lines
        self.centre_port = centre_port

    @abstractmethod
    async def start(self) -> None:
        """Start the servers; they are in `children` then, serve, and are bound to the centre."""

    @abstractmethod
    async def connect(self, traffic: Traffic) -> Sequence[Line]:
        """The applications; what they are told goes to `traffic`."""

    @abstractmethod
    async def disconnect(self) -> None:
        """End what `connect` made."""
