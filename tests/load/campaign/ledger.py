"""What a receiver has seen: a file that only grows, synced before anything is acknowledged.

One JSON array to a line: [Id, Type, digest of the body, key, EventId, Seq, seen before]. A line
that a killed process left half written was never acknowledged; it is cut off when the file is
opened again.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from protocol.codec import encode_body
from protocol.envelope import Request


@dataclass(frozen=True, slots=True)
class Seen:
    """A notice as it came. `again`: discarded, by (Id, Type, body)."""

    id: str
    type: int
    digest: str
    key: str
    event_id: str | None
    seq: int
    again: bool

    @property
    def identity(self) -> tuple[str, int, str]:
        """By which duplicates are known (protocol.md#repetitions); linkage is the one sender."""
        return self.id, self.type, self.digest


def digest_of(request: Request) -> str:
    """Of the body, without the attributes of the request."""
    return hashlib.sha256(encode_body(request.message).encode()).hexdigest()[:32]


def read_ledger(path: Path) -> list[Seen]:
    """Every whole line, in order; nothing where there is no file yet."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [Seen(*json.loads(line)) for line in lines]


class Ledger:
    """The file, open for more. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, int, str]] = set()
        self._file: Any = None

    def __enter__(self) -> Self:
        before = read_ledger(self._path)
        self._known = {seen.identity for seen in before}
        self._file = self._path.open("ab")
        whole = self._path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, request: Request, key: str) -> bool:
        """Note a notice; False when it was noted before. On disk once `sync` has returned."""
        digest = digest_of(request)
        identity = (request.id, request.type, digest)
        is_new = identity not in self._known
        self._known.add(identity)
        line = [*identity, key, request.message.event_id, request.seq, not is_new]
        self._file.write(json.dumps(line).encode() + b"\n")
        return is_new

    def sync(self) -> None:
        """Make all of it durable."""
        self._file.flush()
        os.fsync(self._file.fileno())
