"""Envelopes: numbered batches of items, as msgpack.

```
 [version, conversation, number, item, item, …]      item = [kind, …]
```
A *conversation* is one hello and everything after it; within it the batches of each direction are
numbered from 1 without a gap, so that a batch that was lost on the way is noticed at the next one,
and the conversation is begun anew. The first element is the version in every version; an envelope
`[version, 0, 0, [REFUSED, text]]` says why a conversation cannot be, and is that in every version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

import msgpack

VERSION: Final = 2
_TIME: Final = 1
"""Ext type of a time: ISO 8601 with its zone."""
_HEAD: Final = 3
ENVELOPE_MAX: Final = 64 * 1024 * 1024
"""Bytes of one envelope; a longer one is cut off by ZeroMQ before it is in memory."""
ITEM_MAX: Final = ENVELOPE_MAX - 64
"""What is longer leaves no room for the head of its envelope: it would end every conversation."""


class Kind(IntEnum):
    """What an item is.

    `call` is a number that the part chose: what comes of the item is told by an ANSWER or FAILED
    with it. `link` is a number that the part chose for one of its links.
    """

    # from a part to the core
    HELLO = 1
    """part, incarnation, {peer id: {number: [actions]}}"""
    BYE = 2
    """the part stops"""
    REGISTER = 3
    """call, link, address, window, request"""
    ADOPT = 4
    """call, link, address, window, peer id"""
    RESUME = 5
    """call, link, address, window, peer id, begun, [[request, when it came], …]"""
    INTRODUCE = 6
    """call, peer id"""
    BEGIN = 7
    """link"""
    SUBMIT = 8
    """call, link, request"""
    ANSWERED = 9
    """link, response"""
    NOTE = 10
    """call, link or 0, address, entry kind, detail, raw, result"""
    CLOSED = 11
    """link, reason"""
    RECALL = 12
    """call, adapter; the answer is JSON"""
    RECORD = 13
    """call, link, [[request, reconstructed], …], {key: value as JSON or None}; the answer is
    [result, seconds to wait or None, [response, …]]"""
    FILE_OPEN = 14
    """call, name; the answer is the file's handle"""
    FILE_CHUNK = 15
    """call, handle, bytes"""
    FILE_END = 16
    """call, handle; the answer is the file as it is kept: id, path, bytes, SHA-256"""
    FILE_DROP = 17
    """handle: it will not be whole"""
    FILE_READ = 18
    """call, file id, from which byte; the answer is a piece, empty at the end, None: no file"""
    FILE_STAT = 19
    """call, file id; the answer is path and bytes, None: no file"""
    FILE_DELETE = 20
    """call, file id; the answer is whether there was one"""

    # from the core to a part
    WELCOME = 32
    """the core's incarnation"""
    UNKNOWN = 33
    """there is no such conversation: say hello"""
    REFUSED = 34
    """why there can be none"""
    REPLACED = 35
    """another process of that name said hello"""
    ANSWER = 36
    """call, value"""
    FAILED = 37
    """call, error, text"""
    PUSH = 38
    """link, request"""
    CLOSE = 39
    """link, reason"""

    # either way
    PING = 64


class EnvelopeError(ValueError):
    """Bytes that are no envelope."""


class VersionError(EnvelopeError):
    """An envelope of another version; `version` is which, `refusal` what it says if it refuses."""

    def __init__(self, version: Any, refusal: str | None) -> None:
        super().__init__(f"envelopes of version {version!r}; this side speaks {VERSION}")
        self.version = version
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Envelope:
    """One batch."""

    conversation: int
    number: int
    items: tuple[tuple[Any, ...], ...]


def _default(value: Any) -> Any:
    if isinstance(value, datetime):
        return msgpack.ExtType(_TIME, value.isoformat().encode("ascii"))
    raise TypeError(f"{type(value).__name__} does not cross")


def _read_ext(code: int, data: bytes) -> Any:
    if code != _TIME:
        raise EnvelopeError(f"ext type {code}")
    return datetime.fromisoformat(data.decode("ascii"))


_packer: Final[Any] = msgpack.Packer(default=_default, unicode_errors="surrogatepass")


def pack_item(*item: Any) -> bytes:
    """One item.

    Raises:
        TypeError, ValueError, OverflowError: a value in it cannot cross.
    """
    try:
        packed: bytes = _packer.pack(item)
    except BaseException:
        _packer.reset()  # a half-written item must not begin the next one
        raise
    if len(packed) > ITEM_MAX:
        raise OverflowError(f"{len(packed)} bytes, more than the {ITEM_MAX} of the bus")
    return packed


def seal(conversation: int, number: int, items: Iterable[bytes]) -> bytes:
    """An envelope around packed items."""
    packed = list(items)
    head = [
        _packer.pack_array_header(_HEAD + len(packed)),
        _packer.pack(VERSION),
        _packer.pack(conversation),
        _packer.pack(number),
    ]
    return b"".join(head + packed)


def unseal(data: bytes | memoryview) -> Envelope:
    """What is in an envelope.

    Raises:
        EnvelopeError: it is none, or of another version.
    """
    try:
        found = msgpack.unpackb(
            data, use_list=False, ext_hook=_read_ext, unicode_errors="surrogatepass",
            strict_map_key=False,
        )  # fmt: skip
    except EnvelopeError:
        raise
    except Exception as error:  # noqa: BLE001 - msgpack has a family of its own, hooks raise theirs
        raise EnvelopeError(f"is no msgpack: {type(error).__name__}") from None
    if type(found) is not tuple or len(found) < _HEAD:
        raise EnvelopeError("is no envelope")
    if found[0] != VERSION:
        raise VersionError(found[0], _refusal(found))
    _, conversation, number, *items = found
    if type(conversation) is not int or type(number) is not int:
        raise EnvelopeError("has no conversation or number")
    if not all(type(item) is tuple and item and type(item[0]) is int for item in items):
        raise EnvelopeError("holds something that is no item")
    return Envelope(conversation, number, tuple(items))


def _refusal(found: tuple[Any, ...]) -> str | None:
    for item in found[_HEAD:]:
        if type(item) is tuple and len(item) > 1 and item[0] == Kind.REFUSED:
            return str(item[1])
    return None
