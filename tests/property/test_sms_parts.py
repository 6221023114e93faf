"""Texts on their way through the air: cut by us, joined by others, and the other way round."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging import sms_text
from adapters.messaging.model import Job
from adapters.messaging.recorder import Draft
from adapters.smpp import pdu
from adapters.smpp.channel import SmppChannel
from adapters.smpp.connection import Connection, Delivered
from adapters.smpp.joining import Joining, take_apart
from adapters.smpp.link import Link
from adapters.smpp.pdu import Command
from adapters.smpp.settings import Settings
from linkage.clock import ManualClock
from linkage.config.adapters import read_settings
from simulators.sms_centre import wire

PARTS_MAX = 10
GSM = st.sampled_from("".join(each for each in sms_text.BASIC if each != "\x1b"))
EXTENDED = st.sampled_from("".join(sms_text.EXTENSION))
CHINESE = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)
MIXED = st.one_of(GSM, EXTENDED, CHINESE, st.sampled_from("😀𠀀é！’"))
TEXTS = st.one_of(
    *(st.text(each, min_size=1, max_size=60) for each in (GSM, GSM | EXTENDED, CHINESE, MIXED))
)


def whole_text(piece: str, times: int, alphabet: str) -> str:
    """Of at most ten parts."""
    text = piece * times
    while len(sms_text.split(text, alphabet).octets) > PARTS_MAX:
        text = text[: len(text) * 9 // 10]
    return text


def submitted(text: str, how: str, alphabet: str) -> list[bytes]:
    """The bodies of the submit_sm of a text."""
    clock = ManualClock(datetime(2026, 12, 1, tzinfo=UTC))
    values = {
        "address": "127.0.0.1:2775", "system_id": "linkage", "password": "secret",
        "sender": "12345", "long_messages": how, "alphabet": alphabet,
    }  # fmt: skip
    settings = read_settings(Settings, "sms", values)
    channel = SmppChannel(settings, clock, Link(settings, clock, lambda _: None))
    return [pdu.short_message(sm) for sm in channel.prepare(Job("1", "S1", text, "12345"))]


ways = pytest.mark.parametrize("how", ["udh", "sar"])


@ways
@given(TEXTS, st.integers(1, 200), st.sampled_from(["gsm7", "ucs2"]))
def test_others_join_what_we_have_cut(how: str, piece: str, times: int, alphabet: str) -> None:
    text = whole_text(piece, times, alphabet)
    parts = [wire.read_sm(body) for body in submitted(text, how, alphabet)]
    places = [wire.place_of(sm) for sm in parts]

    assert [number for _, _, number in places] == list(range(1, len(parts) + 1))
    assert {(reference, total) for reference, total, _ in places} == {(places[0][0], len(parts))}
    assert all(len(sm.octets) <= (160 if sm.coding == 0 else 140) for sm in parts)
    assert "".join(wire.decode(wire.text_of(sm), sm.coding) for sm in parts) == text


@ways
@given(TEXTS, st.integers(1, 200), st.sampled_from(["gsm7", "ucs2"]), st.randoms())
def test_what_comes_in_parts_in_any_order_some_of_them_twice_is_one_text(
    how: str, piece: str, times: int, alphabet: str, lot: random.Random
) -> None:
    text = whole_text(piece, times, alphabet)
    bodies = submitted(text, how, alphabet)
    lot.shuffle(bodies)
    again = bodies[:-1] and [lot.choice(bodies[:-1])]
    stream = b"".join(
        pdu.pdu(Command.DELIVER, number, body) for number, body in enumerate([*again, *bodies], 1)
    )
    joining, draft, wholes = Joining(), Draft(), []
    for event in Connection(enquire_s=9, answer_s=9, now=0).receive_data(stream, 0):
        assert isinstance(event, Delivered)
        place, octets = take_apart(event.message)
        if place is None:
            wholes.append(sms_text.decode(octets, event.message.coding))
        else:
            found = joining.add(place, event.message, octets, 0, draft)
            wholes += [each.content("gsm7") for each in found]
            reloaded = Joining()  # as a kill would have it
            reloaded.load({key: each for key, each in draft.memory.items() if each}, Draft())
            joining = reloaded

    assert wholes == [text]
    assert not any(draft.memory.values()), "nothing of it is kept"
