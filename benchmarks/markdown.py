"""Figures as Markdown tables, whatever shape a benchmark gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

ELSEWHERE: Final = ("machine", "budgets", "failures", "ok", "plan")
"""What stands in other places of the page."""
Found = Mapping[str, Any]


def table(head: str, rows: Iterable[str]) -> str:
    """A table; all columns but the first to the right."""
    columns = head.count("|") - 1
    return "\n".join([head, "|---|" + "---:|" * (columns - 1), *rows])


def tables(figures: Found) -> str:
    """All of them: lists of rows and groups with the same names side by side, the rest below."""
    rest = {name: value for name, value in figures.items() if name not in ELSEWHERE}
    lists = [name for name, value in rest.items() if _is_rows(value)]
    parts = [_rows(rest.pop(name)) for name in lists]
    parts += [_side_by_side({name: rest.pop(name) for name in group}) for group in _alike(rest)]
    if rest:
        parts.append(table("| | |", (f"| {key} | {value} |" for key, value in flat(rest))))
    parts += [f"- **failed**: {failure}" for failure in figures.get("failures", ())]
    return "\n\n".join(parts)


def flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """`{"a": {"b": 1}}` → `("a.b", "1")`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from flat(inner, f"{key} {number}")
    elif value is not None:
        yield key, cell(value)


def cell(value: Any) -> str:
    """One figure."""
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else str(value)


def _is_flat(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(
        isinstance(inner, Mapping | list) for inner in value.values()
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(map(_is_flat, value))


def _rows(rows: Sequence[Found]) -> str:
    names = list(rows[0])
    return table(
        "".join(f"| {name} " for name in names) + "|",
        ("".join(f"| {cell(row.get(name))} " for name in names) + "|" for row in rows),
    )


def _alike(figures: Found) -> list[list[str]]:
    """Names of groups that have the same names within."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, value in figures.items():
        if _is_flat(value):
            groups.setdefault(tuple(value), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _side_by_side(groups: Mapping[str, Found]) -> str:
    names = list(next(iter(groups.values())))
    return table(
        "| | " + "".join(f"{group} | " for group in groups).rstrip(),
        (
            f"| {name} " + "".join(f"| {cell(group[name])} " for group in groups.values()) + "|"
            for name in names
        ),
    )
