"""The list of events for people: EventIds are kept whole, titles are cut.

Whoever reads a list wants to type or copy an EventId; a title is there to recognise it by. What
does not fit beside the two is shown shorter, then on a second line, and never cut itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from linkage.timeline.cells import cells, clip, harmless, pad
from linkage.times import full_time

if TYPE_CHECKING:
    from linkage.store.views import EventView

TITLE_MIN: Final = 10
"""Cells below which a title tells nothing."""
GAP: Final = "  "


def event_lines(events: Sequence[EventView], width: int) -> Iterator[str]:
    """The lines, none wider than the terminal unless an EventId alone is."""
    titles = ["title", *(harmless(event.title or "") for event in events)]
    wanted = max(cells(title) for title in titles)
    for exact, room_min in (("seconds", wanted), ("minutes", TITLE_MIN)):
        rows = [_facts(event, exact) for event in events]
        table = [("EventId", "owner", "status", "opened", "ops"), *rows]
        widths = [max(cells(row[column]) for row in table) for column in range(5)]
        room = width - sum(widths) - len(GAP) * len(widths) + 1
        if room >= min(room_min, wanted):
            yield from _table(table, widths, titles, room)
            return
    for row, title in zip(rows, titles[1:], strict=True):
        yield from _card(row, title, width)


def _facts(event: EventView, exact: str) -> tuple[str, str, str, str, str]:
    status = event.status if event.merged_into is None else f"merged → {event.merged_into}"
    return (
        harmless(event.event_id),
        harmless(event.owner),
        harmless(status),
        full_time(event.opened_at, to=exact),
        str(event.operations),
    )


def _table(
    rows: Sequence[Sequence[str]], widths: Sequence[int], titles: Sequence[str], room: int
) -> Iterator[str]:
    for row, title in zip(rows, titles, strict=True):
        *left, _ = (pad(text, width) for text, width in zip(row, widths, strict=True))
        # Right-aligned, so that one blank before it will do.
        operations = f" {row[-1]:>{widths[-1]}}{GAP}"
        yield f"{GAP.join(left)}{operations}{clip(title, room)}".rstrip()


def _card(row: Sequence[str], title: str, width: int) -> Iterator[str]:
    """The EventId, and as much behind it as fits; the rest and the title below it."""
    event_id, owner, status, opened, operations = row
    line = event_id
    for fact in (status, opened, owner, f"{operations} ops"):
        if cells(line) + len(GAP) + cells(fact) > width:
            yield line
            line = ""
        line += GAP + fact
    yield line
    if title:
        yield GAP + clip(title, width - len(GAP))
