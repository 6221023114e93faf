"""Who may connect to a bus over TCP: the keys that the core knows (ZAP, RFC 27).

ZeroMQ asks here, over a socket within the process, about every connection whose key fits the
core's; the name that is answered stands on every message of that connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import zmq
from zmq.utils import z85

from linkage.bus.sockets import Socket

ADDRESS: Final = "inproc://zeromq.zap.01"
_VERSION: Final = b"1.0"
_CURVE: Final = b"CURVE"
_REQUEST_FRAMES: Final = 7


class Authenticator(Socket):
    """Answers ZeroMQ's questions while it is open; must be opened before the socket it guards."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        allowed: Mapping[bytes, str],
        turned_away: Callable[[str], None],
    ) -> None:
        """`turned_away` is told from which host somebody came whose key is nobody's."""
        super().__init__(context, zmq.REP)
        self._turned_away = turned_away
        self._allowed = allowed
        self._socket.bind(ADDRESS)
        self._watch()

    def _took(self, parts: list[zmq.Frame]) -> None:
        frames = [bytes(part.buffer) for part in parts]
        sequence = frames[1] if len(frames) > 1 else b""
        part = self._judge(frames)
        status = (b"400", b"no part of this linkage", b"") if part is None else (
            b"200", b"OK", part.encode()
        )  # fmt: skip
        self._put([_VERSION, sequence, *status, b""])

    def _judge(self, frames: list[bytes]) -> str | None:
        """Whose key it is."""
        if len(frames) != _REQUEST_FRAMES or frames[0] != _VERSION or frames[5] != _CURVE:
            return None
        key = z85.encode(frames[6])
        part = self._allowed.get(key)
        if part is None:
            self._turned_away(frames[3].decode("ascii", "replace"))
        return part
