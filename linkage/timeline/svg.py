"""The ladder as an SVG picture that stands alone: no script, no font, no link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Final

from linkage.timeline.condense import condense, counted
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style
from linkage.timeline.terminal_text import cells, clip, harmless, wrap
from linkage.times import clock_time, full_time
from protocol.codec import escape

MARGIN, CLOCK, HEAD, SHORT_ROW, LINE = 24, 104, 46, 34, 14
PITCH: Final = 150
BOX: Final = 134
CELL: Final = 7.0
"""Pixels that one cell of 12 px text takes, a little more than most fonts need."""
SMALL: Final = 10.5 / 12
"""Of that, in the text below an arrow."""
NAME_CELLS: Final = 18
NAME_LINES: Final = 2
ROLE_CELLS: Final = 21
DETAIL_MIN: Final = 40
DETAIL_LINES: Final = 2
COLUMNS_MAX: Final = 10
HEADS_EVERY: Final = 1000
"""Pixels after which the names stand once more: about a page."""
HEADS_FOR: Final = 200
"""Pixels that must be left for that."""

_FILL: Final = {
    Kind.CALLER: "#fff4e0",
    Kind.PLATFORM: "#e3f0ff",
    Kind.LINKAGE: "#0f4c81",
    Kind.APPLICATION: "#e5f6ea",
    Kind.SCREEN: "#f0eafa",
    Kind.PARTY: "#fff4e0",
}
_STROKE: Final = {
    Kind.CALLER: "#c98a1b",
    Kind.PLATFORM: "#2f77c2",
    Kind.LINKAGE: "#0f4c81",
    Kind.APPLICATION: "#2e8b57",
    Kind.SCREEN: "#7b57c2",
    Kind.PARTY: "#c98a1b",
}
_ROLE: Final = {
    Kind.CALLER: "caller 主叫",
    Kind.PLATFORM: "platform 通信平台",
    Kind.LINKAGE: "middleware 联动接口",
    Kind.APPLICATION: "application 业务平台",
    Kind.SCREEN: "screen 屏",
    Kind.PARTY: "called party 被叫",
}
_COLOUR: Final = {
    Style.MESSAGE: "#0f4c81",
    Style.TELEPHONE: "#b0771a",
    Style.REFUSED: "#c0392b",
    Style.NOTE: "#6b7280",
}
_STYLE: Final = """
 text{font:12px system-ui,"Segoe UI","Noto Sans","Noto Sans CJK SC","WenQuanYi Zen Hei",sans-serif}
 text{fill:#1f2937}
 .title{font-size:17px;font-weight:600}.sub{font-size:12px;fill:#6b7280}
 .name{font-weight:600;text-anchor:middle}.role{font-size:10.5px;text-anchor:middle;fill:#6b7280}
 .onblue{fill:#fff}
 .clock{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:11px;fill:#6b7280}
 .detail{font-size:10.5px;fill:#6b7280}.life{stroke:#cbd5e1;stroke-width:1.2}
"""


def render_svg(ladder: Ladder, *, zone: tzinfo | None = None) -> str:
    """The text of an SVG file. `zone` is for the clock; None: this machine's.

    People share a column where there are too many for a page.
    """
    return "\n".join(_Drawing(condense(ladder, COLUMNS_MAX), zone).lines()) + "\n"


class _Drawing:
    def __init__(self, ladder: Ladder, zone: tzinfo | None) -> None:
        self._ladder = ladder
        self._zone = zone
        self._x = {
            item.key: MARGIN + CLOCK + PITCH * index + PITCH / 2
            for index, item in enumerate(ladder.participants)
        }
        self._names = {
            item.key: wrap(harmless(item.name), NAME_CELLS, NAME_LINES)
            for item in ladder.participants
        }
        lines = max(len(names) for names in self._names.values())
        self._box_height = 24 + 15 * lines
        self._heads_height = self._box_height + 12
        # As wide as its columns, or as the longest label behind the first of them.
        widest = max((cells(counted(rung)) for rung in ladder.rungs), default=0)
        self._width = round(
            MARGIN * 2
            + CLOCK
            + max(PITCH * len(ladder.participants), PITCH / 2 + 20 + widest * CELL)
        )

    def lines(self) -> Iterator[str]:
        rows = list(self._with_heads(self._rows()))
        height = MARGIN + HEAD + sum(depth for depth, _ in rows) + MARGIN
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {height}" '
            f'width="{self._width}" height="{height}" role="img">'
        )
        title = f"EventId {harmless(self._ladder.event_id)}"
        yield f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        yield f'<rect width="{self._width}" height="{height}" fill="#ffffff"/>'
        yield from self._head(title, height)
        y = float(MARGIN + HEAD)
        for depth, drawn in rows:
            yield f'<g transform="translate(0 {y:g})">{drawn}</g>'
            y += depth
        yield "</svg>"

    def _head(self, title: str, height: int) -> Iterator[str]:
        yield f'<text class="title" x="{MARGIN}" y="{MARGIN + 14}">{escape(title)}</text>'
        rungs = self._ladder.rungs
        first = full_time(rungs[0].at, self._zone, to="seconds") if rungs else ""
        room = round((self._width - MARGIN * 2) / CELL) - cells(first) - 3
        sub = f"{first}   {clip(harmless(self._ladder.title), room)}"
        yield f'<text class="sub" x="{MARGIN}" y="{MARGIN + 33}">{escape(sub.strip())}</text>'
        for x in self._x.values():
            yield (
                f'<line class="life" x1="{x:g}" y1="{MARGIN + HEAD + self._box_height}" '
                f'x2="{x:g}" y2="{height - MARGIN}"/>'
            )

    def _with_heads(self, rows: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The names before the first row, and again on every page that has some more."""
        heads = "".join(self._box(item) for item in self._ladder.participants)
        yield self._heads_height, heads
        drawn_rows = list(rows)
        left = sum(depth for depth, _ in drawn_rows)
        since = 0
        for depth, drawn in drawn_rows:
            if since >= HEADS_EVERY and left >= HEADS_FOR:
                yield self._heads_height + 8, f'<g transform="translate(0 4)">{heads}</g>'
                since = 0
            yield depth, drawn
            since += depth
            left -= depth

    def _box(self, item: Participant) -> str:
        x = self._x[item.key]
        blue = " onblue" if item.kind is Kind.LINKAGE else ""
        names = self._names[item.key]
        role = _ROLE[item.kind]
        if item.people:
            role = clip(", ".join(harmless(name) for name in item.people), ROLE_CELLS)
        lines = "".join(
            f'<text class="name{blue}" x="{x:g}" y="{16 + 15 * number}">{escape(name)}</text>'
            for number, name in enumerate(names)
        )
        return (
            f'<rect x="{x - BOX / 2:g}" y="0" width="{BOX}" height="{self._box_height}" rx="6" '
            f'fill="{_FILL[item.kind]}" stroke="{_STROKE[item.kind]}"/>{lines}'
            f'<text class="role{blue}" x="{x:g}" y="{self._box_height - 7}">{escape(role)}</text>'
        )

    def _rows(self) -> Iterator[tuple[int, str]]:
        for rung in self._ladder.rungs:
            clock = (
                f'<text class="clock" x="{MARGIN}" y="22">{escape(self._clock(rung.at))}</text>'
            )
            if rung.source == rung.target:
                yield SHORT_ROW, clock + self._note(rung)
            else:
                details = self._details(rung)
                depth = SHORT_ROW + LINE * len(details)
                yield depth, clock + self._arrow(rung, details)

    def _details(self, rung: Rung) -> list[str]:
        """As they stand under the arrow, from where it begins at the left to the edge."""
        if not rung.detail:
            return []
        room = (self._width - MARGIN - self._left(rung)) / (CELL * SMALL)
        return wrap(harmless(rung.detail), max(int(room), DETAIL_MIN), DETAIL_LINES)

    def _left(self, rung: Rung) -> float:
        """Where the labels of an arrow begin."""
        x1, x2 = self._x[rung.source], self._x[rung.target]
        return min(x1, x2) + (10 if x2 > x1 else 16)

    def _clock(self, at: datetime) -> str:
        return clock_time(at, self._zone)[: len("16:12:03.120")]

    def _note(self, rung: Rung) -> str:
        x = self._x[rung.source]
        text = harmless(f"{counted(rung)} {rung.detail}".strip())
        room = int((self._width - MARGIN - x - 10) / (CELL * SMALL))
        return (
            f'<circle cx="{x:g}" cy="18" r="4" fill="{_COLOUR[rung.style]}"/>'
            f'<text class="detail" x="{x + 10:g}" y="22">{escape(clip(text, room))}</text>'
        )

    def _arrow(self, rung: Rung, details: Sequence[str]) -> str:
        x1, x2 = self._x[rung.source], self._x[rung.target]
        colour = _COLOUR[rung.style]
        sign = 1 if x2 > x1 else -1
        dash = ' stroke-dasharray="5 4"' if rung.style is Style.TELEPHONE else ""
        width = 1.3 if rung.style is Style.TELEPHONE else 1.8
        tip = x2 - sign * 2
        drawn = (
            f'<line x1="{x1:g}" y1="24" x2="{tip - sign * 7:g}" y2="24" stroke="{colour}" '
            f'stroke-width="{width}"{dash}/>'
            f'<path d="M{tip:g} 24l{-sign * 9} -4.5v9z" fill="{colour}"/>'
        )
        if rung.style is Style.REFUSED:
            drawn += (
                f'<path d="M{x2 - 5:g} 19l10 10m0 -10l-10 10" stroke="{colour}" stroke-width="2"/>'
            )
        if rung.via is not None:
            drawn += f'<circle cx="{self._x[rung.via]:g}" cy="24" r="4.5" fill="{colour}"/>'
        return self._labels(rung, details) + drawn

    def _labels(self, rung: Rung, details: Sequence[str]) -> str:
        """What is said, over whatever lifelines it needs; near the right edge it moves left."""
        x = self._left(rung)
        drawn = self._text(x, 18, harmless(counted(rung)), CELL)
        for number, line in enumerate(details):
            drawn += self._text(x, 38 + LINE * number, line, CELL * SMALL, ' class="detail"')
        return drawn

    def _text(self, x: float, y: float, text: str, cell: float, attributes: str = "") -> str:
        right = self._width - MARGIN
        shown = clip(text, int((right - MARGIN - CLOCK) / cell))
        left = min(x, right - cells(shown) * cell)
        return _on_white(left, y, shown, cell, attributes)


def _on_white(x: float, y: float, text: str, cell: float, attributes: str = "") -> str:
    """A text that the lifelines behind it do not strike through."""
    width = cells(text) * cell
    return (
        f'<rect x="{x - 2:g}" y="{y - 11:g}" width="{width + 4:g}" height="14" fill="#fff"/>'
        f'<text{attributes} x="{x:g}" y="{y:g}">{escape(text)}</text>'
    )
