"""Lists for people, as wide as the terminal: of events, of peers.

EventIds are kept whole, titles are cut.

Whoever reads a list wants to type or copy an EventId; a title is there to recognise it by. What
does not fit beside the two is shown shorter, then on a second line, and never cut itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from linkage.timeline.terminal_text import cells, clip, harmless, pad
from linkage.times import full_time

if TYPE_CHECKING:
    from linkage.store.read.views import EventView

TITLE_MIN: Final = 10
"""Cells below which a title tells nothing."""
GAP: Final = "  "
HEADS: Final = {name: name for name in ("EventId", "owner", "status", "opened", "ops")}


def event_lines(events: Sequence[EventView], width: int) -> Iterator[str]:
    """The lines, none wider than the terminal unless an EventId alone is.

    Shorter by and by until there is room for the titles: without seconds, without an owner that is
    the same for all, then on two lines.
    """
    titles = ["title", *(harmless(event.title or "") for event in events)]
    wanted = max(cells(title) for title in titles)
    one_owner = len({event.owner for event in events}) == 1
    for exact, room_min, leave_out in (
        ("seconds", wanted, None),
        ("minutes", TITLE_MIN, None),
        *([("minutes", TITLE_MIN, "owner")] if one_owner else []),
    ):
        rows = [HEADS, *(_facts(event, exact) for event in events)]
        table = [[text for name, text in row.items() if name != leave_out] for row in rows]
        widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
        room = width - sum(widths) - len(GAP) * len(widths) + 1
        if room >= min(room_min, wanted):
            yield from _table(table, widths, titles, room)
            return
    for event, title in zip(events, titles[1:], strict=True):
        yield from _card(_facts(event, "minutes"), title, width)


def _facts(event: EventView, exact: str) -> dict[str, str]:
    status = event.status if event.merged_into is None else f"merged → {event.merged_into}"
    return {
        "EventId": harmless(event.event_id),
        "owner": harmless(event.owner),
        "status": harmless(status),
        "opened": full_time(event.opened_at, to=exact),
        "ops": str(event.operations),
    }


def _table(
    rows: Sequence[Sequence[str]], widths: Sequence[int], titles: Sequence[str], room: int
) -> Iterator[str]:
    for row, title in zip(rows, titles, strict=True):
        *left, _ = (pad(text, width) for text, width in zip(row, widths, strict=True))
        # Right-aligned, so that one blank before it will do.
        operations = f" {row[-1]:>{widths[-1]}}{GAP}"
        yield f"{GAP.join(left)}{operations}{clip(title, room)}".rstrip()


def _card(row: dict[str, str], title: str, width: int) -> Iterator[str]:
    """The EventId, and as much behind it as fits; the rest and the title below it."""
    facts = (row["status"], row["opened"], row["owner"], f"{row['ops']} ops")
    yield from _flowing(row["EventId"], facts, width)
    if title:
        yield GAP + clip(title, width - len(GAP))


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> Iterator[tuple[int | None, Sequence[str]]]:
    """A table where it fits, if need be without its last column; else some lines for each row.

    Of each the row's index, None: the heads. Nothing is cut.
    """
    widths = [max(cells(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for columns in (widths, widths[:-1]):
        if sum(columns) + len(GAP) * (len(columns) - 1) <= width:
            for index, row in enumerate([heads, *rows]):
                line = GAP.join(pad(text, room) for text, room in zip(row, columns, strict=False))
                yield (index - 1 if index else None), [line.rstrip()]
            return
    for index, row in enumerate(rows):
        facts = (f"{head} {text}" for head, text in zip(heads[1:], row[1:], strict=True) if text)
        yield index, list(_flowing(row[0], facts, width))


def _flowing(line: str, facts: Iterable[str], width: int) -> Iterator[str]:
    """Facts behind a first word, on as many lines as they take."""
    for fact in facts:
        if cells(line) + len(GAP) + cells(fact) > width:
            yield line
            line = ""
        line += GAP + fact
    yield line
