"""What `linkage top` draws of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from linkage.cli.shared.output import size_text
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ROWS: Final = {"types": 8, "peers": 20, "adapters": 20}
"""Rows of each table; a terminal has no more."""


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
