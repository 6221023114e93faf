"""A system that is compared: started, spoken to, watched, stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.comparison.load import Flow, Line
from benchmarks.process import SERVER_CORE, Child


class Rig(ABC):
    """One system, from its start to its end. One use only.

    Args:
        folder: where its data and logs go; empty.
        connections: how many connections will send.
    """

    name: ClassVar[str]
    """As `--only` and the JSON call it."""
    title: ClassVar[str]
    promise: ClassVar[str]
    """What it has on disk when it answers, and what becomes of a receiver's answer."""
    delivers: ClassVar[bool] = True

    def __init__(self, folder: Path, connections: int) -> None:
        self.folder = folder
        self.connections = connections
        self.children: list[Child] = []

    @classmethod
    def missing(cls) -> str | None:
        """What this machine lacks for it and how to get it; None: it can run."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """Start the servers; they are in `children` then, and serve."""

    @abstractmethod
    async def connect(self, flow: Flow) -> Sequence[Line]:
        """Connect the receiver and `connections` senders; what they see goes to `flow`."""

    @abstractmethod
    async def disconnect(self) -> None:
        """End what `connect` made."""

    def launch(
        self, *command: str, env: dict[str, str] | None = None, core: int = SERVER_CORE
    ) -> Child:
        """Start a server on a core."""
        log = self.folder / f"{len(self.children)}.log"
        child = Child(command, log, core=core, env=env)
        self.children.append(child)
        return child

    def server_cpu_s(self) -> float:
        """Processor time of the servers so far, in seconds."""
        return sum(child.cpu_s() for child in self.children)

    def loop_cpu_s(self) -> float:
        """That of their first threads alone: of a Python server, the event loop's."""
        return sum(child.main_cpu_s() for child in self.children)

    def stop(self) -> None:
        """End the servers."""
        while self.children:
            self.children.pop().stop()


def need(module: str) -> str | None:
    """The remedy where a Python package of a client is missing."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        return f"{module} is not installed: pip install 'linkage[bench]'"
    return None
