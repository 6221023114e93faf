"""An entry of the journal on one line, for people or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from linkage.cli.shared.output import local_time, print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from rich.console import Console

    from linkage.store.read.views import EntryView


def show_entry(entry: EntryView, output: Console, *, as_json: bool) -> None:
    """One entry on one line."""
    if as_json:
        from linkage.cli.shared.json_views import plain

        print_json(plain(entry), indent=None)
        return
    from rich.text import Text

    event = f"{entry.event_id} " if entry.event_id else ""
    output.print(
        Text.assemble(
            (f"{entry.seq:>7} ", "dim"),
            f"{local_time(entry.at)} ",
            (f"{harmless(entry.source)} ", "cyan"),
            (harmless(event), "green"),
            *entry_words(entry),
        ),
        soft_wrap=True,
    )


def entry_words(entry: EntryView) -> Iterator[str | tuple[str, str]]:
    """An entry in one line, in pieces with their styles."""
    from linkage.timeline.detail import detail_of
    from protocol.results import is_accepted, result_text

    if entry.type is not None:
        yield f"{entry.type} {entry.name} {entry.chinese} ", "bold"
    else:
        yield f"{entry.kind} ", "bold magenta"
    if entry.target is not None:
        yield f"→ {harmless(entry.target)} "
    told = entry.detail if entry.message is None else detail_of(entry.message)
    yield harmless(told or ""), "dim"
    if entry.result is not None and not is_accepted(entry.result):
        yield f" ✗ {entry.result} {result_text(entry.result)}", "red"
        if entry.detail:
            yield f": {harmless(entry.detail)}", "red"
    if entry.reconstructed:
        yield " reconstructed", "yellow"
