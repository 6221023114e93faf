"""Parts are as few as they may be, are billed as they are counted, and are joined to the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.sms_text import BASIC, EXTENSION, content, decode, split
from protocol.fields import NOT_XML
from simulators.sms_centre import wire


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 158 + "{", 1),
        ("x" * 159 + "{", 2),
        ("火" * 70, 1),
        ("火" * 71, 2),
        ("火" * 134, 2),
        ("火" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),  # 33 fit in each of several parts: a surrogate is not torn
        ("ç" + "x" * 70, 2),
        ("à" * 160, 1),
    ],
)
def test_a_text_makes_as_many_parts_as_are_billed(text: str, parts: int) -> None:
    assert len(split(text).octets) == parts


@pytest.mark.parametrize(
    ("alphabet", "text", "coding", "parts"),
    [
        ("latin-1", "ç" * 140, 3, 1),
        ("latin-1", "ç" * 141, 3, 2),
        ("latin-1", "火", 8, 1),
        ("ucs2", "x" * 71, 8, 2),
        ("gsm7", "x", 0, 1),
    ],
)
def test_alphabets_are_as_wanted_where_they_can_be(
    alphabet: str, text: str, coding: int, parts: int
) -> None:
    made = split(text, alphabet)
    assert (made.coding, len(made.octets)) == (coding, parts)
    assert decode(b"".join(made.octets), made.coding) == text


GSM_TEXTS = st.text(st.sampled_from([*BASIC.replace("\x1b", ""), *EXTENSION]), min_size=1)
CHINESE_TEXTS = st.text(
    st.one_of(
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.characters(min_codepoint=0x1F600, max_codepoint=0x1F64F),
        st.sampled_from("ab €"),
    ),
    min_size=1,
)


@given(st.one_of(GSM_TEXTS, CHINESE_TEXTS), st.integers(1, 1500))
def test_texts_of_one_to_ten_parts_come_back(text: str, length: int) -> None:
    text = (text * (length // len(text) + 1))[:length]
    made = split(text)
    whole = b"".join(made.octets)
    assert decode(whole, made.coding) == text
    # By a decoder that shares nothing with ours.
    assert wire.decode(whole, made.coding) == text
    for part in made.octets:
        assert 0 < len(part) <= (160 if made.coding == 0 else 140)
        if len(made.octets) > 1:
            assert len(part) <= (153 if made.coding == 0 else 134)
            assert decode(part, made.coding) in text  # nothing is torn


@given(st.binary(max_size=200), st.integers(0, 255))
def test_whatever_comes_in_is_a_text_that_a_message_can_hold(octets: bytes, coding: int) -> None:
    text = content(decode(octets, coding))
    assert text is None or not NOT_XML.search(text)


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, b"\x00\x1b\x65\x1b\x01", "@€£"),
        (0, b"\x80", "\ufffd"),
        (1, b"abc", "abc"),
        (3, "ç".encode("latin-1"), "ç"),
        (8, "火".encode("utf-16-be"), "火"),
        (15, "火".encode("gb18030"), "火"),
        (0x18, "火".encode("utf-16-be"), "火"),
        (0x48, "火".encode("utf-16-be"), "火"),  # the same, to be deleted when read
        (0x11, b"\x00", "@"),
        (0xF0, b"\x00", "@"),
        (0xF5, "ç".encode("latin-1"), "ç"),
        (0xE0, "火".encode("utf-16-be"), "火"),
    ],
)
def test_codings_of_the_field_are_read(coding: int, octets: bytes, text: str) -> None:
    assert decode(octets, coding) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x00b", "a\ufffdb"), ("", None), ("  ", None), ("EMPTY", '"EMPTY"'), ("x", "x")],
)
def test_what_an_element_cannot_hold_is_made_so_that_it_can(text: str, shown: str | None) -> None:
    assert content(text) == shown
