"""The ladder as a Mermaid `sequenceDiagram`, for wikis and merge requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from linkage.timeline.condense import condense, counted
from linkage.timeline.ladder import Kind, Ladder, Rung, Style
from linkage.timeline.terminal_text import harmless
from linkage.times import clock_time, full_time

COLUMNS_MAX: Final = 12

_ARROW: Final = {
    Style.MESSAGE: "->>",
    Style.TELEPHONE: "-->>",
    Style.REFUSED: "-x",
    Style.NOTE: "->>",
}
# `;` ends a statement, `#` begins an entity, `-` and `:` have a meaning in some places, and labels
# go on as HTML: everything but letters, digits and these becomes an entity.
_PLAIN: Final = frozenset(" .,()+/·×=_*…→")


def render_mermaid(ladder: Ladder, *, zone: tzinfo | None = None) -> str:
    """The text of a Mermaid file; field data in it is escaped, whatever it holds.

    `zone` is for the clock; None: this machine's.
    """
    return "\n".join(_lines(condense(ladder, COLUMNS_MAX), zone)) + "\n"


def _lines(ladder: Ladder, zone: tzinfo | None) -> Iterator[str]:
    yield "sequenceDiagram"
    yield "    autonumber"
    names = {item.key: f"p{index}" for index, item in enumerate(ladder.participants)}
    for item in ladder.participants:
        kind = "actor" if item.kind in {Kind.CALLER, Kind.PARTY} else "participant"
        yield f"    {kind} {names[item.key]} as {_escape(item.name)}"
    first, last = names[ladder.participants[0].key], names[ladder.participants[-1].key]
    title = f"EventId {ladder.event_id} {ladder.title}".strip()
    yield f"    Note over {first},{last}: {_escape(title)}"
    if ladder.rungs:
        began = full_time(ladder.rungs[0].at, zone, to="seconds")
        yield f"    Note over {first},{last}: {_escape(began)}"
    for rung in ladder.rungs:
        yield from (f"    {line}" for line in _rung(rung, names, zone))


def _rung(rung: Rung, names: dict[str, str], zone: tzinfo | None) -> Iterator[str]:
    source, target = names[rung.source], names[rung.target]
    text = _text(rung, zone)
    if rung.style is Style.NOTE:
        yield f"Note over {source}: {text}"
    elif rung.via is None:
        yield f"{source}{_ARROW[rung.style]}{target}: {text}"
    else:
        middle = names[rung.via]
        yield f"{source}{_ARROW[rung.style]}{middle}: {text}"
        yield f"{middle}{_ARROW[rung.style]}{target}: {_escape(rung.label.partition(' ')[0])}"


def _text(rung: Rung, zone: tzinfo | None) -> str:
    parts = [clock_time(rung.at, zone)[:12], counted(rung)]
    if rung.detail:
        parts.append(rung.detail)
    return " ".join(_escape(part) for part in parts)


def _escape(text: str) -> str:
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"#{ord(character)};"
        for character in harmless(text)
    )
