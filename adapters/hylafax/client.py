"""One connection to an hfaxd: commands and their replies, lists, documents, faxes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from adapters.hylafax.replies import Replies, Reply, ReplyError, data_port, document_of, job_of
from adapters.hylafax.rows import (
    JOB_FORMAT,
    RECEIVED_FORMAT,
    JobRow,
    ReceivedRow,
    job_rows,
    received_rows,
)
from adapters.hylafax.settings import Settings
from linkage.addresses import address_text
from linkage.ports import AdapterRefusedError, AdapterUnavailableError

READ_BYTES: Final = 65_536
LIST_BYTES: Final = 8_000_000
NOT_LOGGED_IN, NEED_PASSWORD = 530, 331


class RefusedError(Exception):
    """The server does not do one thing; its text says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Client:
    """Logged in by `connect`. After an error other than `RefusedError` it is of no use any more.

    Its methods raise `AdapterUnavailableError` where the server is not there, hangs, or talks
    nonsense.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._where = f"the fax server {address_text(*settings.address)}"
        self._replies, self._came = Replies(), deque[Reply]()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._passive = "EPSV"

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # --- the conversation ------------------------------------------------------------------------
    async def connect(self) -> None:
        """Open, log in, and agree on formats.

        Raises:
            AdapterRefusedError: it does not let us in.
        """
        async with self._patience():
            self._reader, self._writer = await asyncio.open_connection(*self._settings.address)
            greeting = await self._reply()
        if not greeting.is_ok:
            raise AdapterUnavailableError(f"{self._where} takes nobody now: {greeting.text}")
        user, password = self._settings.user, self._settings.password
        reply = await self.ask(f"USER {user}")
        if reply.code == NEED_PASSWORD:
            if password is None:
                raise AdapterRefusedError(f"{self._where} wants a password of {user}: set it")
            reply = await self.ask(f"PASS {password.get_secret_value()}")
        if not reply.is_ok:
            raise AdapterRefusedError(
                f"{self._where} refuses {user} ({reply.code}): mend user and password here, "
                "or hosts.hfaxd there"
            )
        for command in (
            "TZONE GMT", "TYPE I", "MODE S",
            f'JOBFMT "{JOB_FORMAT}"', f'RCVFMT "{RECEIVED_FORMAT}"',
        ):  # fmt: skip
            await self.do(command)

    async def do(self, command: str) -> Reply:
        """Have it do something.

        Raises:
            RefusedError: it does not.
        """
        reply = await self.ask(command)
        if not reply.is_ok:
            raise RefusedError(reply)
        return reply

    async def ask(self, command: str) -> Reply:
        """Send a command; the reply to it."""
        async with self._patience():
            if self._writer is None:
                raise AdapterUnavailableError(f"{self._where}: the connection was lost")
            self._writer.write(command.encode() + b"\r\n")
            await self._writer.drain()
            return await self._reply()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.response_s):
                yield
        except TimeoutError:
            self.close()
            raise AdapterUnavailableError(f"{self._where} does not answer") from None
        except (OSError, ReplyError) as error:
            self.close()
            raise AdapterUnavailableError(f"{self._where}: {error}") from error
        except asyncio.CancelledError:
            self.close()  # a reply may be on its way that nobody would expect
            raise

    async def _reply(self) -> Reply:
        if self._reader is None:
            raise ReplyError("not connected")
        while not self._came:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise ReplyError("the connection was lost")
            self._came += self._replies.feed(data)
        return self._came.popleft()

    # --- data ------------------------------------------------------------------------------------
    @asynccontextmanager
    async def _data(
        self, command: str
    ) -> AsyncIterator[tuple[Reply, asyncio.StreamReader, asyncio.StreamWriter]]:
        """A data connection for a command, from the same host."""
        passive = await self.do("EPSV")
        async with self._patience():
            reader, writer = await asyncio.open_connection(
                self._settings.address[0], data_port(passive)
            )
        try:
            reply = await self.do(command)
            if not reply.is_preliminary:
                raise RefusedError(reply)
            yield reply, reader, writer
        finally:
            writer.close()

    async def _end(self) -> Reply:
        async with self._patience():
            reply = await self._reply()
        if not reply.is_ok:
            raise RefusedError(reply)
        return reply

    async def retrieve(self, what: str, most: int = LIST_BYTES) -> AsyncGenerator[bytes, None]:
        """What a `LIST …` or `RETR …` gives, in pieces.

        Raises:
            RefusedError: it does not give it, or it is larger than `most` bytes.
        """
        async with self._data(what) as (_, reader, _):
            size = 0
            while True:
                async with self._patience():
                    piece = await reader.read(READ_BYTES)
                if not piece:
                    break
                size += len(piece)
                if size > most:
                    self.close()
                    raise AdapterUnavailableError(
                        f"{self._where}: {what} gives more than {most} bytes"
                    )
                yield piece
        await self._end()

    async def _list(self, queue: str) -> str:
        pieces = [piece async for piece in self.retrieve(f"LIST {queue}")]
        return b"".join(pieces).decode("utf-8", "replace")

    async def jobs(self) -> list[JobRow]:
        """The jobs that wait, then those that are over: one that moves between is seen twice."""
        waiting = list(job_rows(await self._list("sendq")))
        return waiting + list(job_rows(await self._list("doneq")))

    async def received(self) -> list[ReceivedRow]:
        """The received faxes."""
        return list(received_rows(await self._list("recvq")))

    async def store(self, content: AsyncIterator[bytes]) -> str:
        """Bring a document; the server's name of it, good on this connection.

        Raises:
            RefusedError: it does not take it.
        """
        async with self._data("STOT") as (begun, _, writer):
            async for piece in content:
                async with self._patience():
                    writer.write(piece)
                    await writer.drain()
        return document_of(begun, await self._end())

    # --- jobs ------------------------------------------------------------------------------------
    async def new_job(self, parameters: Mapping[str, str]) -> int:
        """Prepare a job; it is not sent before `submit`.

        A new job has the parameters of the one before but for what is set: so it begins with the
        server's own.

        Raises:
            RefusedError: the server does not know such a value.
        """
        await self.do("JOB default")
        number = job_of(await self.do("JNEW"))
        for name, value in parameters.items():
            await self.do(f"JPARM {name} {value}")
        return number

    async def submit(self) -> None:
        """Have the prepared job sent."""
        await self.do("JSUBM")

    async def kill(self, number: int) -> None:
        """Have a job stopped, also one that is being sent.

        Raises:
            RefusedError: there is no such job, or not of ours.
        """
        await self.do(f"JKILL {number}")
