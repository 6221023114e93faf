"""Who reads the store just now: processes that keep its log from being taken in, by their names.

A reader in the middle of a transaction holds a lock on one of five bytes of `linkage.db-shm`
(WAL_READ_LOCK of SQLite, bytes 123 to 127), and Linux lists who holds which lock in
`/proc/locks`. Where that tells nothing, those are named who have the file open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
READ_LOCKS: Final = range(123, 128)
WORDS_MAX: Final = 4
COMMAND_MAX: Final = 80
NAMED_MAX: Final = 5
_FIELDS: Final = 8
"""Of a line in /proc/locks: `1: POSIX ADVISORY READ 4711 fe:00:1234 124 124`."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process.

    `stopped`: by a signal (Ctrl-Z), so that it will not end by itself; `is_backup`: it is
    `linkage backup`.
    """

    pid: int
    command: str
    stopped: bool = False
    is_backup: bool = False

    def __str__(self) -> str:
        stopped = ", stopped" if self.stopped else ""
        return f"{self.command} (pid {self.pid}{stopped})"


def readers_of(database: Path, proc: Path = PROC) -> list[Holder]:
    """The processes that read a database; empty where nobody can tell."""
    try:
        found = os.stat(database.with_name(f"{database.name}-shm"))  # noqa: PTH116 - the same as Path.stat
    except OSError:
        return []
    pids = _with_lock(found, proc) or _with_file(found, proc) - {os.getpid()}
    return [_holder(pid, proc) for pid in sorted(pids)[:NAMED_MAX]]


def _with_lock(file: os.stat_result, proc: Path) -> set[int]:
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        lines = (proc / "locks").read_text().splitlines()
    except OSError:
        return set()
    pids = set()
    for line in lines:
        # "->" stands in the lines of those who wait.
        fields = [field for field in line.split() if field != "->"]
        if len(fields) != _FIELDS or fields[5] != device or not fields[6].isdigit():
            continue
        if int(fields[6]) in READ_LOCKS:
            pids.add(int(fields[4]))
    return pids


def _with_file(file: os.stat_result, proc: Path) -> set[int]:
    return {pid for pid, held in _open_files(proc) if (held.st_dev, held.st_ino) == _key(file)}


def _key(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _open_files(proc: Path) -> Iterator[tuple[int, os.stat_result]]:
    for folder in proc.glob("[0-9]*/fd"):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    yield int(folder.parent.name), os.stat(entry.path)  # noqa: PTH116 - of a scan
        except OSError:  # gone meanwhile, or another user's
            continue


def _holder(pid: int, proc: Path) -> Holder:
    if pid == os.getpid():
        return Holder(pid, "linkage itself")
    if pid <= 0:
        return Holder(pid, "a process outside of this container")
    folder = proc / str(pid)
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:1]
    except OSError:
        return Holder(pid, "a process")
    # Of paths the last part: the whole of one would leave no room for what is done with it.
    named = [word.rstrip("/").rpartition("/")[2] for word in words[:WORDS_MAX]]
    command = " ".join(word for word in named if word) or "a process"
    shown = "".join(c if c.isprintable() else "?" for c in command)[:COMMAND_MAX]
    return Holder(
        pid, shown, stopped=state in (["T"], ["t"]), is_backup="backup" in words[1:WORDS_MAX]
    )
