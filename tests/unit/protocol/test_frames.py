"""Frames as protocol.md#frame draws them; every expected byte is written by hand."""

from __future__ import annotations

import pytest

from protocol.dialect import DEFAULT, LEGACY, Dialect
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.frames import (
    HEARTBEAT,
    LENGTH_MAX,
    UNREAD_MAX,
    Framer,
    Heartbeat,
    encode_frame,
    encode_message,
    heartbeat,
    payload_max,
)
from protocol.results import Result

COUNTS_HEADER = Dialect(length_includes_header=True)
LITTLE = Dialect(byte_order="little")
ODD_FLAGS = Dialect(flag_message=0x10, flag_heartbeat=0x20, flag_fragment=0x30)


def everything_from(framer: Framer) -> list[bytes | Heartbeat]:
    found = []
    while (event := framer.next_event()) is not None:
        found.append(event)
    return found


def framed(data: bytes, dialect: Dialect = DEFAULT) -> list[bytes | Heartbeat]:
    framer = Framer(dialect)
    framer.receive_data(data)
    return everything_from(framer)


def broken_by(data: bytes, dialect: Dialect = DEFAULT) -> tuple[Framer, RemoteProtocolError]:
    framer = Framer(dialect)
    framer.receive_data(data)
    with pytest.raises(RemoteProtocolError) as caught:
        everything_from(framer)
    return framer, caught.value


# --- writing ----------------------------------------------------------------------------------
def test_a_frame_is_flag_reserved_length_payload() -> None:
    assert encode_frame(0x01, b"<a/>") == b"\x01\x00\x00\x04<a/>"
    assert encode_frame(0x01, bytes(0x1234))[:4] == b"\x01\x00\x12\x34"


def test_the_length_is_little_endian_where_the_dialect_says_so() -> None:
    assert encode_frame(0x01, bytes(0x1234), LITTLE)[:4] == b"\x01\x00\x34\x12"


def test_the_length_counts_the_header_where_the_dialect_says_so() -> None:
    assert encode_frame(0x01, b"<a/>", COUNTS_HEADER) == b"\x01\x00\x00\x08<a/>"
    assert heartbeat(COUNTS_HEADER) == b"\x02\x00\x00\x04"


def test_a_heartbeat_is_an_empty_frame_with_its_own_flag() -> None:
    assert heartbeat() == b"\x02\x00\x00\x00"
    assert heartbeat(ODD_FLAGS) == b"\x20\x00\x00\x00"


@pytest.mark.parametrize(("dialect", "most"), [(DEFAULT, 65_535), (COUNTS_HEADER, 65_531)])
def test_the_longest_payload_fits_and_one_byte_more_does_not(dialect: Dialect, most: int) -> None:
    assert payload_max(dialect) == most
    assert framed(encode_frame(0x01, bytes(most), dialect), dialect) == [bytes(most)]
    with pytest.raises(LocalProtocolError, match="do not fit"):
        encode_frame(0x01, bytes(most + 1), dialect)


def test_a_message_that_fits_is_one_frame() -> None:
    assert encode_message(b"<a/>") == b"\x01\x00\x00\x04<a/>"
    assert encode_message(bytes(LENGTH_MAX)) == b"\x01\x00\xff\xff" + bytes(LENGTH_MAX)


def test_a_longer_message_goes_in_fragments_and_ends_with_a_message_frame() -> None:
    payload = b"a" * LENGTH_MAX + b"b" * LENGTH_MAX + b"c"
    assert encode_message(payload) == (
        b"\x03\x00\xff\xff" + b"a" * LENGTH_MAX
        + b"\x03\x00\xff\xff" + b"b" * LENGTH_MAX
        + b"\x01\x00\x00\x01c"
    )  # fmt: skip


def test_fragments_of_a_dialect_that_counts_the_header_are_shorter() -> None:
    written = encode_message(b"a" * 65_532, COUNTS_HEADER)
    assert written == b"\x03\x00\xff\xff" + b"a" * 65_531 + b"\x01\x00\x00\x05a"


def test_a_peer_without_fragments_is_sent_no_long_message() -> None:
    no_fragments = Dialect(fragments=False)
    with pytest.raises(LocalProtocolError, match="page it"):
        encode_message(bytes(LENGTH_MAX + 1), no_fragments)
    with pytest.raises(LocalProtocolError, match="the peer takes 65535"):
        encode_message(bytes(LENGTH_MAX + 1), LEGACY)


def test_no_message_is_sent_that_is_longer_than_the_peer_takes() -> None:
    small = Dialect(message_max_bytes=10)
    assert encode_message(bytes(10), small) == b"\x01\x00\x00\x0a" + bytes(10)
    with pytest.raises(LocalProtocolError, match="11 bytes, the peer takes 10"):
        encode_message(bytes(11), small)


# --- reading ----------------------------------------------------------------------------------
def test_frames_come_out_in_order() -> None:
    assert framed(b"\x01\0\0\x01a\x02\0\0\0\x01\0\0\x02bc") == [b"a", HEARTBEAT, b"bc"]


def test_an_empty_message_is_a_message() -> None:
    assert framed(b"\x01\0\0\0\x01\0\0\x01a") == [b"", b"a"]


def test_the_reserved_byte_is_ignored() -> None:
    assert framed(b"\x01\xff\0\x01a") == [b"a"]


