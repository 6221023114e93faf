"""One connection to the implementation under test: what is sent on it and all that is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from protocol.codec import decode
from protocol.dialect import Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.frames import HEADER_BYTES, Framer, Heartbeat
from simulators.conformance.mailbox import Mailbox

READ_BYTES: Final = 64 * 1024
RAW_SHOWN: Final = 160
"""Bytes of an offending message that a report quotes."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that are no valid message."""

    problem: str
    raw: bytes

    def __str__(self) -> str:
        shown = self.raw[:RAW_SHOWN].decode("utf-8", "replace")
        return f"{self.problem} in {shown!r}" if shown else self.problem


Item = Request | Response | Heartbeat | Broken


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that came; `at` in seconds of the event loop."""

    at: float
    item: Item


class Connection:
    """A connection that keeps everything it hears, in order; it ends where `mailbox` is full.

    `take` is called with each item as it comes, before anybody who waits sees it.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialect: Dialect,
        take: Callable[[Connection, Item], None],
        mailbox: Mailbox,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._dialect = dialect
        self._framer = Framer(dialect)
        self._take = take
        self._mailbox = mailbox
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._first = b""
        self._in_parts = False
        self._kept_back: list[bytes] = []
        self.heard: list[Heard] = []
        self.closed = False
        self.end = ""
        """How it ended, for a person."""
        self.cut_by_us = False

    # --- out ------------------------------------------------------------------------------------
    async def send(self, data: bytes, within_s: float) -> None:
        """Write; silently in vain when the far end is gone, or takes nothing for `within_s`."""
        if self.closed:
            return
        try:
            self._writer.write(data)
            async with asyncio.timeout(within_s):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return

    def write(self, data: bytes) -> None:
        """Write without waiting: answers, which are short."""
        if self._in_parts:
            self._kept_back.append(data)
        elif not self.closed:
            self._writer.write(data)

    @contextmanager
    def in_parts(self) -> Iterator[None]:
        """While a frame is sent in parts: answers wait, lest they come to stand in its middle."""
        self._in_parts = True
        try:
            yield
        finally:
            self._in_parts = False
            for data in self._kept_back:
                self.write(data)
            self._kept_back.clear()

    def cut(self) -> None:
        """Drop the connection as a lost network does."""
        self.cut_by_us = True
        self._writer.transport.abort()

    # --- in -------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Read until the connection has ended, whoever ended it."""
        try:
            while data := await self._reader.read(READ_BYTES):
                self._receive(data)
            self._note_end("the implementation closed the connection")
        except OSError as error:
            self._note_end(f"the connection broke: {error}")
        finally:
            self._note_end("the kit closed the connection")
            self._writer.transport.abort()
            with suppress(OSError):
                await self._writer.wait_closed()

    def _note_end(self, how: str) -> None:
        if not self.closed:
            self.closed = True
            self.end = "the kit closed the connection" if self.cut_by_us else how
            self._changed.set()

    def _receive(self, data: bytes) -> None:
        if not self._first:
            self._first = data
        if self._framer.broken or self.cut_by_us:
            return
        self._framer.receive_data(data)
        self._mailbox.take(size=len(data))
        while not self._mailbox.cut and (item := self._next()) is not None:
            self._mailbox.take(messages=1)
            self.heard.append(Heard(self._loop.time(), item))
            self._take(self, item)
        self._changed.set()
        if self._mailbox.cut:
            self.cut()

    def _next(self) -> Item | None:
        try:
            payload = self._framer.next_event()
            if payload is None or isinstance(payload, Heartbeat):
                return payload
            return decode(payload, self._dialect)
        except RemoteProtocolError as error:
            return Broken(str(error), error.raw)
        except LocalProtocolError as error:
            return Broken(str(error), b"")

    # --- what was heard -------------------------------------------------------------------------
    @property
    def mark(self) -> int:
        """A position in `heard`, for `since`."""
        return len(self.heard)

    def since(self, mark: int) -> list[Item]:
        """What came after a mark."""
        return [heard.item for heard in self.heard[mark:]]

    async def wait(self, until: Callable[[], bool], within_s: float) -> bool:
        """Wait until something holds; False when it does not in time, or the connection ends."""
        try:
            async with asyncio.timeout(within_s):
                while not until():
                    if self.closed:
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return until()
        return True

    async def find(
        self, wanted: Callable[[Item], bool], mark: int, within_s: float
    ) -> Item | None:
        """The first item after a mark that is wanted; None when none comes in time."""
        found: Item | None = None
        looked_to = mark

        def look() -> bool:
            nonlocal found, looked_to
            while found is None and looked_to < len(self.heard):
                item = self.heard[looked_to].item
                looked_to += 1
                found = item if wanted(item) else None
            return found is not None

        await self.wait(look, within_s)
        return found

    async def stay(self, seconds: float) -> None:
        """Let time pass; returns early when the connection ends."""
        await self.wait(lambda: False, seconds)

    def diagnose(self) -> str:
        """What came instead of a message; vendors' usual mistakes by their names.

        Programs write a whole frame at once, so that the first packet tells what they meant.
        """
        first = self._first
        if len(first) < HEADER_BYTES:
            return f"{len(first)} bytes" if first else "nothing"
        length = int.from_bytes(first[2:HEADER_BYTES], "big")
        payload = len(first) - HEADER_BYTES
        if int.from_bytes(first[2:HEADER_BYTES], "little") == payload != length:
            return (
                f"a header whose length, read as big-endian, is {length}, with {payload} bytes "
                "behind it: the length is written little-endian"
            )
        if length == len(first):
            return (
                f"a header that announces {length} bytes, with {payload} behind it: "
                "the length counts the header"
            )
        broken = next((heard.item for heard in self.heard if isinstance(heard.item, Broken)), None)
        if broken is not None:
            return str(broken)
        return f"{payload} bytes behind a header that announces {length}"
