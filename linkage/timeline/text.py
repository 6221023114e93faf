"""The ladder as text: lifelines at the left, what was said at the right.

```
                  caller   pbx  linkage desk    23
 16:12:03.120       ●───────▶      │      │      │    calls 2222
     +0.004         │       ╞══════●═════▶│      │    100 IncomingCallNotice 呼入通知
```
Thin arrows are what happened on the telephone, double ones are messages of the protocol; the dot
is where linkage wrote it down.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final

from linkage.timeline.condense import condense, counted
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style
from linkage.timeline.terminal_text import center, clip, harmless, wrap
from linkage.times import full_time

WIDTH: Final = 80
COLUMN_MAX: Final = 12
COLUMNS_MAX: Final = 12
"""More are no picture any more, however wide the terminal is."""
SHAPES: Final = ((5, 31), (5, 24), (4, 20), (3, 14))
"""Cells that a column and a label take at least, the best first: `100 IncomingCallNotice 呼入通知`
has 31. Narrower than the last, there is a list instead of lifelines."""
LABEL_LINES: Final = 3
DETAIL_LINES: Final = 2
HEADING_LINES: Final = 4
LEGEND_LINES: Final = 3
HEADS_EVERY: Final = 40
"""Lines after which the names stand once more."""
HEADS_FOR: Final = 3
"""Rungs that must be left for that."""
CLOCK: Final = 12
"""Cells of `16:12:03.120`; the gap after it is the first column's own."""

_LINE: Final = {Style.MESSAGE: "═", Style.TELEPHONE: "─", Style.REFUSED: "═", Style.NOTE: "·"}
_START: Final = {Style.MESSAGE: ("╞", "╡"), Style.TELEPHONE: ("├", "┤"), Style.REFUSED: ("╞", "╡")}
_ROLE: Final = {
    Kind.CALLER: "caller 主叫",
    Kind.PLATFORM: "communication platform 通信平台",
    Kind.LINKAGE: "middleware 联动接口",
    Kind.APPLICATION: "application 业务平台",
    Kind.SCREEN: "screen 屏",
    Kind.PARTY: "called party 被叫",
}


def render_text(ladder: Ladder, *, width: int = WIDTH, zone: tzinfo | None = None) -> str:
    """The ladder as lines of at most `width` cells.

    Args:
        ladder: what to draw.
        width: cells; what does not fit is wrapped, then cut. People share a column where there is
            no room for all, and where there is none for that, there is a list.
        zone: for the clock; None: this machine's.
    """
    return "\n".join(clip(line, width) for line in _lines(ladder, width, zone)) + "\n"


def _lines(ladder: Ladder, width: int, zone: tzinfo | None) -> Iterator[str]:
    title = f"EventId {harmless(ladder.event_id)}"
    if ladder.title:
        title += f"  {harmless(ladder.title)}"
    yield title
    if not ladder.rungs:
        yield "nothing has happened yet"
        return
    shape = _shape(ladder, width)
    ladder = condense(ladder, COLUMNS_MAX if shape is None else _room_for(shape, width))
    yield from _legend(ladder, width, zone)
    yield ""
    if shape is None:
        yield from _list(ladder, width, zone)
    else:
        yield from _ladder(ladder, _pitch(ladder, shape, width), width, zone)


def _shape(ladder: Ladder, width: int) -> tuple[int, int] | None:
    """The best that has room for everybody; else for all when they share; None: there is none."""
    alone, shared = len(ladder.participants), len(condense(ladder, 0).participants)
    if alone <= COLUMNS_MAX:
        for shape in SHAPES[:2]:
            if alone <= _room_for(shape, width):
                return shape
    return next((shape for shape in SHAPES if shared <= _room_for(shape, width)), None)


