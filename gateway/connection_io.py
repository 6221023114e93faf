"""One connection over one transport: bytes in, events out, with a bound on everything between.

```
 transport ── data_received ──▶ Connection ── events ──▶ ConnectionHandler.take
 transport ◀── one write per turn of the loop ── data_to_send ◀── send
```
A peer cannot make this grow: the transport is not read while more than `inbound_max` requests are
in work or while the peer does not take what it is sent; one that takes nothing for `dead_after_s`
is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from gateway.context import GatewayContext
from gateway.transport import Transport
from protocol.connection import Connection
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.events import Closed, Event

T = TypeVar("T")

TIMER_STEP_S: Final = 0.001
"""A loop's timers may fire a moment early; the next look is not sooner than this."""


class ConnectionHandler(Protocol):
    """Who says what an event means."""

    def take(self, event: Event) -> None:
        """Something happened on the connection, other than its end."""
        ...

    def stalled(self) -> None:
        """The peer has not read for too long; the connection is closed after this."""
        ...

    def ended(self, reason: str) -> None:
        """The conversation is over. Called once, and not from within a call of the core."""
        ...

    def lost(self) -> None:
        """The transport is gone."""
        ...

    def not_sent(self, error: LocalProtocolError) -> None:
        """A response could not be sent as it was meant: its code is sent alone."""
        ...


