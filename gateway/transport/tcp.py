"""TCP, in plain or under TLS: a loop's transport as the gateway wants it.

The calls that every message makes (`data_received`, `write`, `is_closing`) are the receiver's and
the loop's own methods, set on the object: nothing of ours stands between them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from gateway.hosts import format_address, host_of
from gateway.transport import Receiver

# A host that vanished without a word is found by heartbeats; this finds it also where a firewall
# forgets idle connections. Seconds, seconds, probes.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class TcpTransport(asyncio.BaseProtocol):
    """A `gateway.transport.Transport`.

    Args:
        connected: is given it when the socket is connected and, under TLS, both have agreed. It
            attaches a receiver, or aborts.
        write_high_bytes: unsent bytes from which the receiver is told `pause_writing`.
    """

    __slots__ = (
        "_connected",
        "_cut_off",
        "_loop",
        "_paused",
        "_reads",
        "_receiver",
        "_stream",
        "_write_high_bytes",
        "address",
        "data_received",
        "host",
        "is_closing",
        "write",
    )

    data_received: Callable[[bytes], None]
    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    _stream: asyncio.Transport

    def __init__(self, connected: Callable[[TcpTransport], None], write_high_bytes: int) -> None:
        self._connected = connected
        self._write_high_bytes = write_high_bytes
        self._loop = asyncio.get_running_loop()
        self._cut_off: asyncio.TimerHandle | None = None
        self._paused = self._reads = False
        # Until somebody is attached, nobody is told.
        self._receiver = cast("Receiver", asyncio.Protocol())
        self.host, self.address = "", "unknown"

    # --- the loop tells --------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        stream = self._stream = cast("asyncio.Transport", transport)
        self.write, self.is_closing = stream.write, stream.is_closing
        stream.set_write_buffer_limits(high=self._write_high_bytes)
        peername = stream.get_extra_info("peername")
        self.host, self.address = host_of(peername), format_address(peername)
        _tune(stream.get_extra_info("socket"))
        self._connected(self)
        # Not at once: a loop starts to read after this call, whatever was said within it.
        self._loop.call_soon(self._begin_reading)

    def eof_received(self) -> bool:
        """The peer sends no more; whether our half stays open for the answers it may wait for.

        TLS ends both ways at once: what is answered later finds nobody, and the peer, sending it
        again on its next connection, is answered as a duplicate.
        """
        self._receiver.eof_received()
        return not self.encrypted

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._receiver.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._cut_off is not None:
            self._cut_off.cancel()
        self._receiver.connection_lost(exc)

    # --- Transport -------------------------------------------------------------------------------
    @property
    def encrypted(self) -> bool:
        """See `Transport.encrypted`."""
        return self._stream.get_extra_info("ssl_object") is not None

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """See `Transport.certificate`."""
        found: Mapping[str, Any] | None = self._stream.get_extra_info("peercert")
        return found

    def attach(self, receiver: Receiver) -> None:
        """See `Transport.attach`."""
        self._receiver = receiver
        self.data_received = receiver.data_received
        # uvloop looks methods up when it is given a protocol, and not again.
        self._stream.set_protocol(self)

    def pause_reading(self) -> None:
        """See `Transport.pause_reading`."""
        self._set_paused(paused=True)

    def resume_reading(self) -> None:
        """See `Transport.resume_reading`."""
        self._set_paused(paused=False)

    def close(self, within_s: float) -> None:
        """See `Transport.close`."""
        self._stream.close()
        self._cut_off = self._loop.call_later(within_s, self._stream.abort)

    def abort(self) -> None:
        """See `Transport.abort`."""
        self._stream.abort()

    def _begin_reading(self) -> None:
        self._reads = True
        if self._paused and not self.is_closing():
            self._stream.pause_reading()

    def _set_paused(self, *, paused: bool) -> None:
        if paused == self._paused:
            return
        self._paused = paused
        if self._reads and not self.is_closing():
            (self._stream.pause_reading if paused else self._stream.resume_reading)()


def _tune(sock: Any) -> None:
    """Send at once, and let the kernel probe idle peers; both only where the transport is TCP."""
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has them all.
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
