"""Bytes in, events out: however they are cut, and whatever they are."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.smpp import pdu
from adapters.smpp.connection import Answered, Connection, Delivered, Ended, Event, FramingError
from adapters.smpp.pdu import Command, ShortMessage, Status, Tag

SM = ShortMessage(
    source="13900000001", source_ton=1, source_npi=1, to="12345", octets=b"help", coding=3,
    tlvs={int(Tag.REFERENCE): b"\1\2"},
)  # fmt: skip
TRANSCRIPT = b"".join(
    (
        pdu.pdu(Command.TRANSCEIVER | pdu.RESPONSE, 1, b"centre\0"),
        pdu.pdu(Command.ENQUIRE, 1),
        pdu.pdu(Command.DELIVER, 2, pdu.short_message(SM)),
        pdu.pdu(Command.SUBMIT | pdu.RESPONSE, 2, b"", Status.THROTTLED),
        pdu.pdu(Command.ALERT, 3, b"whatever"),
        pdu.pdu(0x77, 4),
        pdu.pdu(Command.UNBIND, 5),
    )
)
EVENTS: list[Event] = [
    Answered(1, 0, b"centre\0"),
    Delivered(2, SM, pdu.short_message(SM)),
    Answered(2, Status.THROTTLED, b""),
    Ended(),
]
SAID = b"".join(
    (
        pdu.pdu(Command.ENQUIRE | pdu.RESPONSE, 1),
        pdu.pdu(Command.NACK, 4, status=Status.BAD_COMMAND),
        pdu.pdu(Command.UNBIND | pdu.RESPONSE, 5),
    )
)


def connection() -> Connection:
    return Connection(enquire_s=30.0, answer_s=10.0, now=100.0)


@pytest.mark.parametrize("at", range(len(TRANSCRIPT)))
def test_where_it_is_cut_does_not_matter(at: int) -> None:
    one = connection()
    got = one.receive_data(TRANSCRIPT[:at], 101.0) + one.receive_data(TRANSCRIPT[at:], 102.0)
    assert got == EVENTS
    assert one.data_to_send() == SAID


@given(st.lists(st.integers(1, 9), max_size=80))
def test_chunks_of_any_size_do_not_matter(sizes: list[int]) -> None:
    one, got, rest = connection(), [], TRANSCRIPT
    for size in sizes:
        got += one.receive_data(rest[:size], 101.0)
        rest = rest[size:]
    assert got + one.receive_data(rest, 101.0) == EVENTS


@given(st.integers(0, len(TRANSCRIPT) - 1), st.binary(min_size=1, max_size=5))
def test_what_is_damaged_raises_nothing_but_that_it_is_no_smpp(at: int, damage: bytes) -> None:
    spoilt = TRANSCRIPT[:at] + damage + TRANSCRIPT[at + len(damage) :]
    with contextlib.suppress(FramingError):
        connection().receive_data(spoilt, 101.0)


@pytest.mark.parametrize("length", range(len(pdu.short_message(SM))))
def test_a_deliver_sm_that_is_cut_is_answered_for_good_or_read(length: int) -> None:
    one = connection()
    body = pdu.short_message(SM)[:length]
    got = one.receive_data(pdu.pdu(Command.DELIVER, 9, body), 101.0)
    if not got:
        answer = pdu.pdu(Command.DELIVER | pdu.RESPONSE, 9, b"\0", Status.NEVER_TRY)
        assert one.data_to_send() == answer


@given(st.binary(max_size=300))
def test_any_body_is_a_message_or_malformed(body: bytes) -> None:
    try:
        sm = pdu.read_short_message(body)
    except pdu.MalformedError:
        return
    assert pdu.read_short_message(pdu.short_message(sm)).octets == sm.octets


@pytest.mark.parametrize("length", [0, 15, pdu.LENGTH_MAX + 1, 0xFFFF_FFFF])
def test_a_length_that_cannot_be_ends_the_conversation(length: int) -> None:
    one = connection()
    with pytest.raises(FramingError):
        one.receive_data(length.to_bytes(4, "big") + bytes(12), 101.0)
    assert one.data_to_send() == pdu.pdu(Command.NACK, 0, status=Status.BAD_LENGTH)


@pytest.mark.parametrize("octets", [0, 1, 254, 255, 60_000])
def test_more_octets_than_fit_go_as_a_payload(octets: int) -> None:
    sm = ShortMessage(octets=bytes(octets))
    assert pdu.read_short_message(pdu.short_message(sm)).octets == bytes(octets)


def test_silence_is_asked_about_and_then_the_end() -> None:
    one = connection()
    assert one.get_timer() == 130.0
    assert one.handle_timer(129.0)
    assert not one.data_to_send()
    assert one.handle_timer(130.0)
    assert one.data_to_send() == pdu.pdu(Command.ENQUIRE, 1)
    assert one.get_timer() == 140.0
    assert not one.handle_timer(140.0)


def test_a_word_of_the_centre_is_an_answer_to_that() -> None:
    one = connection()
    one.handle_timer(130.0)
    one.receive_data(pdu.pdu(Command.ENQUIRE | pdu.RESPONSE, 1), 131.0)
    assert one.get_timer() == 161.0


def test_numbers_of_requests_begin_anew_in_time() -> None:
    one = connection()
    one._sequence = pdu.SEQUENCE_MAX
    assert one.request(Command.ENQUIRE) == 1
