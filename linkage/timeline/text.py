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

from linkage.timeline.cells import center, clip, harmless, wrap
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style

WIDTH: Final = 80
COLUMN_MIN, COLUMN_MAX = 5, 12
LABEL_MIN: Final = 31
"""Cells that a label needs at least: `100 IncomingCallNotice 呼入通知` has as many."""
LABEL_LINES: Final = 3
DETAIL_LINES: Final = 2
HEADING_LINES: Final = 4
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
    """The ladder as lines of at most `width` cells (more, where it has too many columns for that).

    Args:
        ladder: what to draw.
        width: cells; what does not fit is wrapped, then cut.
        zone: for the clock; None: this machine's.
    """
    return "\n".join(_lines(ladder, width, zone)) + "\n"


def _lines(ladder: Ladder, width: int, zone: tzinfo | None) -> Iterator[str]:
    title = f"EventId {harmless(ladder.event_id)}"
    if ladder.title:
        title += f"  {harmless(ladder.title)}"
    yield clip(title, width)
    if not ladder.rungs:
        yield "nothing has happened yet"
        return
    yield from _legend(ladder, width, zone)
    pitch = _pitch(len(ladder.participants), width)
    yield ""
    yield from _headings(ladder.participants, pitch)
    previous: datetime | None = None
    for rung in ladder.rungs:
        yield from _rung_lines(ladder, rung, pitch, width, _clock(rung.at, previous, zone))
        previous = rung.at


def _legend(ladder: Ladder, width: int, zone: tzinfo | None) -> Iterator[str]:
    first = ladder.rungs[0].at.astimezone(zone)
    yield clip(f"{first:%Y-%m-%d %H:%M:%S %z}   ── telephone   ══ message   ● journalled", width)
    for kind in Kind:
        names = [harmless(item.name) for item in ladder.participants if item.kind is kind]
        if names and kind is not Kind.LINKAGE:
            yield clip(f"  {_ROLE[kind]}: {', '.join(names)}", width)


def _pitch(columns: int, width: int) -> int:
    room = (width - CLOCK - 1 - LABEL_MIN) // columns
    return max(COLUMN_MIN, min(COLUMN_MAX, room))


def _headings(participants: tuple[Participant, ...], pitch: int) -> Iterator[str]:
    """The names, wrapped where columns are narrow, all ending on the last line."""
    names = [wrap(harmless(item.name), pitch - 1, HEADING_LINES) for item in participants]
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
    room = max(LABEL_MIN, width - CLOCK - pitch * len(ladder.participants) - 1)
    label = harmless(rung.label) + (" (reconstructed)" if rung.reconstructed else "")
    texts = wrap(label, room, LABEL_LINES)
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
