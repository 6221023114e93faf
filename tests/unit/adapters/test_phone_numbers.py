"""Numbers as people write them, and what must never reach a dial string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asterisk.settings import Settings
from adapters.phone_numbers import dialable, is_withheld
from adapters.voice import dialplan
from linkage.config.adapters import read_settings
from linkage.ports import AdapterRefusedError

SAFE = re.compile(r"[0-9A-Za-z*#+_.-]{1,25}")


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("+86 139 1234 4444", "+8613912344444"),
        (" 139-1234-4444 ", "13912344444"),
        ("139.1234.4444", "13912344444"),
        ("010/6655", "0106655"),
        ("+49 / 30 / 123456", "+4930123456"),
        ("(010) 6655 1234", "01066551234"),
        ("（010）６６５５－1234", "01066551234"),
        ("＋８６　１３９", "+86139"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("010–6655", "0106655"),
        ("tel:+86-139-1234-4444", "+8613912344444"),
        ("TEL:6655;phone-context=+86-10", "+86106655"),
        ("\u202a+86139\u202c", "+86139"),
        ("139\u00a01234", "1391234"),
        ("*21#", "*21#"),
        ("alice", "alice"),
        ("front.desk", "front.desk"),
        ("1-800-FLOWERS", "1-800-FLOWERS"),
    ],
)
def test_a_number_is_what_is_meant_by_it(written: str, dialled: str) -> None:
    assert dialable(written) == dialled


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "..", "-", "1/2", "110/120", "1/../2", "13912344444/13812344444"),
        *("1&2", "1&PJSIP/2", "1@2", "sip:1@2", "1;2", "1,2", "12 ab", "a b", "a/b", "a&b"),
        *("1\n2", "1\x002", "1\r\n2", "１＆２", "1＠2", "${EXTEN}", "1|2", "1'2", '1"2'),
        *("anonymous", "Anonymous", " restricted ", "1" * 26, "12+34", "tel:", "tel:1;ext=2"),
    ],
)
def test_what_cannot_be_a_number_is_none(text: str) -> None:
    assert dialable(text) is None


@given(st.text(max_size=40))
def test_nothing_but_a_number_comes_out_of_anything(text: str) -> None:
    dialled = dialable(text)
    assert dialled is None or SAFE.fullmatch(dialled)
    if dialled is not None:
        assert dialable(dialled) == dialled


def test_the_longest_prefix_that_fits_counts() -> None:
    prefixes = {"+": "00", "+86": "0"}
    assert dialable("+86 10 6655", prefixes) == "0106655"
    assert dialable("+44 20", prefixes) == "004420"
    assert dialable("139", prefixes) == "139"
    assert dialable("+" + "1" * 24, prefixes) is None  # too long by then


@pytest.mark.parametrize(
    "word", ["anonymous", "Anonymous", "UNAVAILABLE", "unknown", "restricted"]
)
def test_words_for_no_number_are_known(word: str) -> None:
    assert is_withheld(word)
    assert not is_withheld(f"{word}1")


SETTINGS = {
    "user": "u",
    "password": "p",
    "trunk": "PJSIP/{number}@trunk",
    "prefixes": {"+861055": "", "0": "90"},
    "hotline": {"12345": {"officers": ["1001", "desk-1"]}},
    "officer": {
        "1001": {"login": "23", "endpoint": "PJSIP/1001"},
        "desk-1": {"login": "13", "endpoint": "PJSIP/desk-1"},
    },
}


def test_an_officer_is_found_by_any_writing_of_his_number() -> None:
    settings = read_settings(Settings, "pbx", SETTINGS)
    for written in ("1001", "10 01", "１００１", "+86 10 55 1001"):
        found = dialplan.number_target(settings, written)
        assert found is not None
        assert found.login == "23"
    named = dialplan.number_target(settings, "desk-1")
    assert named is not None
    assert named.login == "13"


def test_a_hotline_is_its_officers_but_the_one_who_has_the_call() -> None:
    settings = read_settings(Settings, "pbx", SETTINGS)
    whole = dialplan.number_target(settings, "123 45")
    other = dialplan.number_target(settings, "12345", but="1001")
    assert whole is not None
    assert other is not None
    assert [each.number for each in whole.each] == ["1001", "desk-1"]
    assert [each.number for each in other.each] == ["desk-1"]


def test_a_number_that_was_dialled_is_the_same_as_the_one_that_was_written() -> None:
    settings = read_settings(Settings, "pbx", SETTINGS)
    assert dialplan.same(settings, "9010123", "010 123")
    assert dialplan.same(settings, "9010123", "9010123")
    assert not dialplan.same(settings, "9010123", "010 124")
    assert not dialplan.same(settings, None, "1")
    assert not dialplan.same(settings, "1&2", "1&3")


def test_no_way_out_is_no_target() -> None:
    settings = read_settings(Settings, "pbx", {**SETTINGS, "trunk": None})
    assert dialplan.number_target(settings, "139") is None


def test_a_prefix_that_is_none_is_refused() -> None:
    with pytest.raises(AdapterRefusedError, match="prefixes"):
        read_settings(Settings, "pbx", {**SETTINGS, "prefixes": {"0": "PJSIP/"}})
