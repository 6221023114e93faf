from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.logs.masking import mask_event, mask_numbers
from linkage.logs.setup import make_formatter


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call from 13912344444", "call from *********44"),
        ("13912344444 → 2222", "*********44 → 2222"),
        ("+8613912344444", "+***********44"),
        ("+86 139-1234-4444 calls", "+** ***-****-**44 calls"),
        ("<PhoneNum>13912344444</PhoneNum>", "<PhoneNum>*********44</PhoneNum>"),
        ("sip:13912344444@10.0.0.1:5060", "sip:*********44@10.0.0.1:5060"),
        ("PJSIP/12345", "PJSIP/***45"),
        ("hotline 12345, 110", "hotline ***45, 110"),
        ("'010-12345678'", "'010-******78'"),
        ("trunk_13912344444", "trunk_*********44"),
    ],
)
def test_phone_numbers_show_their_last_two_digits(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "pbx at 127.0.0.1:40566: is here",
        "[::1]:40566",
        "2026-11-22T08:00:00.123456+00:00",
        "took 0.123456 s",
        "channel 1719837465.123",
        "session a1b2c3d4123456789",
        "Result 206, 201 40 requests",
        "",
    ],
)
def test_addresses_times_and_ids_stay(text: str) -> None:
    assert mask_numbers(text) == text


# What is not somebody's number but may hold digits: shown as it is.
NUMBERS = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=("N", "C")), max_size=8)


def around(number: str) -> st.SearchStrategy[str]:
    return st.builds(lambda before, after: f"{before} {number} {after}", WORDS, WORDS)


def holding(number: str) -> st.SearchStrategy[Any]:
    """Values of all kinds that hold the number somewhere."""
    leaf = st.one_of(
        around(number),
        st.just(int(number)),
        st.just(number.encode()),
        st.builds(ValueError, around(number)),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3),
            st.tuples(inner),
            st.dictionaries(st.one_of(WORDS, st.just(number)), inner, min_size=1, max_size=3),
        ),
        max_leaves=4,
    )


@settings(max_examples=60)
@given(st.data(), NUMBERS, st.booleans())
def test_no_number_shows_in_a_message_a_field_or_an_exception(
    data: st.DataObject, number: str, as_json: bool
) -> None:
    formatter = make_formatter(as_json=as_json, mask_numbers=True)
    try:
        try:
            raise KeyError(data.draw(holding(number), "inner"))  # noqa: TRY301 - to be logged
        except KeyError as inner:
            raise RuntimeError(data.draw(around(number), "outer")) from inner
    except RuntimeError:
        record = logging.LogRecord(
            "tests", logging.ERROR, __file__, 1, "%s called", (number,), sys.exc_info()
        )
    record.__dict__["caller"] = data.draw(holding(number), "field")
    line = formatter.format(record)
    assert number not in line
    assert "Traceback" in line


def test_ids_of_ours_stay_where_they_have_a_field_of_their_own() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000b7-01"
    event = {
        "event_id": "20081118001",
        "op_id": "123456789",
        "id": "20009000001",
        "trace": trace,
        "journal_seq": 12_345_678,
        "duration_ms": 12.5,
        "phone": 13912344444,
    }
    masked = dict(mask_event(None, "info", dict(event)))
    assert masked == {**event, "phone": "*********44"}


def test_a_trace_that_is_none_hides_no_number() -> None:
    assert mask_event(None, "info", {"trace": "tel 13912344444"})["trace"] == "tel *********44"
