"""How a valid stream is damaged: one function for each way, chosen by a seeded lot.

Every stream is made from (seed, number) alone, so that any find can be sent again by itself. A
stream is what is written to the socket, in pieces: most are one piece, some are a thousand.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Damage = Callable[[Random, Sequence[bytes]], bytes]

TOKENS: Final = (
    b"\x00", b"\xff\xff", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xc0\xaf", b"\xef\xbb\xbf",
    b"<![CDATA[", b"]]>", b"<!--", b"<?xml version='1.0' encoding='utf-16'?>", b"&#0;",
    b"&#xD800;", b"&lt;", b"&x;", b"<request", b"</request>", b"<response", b"'", b'"',
    b"xmlns='u'", b"<a:b/>", b'<?xml version="1.1"?>', b"<?pi ?>", b"\r\n", b"\x01\x00\x00\x00",
    b"\x02\x00\x00\x00", b"\x03\x00\x00\x00", b"%s%n", b"../../etc/passwd", b"' OR 1=1 --",
)  # fmt: skip
VALUES: Final = (
    b"", b"NULL", b"EMPTY", b"0", b"-1", b"00", b"1e9", b"9" * 30, b"-" + b"9" * 30, b"NaN",
    b"inf", b"0001-01-01T00:00:00.000Z", b"9999-12-31T23:59:59.999+23:59", b"E1", b"c1", b"7",
    b"2026-02-30T00:00:00Z", b"2026-01-01T00:00:00", b"x" * 300, b"18446744073709551616",
    b"9223372036854775808", b"2147483648", b"true", b"\xf0\x9f\x92\xa3", b"\xe2\x80\xae",
    b"\xef\xbc\x91\xef\xbc\x92",
)  # fmt: skip
ENCODINGS: Final = ("utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030", "cp037", "latin-1")
VALUE: Final = re.compile(rb'(?<==")[^"]*(?=")|(?<=>)[^<>]*(?=<)')
HUGE: Final = 60_000


def frame(payload: bytes, flag: int = 1) -> bytes:
    """One frame, its length cut to what fits."""
    return struct.pack(">BBH", flag, 0, min(len(payload), 0xFFFF)) + payload[:0xFFFF]


def flip(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Some bits, header included."""
    data = bytearray(frame(lot.choice(valid)))
    for _ in range(lot.choice((1, 1, 2, 4, 8, 32))):
        data[lot.randrange(len(data))] ^= 1 << lot.randrange(8)
    return bytes(data)


def truncate(lot: Random, valid: Sequence[bytes]) -> bytes:
    """The stream ends in the middle of a frame."""
    data = frame(lot.choice(valid))
    return data[: lot.randrange(len(data))]


def lie_length(lot: Random, valid: Sequence[bytes]) -> bytes:
    """The header promises more or less than comes."""
    data = frame(lot.choice(valid))
    length = lot.choice((0, 1, len(data), lot.randrange(0x10000), 0xFFFF))
    return data[:2] + struct.pack(">H", length) + data[4:]


def lie_flag(lot: Random, valid: Sequence[bytes]) -> bytes:
    """A flag that there is not, a heartbeat with a payload, a reserved byte."""
    data = bytearray(frame(lot.choice(valid)))
    data[0] = lot.choice((0, 2, 3, 4, 0x7F, 0xFF, lot.randrange(256)))
    data[1] = lot.randrange(256)
    return bytes(data)


def fragment(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Fragments of odd sizes, heartbeats and whole messages between them, no end, or too many."""
    payload = lot.choice(valid)
    out = []
    size = lot.choice((1, 7, 100, 1000))
    for start in range(0, len(payload), size):
        out.append(frame(payload[start : start + size], 3))
        if lot.random() < 0.1:
            out.append(lot.choice((b"\x02\0\0\0", frame(b"", 3), frame(lot.choice(valid)))))
    if lot.random() < 0.5:
        out.append(frame(b""))
    if lot.random() < 0.02:
        out.append(frame(b"x" * lot.choice((0, 1)), 3) * 5000)
    return b"".join(out)


def splice(lot: Random, valid: Sequence[bytes]) -> bytes:
    """The head of one frame, the tail of another."""
    one, two = frame(lot.choice(valid)), frame(lot.choice(valid))
    return one[: lot.randrange(len(one))] + two[lot.randrange(len(two)) :]


def bomb(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Entities, external ones, DTDs, includes."""
    target = lot.choice((b"file:///etc/passwd", b"http://127.0.0.1:1/", b"x"))
    kind = lot.randrange(4)
    if kind == 0:
        levels = b"".join(
            b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10)
            for n in range(1, lot.randrange(2, 30))
        )
        head = b'<!DOCTYPE request [<!ENTITY e0 "lol">%s]>' % levels
        return frame(head + b'<request Id="1" Type="100"><CallId>&e9;</CallId></request>')
    if kind == 1:
        return frame(
            b'<!DOCTYPE request [<!ENTITY x SYSTEM "%s">]><request Id="1" Type="100">&x;</request>'
            % target
        )
    if kind == 2:
        return frame(b'<!DOCTYPE request SYSTEM "%s">' % target + lot.choice(valid))
    include = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="%s"/>' % target
    return frame(b'<request Id="1" Type="100">%s</request>' % include)


