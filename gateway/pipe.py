"""Bytes between a socket and a `Connection`: the mechanics of a session, without its meaning.

```
 socket ── data_received ──▶ Connection ── events ──▶ _take(event)
 socket ◀── one write per turn of the loop ── data_to_send ◀── send
```
A peer cannot make this grow: the socket is not read while more than `inbound_max` requests are in
work or while the peer does not take what it is sent; one that takes nothing for `dead_after_s` is
dead.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from gateway.context import GatewayContext
from gateway.peers import format_address
from protocol.connection import Connection
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.events import Closed, Event

T = TypeVar("T")

TIMER_STEP_S: Final = 0.001
"""A loop's timers may fire a moment early; the next look is not sooner than this."""

# A host that vanished without a word is found by heartbeats; this finds it also where a firewall
# forgets idle connections. Seconds, seconds, probes.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class Pipe(asyncio.Protocol, ABC):
    """Carries one `Connection` over one transport. Subclasses say what an event means."""

    def __init__(self, context: GatewayContext, connection: Connection) -> None:
        self._context = context
        self._now = context.clock.now
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._address = "unknown"
        self._in_work = 0
        self._held = False
        self._busy = False
        self._caught_up = False
        self._inbound_max = context.settings.inbound_max
        self._blocked = False
        self._reading = False
        self._paused = False
        self._ended = False
        self._pumping = False
        self._flush_due = False
        self._abrupt = False
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    # --- what subclasses say ---------------------------------------------------------------------
    @abstractmethod
    def _opened(self) -> None:
        """The transport is there."""

    @abstractmethod
    def _take(self, event: Event) -> None:
        """Something happened on the connection, other than its end."""

    @abstractmethod
    def _peer_takes_nothing(self) -> None:
        """The peer has not read for too long; the connection is closed after this."""

    @abstractmethod
    def _closed(self, reason: str) -> None:
        """The conversation is over. Called once, and not from within a call of the core."""

    # --- what the outside may ask ----------------------------------------------------------------
    @property
    def address(self) -> str:
        """Where the peer speaks from: `10.1.2.3:40112`."""
        return self._address

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more."""
        return self._gone

    @property
    def reading_paused(self) -> bool:
        """True while the peer's bytes are left in the socket."""
        return self._paused

    def hold(self) -> None:
        """Take nothing more from the peer for now."""
        self._held = True
        self._balance()

    def _release(self) -> None:
        self._held = False
        self._pump()

    def abort(self) -> None:
        """Cut the connection off; nothing more is sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._context.settings.write_high_bytes)
        self._address = format_address(transport.get_extra_info("peername"))
        tune(transport)
        self._arm()
        self._opened()
        # Not at once: a loop starts to read after this call, whatever was said within it.
        self._loop.call_soon(self._begin_reading)

    def _begin_reading(self) -> None:
        self._reading = True
        self._balance()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._context.figures.received_bytes += len(data)
        try:
            self._connection.receive_data(data, self._now())
        except LocalProtocolError:
            # A transport that goes on after pause_reading: there is no other way to bound it.
            self._connection.close("more was sent than is read")
        self._pump()

    def eof_received(self) -> bool:
        """The peer sends no more; our half stays open for the answers that it may wait for.

        TLS ends both ways at once: what is answered later finds nobody, and the peer, sending it
        again on its next connection, is answered as a duplicate.
        """
        self._ended = True
        self._pump()
        transport = self._transport
        return transport is not None and transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        self._blocked = True
        self._patience = self._loop.call_later(
            self._context.settings.timers.dead_after_s, self._lose_patience
        )
        self._balance()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._blocked = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever ended it."""
        self._transport = None
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()
        self._connection.close("the connection was lost" if exc is None else f"lost: {exc}")
        self._pump()
        if not self._gone.done():
            self._gone.set_result(None)

    # --- from the peer ---------------------------------------------------------------------------
    def _pump(self) -> None:
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
                if not self._ended or self._in_work or connection.closed:
                    return
                connection.receive_eof(self._now())
            elif type(event) is Closed:
                self._end(event.reason)
            else:
                self._take(event)

    def _begin_work(self, weight: int = 1) -> None:
        """One more thing is in work for this peer; it counts against `inbound_max`."""
        self._in_work += weight
        if self._in_work >= self._inbound_max:
            self._busy = True

    def _end_work(self, weight: int = 1) -> None:
        """One is done; call `_go_on` when what came of it was sent."""
        self._in_work -= weight
        if self._busy and self._in_work <= self._inbound_max // 2:
            self._caught_up = True
            self._busy = False

    def _go_on(self) -> None:
        """Take from the peer again what was left for want of capacity."""
        if self._ended or self._caught_up:
            self._caught_up = False
            self._pump()

    def _balance(self) -> None:
        """Read the socket, or leave it."""
        pause = self._held or self._busy or self._blocked
        transport = self._transport
        if not self._reading or transport is None or transport.is_closing():
            return
        if pause == self._paused:
            return
        self._paused = pause
        if pause:
            transport.pause_reading()
        else:
            # What the peer sent meanwhile is only now on its way to us.
            self._connection.excuse_silence(self._now())
            transport.resume_reading()

    def _do(self, work: Coroutine[Any, Any, T], done: Callable[[asyncio.Task[T]], None]) -> None:
        """Start work that counts against `inbound_max`; it starts in the order of these calls."""
        task = self._loop.create_task(work)
        self._begin_work()
        self._context.work.add(task)

        def finish(task: asyncio.Task[T]) -> None:
            self._context.work.discard(task)
            self._end_work()
            done(task)
            self._go_on()

        task.add_done_callback(finish)

    # --- to the peer -----------------------------------------------------------------------------
    def _send(self, item: Request | Response) -> None:
        """Queue for the peer; goes out with everything else of this turn of the loop.

        Raises:
            LocalProtocolError: see `Connection.send`.
        """
        self._connection.send(item, self._now())
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
            self._context.figures.sent_bytes += len(data)
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
        self._pump()
        self._arm()

    def _lose_patience(self) -> None:
        self._abrupt = True
        self._peer_takes_nothing()
        seconds = self._context.settings.timers.dead_after_s
        self._connection.close(f"the peer took nothing for {seconds:g} s")
        self._pump()

    def _end(self, reason: str) -> None:
        """The conversation is over: let the last words out, in bounded time, and close."""
        self._loop.call_soon(self._closed, reason)
        transport = self._transport
        if transport is None:
            return
        self._flush()
        if self._abrupt:
            transport.abort()
            return
        transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._context.settings.close_within_s, self.abort)


def tune(transport: asyncio.BaseTransport) -> None:
    """Send at once, and let the kernel probe idle peers; both only where the transport is TCP."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has them all.
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
