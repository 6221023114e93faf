"""Transports: how the bytes of one peer travel, and nothing of what they mean.

A session *has* a transport and is told by it through a `Receiver`. `tcp` is the only one so far,
in plain or under TLS; one that carries messages instead of a stream (WebSocket) fits the same
seam: what is written at once may leave as one message, and a message that came is given as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Receiver(Protocol):
    """Who is told what happens on a transport; named, and called, as an `asyncio.Protocol` is."""

    def data_received(self, data: bytes) -> None:
        """Bytes came; for a transport of messages, those of one message."""
        ...

    def eof_received(self) -> None:
        """The peer sends no more. What is written may still reach it, if the transport can."""
        ...

    def pause_writing(self) -> None:
        """More is unsent than the transport's bound: the peer does not take what it is sent."""
        ...

    def resume_writing(self) -> None:
        """The peer has caught up."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, whoever ended it; nothing is told after this."""
        ...


class Transport(Protocol):
    """The bytes of one peer, both ways. None of the calls blocks or raises."""

    @property
    def host(self) -> str:
        """Whence the peer speaks; empty where it was gone at once."""
        ...

    @property
    def address(self) -> str:
        """The same for a person, with the port: `10.1.2.3:40112`."""
        ...

    @property
    def encrypted(self) -> bool:
        """Whether nobody between us and the peer can read along."""
        ...

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """The certificate that the peer showed, as `ssl.SSLSocket.getpeercert` describes it.

        It was verified. None: the peer showed none.
        """
        ...

    def attach(self, receiver: Receiver) -> None:
        """Tell this one from now on; whoever was told before is told nothing more."""
        ...

    def write(self, data: bytes, /) -> None:
        """Send, in the order of the calls. The caller writes once a turn of the loop."""
        ...

    def is_closing(self) -> bool:
        """Whether what is written now would reach nobody."""
        ...

    def pause_reading(self) -> None:
        """Leave the peer's bytes where they are; a few may still come."""
        ...

    def resume_reading(self) -> None:
        """Take them again."""
        ...

    def close(self, within_s: float) -> None:
        """End it when all that was written has left; after `within_s` seconds it is cut off."""
        ...

    def abort(self) -> None:
        """Cut it off; what is unsent is lost."""
        ...
