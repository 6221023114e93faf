"""`linkage top`: what a serving linkage does right now, from its `/metrics`."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.shared.options import ADDRESS, config_option, json_option, read_config
from linkage.cli.shared.output import console, print_json, size_text
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from linkage.cli.top.rates import Reading

Address = tuple[str, int]

ANSWER_WITHIN_S: Final = 10.0
ROWS: Final = {"types": 8, "peers": 20, "adapters": 20}
"""Rows of each table; a terminal has no more."""


class TopError(Exception):
    """There is nothing to be shown; one line with the remedy."""


@click.command()
@click.option(
    "--address",
    "addresses",
    multiple=True,
    type=ADDRESS,
    help="Where `/metrics` is; else those of [watch]. Repeat it for parts on their own.",
)
@click.option(
    "--every",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Look twice, show it once, and end.")
@json_option
@config_option
def top(
    addresses: tuple[Address, ...], every: float, once: bool, as_json: bool, config_file: Path
) -> None:
    """Watch a serving linkage: rates, latencies, queues, adapters.

    Needs `[watch]` in the configuration. Ctrl-C ends it.
    """
    places = _places(addresses, config_file)
    views = _views(places, every)
    if once:
        shown = next(views)
        if as_json:
            print_json(shown)
        else:
            console().print(render(shown))
        return
    with suppress(KeyboardInterrupt):  # which is its end
        if as_json:
            for shown in views:
                print_json(shown, indent=None)
        else:
            _live(views)


def _live(views: Iterator[dict[str, Any]]) -> None:
    from rich.live import Live

    with Live(console=console(), auto_refresh=False, screen=console().is_terminal) as live:
        for shown in views:
            live.update(render(shown), refresh=True)


def _places(addresses: tuple[Address, ...], config_file: Path) -> list[Address]:
    if addresses:
        return list(addresses)
    config = read_config(config_file)
    if config.watch is None:
        raise TopError(
            f"{config_file}: there is no [watch]: add it and start linkage anew, or name "
            "the place with --address"
        )
    return [config.watch.listen, *config.watch.parts.values()]


def _views(places: list[Address], every: float) -> Iterator[dict[str, Any]]:
    """One after the other, for ever.

    Raises:
        TopError: nobody answers at the first look.
    """
    from linkage.cli.top.rates import Change, view
    from linkage.clock import SystemClock

    clock = SystemClock()
    before, problems = _look(places, clock.now())
    if len(problems) == len(places) and not before.samples:
        raise TopError(f"{problems[0]}: is linkage serving, with [watch]?")
    while True:
        time.sleep(every)
        now, problems = _look(places, clock.now())
        yield view(Change(before, now), problems)
        before = now


def _look(places: list[Address], at: float) -> tuple[Reading, list[str]]:
    """All metrics, and what keeps linkage from its work."""
    from linkage.cli.top.rates import Reading

    reading = Reading(at)
    problems: list[str] = []
    for host, port in places:
        try:
            reading.add(_get(host, port, "/metrics"))
            told = json.loads(_get(host, port, "/readyz?format=json"))["problems"]
            problems += [str(problem) for problem in told]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            problems.append(f"{host}:{port}: {str(error) or type(error).__name__}")
    return reading, problems


def _get(host: str, port: int, path: str) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


# --- for people ----------------------------------------------------------------------------------
def render(shown: dict[str, Any]) -> RenderableType:
    """The whole picture."""
    from rich.console import Group
    from rich.text import Text

    head = Text(
        harmless(
            f"linkage {', '.join(shown['versions'])} · {', '.join(shown['parts'])} · "
            f"{shown['connections']} connections"
        ),
        style="bold",
    )
    head.append("\n")
    for problem in shown["problems"]:
        head.append(f"✗ {harmless(problem)}\n", style="bold red")
    for alarm in shown["alarms"]:
        head.append(f"! alarm: {alarm}\n", style="bold yellow")
    parts: list[RenderableType] = [head, _figures(shown)]
    for name, table in (
        ("types", _types(shown["types"])),
        ("peers", _peers(shown["peers"])),
        ("adapters", _adapters(shown["adapters"])),
    ):
        if shown[name]:
            more = len(shown[name]) - ROWS[name]
            parts += [Text(), table]
            if more > 0:
                parts.append(Text(f"… and {more} more", style="dim"))
    return Group(*parts)


def _figures(shown: dict[str, Any]) -> Table:
    table = _table()
    for _ in range(3):
        table.add_column(style="dim")
        table.add_column(justify="right")
    table.show_header = False
    rows = [
        ("accepted/s", _rate(shown["accepted_per_s"])),
        ("answer p99", _time(shown["answer_p99_s"])),
        ("waiting for disk", f"{shown['inbox']}"),
        ("refused/s", _rate(shown["refused_per_s"])),
        ("push wait p99", _time(shown["wait_p99_s"])),
        ("oldest of them", _time(shown["inbox_oldest_s"])),
        ("acknowledged/s", _rate(shown["acknowledged_per_s"])),
        ("peer answers p99", _time(shown["acknowledge_p99_s"])),
        ("journal row", f"{shown['journal_seq']}"),
        ("turned away/s", _rate(shown["turned_away_per_s"])),
        ("commit p99", _time(shown["commit_p99_s"])),
        ("database", size_text(shown["database_bytes"] + shown["wal_bytes"])),
        ("processors", f"{shown['cpu']:.2f}"),
        ("loop lag p99", _time(shown["loop_lag_p99_s"])),
        ("disk free", size_text(shown["disk_free_bytes"])),
    ]
    for at in range(0, len(rows), 3):
        table.add_row(*(text for pair in rows[at : at + 3] for text in pair))
    return table


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, pad_edge=False)


def _types(rows: list[dict[str, Any]]) -> Table:
    table = _table()
    table.add_column("type", justify="right")
    table.add_column("message", min_width=24)
    table.add_column("accepted/s", justify="right")
    table.add_column("refused/s", justify="right")
    for row in rows[: ROWS["types"]]:
        table.add_row(
            harmless(str(row["type"])),
            harmless(row["name"]),
            _rate(row["accepted_per_s"]),
            _rate(row["refused_per_s"]),
        )
    return table


def _peers(rows: list[dict[str, Any]]) -> Table:
    table = _table()
    table.add_column("peer", min_width=16, overflow="fold")
    table.add_column("role", min_width=13)
    table.add_column("here")
    table.add_column("waiting", justify="right")
    table.add_column("oldest", justify="right", min_width=8)
    for row in rows[: ROWS["peers"]]:
        style = None if row["connected"] else "yellow" if row["waiting"] else "dim"
        table.add_row(
            harmless(row["peer"]),
            harmless(row["role"]),
            "yes" if row["connected"] else "no",
            str(row["waiting"]),
            _time(row["oldest_s"]) if row["waiting"] else "",
            style=style,
        )
    return table


def _adapters(rows: list[dict[str, Any]]) -> Table:
    table = _table()
    table.add_column("adapter", min_width=16, overflow="fold")
    table.add_column("state")
    for name in ("notices/s", "commands/s", "in work", "p95", "restarts"):
        table.add_column(name, justify="right")
    for row in rows[: ROWS["adapters"]]:
        table.add_row(
            harmless(row["adapter"]),
            harmless(row["state"]),
            _rate(row["notices_per_s"]),
            _rate(row["commands_per_s"]),
            str(row["in_work"]),
            _time(row["command_p95_s"]),
            str(row["restarts"]),
            style=None if row["state"] == "up" else "bold red",
        )
    return table


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}" if per_s else "0"


def _time(seconds: float | None) -> str:
    """`-`: nothing happened that could be measured."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
