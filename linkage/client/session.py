"""One TCP connection to linkage.

Moves bytes between the socket and the protocol's `Connection`.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final, Protocol

from protocol.connection import Connection
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.events import AnswerLate, Malformed, Refused, Unmatched

logger = logging.getLogger("linkage.client")

READ_BYTES: Final = 64 * 1024
CLOSE_GRACE_S: Final = 2.0
"""How long a closing session waits for linkage to end its side: until then our last answers may be
on their way."""


class SessionClock(Protocol):
    """Where the time comes from; `linkage.clock` has the system's, and one for tests."""

    def utc(self) -> datetime:
        """The wall clock: aware, UTC."""
        ...

    def now(self) -> float:
        """Monotonic seconds."""
        ...


class SessionOwner(Protocol):
    """Who is told what comes in on a session; calls must not block."""

    def take_request(self, session: Session, request: Request) -> None:
        """Linkage sent a request and is owed the answer."""
        ...

    def take_response(self, session: Session, response: Response) -> None:
        """Linkage answered one of ours."""
        ...


class Session:
    """One connection, from the open socket to its end.

    `ready` is set by the owner once it is registered.

    Writing never waits: what can be under way is bounded by the windows of both sides. Reading
    goes on even while a full window of notices awaits our answers, because the answers to our own
    requests come behind them.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: Connection,
        owner: SessionOwner,
        clock: SessionClock,
        *,
        dialled: bool = False,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = connection
        self._owner = owner
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._ending: asyncio.TimerHandle | None = None
        self._flushing = False
        peer = writer.get_extra_info("peername")
        self.address = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)
        self.dialled = dialled
        """True where linkage has connected to us."""
        self.ready = False
        self.registration_id: str | None = None
        self.ended = asyncio.Event()
        """Set when `run` is through and the socket closed."""

    @property
    def closed(self) -> bool:
        """True when nothing more can be sent."""
        return self._connection.closed

    @property
    def close_reason(self) -> str:
        """One line for a person."""
        return self._connection.close_reason or "open"

    @property
    def unanswered(self) -> int:
        """Requests of ours that linkage has not answered."""
        return self._connection.unanswered

    def send(self, item: Request | Response) -> None:
        """Send, with all else that this turn of the loop sends.

        Raises:
            LocalProtocolError: as `Connection.send`; nothing was sent.
        """
        self._connection.send(item, self._clock.now())
        if not self._flushing:
            # Once per turn of the loop: a burst of answers is one write.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def answer(self, response: Response) -> bool:
        """Answer a request of this session.

        False when it has ended meanwhile (linkage will send it again).
        """
        if self.closed:
            return False
        try:
            self.send(response)
        except LocalProtocolError as error:
            logger.warning(
                "%s: answer cannot be sent: %s; linkage will deliver the request again",
                self.address,
                error,
            )
            return False
        return True

    def close(self, reason: str) -> None:
        """Say no more.

        `run` returns when linkage has read our last answers and ended its side, or did not in
        time.
        """
        self._connection.close(reason)
        self._end()

    def abort(self) -> None:
        """Cut the connection; harmless when it is closed."""
        self._writer.transport.abort()

    async def run(self) -> None:
        """Read until the connection has ended, whoever ended it.

        Leaves no socket open, also when cancelled.
        """
        try:
            self._flush()
            while data := await self._reader.read(READ_BYTES):
                # Ignored once we have closed: then this only waits for linkage's end.
                self._connection.receive_data(data, self._clock.now())
                self._pump()
            self._connection.receive_eof(self._clock.now())
            self._pump()
        except OSError as error:
            self._connection.close(f"the connection broke: {error}")
        finally:
            self._connection.close("stopped")
            self._stop_timer()
            await self._close_socket()
            self.ended.set()

    def _end(self) -> None:
        """Half-close.

        Closing for good with unread data would reset the connection under our last answers.
        """
        if self._ending is not None:
            return
        self._flush()
        transport = self._writer.transport
        loop = asyncio.get_running_loop()
        self._ending = loop.call_later(CLOSE_GRACE_S, transport.abort)
        if transport.is_closing():
            return
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    async def _close_socket(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        if self._ending is not None:
            self._ending.cancel()

    def _pump(self) -> None:
        for event in self._connection.events():
            if isinstance(event, Request):
                self._owner.take_request(self, event)
            elif isinstance(event, Response):
                self._owner.take_response(self, event)
            elif isinstance(event, Malformed | Refused):
                logger.warning(
                    "%s: message from linkage refused with %s: %s",
                    self.address,
                    event.result,
                    event.detail,
                )
            elif isinstance(event, Unmatched):
                logger.debug(
                    "%s: response without a request dropped: %s", self.address, event.response
                )
            elif isinstance(event, AnswerLate):
                logger.warning(
                    "%s: linkage has not answered request %s in time",
                    self.address,
                    event.request_id,
                )
        self._flush()
        if self.closed:
            self._end()

    def _flush(self) -> None:
        self._flushing = False
        data = self._connection.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)
        due = self._connection.get_timer()
        # A timer that fires early finds nothing due and is set anew: cheaper than moving it with
        # every message.
        if due is not None and (self._timer is None or due < self._timer_due):
            self._stop_timer()
            self._timer_due = due
            delay_s = max(0.0, due - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._connection.handle_timer(self._clock.now())
        self._pump()
        if self.closed:
            # Silent or never registered: there is nobody to say goodbye to.
            self._writer.transport.abort()
