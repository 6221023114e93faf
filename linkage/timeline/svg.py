"""The ladder as an SVG picture that stands alone: no script, no font, no link."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final

from linkage.timeline.cells import cells, clip, harmless
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style
from protocol.codec import escape

MARGIN, CLOCK, HEAD, ROW, SHORT_ROW = 24, 118, 104, 48, 34
PITCH_MIN: Final = 150
CELL: Final = 7.0
"""Pixels that one cell of 12 px text takes, a little more than most fonts need."""
NAME_CELLS: Final = 20

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
    """The text of an SVG file. `zone` is for the clock; None: this machine's."""
    return "\n".join(_Drawing(ladder, zone).lines()) + "\n"


class _Drawing:
    def __init__(self, ladder: Ladder, zone: tzinfo | None) -> None:
        self._ladder = ladder
        self._zone = zone
        self._pitch = self._needed_pitch()
        self._x = {
            item.key: MARGIN + CLOCK + self._pitch * index + self._pitch / 2
            for index, item in enumerate(ladder.participants)
        }
        self._width = round(MARGIN * 2 + CLOCK + self._pitch * len(ladder.participants))

    def _needed_pitch(self) -> float:
        """So wide that every label fits above its arrow."""
        widest = float(PITCH_MIN)
        for rung in self._ladder.rungs:
            span = abs(self._ladder.column(rung.source) - self._ladder.column(rung.target))
            widest = max(widest, (cells(rung.label) * CELL + 26) / max(span, 1))
        return min(widest, PITCH_MIN * 1.6)

    def lines(self) -> Iterator[str]:
        rows = list(self._rows())
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
        first = f"{self._clock(self._ladder.rungs[0].at, date=True)}" if self._ladder.rungs else ""
        sub = harmless(self._ladder.title)
        room = round((self._width - MARGIN * 2) / CELL) - cells(first) - 3
        sub = f"{first}   {clip(sub, room)}"
        yield f'<text class="sub" x="{MARGIN}" y="{MARGIN + 33}">{escape(sub.strip())}</text>'
        for item in self._ladder.participants:
            x = self._x[item.key]
            yield (
                f'<line class="life" x1="{x:g}" y1="{MARGIN + 84}" x2="{x:g}" '
                f'y2="{height - MARGIN}"/>'
            )
            yield from self._box(item, x)

    def _box(self, item: Participant, x: float) -> Iterator[str]:
        width = min(self._pitch - 16, 150)
        blue = " onblue" if item.kind is Kind.LINKAGE else ""
        name = clip(harmless(item.name), NAME_CELLS)
        yield (
            f'<rect x="{x - width / 2:g}" y="{MARGIN + 46}" width="{width:g}" height="38" rx="6" '
            f'fill="{_FILL[item.kind]}" stroke="{_STROKE[item.kind]}"/>'
            f'<text class="name{blue}" x="{x:g}" y="{MARGIN + 62}">{escape(name)}</text>'
            f'<text class="role{blue}" x="{x:g}" y="{MARGIN + 77}">{_ROLE[item.kind]}</text>'
        )

    def _rows(self) -> Iterator[tuple[int, str]]:
        for rung in self._ladder.rungs:
            clock = (
                f'<text class="clock" x="{MARGIN}" y="22">{escape(self._clock(rung.at))}</text>'
            )
            if rung.source == rung.target:
                yield SHORT_ROW, clock + self._note(rung)
            else:
                yield ROW if rung.detail else SHORT_ROW, clock + self._arrow(rung)

    def _clock(self, at: datetime, *, date: bool = False) -> str:
        local = at.astimezone(self._zone)
        return (
            f"{local:%Y-%m-%d %H:%M:%S %z}"
            if date
            else f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
        )

    def _note(self, rung: Rung) -> str:
        x = self._x[rung.source]
        text = f"{rung.label} {harmless(rung.detail)}".strip()
        room = round((self._width - MARGIN - x) / CELL) - 2
        return (
            f'<circle cx="{x:g}" cy="18" r="4" fill="{_COLOUR[rung.style]}"/>'
            f'<text class="detail" x="{x + 10:g}" y="22">{escape(clip(text, room))}</text>'
        )

    def _arrow(self, rung: Rung) -> str:
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
        return self._labels(rung, min(x1, x2) + (10 if sign > 0 else 16), abs(x2 - x1)) + drawn

    def _labels(self, rung: Rung, x: float, span: float) -> str:
        room = int((span - 16) / CELL)
        label = rung.label + (" (reconstructed)" if rung.reconstructed else "")
        drawn = _on_white(x, 18, clip(harmless(label), room))
        if rung.detail:
            detail = clip(harmless(rung.detail), int(room * 12 / 10.5))
            drawn += _on_white(x, 38, detail, ' class="detail"')
        return drawn


def _on_white(x: float, y: float, text: str, attributes: str = "") -> str:
    """A text that the lifelines behind it do not strike through."""
    width = cells(text) * CELL
    return (
        f'<rect x="{x - 2:g}" y="{y - 11:g}" width="{width + 4:g}" height="14" fill="#fff"/>'
        f'<text{attributes} x="{x:g}" y="{y:g}">{escape(text)}</text>'
    )
