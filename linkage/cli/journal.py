"""`linkage journal tail|verify|export`."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.entry_lines import show_entry
from linkage.cli.shared.options import config_option, json_option, open_reader, read_config
from linkage.cli.shared.output import console, print_json
from linkage.cli.shared.terminal import SupportsWrite, Utf8Stdout
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.store.read.reader import StoreReader
    from linkage.store.read.views import EntryView
    from linkage.store.verify import Verdict

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
    # With -f, Ctrl-C is the end that the user means.
    ending = suppress(KeyboardInterrupt) if follow else nullcontext()
    with ending, open_reader(config_file) as reader:
        _tail(reader, count, follow=follow, as_json=as_json)


def _tail(reader: StoreReader, count: int, *, follow: bool, as_json: bool) -> None:
    output = console()
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


@click.command()
@click.argument("segments", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--head",
    "head_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A noted end of the journal, instead of linkage.head in the data directory.",
)
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the archived part lies, instead of archive in the data directory.",
)
@json_option
@config_option
def verify(
    segments: tuple[Path, ...],
    head_file: Path | None,
    archive: Path | None,
    as_json: bool,
    config_file: Path,
) -> None:
    """Check that no entry was changed, removed or put in between.

    The archived part, the database, and that the end which was noted last is still there. Or only
    archive files, each on its own, without a store. Exit status 1 where something does not hold;
    each break is named.
    """
    if segments:
        _verify_segments(segments, as_json=as_json)
        return
    from linkage.store.journal_head import read_head
    from linkage.store.verify import Verdict
    from linkage.store.verify import verify as verify_store

    config = read_config(config_file)
    head = read_head(head_file or config.head_path)
    verdict = Verdict()
    with open_reader(config_file) as reader:
        folder = archive or config.archive_path
        bar = partial(_with_bar, total=reader.last_seq() - reader.anchor().seq, quiet=as_json)
        for problem, found in verify_store(reader, folder, head, bar):
            verdict = found
            if problem and not as_json:
                click.echo(harmless(problem))
    if as_json:
        print_json(
            {
                "entries": verdict.entries,
                "archived": verdict.archived,
                "absent": verdict.absent,
                "head": None if head is None else head.seq,
                "breaks": verdict.breaks,
            }
        )
    else:
        _tell(verdict)
    if verdict.breaks:
        raise FailureError(f"the chain is broken in {len(verdict.breaks)} places")


def _tell(verdict: Verdict) -> None:
    for name in verdict.absent:
        click.echo(f"{name}: is missing and was not checked: say by --archive DIR where it is")
    if verdict.breaks:
        return
    archived = f" and {verdict.archived} archived ones" if verdict.archived else ""
    click.echo(f"the chain of {verdict.entries} entries{archived} holds")
    if verdict.head is not None:
        click.echo(f"its end was noted last at seq {verdict.head.seq}, which is there")


def _verify_segments(segments: tuple[Path, ...], *, as_json: bool) -> None:
    from linkage.store.archive import segment_breaks

    found = {str(path): list(segment_breaks(path)) for path in segments}
    if as_json:
        print_json({"segments": found})
    for path, problems in found.items():
        if not as_json:
            click.echo("\n".join(map(harmless, problems)) if problems else f"{path}: holds")
    broken = sum(map(len, found.values()))
    if broken:
        raise FailureError(f"the chain is broken in {broken} places")


def _with_bar(rows: Iterable[Any], *, total: int, quiet: bool) -> Iterator[Any]:
    """The rows, with a bar on stderr for whoever waits at a terminal."""
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
            write(entries, Utf8Stdout())
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            write(entries, file)


def _write_jsonl(entries: Iterable[EntryView], file: SupportsWrite) -> None:
    from linkage.cli.shared.json_views import plain

    for entry in entries:
        file.write(json.dumps(plain(entry), ensure_ascii=True) + "\n")


def _write_csv(entries: Iterable[EntryView], file: SupportsWrite) -> None:
    from linkage.cli.shared.json_views import plain

    writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for entry in entries:
        writer.writerow({name: _cell(value) for name, value in plain(entry).items()})


def _cell(value: Any) -> Any:
    """A spreadsheet takes a cell that begins like a formula for one, and runs it."""
    if isinstance(value, str):
        shown = harmless(value)
        return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
    return value
