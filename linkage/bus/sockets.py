"""ZeroMQ sockets in an event loop, without `zmq.asyncio`.

That makes a future and a timer for every message. Here the loop watches the socket's descriptor,
takes everything that has come, and sends at once: a whole turn of the loop travels as one
envelope, so that the price of a message on the bus is shared by all of that turn. ZeroMQ does the
I/O in a thread of its own, without the interpreter.

The descriptor tells of changes, not of a state, and both sending and receiving take a change in:
after either the socket is looked at again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, cast

import zmq

from linkage.bus.envelope import ENVELOPE_MAX
from linkage.bus.keys import Pair

logger = logging.getLogger("linkage.bus")

IN_A_TURN: Final = 64
"""Envelopes taken before the loop may do something else."""
BATCHES_MAX: Final = 1000
"""Envelopes that ZeroMQ holds in each direction; what is more waits in the sender's bounds."""
LINGER_MS: Final = 300
"""For the last words to reach the other side when a socket is closed."""
RECONNECT_MS: Final = 50
RECONNECT_MAX_MS: Final = 500
DOMAIN: Final = "linkage"
"""Under which the ZAP handler (`linkage.bus.authenticator`) is asked."""


class BusError(Exception):
    """The bus cannot be opened. The text names what, where and the remedy."""


class Socket(ABC):
    """One ZeroMQ socket in the running loop."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], kind: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = context.socket(kind)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        self._socket.setsockopt(zmq.SNDHWM, BATCHES_MAX)
        self._socket.setsockopt(zmq.RCVHWM, BATCHES_MAX)
        self._socket.setsockopt(zmq.MAXMSGSIZE, ENVELOPE_MAX)
        self._look_due = False
        self._closed = False
        self._descriptor: int = cast("int", self._socket.getsockopt(zmq.FD))

    def _watch(self) -> None:
        """Begin to listen."""
        self._loop.add_reader(self._descriptor, self._look)
        self._look_soon()

    def close(self) -> None:
        """End it; what was sent still has `LINGER_MS` to go out, without anybody waiting here."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._descriptor)
        self._socket.close()

    def _look_soon(self) -> None:
        if not self._look_due:
            self._look_due = True
            self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        self._look_due = False
        self._look()

    def _look(self) -> None:
        for _ in range(IN_A_TURN):
            if self._closed:
                return
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                self._took(parts)
            except Exception:
                # The descriptor tells of changes only: whoever stops looking here hears no more.
                logger.exception("bus: an envelope could not be handled")
        self._look_soon()

    def _put(self, parts: list[bytes]) -> bool:
        """Hand it to ZeroMQ; False when it takes nothing now."""
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError) as error:
            if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                raise
            return False
        finally:
            self._look_soon()
        return True

    @abstractmethod
    def _took(self, parts: list[zmq.Frame]) -> None:
        """Something came."""


class Dealer(Socket):
    """The part's socket: one core at its other end, whichever that is.

    Args:
        context: of the process.
        place: what to connect to.
        keys: the part's pair and the core's public key, over TCP.
        came: is told each envelope.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        place: str,
        keys: tuple[Pair, bytes] | None,
        came: Callable[[bytes], None],
    ) -> None:
        super().__init__(context, zmq.DEALER)
        self._came = came
        # Nothing is queued for a core that is not there: it would be a stranger to the next one.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.setsockopt(zmq.ROUTING_ID, b"p" + secrets.token_bytes(12))
        if keys is not None:
            pair, core = keys
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
            self._socket.setsockopt(
                zmq.CURVE_SECRETKEY, pair.secret.get_secret_value().encode("ascii")
            )
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, core)
        self._socket.connect(place)
        self._watch()

    def send(self, envelope: bytes) -> bool:
        """Whether it is on its way."""
        return self._put([envelope])

    def _took(self, parts: list[zmq.Frame]) -> None:
        if len(parts) == 1:
            self._came(bytes(parts[0].buffer))


class Router(Socket):
    """The core's socket: every part at its other end.

    Args:
        context: of the process.
        place: what to bind.
        keys: the core's pair, over TCP.
        came: is told who sent each envelope, whose key opened the connection, and the envelope.

    Raises:
        BusError: the place cannot be bound.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        place: str,
        keys: Pair | None,
        came: Callable[[bytes, str | None, bytes], None],
    ) -> None:
        super().__init__(context, zmq.ROUTER)
        self._came = came
        # A part that takes nothing must not cost envelopes silently: `_put` says so instead.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        if keys is not None:
            self._socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._socket.setsockopt(
                zmq.CURVE_SECRETKEY, keys.secret.get_secret_value().encode("ascii")
            )
            self._socket.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
        try:
            self._socket.bind(place)
        except zmq.ZMQError as error:
            self._socket.close()
            raise BusError(
                f"[messaging] {place}: {error.strerror}; choose another address"
            ) from None
        self._watch()

    def send(self, identity: bytes, envelope: bytes) -> bool:
        """Whether it is on its way."""
        return self._put([identity, envelope])

    def _took(self, parts: list[zmq.Frame]) -> None:
        if len(parts) == 2:  # noqa: PLR2004 - who, what
            self._came(bytes(parts[0].buffer), user_of(parts[1]), bytes(parts[1].buffer))


def user_of(frame: zmq.Frame) -> str | None:
    """Whose key it was that opened the connection (`linkage.bus.authenticator`); None: no key."""
    try:
        found: Any = frame.get("User-Id")
    except (KeyError, zmq.ZMQError):
        return None
    return str(found) or None
