"""`linkage event list` and `linkage event show`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.options import (
    config_option,
    json_option,
    open_reader,
    read_config,
    similar,
)
from linkage.cli.shared.output import console, local_time, print_json, size_text
from linkage.cli.shared.terminal import screen_width
from linkage.timeline.terminal_text import harmless
from linkage.times import clock_time

if TYPE_CHECKING:
    from rich.console import RenderableType

    from linkage.store.read.reader import StoreReader
    from linkage.store.read.views import EntryView, EventHistory, FileView, OperationView

SUGGEST_AMONG: Final = 2000
"""The latest events among which one is looked for that is like what was written."""

owner_option = click.option("--owner", metavar="APP", help="The application whose event it is.")


@click.command("list")
@owner_option
@click.option("--status", metavar="STATUS", help="Only these: open, closed, or one of your own.")
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
@json_option
@config_option
def list_events(
    owner: str | None, status: str | None, limit: int, as_json: bool, config_file: Path
) -> None:
    """List events, the latest first, with how many operations are bound to each."""
    with open_reader(config_file) as reader:
        events = reader.list_events(owner=owner, status=status, limit=limit)
    if as_json:
        from linkage.cli.shared.json_views import plain

        print_json([plain(event) for event in events])
    elif not events:
        click.echo(_none(config_file, owner, status))
    else:
        from linkage.cli.shared.tables import event_lines

        for line in event_lines(events, screen_width()):
            click.echo(line)


def _none(config_file: Path, owner: str | None, status: str | None) -> str:
    """Why nothing is listed."""
    if owner is None:
        return "no events yet" if status is None else "no such events"
    peers = read_config(config_file).peer
    owners = [peer.id for peer in peers if peer.role.value == "application"]
    return "no such events" + ("" if owner in owners else similar(owner, owners))


@click.command()
@click.argument("event_id", metavar="EVENTID")
@owner_option
@json_option
@config_option
def show(event_id: str, owner: str | None, as_json: bool, config_file: Path) -> None:
    """Show everything that belongs to an event.

    Its operations, each with why it belongs to it and its files, and the journal's entries.
    """
    history = history_of(config_file, event_id, owner)
    warn_of_absent(history)
    if as_json:
        from linkage.cli.shared.json_views import plain

        print_json(plain(history))
        return
    output = console()
    for part in describe(history):
        output.print(part)


def history_of(config_file: Path, event_id: str, owner: str | None) -> EventHistory:
    """All that is found under an EventId.

    Raises:
        FailureError: there is none; those that are like it are named.
    """
    with open_reader(config_file) as reader, _suggesting(reader, event_id):
        return reader.history(event_id, owner)


def find_owner(config_file: Path, event_id: str, owner: str | None) -> str:
    """Whose event it is, of which nothing but its EventId need be known.

    Raises:
        FailureError: there is none; those that are like it are named.
    """
    with open_reader(config_file) as reader, _suggesting(reader, event_id):
        return reader.event(event_id, owner).owner


@contextmanager
def _suggesting(reader: StoreReader, event_id: str) -> Iterator[None]:
    from linkage.store.read.history import EventNotFoundError

    try:
        yield
    except EventNotFoundError as error:
        there = reader.list_events(limit=SUGGEST_AMONG)
        owners = ", ".join(event.owner for event in there if event.event_id == event_id)
        near = similar(event_id, [event.event_id for event in there])
        raise FailureError(f"{error}; it is of {owners}" if owners else f"{error}{near}") from None


def warn_of_absent(history: EventHistory) -> None:
    """Say on stderr which archive files may hold more of an event, and are not here."""
    for name in history.absent:
        click.echo(
            f"linkage: archive/{name} is missing: entries of the event may be missing, too",
            err=True,
        )


def describe(history: EventHistory) -> Iterator[RenderableType]:
    """The parts of the page, for people."""
    from rich.text import Text

    yield from _head(history)
    yield Text(f"\nOperations ({len(history.operations)})", style="bold")
    for operation in history.operations:
        yield _operation(operation, _depth(operation, history.operations))
    yield Text(f"\nJournal ({len(history.entries)} entries)", style="bold")
    yield _entry_table(history.entries)


def _head(history: EventHistory) -> Iterator[RenderableType]:
    from rich.text import Text

    event = history.event
    yield Text(f"EventId {harmless(event.event_id)}  {harmless(event.title or '')}", style="bold")
    facts = {
        "owner": event.owner,
        "status": event.status,
        "merged into": event.merged_into,
        "merged here": ", ".join(other.event_id for other in history.merged),
        "type": event.event_type,
        "level": event.level,
        "address": event.address,
        "place": None if event.lon is None else f"{event.lon}, {event.lat}",
        "opened": local_time(event.opened_at),
        "closed": local_time(event.closed_at),
        "summary": event.summary,
    }
    links = [
        (link.kind, f"{link.event_id} → {link.other_event_id}")
        for link in history.links
        if link.valid_to is None and link.kind != "merge"
    ]
    for name, value in (*facts.items(), *links):
        if value:
            yield Text.assemble((f"  {name:<12}", "dim"), harmless(value))


def _depth(operation: OperationView, all_of_them: Sequence[OperationView]) -> int:
    parents = {item.op_id: item.parent for item in all_of_them}
    depth, parent = 0, operation.parent
    while parent is not None and depth < 8:  # noqa: PLR2004 - deeper is no longer readable
        depth, parent = depth + 1, parents.get(parent)
    return depth


def _operation(operation: OperationView, depth: int) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    head = Text.assemble(
        (f"{operation.kind} {operation.op_id}", "bold cyan"),
        f"  {_parties(operation)}".rstrip(),
        (f"  {_outcome(operation)}", _outcome_style(operation)),
    )
    facts = [Text(text, style="dim") for text in _operation_facts(operation)]
    for file in operation.files:
        facts += [Text(text, style="green") for text in _file(file)]
    indent = 2 + 2 * depth
    return Group(
        Padding(head, (0, 0, 0, indent), expand=False),
        *[Padding(fact, (0, 0, 0, indent + 2), expand=False) for fact in facts],
    )


def _parties(operation: OperationView) -> str:
    source, target = operation.from_num, operation.to_num
    way = f"{source or '?'} → {target or '?'}" if source or target else ""
    login = f"LoginId {operation.login_id}" if operation.login_id else ""
    return harmless("  ".join(part for part in (way, login, operation.content or "") if part))


def _outcome(operation: OperationView) -> str:
    from protocol.reasons import reason_text

    text = operation.outcome or operation.state
    if operation.reason is not None:
        text += f" · {operation.reason} {reason_text(operation.reason)}"
    return harmless(text) + (" · reconstructed" if operation.reconstructed else "")


def _outcome_style(operation: OperationView) -> str:
    return (
        "red" if operation.outcome == "failed" else "yellow" if operation.ended_at is None else ""
    )


def _operation_facts(operation: OperationView) -> Iterator[str]:
    ids = [operation.platform]
    if operation.call_id is not None:
        ids.append(f"CallId {operation.call_id}")
    if operation.conference_id is not None:
        ids.append(f"ConferenceID {operation.conference_id}")
    if operation.parent is not None:
        ids.append(f"of operation {operation.parent}")
    yield harmless(" · ".join(ids))
    times = [f"started {local_time(operation.started_at)}"]
    for name, moment in (("answered", operation.answered_at), ("ended", operation.ended_at)):
        if moment is not None:
            times.append(f"{name} +{(moment - operation.started_at).total_seconds():.3f} s")
    yield " · ".join(times)
    if operation.cause is not None:
        yield harmless(f"bound: {operation.cause}, by {operation.author or '?'}")
    for binding in operation.bindings:
        # That a stronger cause took the place of a weaker one is no news to a reader.
        if binding.valid_to is not None and binding.event_id != operation.event_id:
            until = local_time(binding.until)
            yield harmless(f"was bound to {binding.event_id}: {binding.cause}, until {until}")


def _file(file: FileView) -> Iterator[str]:
    facts = [file.file_id, file.format or "", size_text(file.size_bytes)]
    if file.duration_s is not None:
        facts.append(f"{file.duration_s} s")
    yield harmless("file " + " · ".join(fact for fact in facts if fact))
    if file.sha256 is not None:
        yield harmless(f"  {file.sha256}")
    place = file.path or file.url
    if place is not None:
        yield harmless(f"  {place}")


def _entry_table(entries: Sequence[EntryView]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from linkage.cli.shared.entry_lines import entry_words

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("seq", justify="right", style="dim")
    table.add_column("time", no_wrap=True)
    table.add_column("from", overflow="fold")
    table.add_column("what", overflow="fold")
    day = None
    for entry in entries:
        local = entry.at.astimezone()
        if local.date() != day:
            day = local.date()
            table.add_row("", f"{day}", "", "", style="dim")
        table.add_row(
            str(entry.seq),
            clock_time(entry.at),
            harmless(entry.source),
            Text.assemble(*entry_words(entry)),
        )
    return table
