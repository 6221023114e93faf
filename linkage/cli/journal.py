"""`linkage journal tail|verify|export`."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.common import (
    config_option,
    console,
    json_option,
    local_time,
    open_reader,
    print_json,
)
from linkage.timeline.cells import harmless

if TYPE_CHECKING:
    from rich.console import Console

    from linkage.store.reader import StoreReader
    from linkage.store.views import EntryView

FOLLOW_EVERY_S: Final = 0.25
CSV_COLUMNS: Final = (
    "seq", "at", "kind", "type", "name", "source", "target", "request_id", "owner", "event_id",
    "op_id", "call_id", "conference_id", "result", "detail", "reconstructed", "body",
)  # fmt: skip


@click.command()
@click.option(
    "-n", "count", type=click.IntRange(0), default=20, show_default=True, help="So many entries."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@json_option
@config_option
def tail(count: int, follow: bool, as_json: bool, config_file: Path) -> None:
    """Show the last entries of the journal; with --json one object to a line."""
    output = console()
    with open_reader(config_file) as reader:
        newest = reader.last_seq()
        for entry in reader.last_entries(count):
            show_entry(entry, output, as_json=as_json)
            newest = max(newest, entry.seq)
        while follow:
            for entry in reader.entries(newest + 1):
                show_entry(entry, output, as_json=as_json)
                newest = entry.seq
            sys.stdout.flush()
            time.sleep(FOLLOW_EVERY_S)


def show_entry(entry: EntryView, output: Console, *, as_json: bool) -> None:
    """One entry on one line."""
    if as_json:
        from linkage.cli.plain import plain_entry

        print_json(plain_entry(entry), indent=None)
        return
    from rich.text import Text

    from linkage.cli.events import entry_words

    event = f"{entry.event_id} " if entry.event_id else ""
    output.print(
        Text.assemble(
            (f"{entry.seq:>7} ", "dim"),
            f"{local_time(entry.at)[11:23]} ",
            (f"{harmless(entry.source)} ", "cyan"),
            (harmless(event), "green"),
            *entry_words(entry),
        ),
        soft_wrap=True,
    )


@click.command()
@json_option
@config_option
def verify(as_json: bool, config_file: Path) -> None:
    """Check that no entry was changed, removed or put in between.

    Exit status 1 where the chain is broken; each break is named.
    """
    from linkage.store.chain import breaks

    checked = 0
    with open_reader(config_file) as reader:
        total = reader.last_seq()
        found = []
        for problem in breaks(_counted(reader, total, quiet=as_json)):
            found.append(problem)
            if not as_json:
                click.echo(harmless(problem))
        checked = total
    if as_json:
        print_json({"entries": checked, "breaks": found})
    elif not found:
        click.echo(f"the chain of {checked} entries holds")
    if found:
        raise FailureError(f"the chain is broken in {len(found)} places")


def _counted(reader: StoreReader, total: int, *, quiet: bool) -> Iterator[Any]:
    """The rows, with a bar on stderr for whoever waits at a terminal."""
    rows = reader.chain()
    if quiet or not sys.stderr.isatty():
        yield from rows
        return
    with click.progressbar(rows, length=total, label="verifying", file=sys.stderr) as bar:
        yield from bar


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True
)
@click.option("--from", "first", type=click.IntRange(1), default=1, help="First seq.")
@click.option("--to", "last", type=click.IntRange(1), help="Last seq.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write to a file instead of stdout.",
)
@config_option
def export(
    form: str, first: int, last: int | None, output: Path | None, config_file: Path
) -> None:
    """Write entries as JSON Lines, or as CSV for a spreadsheet."""
    with open_reader(config_file) as reader:
        entries = reader.entries(first, last)
        write = _write_csv if form == "csv" else _write_jsonl
        if output is None or str(output) == "-":
            write(entries, sys.stdout)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            write(entries, file)


def _write_jsonl(entries: Iterable[EntryView], file: IO[str]) -> None:
    from linkage.cli.plain import plain_entry

    for entry in entries:
        file.write(json.dumps(plain_entry(entry), ensure_ascii=True) + "\n")


def _write_csv(entries: Iterable[EntryView], file: IO[str]) -> None:
    from linkage.cli.plain import plain_entry

    writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for entry in entries:
        writer.writerow({name: _cell(value) for name, value in plain_entry(entry).items()})


def _cell(value: Any) -> Any:
    """A spreadsheet takes a cell that begins like a formula for one, and runs it."""
    if isinstance(value, str):
        shown = harmless(value)
        return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
    return value
