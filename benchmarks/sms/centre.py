"""An SMS centre that does no more than it must: takes all, and delivers all at once."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from typing import Final, cast

HEADER: Final = struct.Struct("!4I")
RESPONSE: Final = 0x8000_0000
BINDS: Final = frozenset({0x01, 0x02, 0x09})
SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x04, 0x05, 0x06, 0x15
SYSTEM_ID, PASSWORD = "linkage", "secret"
_RECEIPT: Final = (
    b"id:%b sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 "
    b"text:"
)
_TLVS: Final = b"\x04\x27\0\x01\x02\0\x1e"
"""`message_state` 2, delivered; and the tag of `receipted_message_id`."""


class SmsCentre:
    """Listens on the loopback for one client after the other."""

    def __init__(self) -> None:
        self.texts: Counter[bytes] = Counter()
        """How often each text was submitted, by its octets."""
        self.taken = 0
        """Short messages: the newest has this number as its id."""
        self.receipts = 0
        self.unanswered = 0
        """Receipts that were sent and not answered."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Link(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Hang up, and listen no more."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.transport.close()

    def restart(self) -> None:
        """Forget what was counted."""
        self.texts.clear()
        self.receipts = 0

    def joined(self, link: _Link) -> None:
        """A connection is there."""
        self._links.add(link)

    def left(self, link: _Link) -> None:
        """A connection is gone."""
        self._links.discard(link)


class _Link(asyncio.Protocol):
    """One connection of a transceiver."""

    def __init__(self, centre: SmsCentre) -> None:
        self.transport: asyncio.Transport
        self._centre = centre
        self._buffer = b""
        self._sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._centre.joined(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._centre.left(self)

    def data_received(self, data: bytes) -> None:
        """Answer all that is whole, in one write."""
        data = self._buffer + data
        at = 0
        out: list[bytes] = []
        while len(data) - at >= HEADER.size:
            length, command, _, sequence = HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            if command == SUBMIT:
                self._submit(data[at + HEADER.size : at + length], sequence, out)
            elif command == DELIVER | RESPONSE:
                self._centre.unanswered -= 1
            elif command in BINDS:
                out.append(_pdu(command | RESPONSE, sequence, b"centre\0"))
            elif command in {ENQUIRE, UNBIND}:
                out.append(_pdu(command | RESPONSE, sequence))
            at += length
        self._buffer = data[at:]
        self.transport.write(b"".join(out))

    def _submit(self, body: bytes, sequence: int, out: list[bytes]) -> None:
        centre = self._centre
        source, at = _address(body, body.index(b"\0") + 1)
        to, at = _address(body, at)
        at = body.index(b"\0", at + 3) + 1  # esm_class, protocol_id, priority; schedule
        at = body.index(b"\0", at) + 1  # validity
        registered, length = body[at], body[at + 4]
        centre.texts[body[at + 5 : at + 5 + length]] += 1
        centre.taken += 1
        message_id = b"%08x" % centre.taken
        out.append(_pdu(SUBMIT | RESPONSE, sequence, message_id + b"\0"))
        if registered & 1:
            self._sequence += 1
            centre.receipts += 1
            centre.unanswered += 1
            text = _RECEIPT % message_id
            out.append(
                _pdu(
                    DELIVER, self._sequence,
                    b"\0%b%b\x04\0\0\0\0\0\0\0\0%c%b%b\0\x09%b\0"
                    % (to, source, len(text), text, _TLVS, message_id),
                )
            )  # fmt: skip


def _address(body: bytes, at: int) -> tuple[bytes, int]:
    """TON, NPI and number as they stand there, and where they end."""
    end = body.index(b"\0", at + 2) + 1
    return body[at:end], end


def _pdu(command: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER.size + len(body), command, 0, sequence) + body
