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
from abc import ABC, abstractmethod
from typing import Any, Final, cast

import zmq

logger = logging.getLogger("linkage.messaging")

IN_A_TURN: Final = 64
"""Envelopes taken before the loop may do something else."""
BATCHES_MAX: Final = 1000
"""Envelopes that ZeroMQ holds in each direction; what is more waits in the sender's bounds."""
LINGER_MS: Final = 300
"""For the last words to reach the other side when a socket is closed."""
RECONNECT_MS: Final = 50
RECONNECT_MAX_MS: Final = 500
ENVELOPE_MAX: Final = 64 * 1024 * 1024
"""Bytes of one envelope; a longer one is cut off by ZeroMQ before it is in memory."""


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


def user_of(frame: zmq.Frame) -> str | None:
    """Whose key it was that opened the connection (`linkage.messaging.guard`); None: no key."""
    try:
        found: Any = frame.get("User-Id")
    except (KeyError, zmq.ZMQError):
        return None
    return str(found) or None
