"""PDUs of SMPP 3.4 as bytes: a header of four words, mandatory parameters, then TLVs.

```
 0         4         8         12        16
 +---------+---------+---------+---------+------------------------ - - -
 | length  | command | status  |sequence | parameters, then TLVs: tag 2, length 2, value
 +---------+---------+---------+---------+------------------------ - - -
```
Texts within (addresses, ids) end with a NUL and are read as Latin-1, so that none is unreadable.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

HEADER: Final = struct.Struct("!4I")
TLV: Final = struct.Struct("!2H")
LENGTH_MAX: Final = 70_000
"""A `message_payload` of 64 KiB and what stands around it; more is no PDU."""
OCTETS_MAX: Final = 254
"""Octets of a short_message; longer ones go as `message_payload`."""
TEXT_MAX: Final = 255
"""More than the specification has for any address, id or time."""
RESPONSE: Final = 0x8000_0000
SEQUENCE_MAX: Final = 0x7FFF_FFFF
VERSION: Final = 0x34


class Command(IntEnum):
    """Commands that are sent or taken here; the response has the highest bit as well."""

    NACK = 0x8000_0000
    TRANSMITTER = 0x02
    QUERY = 0x03
    SUBMIT = 0x04
    DELIVER = 0x05
    UNBIND = 0x06
    CANCEL = 0x08
    TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE = 0x15
    ALERT = 0x102


class Status(IntEnum):
    """`command_status` of a response, as far as one of them is told from the rest."""

    OK = 0x00
    BAD_LENGTH = 0x02
    BAD_COMMAND = 0x03
    WRONG_STATE = 0x04
    ALREADY_BOUND = 0x05
    BAD_SOURCE = 0x0A
    BAD_DESTINATION = 0x0B
    BIND_FAILED = 0x0D
    BAD_PASSWORD = 0x0E
    BAD_SYSTEM_ID = 0x0F
    QUEUE_FULL = 0x14
    THROTTLED = 0x58
    TRY_LATER = 0x64
    NEVER_TRY = 0x65


class Tag(IntEnum):
    """Optional parameters that are sent or read here."""

    RECEIPTED_ID = 0x001E
    REFERENCE = 0x0204
    SAR_REFERENCE = 0x020C
    SAR_TOTAL = 0x020E
    SAR_NUMBER = 0x020F
    PAYLOAD = 0x0424
    STATE = 0x0427


class MalformedError(ValueError):
    """Parameters that are cut, too long or not there."""


@dataclass(slots=True, kw_only=True)
class ShortMessage:
    """The parameters of submit_sm and deliver_sm; `octets` are also those of `message_payload`."""

    source: str = ""
    source_ton: int = 0
    source_npi: int = 0
    to: str = ""
    to_ton: int = 0
    to_npi: int = 0
    service_type: str = ""
    esm_class: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    registered: int = 0
    coding: int = 0
    octets: bytes = b""
    tlvs: dict[int, bytes] = field(default_factory=dict)


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """A whole PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def bind(system_id: str, password: str, system_type: str) -> bytes:
    """The parameters of bind_transceiver; we take texts for every address."""
    return b"%s%s%s%c\0\0\0" % (text(system_id), text(password), text(system_type), VERSION)


def text(value: str) -> bytes:
    """A C-octet string."""
    return value.encode("latin-1") + b"\0"


def short_message(sm: ShortMessage) -> bytes:
    """The parameters of a submit_sm or deliver_sm."""
    octets, tlvs = sm.octets, sm.tlvs
    if len(octets) > OCTETS_MAX:
        octets, tlvs = b"", {**tlvs, Tag.PAYLOAD: octets}
    return b"".join(
        (
            text(sm.service_type), bytes((sm.source_ton, sm.source_npi)), text(sm.source),
            bytes((sm.to_ton, sm.to_npi)), text(sm.to), bytes((sm.esm_class, 0, sm.priority)),
            text(sm.schedule), text(sm.validity),
            bytes((sm.registered, 0, sm.coding, 0, len(octets))), octets,
            *(TLV.pack(tag, len(value)) + value for tag, value in tlvs.items()),
        )
    )  # fmt: skip


def query(message_id: str, source: bytes) -> bytes:
    """The parameters of query_sm: a message by its id, and its `address` of the source."""
    return text(message_id) + source


def cancel(message_id: str, source: bytes) -> bytes:
    """The parameters of cancel_sm, the same way."""
    return b"\0" + text(message_id) + source + b"\0\0\0"


def address(ton: int, npi: int, value: str) -> bytes:
    """An address as it stands in a PDU."""
    return bytes((ton, npi)) + text(value)


def read_short_message(body: bytes) -> ShortMessage:
    """The parameters of a submit_sm or deliver_sm.

    Raises:
        MalformedError: they are cut or too long.
    """
    reader = Reader(body)
    sm = ShortMessage(service_type=reader.text())
    sm.source_ton, sm.source_npi, sm.source = reader.octet(), reader.octet(), reader.text()
    sm.to_ton, sm.to_npi, sm.to = reader.octet(), reader.octet(), reader.text()
    sm.esm_class, _, sm.priority = reader.octet(), reader.octet(), reader.octet()
    sm.schedule, sm.validity = reader.text(), reader.text()
    sm.registered, _, sm.coding, _ = (reader.octet() for _ in range(4))
    sm.octets = reader.take(reader.octet())
    sm.tlvs = reader.tlvs()
    sm.octets = sm.octets or sm.tlvs.get(Tag.PAYLOAD, b"")
    return sm


def read_id(body: bytes) -> str:
    """The `message_id` of a submit_sm_resp; empty where there is none."""
    return body.partition(b"\0")[0].decode("latin-1").strip()


def read_state(body: bytes) -> int:
    """The `message_state` of a query_sm_resp.

    Raises:
        MalformedError: there is none.
    """
    reader = Reader(body)
    reader.text()
    reader.text()
    return reader.octet()


class Reader:
    """Takes parameters off a body, one by one."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def octet(self) -> int:
        """One octet as a number."""
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """So many octets."""
        begin, self._at = self._at, self._at + count
        if self._at > len(self._body):
            raise MalformedError(f"{count} octets wanted, {len(self._body) - begin} are left")
        return self._body[begin : self._at]

    def text(self) -> str:
        """A C-octet string."""
        end = self._body.find(b"\0", self._at)
        if not 0 <= end - self._at <= TEXT_MAX:
            raise MalformedError("a text has no end, or is longer than any may be")
        begin, self._at = self._at, end + 1
        return self._body[begin:end].decode("latin-1")

    def tlvs(self) -> dict[int, bytes]:
        """What follows; of a tag that stands there twice the first counts."""
        found: dict[int, bytes] = {}
        while self._at < len(self._body):
            tag, length = TLV.unpack(self.take(TLV.size))
            found.setdefault(tag, self.take(length))
        return found


def number(tlvs: Mapping[int, bytes], tag: Tag) -> int | None:
    """An optional parameter as a number; None: it is not there."""
    return int.from_bytes(tlvs[tag], "big") if tlvs.get(tag) else None
