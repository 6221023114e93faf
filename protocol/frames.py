"""Frames: how messages and heartbeats are cut out of a stream of bytes (protocol.md#frame).

```
 0        8        16               32
 +--------+--------+----------------+----------------------+
 |  flag  |reserved|     length     |  payload, 0…65,535   |
 +--------+--------+----------------+----------------------+
   0x01 a complete message, or the last piece of a fragmented one
   0x02 heartbeat, length 0, never answered; may stand between fragments
   0x03 a fragment, more follow
```
Flags, byte order and whether the length counts the header are knobs of the `Dialect`; the figures
above are the default.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from struct import Struct
from typing import Final

from protocol.dialect import DEFAULT, Dialect
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.results import Result

HEADER_BYTES: Final = 4
LENGTH_MAX: Final = 0xFFFF
"""What the 16 bits of the length can say."""
FRAGMENTS_MAX: Final = 4096
"""Fragments of one message: 4 MiB in pieces of 1 KiB. Who sends smaller ones costs us a frame for
every few bytes, and empty ones would cost nothing to go on for ever."""
UNREAD_MAX: Final = 1024 * 1024
"""Bytes that may lie unparsed when more is given: who reads on without parsing has no brake."""

_HEADERS: Final = {"big": Struct(">BxH"), "little": Struct("<BxH")}
"""Flag and length; the reserved byte is sent as 0 and ignored on receipt."""


class Heartbeat(Enum):
    """The one value that stands for a heartbeat frame among payloads."""

    HEARTBEAT = "heartbeat"


HEARTBEAT: Final = Heartbeat.HEARTBEAT


def payload_max(dialect: Dialect = DEFAULT) -> int:
    """Bytes that fit one frame: 65,535, or 65,531 where the length counts the header."""
    return LENGTH_MAX - HEADER_BYTES if dialect.length_includes_header else LENGTH_MAX


def frame_length(header: bytes, dialect: Dialect = DEFAULT) -> int:
    """The bytes of payload that a header announces; below 0 where that cannot be."""
    length: int = _HEADERS[dialect.byte_order].unpack_from(header)[1]
    return length - HEADER_BYTES if dialect.length_includes_header else length


def is_frame(data: bytes, dialect: Dialect = DEFAULT) -> bool:
    """Whether a whole frame is there."""
    return len(data) >= HEADER_BYTES and len(data) >= HEADER_BYTES + frame_length(data, dialect)


def encode_frame(flag: int, payload: bytes, dialect: Dialect = DEFAULT) -> bytes:
    """One frame.

    Raises:
        LocalProtocolError: the payload is longer than `payload_max`.
    """
    size = len(payload)
    if dialect.length_includes_header:
        size += HEADER_BYTES
    if size > LENGTH_MAX:
        raise LocalProtocolError(f"{len(payload)} bytes do not fit one frame")
    return _HEADERS[dialect.byte_order].pack(flag, size) + payload


@cache
def heartbeat(dialect: Dialect = DEFAULT) -> bytes:
    """A heartbeat frame."""
    return encode_frame(dialect.flag_heartbeat, b"", dialect)


class FrameWriter:
    """Puts the messages for one peer into frames."""

    __slots__ = ("_dialect", "_flag", "_most", "_own_bytes", "_pack")

    def __init__(self, dialect: Dialect = DEFAULT) -> None:
        self._dialect = dialect
        self._pack = _HEADERS[dialect.byte_order].pack
        self._flag = dialect.flag_message
        self._own_bytes = HEADER_BYTES if dialect.length_includes_header else 0
        self._most = min(payload_max(dialect), dialect.message_max_bytes)

    def write(self, payload: bytes) -> bytes:
        """See `encode_message`."""
        size = len(payload)
        if size <= self._most:
            return self._pack(self._flag, size + self._own_bytes) + payload
        return self._write_long(payload)

    def _write_long(self, payload: bytes) -> bytes:
        dialect = self._dialect
        size = len(payload)
        if size > dialect.message_max_bytes:
            raise LocalProtocolError(f"{size} bytes, the peer takes {dialect.message_max_bytes}")
        if not dialect.fragments:
            raise LocalProtocolError(f"{size} bytes, and the peer takes no fragments: page it")
        most = payload_max(dialect)
        pieces = [payload[start : start + most] for start in range(0, size, most)]
        frames = [encode_frame(dialect.flag_fragment, piece, dialect) for piece in pieces[:-1]]
        frames.append(encode_frame(dialect.flag_message, pieces[-1], dialect))
        return b"".join(frames)


@cache
def frame_writer(dialect: Dialect = DEFAULT) -> FrameWriter:
    """The one of a dialect."""
    return FrameWriter(dialect)


def encode_message(payload: bytes, dialect: Dialect = DEFAULT) -> bytes:
    """The frames of one message: one where it fits, else fragments if the peer can reassemble.

    Raises:
        LocalProtocolError: longer than the peer takes: than one frame where the dialect has no
            `fragments`, or than its `message_max_bytes`.
    """
    return frame_writer(dialect).write(payload)


class Framer:
    """Bytes in, complete message payloads and heartbeats out.

    `receive_data` only stores; `next_event` parses. What is held is bounded: unparsed bytes by
    `UNREAD_MAX`, a message being reassembled by `message_max_bytes` and `FRAGMENTS_MAX`. The work
    is linear in the bytes received, however they are cut.

    Args:
        dialect: how the peer frames.
        message_max_bytes: the longest message for now; None, and never more than: the dialect's.
    """

    __slots__ = (
        "_broken",
        "_buffer",
        "_dialect",
        "_flag_message",
        "_fragments",
        "_message_max",
        "_own_bytes",
        "_pieces",
        "_room",
        "_start",
        "_unpack",
    )

    def __init__(self, dialect: Dialect = DEFAULT, message_max_bytes: int | None = None) -> None:
        self._dialect = dialect
        most = dialect.message_max_bytes
        self._message_max = most if message_max_bytes is None else min(most, message_max_bytes)
        self._unpack = _HEADERS[dialect.byte_order].unpack_from
        self._flag_message = dialect.flag_message
        self._own_bytes = HEADER_BYTES if dialect.length_includes_header else 0
        # The bytes as they came, while whole frames come in one piece; else a bytearray that
        # collects pieces. Nothing is kept once it is parsed.
        self._buffer: bytes | bytearray = b""
        self._start = 0  # where the first unparsed frame begins
        self._fragments = bytearray()
        self._pieces = 0
        self._room = self._message_max  # what the message being read may still grow by
        self._broken = False

    @property
    def unread_bytes(self) -> int:
        """Bytes stored and not yet parsed."""
        return len(self._buffer) - self._start

    @property
    def unread(self) -> bytes:
        """A copy of them."""
        return bytes(memoryview(self._buffer)[self._start :])

    @property
    def broken(self) -> bool:
        """True after an error that hides where the next frame begins: nothing more comes."""
        return self._broken

    @property
    def in_message(self) -> bool:
        """True while a frame or a fragmented message has begun and not ended."""
        return self._pieces > 0 or self.unread_bytes > 0

    def give_up(self) -> None:
        """What comes is no stream of frames: nothing more is read, and nothing kept."""
        self._break()

    def speak(self, dialect: Dialect) -> None:
        """Read what is not parsed yet, and all that comes, in another dialect."""
        self._dialect = dialect
        self._unpack = _HEADERS[dialect.byte_order].unpack_from
        self._flag_message = dialect.flag_message
        self._own_bytes = HEADER_BYTES if dialect.length_includes_header else 0

    def allow_long(self) -> None:
        """From now on messages may be as long as the dialect has it."""
        self._room += self._dialect.message_max_bytes - self._message_max
        self._message_max = self._dialect.message_max_bytes

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Store what came from the peer.

        Raises:
            LocalProtocolError: more than `UNREAD_MAX` bytes lie here already: parse them first.
        """
        if self._broken:
            return
        if not self._buffer:
            self._buffer = bytes(data)
            return
        if self.unread_bytes > UNREAD_MAX:
            raise LocalProtocolError(f"{self.unread_bytes} bytes unparsed: call next_event first")
        self._drop_parsed()
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        self._buffer += data

    def next_event(self) -> bytes | Heartbeat | None:
        """The next payload of a complete message, `HEARTBEAT`, or None when more bytes are needed.

        Raises:
            RemoteProtocolError: result 100 for an unknown flag or a heartbeat with a payload (that
                frame is skipped, the next call goes on behind it), or for a length that cannot be
                (then `broken`); 104 for a message over the limit (then `broken`).
        """
        while True:
            buffer = self._buffer
            start = self._start
            begin = start + HEADER_BYTES
            size = len(buffer)
            if size < begin:
                break
            flag, length = self._unpack(buffer, start)
            length -= self._own_bytes
            if not 0 <= length <= self._room:
                self._check_length(flag, length)
            end = begin + length
            if size <= end:
                if size < end:
                    break
                # All is parsed, as at the end of most reads.
                self._buffer = b""
                end = 0
            self._start = end
            payload = buffer[begin : begin + length]
            if type(payload) is not bytes:
                payload = bytes(payload)
            if flag == self._flag_message:
                return self._complete(payload) if self._pieces else payload
            if not self._take_other(flag, payload):
                return HEARTBEAT
        if self._start:
            self._drop_parsed()
        return None

    def _take_other(self, flag: int, payload: bytes) -> bool:
        """Whether a frame was a fragment, which is kept; else it is a heartbeat."""
        dialect = self._dialect
        if flag == dialect.flag_heartbeat and not payload:
            return False
        if flag != dialect.flag_fragment:
            raise RemoteProtocolError(
                Result.BAD_FRAME, _flag_problem(flag, payload, dialect), raw=payload
            )
        self._fragments += payload
        self._room -= len(payload)
        self._pieces += 1
        if self._pieces > FRAGMENTS_MAX:
            self._break()
            raise RemoteProtocolError(
                Result.TOO_LONG, f"a message in more than {FRAGMENTS_MAX} fragments"
            )
        return True

    def _check_length(self, flag: int, length: int) -> None:
        """Raise if a length cannot be, or a message is over the limit; other frames may pass."""
        dialect = self._dialect
        if length < 0:
            problem, result = "a length shorter than the header that it counts", Result.BAD_FRAME
        elif flag in {dialect.flag_message, dialect.flag_fragment}:
            problem = f"a message of more than {self._message_max} bytes"
            result = Result.TOO_LONG
        else:
            return
        raw = bytes(self._buffer[self._start : self._start + HEADER_BYTES])
        self._break()
        raise RemoteProtocolError(result, problem, raw=raw)

    def _break(self) -> None:
        """Nothing more comes, and nothing is kept."""
        self._broken = True
        self._buffer = b""
        self._start = 0
        self._fragments = bytearray()
        self._pieces = 0

    def _complete(self, payload: bytes) -> bytes:
        whole = bytes(self._fragments + payload)
        self._fragments = bytearray()
        self._pieces = 0
        self._room = self._message_max
        return whole

    def _drop_parsed(self) -> None:
        """Keep no more than what is not parsed yet."""
        if isinstance(self._buffer, bytearray):
            del self._buffer[: self._start]
        else:
            self._buffer = bytearray(memoryview(self._buffer)[self._start :])
        self._start = 0


def _flag_problem(flag: int, payload: bytes, dialect: Dialect) -> str:
    if flag == dialect.flag_heartbeat:
        return f"a heartbeat with {len(payload)} bytes of payload"
    return f"unknown flag 0x{flag:02x}"