class ConnectionIO:
    """Carries one `Connection` over one transport. A `gateway.transport.Receiver`."""

    __slots__ = (
        "_blocked",
        "_busy",
        "_caught_up",
        "_close_within_s",
        "_connection",
        "_dead_after_s",
        "_figures",
        "_flush_due",
        "_half_closed",
        "_handler",
        "_held",
        "_in_work",
        "_inbound_max",
        "_loop",
        "_now",
        "_patience",
        "_paused",
        "_pumping",
        "_tasks",
        "_timer",
        "_transport",
        "abrupt",
        "gone",
    )

    def __init__(
        self, context: GatewayContext, connection: Connection, handler: ConnectionHandler
    ) -> None:
        settings = context.settings
        self._now = context.clock.now
        self._figures = context.figures
        self._tasks = context.work
        self._inbound_max = settings.inbound_max
        self._dead_after_s = settings.timers.dead_after_s
        self._close_within_s = settings.close_within_s
        self._connection = connection
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._transport: Transport | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is no more."""
        self.abrupt = False
        """The end is to be one without last words: nobody hears them."""
        self._in_work = 0
        self._held = False
        self._busy = False
        self._caught_up = False
        self._blocked = False
        self._paused = False
        self._half_closed = False
        self._pumping = False
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def open(self, transport: Transport) -> None:
        """Begin; the peer's bytes come here from now on."""
        self._transport = transport
        transport.attach(self)
        self._arm()

    def hold(self) -> None:
        """Take nothing more from the peer for now."""
        self._held = True
        self._balance()

    def release(self) -> None:
        """Take from the peer again."""
        self._held = False
        self.pump()

    def abort(self) -> None:
        """Cut the connection off; nothing more is sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- Receiver --------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """See `Receiver.data_received`."""
        self._figures.received_bytes += len(data)
        try:
            self._connection.receive_data(data, self._now())
        except LocalProtocolError:
            # A transport that goes on after pause_reading: there is no other way to bound it.
            self._connection.close("more was sent than is read")
        self.pump()

    def eof_received(self) -> None:
        """See `Receiver.eof_received`."""
        self._half_closed = True
        self.pump()

    def pause_writing(self) -> None:
        """See `Receiver.pause_writing`."""
        self._blocked = True
        self._patience = self._loop.call_later(self._dead_after_s, self._lose_patience)
        self._balance()

    def resume_writing(self) -> None:
        """See `Receiver.resume_writing`."""
        self._blocked = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `Receiver.connection_lost`."""
        self._transport = None
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()
        self._connection.close("the connection was lost" if exc is None else f"lost: {exc}")
        self.pump()
        self._handler.lost()
        if not self.gone.done():
            self.gone.set_result(None)

    # --- from the peer ---------------------------------------------------------------------------
    def pump(self) -> None:
        """Handle what has happened, as far as may be now. Safe to call from anywhere."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._handle_events()
        finally:
            self._pumping = False
        self._flush_soon()
        self._balance()

    def _handle_events(self) -> None:
        connection = self._connection
        while not (self._held or self._busy) or connection.closed:
            event = connection.next_event()
            if event is None:
                if not self._half_closed or self._in_work or connection.closed:
                    return
                connection.receive_eof(self._now())
            elif type(event) is Closed:
                self._end(event.reason)
            else:
                self._handler.take(event)

    def begin_work(self, weight: int = 1) -> None:
        """One more thing is in work for this peer; it counts against `inbound_max`."""
        self._in_work += weight
        if self._in_work >= self._inbound_max:
            self._busy = True

    def finish_work(self, response: Response, weight: int = 1) -> None:
        """A request that was in work is answered; what was left for it is taken from the peer."""
        self._end_work(weight)
        self.respond(response)
        if self._half_closed or self._caught_up:
            self._go_on()

    def _end_work(self, weight: int = 1) -> None:
        self._in_work -= weight
        if self._busy and self._in_work <= self._inbound_max // 2:
            self._caught_up = True
            self._busy = False

    def _go_on(self) -> None:
        """Take from the peer again what was left for want of capacity."""
        if self._half_closed or self._caught_up:
            self._caught_up = False
            self.pump()

    def _balance(self) -> None:
        """Read the transport, or leave it."""
        pause = self._held or self._busy or self._blocked
        transport = self._transport
        if pause == self._paused or transport is None or transport.is_closing():
            return
        self._paused = pause
        if pause:
            transport.pause_reading()
        else:
            # What the peer sent meanwhile is only now on its way to us.
            self._connection.excuse_silence(self._now())
            transport.resume_reading()

    def do(self, work: Coroutine[Any, Any, T], done: Callable[[asyncio.Task[T]], None]) -> None:
        """Start work that counts against `inbound_max`; it starts in the order of these calls."""
        task = self._loop.create_task(work)
        self.begin_work()
        self._tasks.add(task)

        def finish(task: asyncio.Task[T]) -> None:
            self._tasks.discard(task)
            self._end_work()
            done(task)
            self._go_on()

        task.add_done_callback(finish)

    # --- to the peer -----------------------------------------------------------------------------
    def send(self, item: Request | Response) -> None:
        """Queue for the peer; goes out with everything else of this turn of the loop.

        Raises:
            LocalProtocolError: see `Connection.send`.
        """
        self._connection.send(item, self._now())
        if not self._flush_due:
            self._flush_soon()

    def respond(self, response: Response) -> None:
        """Answer the peer, if it is there still."""
        connection = self._connection
        if connection.closed:
            return
        try:
            connection.send(response, self._now())
        except LocalProtocolError as error:
            # Such as a detail that the peer's encoding cannot carry: the code alone always fits.
            self._handler.not_sent(error)
            id_, number, result = response.request_id, response.type, response.result
            connection.send(Response(request_id=id_, type=number, result=result), self._now())
        if not self._flush_due:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        data = self._connection.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._figures.sent_bytes += len(data)
            self._transport.write(data)

    # --- time and end ----------------------------------------------------------------------------
    def _arm(self) -> None:
        # Set when it fires, not at every message: traffic only ever moves the due time further
        # off.
        due = self._connection.get_timer()
        if due is not None and self._transport is not None:
            wait = max(due - self._now(), TIMER_STEP_S)
            self._timer = self._loop.call_later(wait, self._on_timer)

    def _on_timer(self) -> None:
        now = self._now()
        if self._paused:
            self._connection.excuse_silence(now)
        self._connection.handle_timer(now)
        self.pump()
        self._arm()

    def _lose_patience(self) -> None:
        self.abrupt = True
        self._handler.stalled()
        self._connection.close(f"the peer did not read for {self._dead_after_s:g} s")
        self.pump()

    def _end(self, reason: str) -> None:
        """The conversation is over: let the last words out, in bounded time, and close."""
        self._loop.call_soon(self._handler.ended, reason)
        transport = self._transport
        if transport is None:
            return
        self._flush()
        if self.abrupt:
            transport.abort()
            return
        transport.close(self._close_within_s)
        if self._timer is not None:
            self._timer.cancel()