def _room_for(shape: tuple[int, int], width: int) -> int:
    column, label = shape
    return min(COLUMNS_MAX, max(0, width - CLOCK - 1 - label) // column)


def _pitch(ladder: Ladder, shape: tuple[int, int], width: int) -> int:
    """Wide columns are nice to have, once the labels have all that they need."""
    room = (width - CLOCK - 1 - SHAPES[0][1]) // len(ladder.participants)
    return max(shape[0], min(COLUMN_MAX, room))


def _ladder(ladder: Ladder, pitch: int, width: int, zone: tzinfo | None) -> Iterator[str]:
    heads = list(_headings(ladder.participants, pitch))
    yield from heads
    previous: datetime | None = None
    since_heads = 0
    for index, rung in enumerate(ladder.rungs):
        if since_heads >= HEADS_EVERY and len(ladder.rungs) - index >= HEADS_FOR:
            yield ""
            yield from heads
            since_heads = 0
        lines = list(_rung_lines(ladder, rung, pitch, width, _clock(rung.at, previous, zone)))
        yield from lines
        since_heads += len(lines)
        previous = rung.at


def _list(ladder: Ladder, width: int, zone: tzinfo | None) -> Iterator[str]:
    """Who to whom in words, where there is no room for lifelines."""
    names = {item.key: harmless(item.name) for item in ladder.participants}
    previous: datetime | None = None
    for rung in ladder.rungs:
        who = names[rung.source]
        if rung.target != rung.source:
            who += f" → {names[rung.target]}"
        said = f"{who}: {harmless(counted(rung))} {harmless(rung.detail)}".strip()
        head = f"{_clock(rung.at, previous, zone):>{CLOCK}} "
        for text in wrap(said, max(1, width - len(head)), LABEL_LINES):
            yield head + text
            head = " " * len(head)
        previous = rung.at


def _legend(ladder: Ladder, width: int, zone: tzinfo | None) -> Iterator[str]:
    first = full_time(ladder.rungs[0].at, zone, to="seconds")
    key = "── telephone   ══ message   ● journalled"
    yield from wrap(f"{first}   {key}", width, LEGEND_LINES)
    for kind in Kind:
        alone = [item for item in ladder.participants if item.kind is kind and not item.people]
        names = ", ".join(harmless(item.name) for item in alone)
        if names and kind is not Kind.LINKAGE:
            yield f"  {_ROLE[kind]}: {names}"
    for item in ladder.participants:
        if item.people:
            people = ", ".join(harmless(name) for name in item.people)
            yield f"  {item.head} = {harmless(item.name)}: {people}"


def _headings(participants: tuple[Participant, ...], pitch: int) -> Iterator[str]:
    """The names, wrapped where columns are narrow, all ending on the last line."""
    names = [
        wrap(harmless(item.head or item.name), pitch - 1, HEADING_LINES) for item in participants
    ]
    depth = max(len(lines) for lines in names)
    for line in range(depth):
        row = [lines[line - depth] if line >= depth - len(lines) else "" for lines in names]
        yield (" " * CLOCK + "".join(center(text, pitch) for text in row)).rstrip()


def _clock(at: datetime, previous: datetime | None, zone: tzinfo | None) -> str:
    if previous is None or abs((at - previous).total_seconds()) >= 60:  # noqa: PLR2004 - a minute
        local = at.astimezone(zone)
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    seconds = (at - previous).total_seconds()
    return "" if seconds == 0 else f"{seconds:+.3f}"


def _rung_lines(ladder: Ladder, rung: Rung, pitch: int, width: int, clock: str) -> Iterator[str]:
    room = width - CLOCK - pitch * len(ladder.participants) - 1
    texts = wrap(harmless(counted(rung)), room, LABEL_LINES)
    if rung.detail:
        texts += [f"  {line}" for line in wrap(harmless(rung.detail), room - 2, DETAIL_LINES)]
    head = f"{clock:>{CLOCK}}"
    for number, text in enumerate(texts):
        lifelines = _arrow(ladder, rung, pitch) if number == 0 else _lifelines(ladder, pitch)
        yield f"{head if number == 0 else ' ' * CLOCK}{lifelines} {text}".rstrip()


def _lifelines(ladder: Ladder, pitch: int) -> str:
    return "".join(center("│", pitch) for _ in ladder.participants)


def _arrow(ladder: Ladder, rung: Rung, pitch: int) -> str:
    row = list(_lifelines(ladder, pitch))
    place = [index * pitch + (pitch - 1) // 2 for index in range(len(ladder.participants))]
    source, target = place[ladder.column(rung.source)], place[ladder.column(rung.target)]
    if source == target:
        row[source] = "◆"
        return "".join(row)
    right = source < target
    low, high = min(source, target), max(source, target)
    for cell in range(low + 1, high):
        row[cell] = _LINE[rung.style]
    for cell in place:
        if low < cell < high:
            row[cell] = "╪" if rung.style is Style.MESSAGE else "┼"
    if rung.via is not None:
        row[place[ladder.column(rung.via)]] = "●"
    row[source] = _START[rung.style][0 if right else 1]
    row[target] = "✗" if rung.style is Style.REFUSED else "│"
    row[target + (-1 if right else 1)] = "▶" if right else "◀"
    return "".join(row)
