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
from linkage.cli.shared.output import console, print_json
from linkage.cli.top.screen import render

if TYPE_CHECKING:
    from linkage.cli.top.rates import Reading

Address = tuple[str, int]

ANSWER_WITHIN_S: Final = 10.0


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
            f"{config_file}: no [watch] there: add it and restart linkage, or name "
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
