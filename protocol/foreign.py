"""What a stream looks like that does not begin as one of EventID (protocol.md#protocol-errors).

Whoever sets up a connection for the first time meets this: a browser, a load balancer with its
PROXY line, TLS on a port without, the header left out or turned round. The first bytes tell most
of it; what they are taken for is for the log, with the setting that would help.
"""

from __future__ import annotations

import re
from typing import Final

from protocol.dialect import Dialect
from protocol.frames import HEADER_BYTES, frame_length

LOOK_MAX: Final = 8192
"""Bytes that are looked at: a first message is shorter, or nobody's in particular."""

_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_END: Final = re.compile(rb"(?:</(?:request|response)\s*>|/>)\Z", re.IGNORECASE)
_NO_PROXY: Final = "linkage reads none: switch it off at the load balancer (`send-proxy`)"

_SIGNATURES: Final = (
    (
        re.compile(rb"\x16(?:\x03|\Z)"),
        (
            "TLS (ClientHello) where none is spoken: let the peer connect to a [[listener]] with "
            "`tls = true`, or without TLS"
        ),
    ),
    (re.compile(rb"PROXY "), f"the line of a PROXY protocol, version 1; {_NO_PROXY}"),
    (
        re.compile(rb"\r\n\r\n\0(?:\r\nQUIT\n|\Z)"),
        f"the header of a PROXY protocol, version 2; {_NO_PROXY}",
    ),
    (
        re.compile(
            rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|CONNECT|TRACE|PATCH|PRI) [/*h]|HTTP/[0-9]"
        ),
        (
            "an HTTP request; this port speaks EventID (metrics and health checks have a port of "
            "their own: `listen` in [watch])"
        ),
    ),
    (re.compile(rb"[A-Z]+ sips?:|SIP/2\.0 "), "SIP; this port speaks EventID"),
    (re.compile(rb"SSH-"), "SSH; this port speaks EventID"),
    (
        re.compile(rb"\xff\xfe|\xfe\xff|<\0|\0<"),
        "XML in UTF-16 without a header; EventID has a header of four bytes, and UTF-8",
    ),
    (
        _XML,
        "XML without a header; before each message go four bytes: flag, reserved, length (16 bit)",
    ),
)


def foreign_stream(data: bytes, dialect: Dialect) -> str | None:
    """Why a stream that begins so is none of this dialect; None: it may be one.

    Args:
        data: what has come so far, at least one byte.
        dialect: how the peer is expected to speak.
    """
    flags = {dialect.flag_message, dialect.flag_heartbeat, dialect.flag_fragment}
    if data[0] not in flags:
        known = ", ".join(f"0x{flag:02x}" for flag in sorted(flags))
        return f"the first byte is 0x{data[0]:02x}, none of {known}: {looks_like(data, dialect)}"
    if _is_whole(data, _other_order(data, dialect)):
        wanted = "little" if dialect.byte_order == "big" else "big"
        return (
            f'the length is written in the other byte order: byte_order = "{wanted}" in '
            "[peer.dialect], with the peer's `address`"
        )
    length = frame_length(data, dialect) if len(data) >= HEADER_BYTES else 0
    if dialect.length_includes_header and _is_whole(data, length + HEADER_BYTES):
        return (
            "the length does not count the header: length_includes_header = false in "
            "[peer.dialect], or no [peer.dialect]"
        )
    return None


def unfinished(data: bytes, dialect: Dialect) -> str | None:
    """Why a first message may never have become complete; None: nothing is known of it."""
    length = frame_length(data, dialect) if len(data) >= HEADER_BYTES else 0
    if not dialect.length_includes_header and _is_whole(data, length - HEADER_BYTES):
        return (
            "the length counts the header, it seems: length_includes_header = true in "
            "[peer.dialect], with the peer's `address`"
        )
    return None


def looks_like(data: bytes, dialect: Dialect) -> str:
    """What the first bytes are taken for, and what would help."""
    for signature, meaning in _SIGNATURES:
        if signature.match(data):
            return meaning
    header = _by_header(data, dialect)
    if header is not None:
        return header
    begin = data[:16].decode("ascii", "replace")
    if all(character.isspace() or " " <= character <= "~" for character in begin):
        return f"text ({begin!r}); EventID begins with a header of four bytes"
    return f"unknown bytes ({data[:8].hex(' ')})"


def _by_header(data: bytes, dialect: Dialect) -> str | None:
    """A header of four bytes, and XML behind it."""
    if len(data) <= HEADER_BYTES or not _XML.match(data[HEADER_BYTES:]):
        return None
    flags = {dialect.flag_message, dialect.flag_heartbeat, dialect.flag_fragment}
    if data[3] in flags and data[0] not in flags:
        return "a header with its four bytes in the other order: the flag comes first"
    if data[0] == 0:
        return "a length of 32 bits without a flag: the first byte is the flag"
    return (
        f"a header with another dialect's flag: flag_message = {data[0]} in [peer.dialect], with "
        "the peer's `address`"
    )


def _other_order(data: bytes, dialect: Dialect) -> int:
    """The length of the payload, were it written in the other order; 0: the same."""
    if len(data) < HEADER_BYTES or data[2] == data[3]:
        return 0
    turned = data[:2] + data[3:4] + data[2:3]
    return frame_length(turned, dialect)


def _is_whole(data: bytes, length: int) -> bool:
    """Whether there is exactly one message behind the header, if it has that length."""
    payload = data[HEADER_BYTES : HEADER_BYTES + max(0, length)]
    return (
        length > 0
        and len(payload) == length
        and _XML.match(payload) is not None
        and _END.search(payload) is not None
    )
