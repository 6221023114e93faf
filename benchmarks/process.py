"""Processes under test: pinned to a core, watched in /proc, ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CAN_PIN: Final = hasattr(os, "sched_setaffinity")
CORES: Final = tuple(sorted(os.sched_getaffinity(0))) if CAN_PIN else ()
"""Those that this process was given, before it was pinned; none where the system cannot pin."""
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
STOP_WITHIN_S: Final = 20.0
_ZOMBIE: Final = "Z"
REPOSITORY: Final = Path(__file__).resolve().parent.parent


class BenchmarkError(Exception):
    """A measurement cannot be made; one line that says why and what to do."""


def pin(core: int) -> None:
    """Keep this process, and those it starts, on one core where there are several."""
    if CORES:
        os.sched_setaffinity(0, {CORES[core % len(CORES)]})


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed, as linkage does."""
    from linkage.cli.shared.loop import run as run_on_loop

    return run_on_loop(work)


def die_orderly() -> None:
    """Make SIGTERM end us as Ctrl-C does: asyncio cancels, and what was started is ended.

    A shell has its background programs ignore SIGINT, which must not be passed on here.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, stop)


def free_port() -> int:
    """A port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """A process in a session of its own, on one core, its output in a file.

    Args:
        command: what to run.
        log: where its output goes.
        core: the core that it and its children are kept on; None: that of this process.
        env: variables beside those of this process.
        cwd: where it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        core: int | None = SERVER_CORE,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
    ) -> None:
        self._log = log
        before = os.sched_getaffinity(0) if CORES else None
        if core is not None:
            pin(core)  # inherited: what it counts as the machine's cores is this one
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(env or {})},
                    cwd=cwd,
                    start_new_session=True,
                )
        finally:
            if before is not None:
                os.sched_setaffinity(0, before)
        self._name = Path(command[0]).name
        self.stop_within_s = STOP_WITHIN_S
        """How long it may take to end by itself."""

    @property
    def pid(self) -> int:
        """Of the process itself."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def check(self) -> None:
        """See that it is alive.

        Raises:
            BenchmarkError: it is not; with its last words.
        """
        code = self._process.poll()
        if code is not None:
            words = "\n".join(self.output.splitlines()[-10:])
            raise BenchmarkError(f"{self._name} has ended with {code}:\n{words}")

    async def says(self, words: str, within_s: float = 60.0) -> str:
        """Wait for a line with these words.

        Raises:
            BenchmarkError: it has ended, or does not say so in time.
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for line in self.output.splitlines():
                if words in line:
                    return line
            self.check()
            await asyncio.sleep(0.02)
        raise BenchmarkError(f"{self._name} did not say {words!r} within {within_s:g} s")

    async def listens(self, port: int, within_s: float = 60.0) -> None:
        """Wait until it takes connections.

        Raises:
            BenchmarkError: it has ended, or does not in time.
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            self.check()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
        raise BenchmarkError(f"{self._name} did not listen on {port} within {within_s:g} s")

    def cpu_s(self) -> float:
        """Processor time of it and its children so far, in seconds."""
        return sum(cpu_s(pid) for pid in family(self.pid))

    def main_cpu_s(self) -> float:
        """Processor time of its first thread alone: of a Python server, the event loop's."""
        return _cpu_s(Path(f"/proc/{self.pid}/task/{self.pid}"))

    def stop(self) -> None:
        """End it and all that it started."""
        pids = list(family(self.pid))
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self.stop_within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        for pid in pids:
            if pid != self.pid:
                _kill(pid)
        self._process.wait()


def _kill(pid: int) -> None:
    """End a process that is nobody's child here, and see it gone."""
    until = time.monotonic() + STOP_WITHIN_S
    while (fields := _stat(pid)) and fields[0] != _ZOMBIE and time.monotonic() < until:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    parents = dict(_parents())
    members = [pid]
    for member in members:
        members.extend(child for child, parent in parents.items() if parent == member)
        if Path(f"/proc/{member}").exists():
            yield member


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            yield int(entry.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    return _fields(Path(f"/proc/{pid}"))


def _fields(folder: Path) -> list[str]:
    """The fields of a `stat` in /proc from the state on; empty when what it tells of is gone."""
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """Processor time of one process, all its threads, in seconds."""
    return _cpu_s(Path(f"/proc/{pid}"))


def _cpu_s(folder: Path) -> float:
    fields = _fields(folder)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds, in KiB."""

    rss_kib: int
    """Resident, what it shares with others counted in full."""
    pss_kib: int
    """Resident, what it shares with others counted by its share."""


def memory(pid: int) -> Memory:
    """The memory of a process, from /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    found = {line.partition(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
    return Memory(rss_kib=int(found["Rss"]), pss_kib=int(found["Pss"]))
