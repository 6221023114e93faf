"""Whatever a peer has written into an event: its ladder is a picture of it, and nothing more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from linkage.timeline import (
    Kind,
    Ladder,
    Participant,
    Rung,
    Style,
    render_mermaid,
    render_svg,
    render_text,
)
from linkage.timeline.terminal_text import cells

HOSTILE = "\x00\x1b\u202e\ufffe\uffff\ud800<&\"'\n\r;#%:->end ]\u0301\U000e0041汉"
written = st.one_of(st.text(max_size=60), st.text(alphabet=HOSTILE, max_size=80))
COLUMNS = list(Kind)
BEGAN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
rung = st.builds(
    Rung,
    at=st.integers(0, 600).map(lambda seconds: BEGAN + timedelta(seconds=seconds)),
    source=st.sampled_from([kind.value for kind in COLUMNS]),
    target=st.sampled_from([kind.value for kind in COLUMNS]),
    label=written,
    detail=written,
    style=st.sampled_from(list(Style)),
).map(lambda drawn: replace(drawn, target=drawn.source) if drawn.style is Style.NOTE else drawn)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    participants = [Participant(kind.value, draw(written), kind) for kind in COLUMNS]
    rungs = draw(st.lists(rung, max_size=6))
    return Ladder(draw(written), draw(written), tuple(participants), tuple(rungs))


@given(ladder=ladders(), width=st.integers(1, 200))
def test_a_ladder_in_a_terminal_is_lines_of_its_width_without_anything_to_obey(
    ladder: Ladder, width: int
) -> None:
    drawn = render_text(ladder, width=width)
    for line in drawn.split("\n"):
        assert cells(line) <= width
        assert not any(ord(character) < ord(" ") or character == "\u202e" for character in line)
    assert drawn.encode()


@given(ladder=ladders())
def test_a_ladder_as_a_picture_can_be_read(ladder: Ladder) -> None:
    root = etree.fromstring(render_svg(ladder).encode())
    assert etree.QName(root).localname == "svg"
    drawn = render_mermaid(ladder)
    assert drawn.encode()
    assert drawn.count("\n") == len(drawn.splitlines())
