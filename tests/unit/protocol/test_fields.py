"""What a field may hold, and how it stands on the wire."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any

import pytest

from protocol import fields
from protocol.codec import decode
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.fields import DECIMAL, FLAG, FREE_TEXT, TIME, Value, choice, number, text
from protocol.xml.shapes import LEARN_AFTER

MOMENT = datetime(2026, 11, 22, 8, 15, 30, 125_000, tzinfo=UTC)


class Colour(IntEnum):
    RED = 1
    BLUE = 2


LIMITED = number(5, 20)
CHOICE = choice(Colour)
HEX = text(4, pattern="[0-9a-f]+", name="Hex")


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (text(5), "通知 <", "通知 <"),
        (HEX, "0af", "0af"),
        (FREE_TEXT, " a\tb\r\nc ", " a\tb\r\nc "),
        (LIMITED, 20, "20"),
        (DECIMAL, 116.3971285, "116.3971285"),
        (DECIMAL, -100, "-100"),
        (DECIMAL, 0.0, "0"),
        (TIME, MOMENT, "2026-11-22T08:15:30.125+00:00"),
        (FLAG, True, "1"),
        (FLAG, False, "0"),
        (CHOICE, Colour.BLUE, "2"),
    ],
)
def test_a_value_is_written_and_read_back(kind: Value, value: Any, written: str) -> None:
    kind.check(value)
    assert kind.format(value) == written
    assert kind.parse(written) == value


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (text(5), "123456", "at most 5"),
        (text(5), "NULL", "no value"),
        (text(5), " a", "white space"),
        (text(5), "a\nb", "control"),
        (text(5), "a\x7f", "control"),
        (text(5), "\ud800", "control"),
        (text(5), 5, "wants text"),
        (HEX, "xyz", "does not look like"),
        (FREE_TEXT, "a\x00", "cannot carry"),
        (FREE_TEXT, "\ufffe", "cannot carry"),
        (FREE_TEXT, "a" * (fields.FREE_TEXT_MAX + 1), "at most"),
        (FREE_TEXT, " EMPTY ", "no value"),
        (FREE_TEXT, 5, "wants text"),
        (LIMITED, 4, "not within 5…20"),
        (LIMITED, 21, "not within 5…20"),
        (LIMITED, "7", "whole number"),
        (LIMITED, 7.0, "whole number"),
        (number(), True, "whole number"),
        (DECIMAL, True, "wants a number"),
        (DECIMAL, "1", "wants a number"),
        (DECIMAL, math.nan, "out of range"),
        (DECIMAL, math.inf, "out of range"),
        (DECIMAL, 1e9, "out of range"),
        (TIME, MOMENT.replace(tzinfo=None), "aware"),
        (TIME, "2026-11-22", "aware"),
        (TIME, datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "out of range"),
        (FLAG, 1, "True or False"),
        (CHOICE, 1, "wants Colour, one of 1, 2"),
    ],
)
def test_a_value_that_the_wire_cannot_carry_is_refused(kind: Value, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kind.check(value)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (LIMITED, "seven"),
        (LIMITED, "--7"),
        (LIMITED, "+7"),
        (LIMITED, "7 "),
        (LIMITED, "７"),
        (LIMITED, "1_0"),
        (LIMITED, "9" * 5000),
        (DECIMAL, "1e3"),
        (DECIMAL, ".5"),
        (DECIMAL, "nan"),
        (DECIMAL, "1234567890123"),
        (TIME, "yesterday"),
        (TIME, "2026-11-22T08:15:30"),
        (TIME, "2026-13-22T08:15:30Z"),
        (TIME, "0001-01-01T00:00:00+01:00"),
        (FLAG, "true"),
        (FLAG, "2"),
        (CHOICE, "3"),
        (CHOICE, "RED"),
    ],
)
def test_a_text_that_is_no_such_value_is_refused(kind: Value, written: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        kind.parse(written)


def test_a_time_is_kept_in_utc_to_the_millisecond() -> None:
    assert fields.parse_time("2026-11-22T09:15:30.1259+01:00") == MOMENT
    assert fields.parse_time("2026-11-22T08:15:30Z") == MOMENT.replace(microsecond=0)
    east = MOMENT.astimezone(timezone(timedelta(hours=8)))
    assert fields.format_time(east) == "2026-11-22T08:15:30.125+00:00"


def test_a_negative_number_is_read_where_one_may_be() -> None:
    assert number(-5, 5).parse("-5") == -5


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("caf\u0065\u0301", "caf\u00e9"),
        ("\u90ce\uf92c", "\u90ce\u90ce"),
        ("12\u200b3", "123"),
        ("\u202e321", "321"),
        ("\u2066a\u2069", "a"),
        ("\ufeff1", "1"),
        ("1\u00ad2", "12"),
        ("a\u2028", "a"),
        ("\u26a0\ufe0f", "\u26a0"),
        ("1\U000e0031", "1"),
        ("\u200b", ""),
        ("火警-110", "火警-110"),
        ("plain", "plain"),
    ],
)
def test_an_event_id_is_read_as_people_see_it(written: str, read: str) -> None:
    assert fields.seen(written) == read


@pytest.mark.parametrize("written", ["12\u200b13243", "\u202a1213243\u202c", "1213243"])
@pytest.mark.parametrize("times", [1, 2 * LEARN_AFTER])
def test_what_looks_the_same_names_the_same_event(written: str, times: int) -> None:
    xml = f'<request Id="1" Type="284"><EventId>{written}</EventId><Action>1</Action></request>'
    for _ in range(times):
        item = decode(xml.encode())
        assert isinstance(item, Request)
        assert item.message.event_id == "1213243"


def test_an_event_id_of_nothing_that_is_seen_is_none() -> None:
    xml = '<request Id="1" Type="284"><EventId>\u200b\u200d</EventId><Action>1</Action></request>'
    with pytest.raises(RemoteProtocolError, match="EventId"):
        decode(xml.encode())


def test_the_ids_of_platforms_are_theirs() -> None:
    xml = '<request Id="1" Type="106"><CallId>a\u200b1</CallId><Action>1</Action></request>'
    item = decode(xml.encode())
    assert isinstance(item, Request)
    assert item.message.call_id == "a\u200b1"
