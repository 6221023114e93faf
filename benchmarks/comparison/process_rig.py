"""A system under test as processes on a core, and what they cost."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import ClassVar

from benchmarks.process import SERVER_CORE, Child


class ProcessRig(ABC):
    """Has children; one use only.

    Args:
        folder: where data and logs go; empty.
    """

    name: ClassVar[str]
    """As `--only` and the JSON call it."""
    title: ClassVar[str]
    promise: ClassVar[str]
    """What it has on disk when it answers, and what becomes of a receiver's answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []

    @classmethod
    def missing(cls) -> str | None:
        """What this machine lacks for it and how to get it; None: it can run."""
        return None

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
