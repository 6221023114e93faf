"""The socket to an SMS centre: bound, watched, and each request with its answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from adapters.smpp import pdu
from adapters.smpp.connection import Answered, Connection, Delivered, Ended, Event, FramingError
from adapters.smpp.pdu import Command, Status
from adapters.smpp.settings import Settings
from linkage.ports import AdapterRefusedError, AdapterUnavailableError, Clock

READ_BYTES: Final = 65_536
LATE_MAX: Final = 2_000
"""Requests whose late answers are still taken."""
REFUSALS: Final = {
    Command.TRANSCEIVER: {Status.BIND_FAILED, Status.BAD_PASSWORD, Status.BAD_SYSTEM_ID},
    # Many centres say BIND_FAILED to one link too many, or to an account for transceivers alone.
    Command.TRANSMITTER: {Status.BAD_PASSWORD, Status.BAD_SYSTEM_ID},
}

Answer = asyncio.Future[Answered]


class BoundAlreadyError(AdapterUnavailableError):
    """Somebody else is bound with our account, and the centre takes one."""


class Link:
    """One TCP connection, bound by `connect`.

    Args:
        settings: where to, and as whom.
        clock: monotonic time.
        take: told of each deliver_sm, as it comes.
    """

    def __init__(
        self, settings: Settings, clock: Clock, take: Callable[[Delivered], None]
    ) -> None:
        self._settings, self._clock, self._take = settings, clock, take
        self._connection = Connection(
            enquire_s=settings.enquire_s, answer_s=settings.response_s, now=clock.now()
        )
        self._answers: dict[int, Answer] = {}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, command: Command = Command.TRANSCEIVER) -> None:
        """Open and bind.

        Args:
            command: TRANSMITTER: nothing will be delivered on this link.

        Raises:
            AdapterRefusedError: the centre does not know us.
            BoundAlreadyError: it takes one link of us, and has one.
            AdapterUnavailableError: it is not there, or does not take us now.
        """
        host, port = self._settings.address
        where = f"the SMS centre {host}:{port}"
        try:
            async with asyncio.timeout(self._settings.response_s):
                self._reader, self._writer = await asyncio.open_connection(
                    host, port, ssl=self._tls()
                )
                await self._bind(where, command)
        except TimeoutError:
            raise AdapterUnavailableError(f"{where} does not answer") from None
        except OSError as error:
            raise AdapterUnavailableError(f"{where} cannot be reached: {error}") from error

    def _tls(self) -> ssl.SSLContext | None:
        if not self._settings.tls:
            return None
        return ssl.create_default_context(cafile=self._settings.ca)

    async def _bind(self, where: str, command: Command) -> None:
        ours = self._settings
        body = pdu.bind(ours.system_id, ours.password.get_secret_value(), ours.system_type)
        answer = self.request(command, body)
        while not answer.done():
            await self._read()
        status = answer.result().status
        if status in REFUSALS[command]:
            raise AdapterRefusedError(
                f"{where} refuses {ours.system_id} (0x{status:02x}): mend system_id and password"
            )
        failed = f"{where} does not bind {ours.system_id}"
        if status == Status.ALREADY_BOUND:
            raise BoundAlreadyError(f"{failed}: is bound already")
        if status != Status.OK:
            raise AdapterUnavailableError(f"{failed}: 0x{status:08x}")

    # --- out -------------------------------------------------------------------------------------
    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._writer is None or self._writer.is_closing()

    def request(self, command: Command, body: bytes) -> Answer:
        """Send a request; its answer, or cancelled where the link is lost before.

        Raises:
            AdapterUnavailableError: the link is lost already; nothing was sent.
        """
        if self.is_lost:
            raise AdapterUnavailableError("the link was lost")
        answer: Answer = asyncio.get_running_loop().create_future()
        self._answers[self._connection.request(command, body)] = answer
        if len(self._answers) > LATE_MAX:
            self._answers.pop(next(iter(self._answers))).cancel()
        self._flush()
        return answer

    def answer(self, delivered: Delivered, status: Status = Status.OK) -> None:
        """Answer a deliver_sm; to a link that is gone nothing is said."""
        self._connection.answer(delivered, status)
        self._flush()

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    # --- in --------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Serve the link until it is lost, of which this raises `AdapterUnavailableError`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="enquire_link")
            while True:
                await self._read()

    async def _read(self) -> None:
        assert self._reader is not None, "connect comes first"
        assert self._writer is not None, "connect comes first"
        try:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise AdapterUnavailableError("the SMS centre closed the link")
            for event in self._connection.receive_data(data, self._clock.now()):
                self._dispatch(event)
            self._flush()
            await self._writer.drain()
        except FramingError as error:
            self._flush()
            raise AdapterUnavailableError(f"the SMS centre speaks no SMPP: {error}") from error
        except OSError as error:
            raise AdapterUnavailableError(f"the link was lost: {error}") from error

    def _dispatch(self, event: Event) -> None:
        match event:
            case Delivered():
                self._take(event)
            case Answered(sequence):
                answer = self._answers.pop(sequence, None)
                if answer is not None and not answer.done():
                    answer.set_result(event)
            case Ended():
                raise AdapterUnavailableError("the SMS centre unbound us")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._connection.get_timer() - self._clock.now()))
            if not self._connection.handle_timer(self._clock.now()):
                raise AdapterUnavailableError("the SMS centre does not answer enquire_link")
            self._flush()

    def close(self) -> None:
        """Say that we go, and go; what is without an answer stays so."""
        if self._writer is not None and not self._writer.is_closing():
            self._connection.request(Command.UNBIND)
            self._flush()
            self._writer.close()
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()
