"""What an adapter is given, in memory: the ports of `linkage.ports` for tests of adapters."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from linkage.ports import Notice, StoredFile
from linkage.ports.adapter import NOTHING
from protocol.message import Message
from protocol.plans import plan_of

M = TypeVar("M", bound=Message)
WAIT_S = 30.0


class FakeMemory:
    """A table that survives a crash of the adapter, if the test lets the next one have it.

    Values go through JSON, as on disk. `fail_at` makes the nth write (from 0) and all after it
    fail, as when the process is killed there.
    """

    def __init__(self) -> None:
        self.table: dict[str, str] = {}
        self.puts = 0
        self.fail_at: int | None = None
        self.late = False
        """Killed after the write before `fail_at`, whose end nobody saw."""
        self.gate = asyncio.Event()
        """While it is not set, nothing comes onto the disk."""
        self.gate.set()
        self._changed = asyncio.Condition()

    async def until(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Return when a write has made something true."""
        async with asyncio.timeout(timeout_s), self._changed:
            while not condition():
                await self._changed.wait()

    async def load(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self.table.items()}

    async def put(self, key: str, value: Any) -> None:
        await self.write({key: value})

    async def delete(self, key: str) -> None:
        await self.write({key: None})

    async def write(self, changes: Mapping[str, Any | None]) -> None:
        """All of these changes or, killed, none (None deletes)."""
        await self.gate.wait()
        self._count()
        for key, value in changes.items():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = json.dumps(value)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def answer(self) -> None:
        """A write is on disk: say so, unless the process was killed just then."""
        if self.late and self.fail_at is not None and self.puts >= self.fail_at:
            raise KilledError

    def _count(self) -> None:
        self.puts += 1
        if self.fail_at is not None and self.puts > self.fail_at:
            raise KilledError


class KilledError(Exception):
    """The process is no more (for a test)."""


class FakePort:
    """An `AdapterPort` on a memory and a list of notices: all of a record or, killed, nothing."""

    def __init__(self, memory: FakeMemory, notices: Notices) -> None:
        self._memory = memory
        self._notices = notices
        self.records: list[tuple[list[int], set[str]]] = []
        """What was committed: numbers of the notices, keys of the memory."""

    async def load(self) -> dict[str, Any]:
        return await self._memory.load()

    async def record(
        self, notices: Sequence[Notice] = (), memory: Mapping[str, Any | None] = NOTHING
    ) -> None:
        if notices:
            await self._notices.gate.wait()
        await self._memory.write(memory)
        for notice in notices:
            await self._notices(
                notice.message, time=notice.time, reconstructed=notice.reconstructed
            )
        self.records.append(([each.message.number for each in notices], {*memory}))
        self._memory.answer()


class FakeFiles:
    """A file store in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.saved: list[StoredFile] = []
        self.full = False

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        if self.full:
            raise OSError(28, "No space left on device")
        file_id = f"F{len(self.saved) + 1}"
        path = self._folder / f"{file_id}{Path(name).suffix}"
        data = b"".join([piece async for piece in content])
        path.write_bytes(data)
        stored = StoredFile(
            file_id=file_id,
            path=path,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        self.saved.append(stored)
        return stored

    async def open(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        found = await self.stat(file_id)
        if found is None:
            raise FileNotFoundError(file_id)
        yield found.path.read_bytes()[start:]

    async def stat(self, file_id: str) -> StoredFile | None:
        return next((each for each in self.saved if each.file_id == file_id), None)

    async def delete(self, file_id: str) -> bool:
        found = await self.stat(file_id)
        if found is None:
            return False
        found.path.unlink()
        self.saved.remove(found)
        return True


@dataclass(frozen=True)
class Told:
    """A notice as it was emitted."""

    message: Message
    time: datetime | None
    reconstructed: bool


class Notices:
    """Takes notices as the core does, and lets a test wait for one."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._arrived = asyncio.Condition()
        self._seen = 0

    async def __call__(
        self, message: Message, *, time: datetime | None = None, reconstructed: bool = False
    ) -> None:
        await self.gate.wait()
        async with self._arrived:
            self.told.append(Told(message, time, reconstructed))
            self._arrived.notify_all()

    def of(self, kind: type[M], **fields: Any) -> list[M]:
        """Every notice of a class with these field values, so far."""
        return [
            each.message
            for each in self.told
            if isinstance(each.message, kind) and _fits(each.message, fields)
        ]

    async def next(self, kind: type[M], /, timeout_s: float = WAIT_S, **fields: Any) -> M:
        """The next notice of a class with these field values, passing over all before it."""

        def find() -> M | None:
            for position in range(self._seen, len(self.told)):
                message = self.told[position].message
                if isinstance(message, kind) and _fits(message, fields):
                    self._seen = position + 1
                    return message
            return None

        return await self._wait(find, timeout_s, f"no {kind.__name__} with {fields}")

    async def any(self, kind: type[M], /, timeout_s: float = WAIT_S, **fields: Any) -> M:
        """A notice of a class with these field values, wherever it stands."""

        def find() -> M | None:
            found = self.of(kind, **fields)
            return found[0] if found else None

        return await self._wait(find, timeout_s, f"no {kind.__name__} with {fields}")

    async def _wait(self, find: Callable[[], M | None], timeout_s: float, lack: str) -> M:
        found: M | None = None
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while (found := find()) is None:
                    await self._arrived.wait()
        except TimeoutError:
            listing = "\n".join(f"  {show(each.message)}" for each in self.told)
            raise AssertionError(f"{lack} within {timeout_s:g} s, but:\n{listing}") from None
        return found

    def listing(self) -> list[str]:
        """All notices in short, for a failure's text."""
        return [show(each.message) for each in self.told]


def _fits(message: Message, fields: dict[str, Any]) -> bool:
    return all(getattr(message, name) == value for name, value in fields.items())


def show(message: Message) -> str:
    """A notice in one line: what has a value."""
    values = ", ".join(
        f"{plan.name}={getattr(message, plan.name)!s}"
        for plan in plan_of(type(message))
        if getattr(message, plan.name) not in {None, ()}
    )
    return f"{message.number} {type(message).__name__}({values})"