def huge(lot: Random, _valid: Sequence[bytes]) -> bytes:
    """Very many attributes, elements, levels; very long names and values."""
    count = lot.choice((17, 100, 1000, 6000))
    match lot.randrange(5):
        case 0:
            body = b" ".join(b'a%d="1"' % n for n in range(count))
            return frame(b'<request Id="1" Type="100" %s/>' % body)
        case 1:
            return frame(b"<a>" * count + b"</a>" * count)
        case 2:
            return frame(b'<request Id="1" Type="100">%s</request>' % (b"<B/>" * count))
        case 3:
            return frame(b'<request Id="%s" Type="100"/>' % (b"9" * lot.randrange(HUGE)))
        case _:
            return frame(b"<%s/>" % (b"n" * lot.randrange(1, HUGE)))


def recode(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Another encoding than is said, or one that is said and not there."""
    text = lot.choice(valid).decode()
    name = lot.choice(ENCODINGS)
    said = lot.choice((name, "utf-8", "no-such-encoding"))
    head = f'<?xml version="1.0" encoding="{said}"?>' if lot.randrange(2) else ""
    return frame((head + text).encode(name, "replace"))


def insert(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Tokens and rubbish in odd places, of a payload whose frame is right."""
    data = bytearray(lot.choice(valid))
    for _ in range(lot.choice((1, 1, 2, 5))):
        at = lot.randrange(len(data) + 1)
        data[at:at] = lot.choice((lot.choice(TOKENS), lot.randbytes(lot.randrange(1, 9))))
    return frame(bytes(data))


def cut_out(lot: Random, valid: Sequence[bytes]) -> bytes:
    """A piece missing, or twice there."""
    data = lot.choice(valid)
    start = lot.randrange(len(data))
    end = min(len(data), start + lot.choice((1, 2, 10, 100)))
    middle = data[start:end] * lot.choice((0, 0, 2, 20))
    return frame(data[:start] + middle + data[end:])


def revalue(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Well-formed, but what stands in it is odd: the core has to make something of it."""
    data = lot.choice(valid)
    wanted = lot.randrange(1, 4)
    spots = [match.span() for match in VALUE.finditer(data)]
    for start, end in sorted(lot.sample(spots, min(wanted, len(spots))), reverse=True):
        value = lot.choice(VALUES)
        if lot.random() < 0.2:
            value = str(lot.choice((100, 193, 197, 201, 210, 290, 294, 490, 999))).encode()
        data = data[:start] + value + data[end:]
    return frame(data)


def rename(lot: Random, valid: Sequence[bytes]) -> bytes:
    """Ids that are fresh, so that it is no duplicate: what the core does with valid messages."""
    data = lot.choice(valid)
    fresh = b"%x" % lot.getrandbits(60)
    return frame(re.sub(rb'(?<= Id=")[^"]*', fresh, data, count=1))


def rubbish(lot: Random, _valid: Sequence[bytes]) -> bytes:
    """No protocol at all."""
    starts = (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"", b"SSH-2.0-x\r\n")
    return lot.choice(starts) + lot.randbytes(lot.choice((1, 4, 16, 256, 4096)))


def repeat(lot: Random, valid: Sequence[bytes]) -> bytes:
    """The same over and over; heartbeats by the thousand; answers to nothing."""
    return lot.choice((frame(lot.choice(valid)), b"\x02\0\0\0", b"\x03\0\0\0")) * lot.choice(
        (2, 10, 200)
    )


WAYS: Final[tuple[Damage, ...]] = (
    flip, truncate, lie_length, lie_flag, fragment, splice, bomb, huge, recode, insert, cut_out,
    revalue, revalue, revalue, rename, rubbish, repeat,
)  # fmt: skip


def pieces(lot: Random, stream: bytes) -> list[bytes]:
    """How it is written: at once, in two, or byte by byte."""
    roll = lot.random()
    if roll < 0.9 or len(stream) < 2:
        return [stream]
    if roll < 0.99:
        at = lot.randrange(1, len(stream))
        return [stream[:at], stream[at:]]
    return [stream[at : at + 1] for at in range(min(len(stream), 1000))] + [stream[1000:]]


def make_stream(seed: int, number: int, valid: Sequence[bytes]) -> tuple[str, list[bytes]]:
    """The stream of that number: by which way it was damaged, and its pieces."""
    lot = Random(f"{seed}/{number}")
    way = lot.choice(WAYS)
    return way.__name__, pieces(lot, way(lot, valid))
