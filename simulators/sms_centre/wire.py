"""SMPP 3.4 as an SMS centre speaks it: PDUs, and the alphabets of texts.

It is the centre's own, and shares nothing with what is tested against it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

HEADER: Final = struct.Struct("!4I")
RESPONSE: Final = 0x8000_0000
QUERY, SUBMIT, DELIVER, UNBIND, CANCEL, ENQUIRE = 0x03, 0x04, 0x05, 0x06, 0x08, 0x15
TRANSMITTER: Final = 0x02
BINDS: Final = frozenset({0x01, TRANSMITTER, 0x09})
NACK: Final = RESPONSE
PDU_MAX: Final = 70_000
PAYLOAD, REFERENCE, RECEIPTED_ID, STATE = 0x0424, 0x0204, 0x001E, 0x0427
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
UDH: Final = 0x40
UCS2: Final = 8
STATES: Final[Mapping[str, int]] = {
    "ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "ACCEPTD": 6,
    "UNKNOWN": 7, "REJECTD": 8,
}  # fmt: skip
GSM: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPED: Final = dict(zip(b"\n\x14()/<=>@e", "\f^{}\\[~]|€", strict=True))


class WireError(ValueError):
    """What came is no PDU."""


@dataclass
class Sm:
    """A submit_sm or deliver_sm."""

    source: str = ""
    to: str = ""
    octets: bytes = b""
    coding: int = 0
    esm_class: int = 0
    registered: int = 0
    validity: str = ""
    tlvs: dict[int, bytes] = field(default_factory=dict)


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """A whole PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def texts(body: bytes, count: int) -> list[str]:
    """The first C-octet strings of a body."""
    found = body.split(b"\0", count)
    if len(found) <= count:
        raise WireError("a text has no end")
    return [each.decode("latin-1") for each in found[:count]]


def read_sm(body: bytes) -> Sm:
    """The parameters of a submit_sm."""
    at = 0

    def text() -> str:
        nonlocal at
        end = body.index(b"\0", at)
        begin, at = at, end + 1
        return body[begin:end].decode("latin-1")

    def octets(number: int) -> bytes:
        nonlocal at
        begin, at = at, at + number
        if at > len(body):
            raise WireError("a PDU is cut")
        return body[begin:at]

    sm = Sm()
    try:
        text()
        octets(2)
        sm.source = text()
        octets(2)
        sm.to = text()
        sm.esm_class = octets(3)[0]
        text()
        sm.validity = text()
        sm.registered, _, sm.coding, _, length = octets(5)
        sm.octets = octets(length)
        while at < len(body):
            tag, length = struct.unpack("!2H", octets(4))
            sm.tlvs[tag] = octets(length)
    except ValueError as error:
        raise WireError(f"a submit_sm cannot be read: {error}") from error
    sm.octets = sm.octets or sm.tlvs.get(PAYLOAD, b"")
    return sm


def deliver(sm: Sm) -> bytes:
    """The parameters of a deliver_sm."""
    tlvs = sm.tlvs if len(sm.octets) <= 254 else {**sm.tlvs, PAYLOAD: sm.octets}  # noqa: PLR2004 - SMPP's
    octets = b"" if PAYLOAD in tlvs else sm.octets
    parts = [
        b"\0\0\x01", sm.source.encode("latin-1"), b"\0\0\x01", sm.to.encode("latin-1"), b"\0",
        bytes((sm.esm_class, 0, 0)), b"\0\0", bytes((0, 0, sm.coding, 0, len(octets))), octets,
    ]  # fmt: skip
    parts += [struct.pack("!2H", tag, len(value)) + value for tag, value in tlvs.items()]
    return b"".join(parts)


def receipt(sm: Sm, message_id: str, state: str, at: datetime, *, with_tlvs: bool) -> Sm:
    """The receipt of a text that was taken."""
    when, arrived = at.strftime("%y%m%d%H%M"), int(state == "DELIVRD")
    written = (
        f"id:{message_id} sub:001 dlvrd:{arrived:03} submit date:{when} done date:{when} "
        f"stat:{state} err:{0 if arrived else 1:03} text:"
    )
    tlvs = {tag: value for tag, value in sm.tlvs.items() if tag == REFERENCE}
    if with_tlvs:
        tlvs[RECEIPTED_ID] = message_id.encode() + b"\0"
        tlvs[STATE] = bytes((STATES[state],))
    return Sm(sm.to, sm.source, written.encode(), esm_class=0x04, tlvs=tlvs)


def place_of(sm: Sm) -> tuple[str, int, int]:
    """Of a part: what it belongs to, how many there are, which it is."""
    if SAR_REFERENCE in sm.tlvs:
        return sm.tlvs[SAR_REFERENCE].hex(), sm.tlvs[SAR_TOTAL][0], sm.tlvs[SAR_NUMBER][0]
    if sm.esm_class & UDH and sm.octets[1:3] == b"\0\x03":
        return sm.octets[3:4].hex(), sm.octets[4], sm.octets[5]
    return "", 1, 1


def text_of(sm: Sm) -> bytes:
    """The octets of a text without their header."""
    return sm.octets[1 + sm.octets[0] :] if sm.esm_class & UDH and sm.octets else sm.octets


def decode(octets: bytes, coding: int) -> str:
    """A text in GSM-7 (0), Latin-1 (3) or UCS-2 (8)."""
    if coding == UCS2:
        return octets.decode("utf-16-be", "replace")
    if coding:
        return octets.decode("latin-1")
    out, escaped = "", False
    for each in octets:
        if each == 0x1B:  # noqa: PLR2004 - the escape of GSM 03.38
            escaped = True
            continue
        out += ESCAPED.get(each, GSM[each & 0x7F]) if escaped else GSM[each & 0x7F]
        escaped = False
    return out


def encode(text: str) -> tuple[int, bytes]:
    """A short text as a citizen sends it: its coding and octets."""
    if all(each in GSM and each != "\x1b" for each in text):
        return 0, bytes(map(GSM.index, text))
    return UCS2, text.encode("utf-16-be")
