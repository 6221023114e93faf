from __future__ import annotations

import struct

import pytest

from protocol.connection import Closed, Connection, Malformed, Role, Side
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.events import Timers
from protocol.frames import encode_frame

XML = b'<request Id="1" Type="299"><Reason>' + b"x" * 300 + b"</Reason></request>"
HELLO = bytes.fromhex("160301020001000001fc0303") + b"\0" * 20
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\0" * 12

FOREIGN = {
    "HTTP": (b"GET /healthz HTTP/1.1\r\nHost: linkage\r\n\r\n", "HTTP", "[watch]"),
    "HTTP to a proxy": (b"CONNECT host:443 HTTP/1.1\r\n\r\n", "HTTP", "[watch]"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP", "[watch]"),
    "TLS": (HELLO, "TLS", "tls = true"),
    "TLS, one byte of it": (HELLO[:1], "TLS", "tls = true"),
    "PROXY 1": (b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 7700\r\n", "version 1", "send-proxy"),
    "PROXY 2": (PROXY_2, "version 2", "send-proxy"),
    "SIP": (b"OPTIONS sip:110@linkage SIP/2.0\r\n", "SIP", "EventID"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH", "EventID"),
    "no header": (XML, "XML without a header", "four bytes"),
    "no header, a declaration": (b'<?xml version="1.0"?>' + XML, "XML without", "four bytes"),
    "no header, a mark": (b"\xef\xbb\xbf" + XML, "XML without", "four bytes"),
    "no header, a line before": (b"\r\n" + XML, "XML without", "four bytes"),
    "UTF-16": ("\ufeff<request/>".encode("utf-16-le"), "UTF-16", "UTF-8"),
    "little-endian length": (
        struct.pack("<BBH", 1, 0, len(XML)) + XML, "other byte order", 'byte_order = "little"',
    ),
    "a header turned round": (
        struct.pack("<HBB", len(XML), 0, 1) + XML, "other order", "flag comes first",
    ),
    "a length of 32 bits": (struct.pack(">I", len(XML)) + XML, "32 bits", "flag"),
    "another flag": (encode_frame(0x10, XML), "another dialect", "flag_message = 16"),
    "text": (b"hello\r\n", "text ('hello", "header"),
    "anything else": (b"\xde\xad\xbe\xef\0\0", "unknown bytes (de ad be ef", ""),
}  # fmt: skip


def stranger(dialect: Dialect = DEFAULT) -> Connection:
    timers = Timers(register_within_s=10, frame_within_s=10)
    return Connection(side=Side.LINKAGE, role=None, dialect=dialect, timers=timers, now=0)


@pytest.mark.parametrize(("data", "what", "remedy"), FOREIGN.values(), ids=list(FOREIGN))
def test_a_stream_that_is_none_of_ours_is_ended_at_once_and_named(
    data: bytes, what: str, remedy: str
) -> None:
    linkage = stranger()
    linkage.receive_data(data, 0)
    malformed, closed = linkage.events()
    assert isinstance(malformed, Malformed)
    assert what in malformed.detail
    assert remedy in malformed.detail
    assert isinstance(closed, Closed)
    assert linkage.data_to_send() == b""


def test_the_other_byte_order_is_seen_both_ways() -> None:
    linkage = stranger(Dialect(byte_order="little"))
    linkage.receive_data(encode_frame(1, XML), 0)
    malformed, _ = linkage.events()
    assert isinstance(malformed, Malformed)
    assert 'byte_order = "big"' in malformed.detail


def test_the_other_byte_order_is_seen_however_its_message_comes() -> None:
    linkage = stranger()
    data = struct.pack("<BBH", 1, 0, len(XML)) + XML
    for byte in data[:-1]:
        linkage.receive_data(bytes((byte,)), 0)
        assert list(linkage.events()) == []
    linkage.receive_data(data[-1:], 0)
    assert [type(event) for event in linkage.events()] == [Malformed, Closed]


def test_a_length_that_counts_the_header_is_told_when_nothing_more_comes() -> None:
    linkage = stranger()
    linkage.receive_data(encode_frame(1, XML, Dialect(length_includes_header=True)), 0)
    assert list(linkage.events()) == []
    linkage.handle_timer(10)
    events = list(linkage.events())
    assert isinstance(events[-1], Closed)
    assert "length_includes_header = true" in events[-1].reason


def test_a_length_that_does_not_count_the_header_is_seen_at_once() -> None:
    linkage = stranger(Dialect(length_includes_header=True))
    linkage.receive_data(encode_frame(1, XML), 0)
    malformed, closed = linkage.events()
    assert isinstance(malformed, Malformed)
    assert "length_includes_header = false" in malformed.detail
    assert isinstance(closed, Closed)


@pytest.mark.parametrize("begin", [0, 2, 3])
def test_what_a_dialect_knows_is_no_foreign_stream(begin: int) -> None:
    dialect = Dialect(flag_message=begin, flag_heartbeat=71, flag_fragment=22)
    linkage = Connection(
        side=Side.LINKAGE, role=Role.APPLICATION, dialect=dialect, registered=True, now=0
    )
    linkage.receive_data(encode_frame(71, b"") + encode_frame(begin, XML), 0)
    [request] = linkage.events()
    assert isinstance(request, Request)


def test_bytes_in_the_middle_of_a_stream_are_no_beginning() -> None:
    linkage = Connection(side=Side.LINKAGE, role=Role.APPLICATION, registered=True, now=0)
    linkage.receive_data(encode_frame(1, XML) + encode_frame(0x47, b"ET /"), 0)
    request, malformed = linkage.events()
    assert isinstance(request, Request)
    assert isinstance(malformed, Malformed)
    assert not linkage.closed
