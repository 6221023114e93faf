"""`linkage simulate fault`: a proxy between a program and linkage that plays a bad network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from linkage.addresses import address_text
from linkage.cli.commands import FailureError
from linkage.cli.shared.options import ADDRESS

if TYPE_CHECKING:
    from simulators.faults import FaultPlan, Occurrence, Stats

F = TypeVar("F", bound=Callable[..., Any])

CHANCES: Final = {
    "cut": "the connection is reset",
    "half_open": "nothing passes any more, and nobody is told",
    "stall": "nothing passes for a while",
    "duplicate": "it comes twice",
    "reorder": "it comes after the next",
    "garble": "some bits are wrong",
}
SEED_MAX: Final = 2**31


def _read_chances(
    context: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, float]]:
    """Direction ("" means both) and probability of each `0.1`, `up=0.1` or `down=0.1`."""
    read = []
    for value in values:
        direction, _, written = value.rpartition("=")
        try:
            chance = float(written)
        except ValueError:
            chance = -1.0
        if direction not in {"", "up", "down"} or not 0 <= chance <= 1:
            problem = f"{value!r}: a probability from 0 to 1, or up=P, or down=P"
            raise click.BadParameter(problem, context, param)
        read.append((direction, chance))
    return read


def _chances(function: F) -> F:
    for name, meaning in reversed(CHANCES.items()):
        function = click.option(
            f"--{name.replace('_', '-')}",
            name,
            metavar="[up=|down=]P",
            callback=_read_chances,
            multiple=True,
            help=f"Chance for each frame that {meaning}.",
        )(function)
    return function


@click.command()
@click.option("--listen", required=True, type=ADDRESS, help="Our side.")
@click.option("--to", required=True, type=ADDRESS, help="Its target.")
@click.option(
    "--delay", type=click.FloatRange(0), default=0.0, help="Seconds by which frames are late."
)
@click.option(
    "--jitter", type=click.FloatRange(0), default=0.0, help="Up to so many seconds more, by lot."
)
@_chances
@click.option(
    "--stall-for",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="Seconds that a stall lasts.",
)
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML with [[fault]] tables: what is sure to happen, and when.",
)
@click.option("--seed", type=int, help="The same seed, the same faults; default: a new one.")
@click.option(
    "--every",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="Seconds between two lines of statistics.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object to a line.")
def fault(
    listen: tuple[str, int],
    to: tuple[str, int],
    *,
    every: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Stand between a program and linkage, and play a bad network.

    Faults meet whole frames of the protocol (not TLS). up: from who connects to the proxy; down:
    to it.

    \b
    linkage simulate fault --listen 127.0.0.1:7799 --to 127.0.0.1:7700 \\
        --delay 0.05 --duplicate 0.1 --cut up=0.01 --seed 7
    """  # noqa: D301 - \b is click's
    from linkage.cli.shared.loop import run, until_stopped
    from simulators.faults import FaultError

    try:
        plan = _plan(options)
        run(until_stopped(lambda: _serve(listen, to, plan, every_s=every, as_json=as_json)))
    except FaultError as error:
        raise FailureError(str(error)) from error


def _plan(options: dict[str, Any]) -> FaultPlan:
    import secrets

    from simulators.faults import Chances, FaultPlan, load_script

    by_direction: dict[str, dict[str, float]] = {"up": {}, "down": {}}
    for name in CHANCES:
        for direction, chance in options[name]:
            for each in (direction,) if direction else by_direction:
                by_direction[each][name] = chance
    seed, script = options["seed"], options["script"]
    return FaultPlan(
        seed=secrets.randbelow(SEED_MAX) if seed is None else seed,
        up=Chances(**by_direction["up"]),
        down=Chances(**by_direction["down"]),
        delay_s=options["delay"],
        jitter_s=options["jitter"],
        stall_s=options["stall_for"],
        script=() if script is None else load_script(script),
    )


async def _serve(
    listen: tuple[str, int],
    to: tuple[str, int],
    plan: FaultPlan,
    *,
    every_s: float,
    as_json: bool,
) -> None:
    from simulators.faults import FaultProxy

    show = _show_json if as_json else _show
    async with FaultProxy(to, plan, listen=listen, on_fault=show) as proxy:
        place, target = address_text(*proxy.address), address_text(*to)
        if as_json:
            click.echo(
                json.dumps(
                    {"event": "listening", "address": place, "to": target, "seed": plan.seed}
                )
            )
        else:
            click.echo(f"{place} leads to {target}; seed {plan.seed}; Ctrl-C stops it")
        try:
            while True:
                await asyncio.sleep(every_s)
                _show_stats(proxy.stats, as_json=as_json)
        finally:
            _show_stats(proxy.stats, as_json=as_json)


def _show(one: Occurrence) -> None:
    where = "both ways" if one.direction is None else f"{one.direction}, frame {one.frame}"
    click.echo(f"{one.at_s:9.3f} s  connection {one.connection}, {where}: {one.fault}")


def _show_json(one: Occurrence) -> None:
    click.echo(json.dumps({"event": "fault", **asdict(one), "at_s": round(one.at_s, 3)}))


def _show_stats(stats: Stats, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": "stats", **stats.to_plain()}))
        return
    flows = []
    for name, flow in (("up", stats.up), ("down", stats.down)):
        faults = ", ".join(f"{number} {kind}" for kind, number in sorted(flow.faults.items()))
        flows.append(f"{name} {flow.frames} frames" + (f" ({faults})" if faults else ""))
    away = f", target not reached {stats.unreachable} times" if stats.unreachable else ""
    click.echo(f"{stats.connections} connections, {stats.open} open{away}; {'; '.join(flows)}")
