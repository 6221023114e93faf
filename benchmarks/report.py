"""Writes the figures of `benchmarks.all` into the page about performance.

    python -m benchmarks.report [--check] [docs/reference/performance.json]

Beside the JSON lie the page (.md), of which only what stands between `<!-- NAME -->` and
`<!-- /NAME -->` is written, and the picture (../images/performance.svg). With `--check` nothing is
written; the status is 1 where the page is not what the figures say.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.all import YARDSTICKS
from benchmarks.budgets import build_of, verdicts
from benchmarks.markdown import table, tables
from benchmarks.picture import svg_bars
from benchmarks.process import REPOSITORY

DEFAULT: Final = REPOSITORY / "docs/reference/performance.json"
_PART: Final = re.compile(r"(<!-- ([a-z]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
Found = Mapping[str, Any]


def part(name: str, found: Found) -> str:
    """What belongs between the marks of that name."""
    if name == "machine":
        return _machine(found.get("machine", {}))
    if name == "budgets":
        return _budgets(found)
    item = found.get(name)
    if item is None:
        command = next(one.command for one in YARDSTICKS if one.name == name)
        return f"Not measured yet: `{command}`"
    body = (
        _side_by_side(item["figures"]) if "ratios" in item["figures"] else tables(item["figures"])
    )
    status = "" if not item["status"] else f", ended with {item['status']}"
    return f"`{item['command']}`, {build_of(item)}, {item['took_s']} s{status}\n\n{body}"


def _machine(machine: Mapping[str, str]) -> str:
    if not machine:
        return "Not measured yet."
    return table("| | |", [f"| {key} | {value} |" for key, value in machine.items()])


def _budgets(found: Found) -> str:
    marks = {True: "yes", False: "**no**", None: "–"}
    return table(
        "| what | target | found | met | build |",
        [
            f"| {item.what} | {item.target} | {item.found} "
            f"| {f'({marks[item.met]})' if item.is_older else marks[item.met]} | {item.build} |"
            for item in verdicts(found)
        ],
    )


def _side_by_side(figures: Found) -> str:
    rows = []
    for name, item in figures["medians"].items():
        paced = item.get("paced", {})
        late = paced.get("delivery") or paced.get("answer") or {}
        ratio = figures["ratios"].get(name)
        rows.append(
            f"| {figures['titles'][name]} | {item['per_s']:,.0f} "
            f"| {'' if ratio is None else f'{ratio:.2f} ×'} "
            f"| {item['server_us']:,.0f} | {item['load_us']:,.0f} "
            f"| {item['server_core']:.0%} | {item['load_core']:.0%} "
            f"| {late.get('p50_ms', '–')} | {late.get('p99_ms', '–')} |"
        )
    head = (
        "| | all the way, /s | linkage is | server, µs each | load, µs each "
        "| server's core | load's core | at 1,000/s: p50 ms | p99 ms |"
    )
    return table(head, rows)


def page(text: str, found: Found) -> str:
    """The page with its marked parts written anew."""
    return _PART.sub(lambda mark: f"{mark[1]}{part(mark[2], found)}\n{mark[3]}", text)


def picture(found: Found) -> str | None:
    """The bars of the side by side; None while it was not measured."""
    item = found.get("durable")
    if item is None:
        return None
    figures = item["figures"]
    titles = figures["titles"]
    per_s = {titles[name]: one["per_s"] for name, one in figures["medians"].items()}
    return svg_bars("Notices a second, all the way", per_s, ours=titles.get("linkage", ""))


def main(arguments: list[str]) -> int:
    """0; 1 where `--check` found the page stale."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("json", nargs="?", type=Path, default=DEFAULT, help="that one")
    options = parser.parse_args(arguments)
    source: Path = options.json
    found = json.loads(source.read_text(encoding="utf-8")) if source.exists() else {}
    target = source.with_suffix(".md")
    wanted = {target: page(target.read_text(encoding="utf-8"), found)}
    drawn = picture(found)
    if drawn is not None:
        wanted[source.parent.parent / "images" / "performance.svg"] = drawn
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if options.check:
            print(f"stale: {path}; run: python -m benchmarks.report", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
