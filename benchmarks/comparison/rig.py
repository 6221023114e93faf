"""A system that is compared: started, spoken to, watched, stopped."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.comparison.load import Flow, Line
from benchmarks.comparison.process_rig import ProcessRig


class Rig(ProcessRig):
    """One system, from its start to its end. One use only.

    Args:
        folder: where its data and logs go; empty.
        connections: how many connections will send.
    """

    delivers: ClassVar[bool] = True

    def __init__(self, folder: Path, connections: int) -> None:
        super().__init__(folder)
        self.connections = connections

    @abstractmethod
    async def start(self) -> None:
        """Start the servers; they are in `children` then, and serve."""

    @abstractmethod
    async def connect(self, flow: Flow) -> Sequence[Line]:
        """Connect the receiver and `connections` senders; what they see goes to `flow`."""

    @abstractmethod
    async def disconnect(self) -> None:
        """End what `connect` made."""


def need(module: str) -> str | None:
    """The remedy where a Python package of a client is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        return f"{module} is not installed: pip install 'linkage[bench]'"
    return None
