"""PDUs that no centre should send: each made from (seed, number) alone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random
from typing import Final

from simulators.sms_centre import wire
from simulators.sms_centre.wire import Sm

HEADER: Final = wire.HEADER
UDH: Final = b"\x05\x00\x03\x07\x03"


def _valid() -> tuple[bytes, ...]:
    """What a centre may say, each in a PDU of its own."""
    bodies = [
        wire.deliver(Sm("13900000001", "12345", b"help", 0)),
        wire.deliver(Sm("13900000001", "12345", "三层起火😀".encode("utf-16-be"), 8)),
        wire.deliver(Sm("13900000001", "12345", UDH + b"\x01part", 0, esm_class=0x40)),
        wire.deliver(
            Sm("13900000001", "12345", b"part", 0, tlvs={
                wire.SAR_REFERENCE: b"\0\7", wire.SAR_TOTAL: b"\3", wire.SAR_NUMBER: b"\2",
            })
        ),
        wire.deliver(
            Sm("13900000001", "12345", b"id:7 sub:001 dlvrd:001 stat:DELIVRD err:000 text:", 0,
               esm_class=4, tlvs={wire.RECEIPTED_ID: b"7\0", wire.STATE: b"\2"})
        ),
        wire.deliver(Sm("13900000001", "12345", b"x" * 600, 4)),
    ]  # fmt: skip
    answers = [
        wire.pdu(command | wire.RESPONSE, 3, body, status)
        for command in (wire.SUBMIT, wire.QUERY, wire.CANCEL, wire.ENQUIRE, wire.NACK, 0x09)
        for body, status in ((b"7\0", 0), (b"", 0x58), (b"7" * 300, 0))
    ]
    asked = [wire.pdu(command, 9) for command in (wire.ENQUIRE, 0x0B, 0x77, 0x102, wire.SUBMIT)]
    return (*(wire.pdu(wire.DELIVER, 7, body) for body in bodies), *answers, *asked)


VALID: Final = _valid()


def flip(lot: Random, data: bytes) -> bytes:
    """Some bits of the body and the header, but its length."""
    made = bytearray(data)
    for _ in range(lot.choice((1, 1, 2, 8, 32))):
        made[lot.randrange(4, len(made))] ^= 1 << lot.randrange(8)
    return bytes(made)


def cut(lot: Random, data: bytes) -> bytes:
    """The body ends somewhere, and the length says so."""
    return _sized(data[: lot.randrange(HEADER.size, len(data) + 1)])


def grow(lot: Random, data: bytes) -> bytes:
    """Rubbish within or behind it."""
    at = lot.randrange(HEADER.size, len(data) + 1)
    return _sized(data[:at] + lot.randbytes(lot.choice((1, 4, 300, 20_000))) + data[at:])


def splice(lot: Random, data: bytes) -> bytes:
    """The head of one, the tail of another."""
    other = lot.choice(VALID)
    at = lot.randrange(HEADER.size, len(data) + 1)
    return _sized(data[:at] + other[lot.randrange(HEADER.size, len(other) + 1) :])


def renumber(lot: Random, data: bytes) -> bytes:
    """Another sequence or status: answers to nothing, to what was answered, refusals of it."""
    length, command, _, _ = HEADER.unpack_from(data)
    numbers = (lot.randrange(50), lot.getrandbits(32), 0)
    status = lot.choice((0, 0x58, 0x0B, lot.getrandbits(32)))
    return HEADER.pack(length, command, status, lot.choice(numbers)) + data[HEADER.size :]


def lie(lot: Random, data: bytes) -> bytes:
    """One octet of the body is another: lengths within it, codings, totals."""
    made = bytearray(data)
    if len(made) > HEADER.size:
        made[lot.randrange(HEADER.size, len(made))] = lot.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(made)


def repeat(lot: Random, data: bytes) -> bytes:
    """The same over and over."""
    return data * lot.choice((2, 5, 20))


def _sized(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data[4:]


WAYS: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    flip, cut, grow, splice, renumber, lie, lie, repeat,
)  # fmt: skip


def make_pdu(seed: int, number: int) -> tuple[str, bytes]:
    """By which way it was damaged, and its octets; where the next PDU begins can be told."""
    lot = Random(f"{seed}/{number}")
    way = lot.choice(WAYS)
    return way.__name__, way(lot, lot.choice(VALID))


def make_end(seed: int, number: int) -> bytes:
    """Octets behind which nobody knows where a PDU begins: the link is of no more use."""
    lot = Random(f"{seed}/end {number}")
    length = lot.choice((0, 15, 0xFFFF_FFFF, 70_001))
    return struct.pack("!I", length) + lot.randbytes(lot.choice((12, 40)))