@pytest.mark.parametrize("dialect", [LITTLE, COUNTS_HEADER, ODD_FLAGS])
def test_each_dialect_reads_what_it_writes(dialect: Dialect) -> None:
    payload = bytes(range(256)) * 600
    stream = heartbeat(dialect) + encode_message(payload, dialect) + encode_message(b"", dialect)
    assert framed(stream, dialect) == [HEARTBEAT, payload, b""]


def test_nothing_comes_of_a_frame_that_is_not_all_here() -> None:
    framer = Framer()
    whole = b"\x01\0\0\x04<a/>"
    for byte in whole[:-1]:
        framer.receive_data(bytes([byte]))
        assert framer.next_event() is None
        assert framer.in_message
    framer.receive_data(whole[-1:])
    assert framer.next_event() == b"<a/>"
    assert framer.next_event() is None
    assert not framer.in_message


def test_receiving_only_stores() -> None:
    framer = Framer()
    framer.receive_data(b"\x99\0\0\0")
    assert framer.unread_bytes == 4
    with pytest.raises(RemoteProtocolError):
        framer.next_event()


def test_fragments_are_joined_and_heartbeats_may_stand_between() -> None:
    stream = b"\x03\0\0\x02ab\x02\0\0\0\x03\0\0\x01c\x01\0\0\x02de\x01\0\0\x01f"
    assert framed(stream) == [HEARTBEAT, b"abcde", b"f"]


def test_an_unfinished_message_is_known_as_such() -> None:
    framer = Framer()
    framer.receive_data(b"\x03\0\0\x01a")
    assert framer.next_event() is None
    assert framer.in_message


def test_an_unknown_flag_costs_its_frame_and_no_other() -> None:
    framer, error = broken_by(b"\x07\0\0\x03abc\x01\0\0\x01d")
    assert (error.result, error.raw) == (Result.BAD_FRAME, b"abc")
    assert "0x07" in str(error)
    assert not framer.broken
    assert everything_from(framer) == [b"d"]


def test_an_unknown_flag_between_fragments_leaves_them_alone() -> None:
    framer, _ = broken_by(b"\x03\0\0\x01a\x07\0\0\x01x\x01\0\0\x01b")
    assert everything_from(framer) == [b"ab"]


def test_a_heartbeat_with_a_payload_costs_its_frame_and_no_other() -> None:
    framer, error = broken_by(b"\x02\0\0\x01x\x02\0\0\0")
    assert error.result is Result.BAD_FRAME
    assert "heartbeat with 1 bytes" in str(error)
    assert everything_from(framer) == [HEARTBEAT]


def test_an_unknown_flag_may_be_longer_than_a_message() -> None:
    framer, error = broken_by(b"\x07\0\0\x0b" + bytes(11), Dialect(message_max_bytes=10))
    assert error.result is Result.BAD_FRAME
    assert not framer.broken


def test_a_message_over_the_limit_breaks_the_stream_before_it_is_held() -> None:
    framer, error = broken_by(b"\x01\0\x00\x0b", Dialect(message_max_bytes=10))
    assert (error.result, error.raw) == (Result.TOO_LONG, b"\x01\0\0\x0b")
    assert framer.broken
    framer.receive_data(b"\x01\0\0\x01a")
    assert framer.unread_bytes == 0
    assert framer.next_event() is None


def test_fragments_over_the_limit_break_the_stream() -> None:
    small = Dialect(message_max_bytes=10)
    piece = b"\x03\0\0\x05aaaaa"
    assert framed(piece + b"\x01\0\0\x05bbbbb", small) == [b"aaaaabbbbb"]
    framer, error = broken_by(piece + piece + b"\x01\0\0\x01c", small)
    assert error.result is Result.TOO_LONG
    assert framer.broken
    assert not framer.in_message


def test_a_length_that_does_not_even_count_its_header_breaks_the_stream() -> None:
    framer, error = broken_by(b"\x01\0\0\x03abc", COUNTS_HEADER)
    assert error.result is Result.BAD_FRAME
    assert framer.broken


def test_who_reads_on_without_parsing_is_stopped() -> None:
    framer = Framer()
    framer.receive_data(bytes(UNREAD_MAX + 1))
    with pytest.raises(LocalProtocolError, match="call next_event first"):
        framer.receive_data(b"a")


def test_parsed_bytes_are_given_back() -> None:
    framer = Framer()
    frame = encode_frame(0x01, bytes(1000))
    for _ in range(2_000):
        framer.receive_data(frame + frame[:500])
        assert everything_from(framer) == [bytes(1000)]
        framer.receive_data(frame[500:])
        assert everything_from(framer) == [bytes(1000)]
    assert len(framer._buffer) == 0


def test_a_reader_that_always_stops_early_holds_no_more_than_is_unread() -> None:
    framer = Framer()
    frame = encode_frame(0x01, bytes(1000))
    framer.receive_data(frame)
    for _ in range(2_000):
        framer.receive_data(frame)
        assert framer.next_event() == bytes(1000)
    assert framer.unread_bytes == len(frame)
    assert len(framer._buffer) <= 3 * len(frame)


def test_a_stream_given_byte_by_byte_costs_linear_work() -> None:
    # 64 KiB in single bytes: quadratic copying would move 2 GiB.
    payload = bytes(LENGTH_MAX)
    framer = Framer()
    for byte in encode_frame(0x01, payload):
        framer.receive_data(bytes([byte]))
        event = framer.next_event()
        assert event is None or event == payload


def test_what_was_given_may_change_afterwards() -> None:
    framer = Framer()
    data = bytearray(b"\x01\0\0\x01a")
    framer.receive_data(data)
    data[-1] = 0
    assert framer.next_event() == b"a"
