"""A connection from the host of a legacy peer: is it that peer, or one that registers?

A legacy peer says nothing of who it is, and may say nothing at all until it is sent something. Its
host may also run an application that registers as everybody does. So the first message decides: a
registration makes an ordinary session, anything else, and silence for `legacy_grace_s`, makes the
session of the legacy peer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from gateway.context import GatewayContext
from gateway.hosts import neighbourhood
from gateway.session import Session
from gateway.transport import Transport
from protocol.codec import decode
from protocol.dialect import Dialect
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.frames import HEADER_BYTES, HEARTBEAT, LENGTH_MAX, Framer
from protocol.roles import ROLE_BY_REGISTRATION

Decide = Callable[[bool], Session]
"""Makes the session, given whether the peer registers."""


class FirstMessage:
    """Reads until it is clear who speaks, then hands the transport and the bytes to a session.

    A `gateway.transport.Receiver`.
    """

    def __init__(self, context: GatewayContext, dialect: Dialect, decide: Decide) -> None:
        self._context = context
        self._dialect = dialect
        self._decide = decide
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._data = bytearray()
        self._framer = Framer(dialect)
        self._transport: Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more, or has become a session."""
        return self._gone

    def hold(self) -> None:
        """Nothing is taken here anyway."""

    def close(self, reason: str) -> None:  # noqa: ARG002 - there is nobody yet to be told
        """End the connection."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def open(self, transport: Transport) -> None:
        """Begin, when the transport is connected."""
        self._transport = transport
        self._context.connections.add(self, neighbourhood(transport.host), stranger=True)
        transport.attach(self)
        self._timer = self._loop.call_later(
            self._context.settings.legacy_grace_s, partial(self._become, registers=False)
        )

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._data += data
        self._framer.receive_data(data)
        registers = self._judge()
        if registers is not None:
            self._become(registers=registers)

    def eof_received(self) -> None:
        """The peer sends no more: who it is does not matter any longer."""
        self.abort()

    def pause_writing(self) -> None:
        """Nothing is written here."""

    def resume_writing(self) -> None:
        """The same."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the seam's signature
        """The connection is gone before it was clear who spoke."""
        self._leave()
        self._transport = None

    def _judge(self) -> bool | None:
        """Whether a registration came; None while its first frame is not all here."""
        try:
            payload = self._framer.next_event()
            while payload is HEARTBEAT:
                payload = self._framer.next_event()
            if payload is None:
                # Two frames' worth of bytes and no message among them: not what registers.
                return False if len(self._data) > 2 * (HEADER_BYTES + LENGTH_MAX) else None
            assert isinstance(payload, bytes)
            item = decode(payload, self._dialect)
        except RemoteProtocolError:
            return False
        return isinstance(item, Request) and item.type in ROLE_BY_REGISTRATION

    def _become(self, *, registers: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._leave()
        self._decide(registers).open(transport, bytes(self._data))

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._context.connections.remove(self)
        if not self._gone.done():
            self._gone.set_result(None)
