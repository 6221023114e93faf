from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.timeline.terminal_text import cells, center, clip, harmless, pad, wrap


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\e[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("a\u2066b\u200bc\ufeff", "a\\u2066b\\u200bc\\ufeff"),
        ("指挥大厅领导 ♪ é", "指挥大厅领导 ♪ é"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(hostile: str, shown: str) -> None:
    assert harmless(hostile) == shown


@given(st.text(max_size=40))
def test_nothing_harmful_remains_and_it_stays_so(text: str) -> None:
    shown = harmless(text)

    assert all(
        character.isprintable() or character == " " or ord(character) > 0x9F for character in shown
    )
    assert "\n" not in shown
    assert harmless(shown) == shown


def test_chinese_characters_are_two_cells_wide() -> None:
    assert cells("呼入 abc") == 8
    assert cells("e\u0301") == 1
    assert clip("呼入通知", 5) == "呼入…"
    assert clip("呼入通知", 4) == "呼…"
    assert pad("呼入", 6) == "呼入  "
    assert center("呼入", 8) == "  呼入  "


@given(st.text(st.characters(categories=["L", "N", "Zs"]), max_size=60), st.integers(3, 20))
def test_clipped_and_padded_texts_fit_their_cells(text: str, width: int) -> None:
    assert cells(clip(text, width)) <= width
    assert cells(pad(text, width)) == width
    assert cells(center(text, width)) == width


@given(st.text(st.sampled_from("ab 呼入"), max_size=80), st.integers(4, 20), st.integers(1, 4))
def test_wrapped_lines_fit_and_are_as_many_as_allowed(text: str, width: int, lines: int) -> None:
    wrapped = wrap(text, width, lines)

    assert 1 <= len(wrapped) <= lines
    assert all(cells(line) <= width for line in wrapped)


def test_text_is_wrapped_at_blanks_and_cut_at_the_last_line() -> None:
    assert wrap("one two three four five", 9, 2) == ["one two", "three fo…"]
    assert wrap("one two three", 9, 3) == ["one two", "three"]
