"""`linkage simulate load`: how much a linkage carries, and how late it is while it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.addresses import reachable
from linkage.cli.commands import INTERRUPTED, FailureError
from linkage.cli.shared.options import config_option, json_option, none_such, read_config
from linkage.cli.shared.output import console, print_json

if TYPE_CHECKING:
    from linkage.cli.shared.loop import Stop
    from linkage.config.file import Config
    from simulators.load import LoadPeer, LoadPlan, LoadResult

SHOWN: Final = {"p50_ms": "50 %", "p90_ms": "90 %", "p99_ms": "99 %", "p99.9_ms": "99.9 %"}

BUSY: Final = 0.7
"""Share of a core from which the load's own work shows in what it measures."""


@click.command()
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=100.0,
    show_default=True,
    help="Notices a second, all peers together.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long is measured.",
)
@click.option(
    "--warm-up",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Seconds before that.",
)
@click.option("--peers", type=click.IntRange(1), help="How many platforms send; default: all.")
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this platform; repeatable.")
@click.option(
    "--receive",
    is_flag=True,
    help="Be the applications too, and measure the delivery; replaces their sessions.",
)
@click.option("--mix", metavar="TYPE=WEIGHT,…", help="Default: 100=10,115=20,106=2,105=3,102=10.")
@click.option("--poisson", is_flag=True, help="Irregular intervals, as independent callers make.")
@click.option("--seed", type=int, default=0, help="Of the mix and the intervals.")
@click.option("--host", help="Where linkage listens; default: as configured.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The same.")
@json_option
@config_option
def load(*, as_json: bool, **options: Any) -> None:
    """Send notices at a rate that does not wait for the answers.

    Latency counts from when a notice was due. Exit status 1 when not all was taken. Ctrl-C shows
    what was measured until then, with status 130. Use it on a test installation: linkage journals
    every notice.
    """
    from linkage.cli.shared.loop import run
    from simulators.load import LoadError

    try:
        plan = _plan(options)
    except LoadError as error:
        raise FailureError(str(error)) from error
    result, interrupted = run(_run(plan, quiet=as_json))
    if as_json:
        print_json({"rate": plan.rate, "peers": len(plan.platforms), **result.to_plain()})
    else:
        _show(plan, result)
    if result.stopped and interrupted:
        raise SystemExit(INTERRUPTED)
    if result.stopped or not result.complete:
        raise SystemExit(1)


def _plan(options: dict[str, Any]) -> LoadPlan:
    from simulators.load import USUAL, LoadPlan, parse_mix

    path = options["config_file"]
    config = read_config(path)
    platforms = _platforms(config, path, options)
    host, port = config.listen[0] if config.listen else ("127.0.0.1", 0)
    port = options["port"] or port
    if not port:
        raise FailureError(f"{path}: `listen` has port 0, which the system chooses: give --port")
    mix = options["mix"]
    return LoadPlan(
        host=options["host"] or reachable(host),
        port=port,
        platforms=platforms,
        applications=_peers(config, "application") if options["receive"] else (),
        rate=options["rate"],
        seconds=options["seconds"],
        warm_up_s=options["warm_up"],
        mix=dict(USUAL) if mix is None else parse_mix(mix),
        poisson=options["poisson"],
        seed=options["seed"],
    )


def _peers(config: Config, role: str) -> list[LoadPeer]:
    from simulators.load import LoadPeer

    return [
        LoadPeer(id=peer.id, secret=peer.secret)
        for peer in config.peer
        if peer.role.value == role and peer.secret is not None and peer.dial is None
    ]


def _platforms(config: Config, path: Path, options: dict[str, Any]) -> list[LoadPeer]:
    there = _peers(config, "platform")
    wanted = set(options["ids"])
    for missing in sorted(wanted - {peer.id for peer in there}):
        raise none_such(path, "platform", missing, [peer.id for peer in there])
    chosen = [peer for peer in there if not wanted or peer.id in wanted]
    number = options["peers"] or len(chosen)
    if number > len(chosen) or not chosen:
        raise FailureError(
            f"{path}: {len(chosen)} platforms with a secret, {max(1, number)} wanted: add a "
            '[[peer]] with role = "platform" for each, or make a configuration with '
            "`linkage init DIR --peer platform:load-1 --peer platform:load-2 …`"
        )
    return chosen[:number]


async def _run(plan: LoadPlan, *, quiet: bool) -> tuple[LoadResult, bool]:
    """The result, and whether Ctrl-C came before its end."""
    from linkage.cli.shared.loop import told_to_stop
    from simulators.load import run_load

    with told_to_stop() as stop:
        if quiet:
            result = await run_load(plan, stop=stop)
        else:
            result = await _run_shown(plan, stop)
    return result, stop.interrupted


async def _run_shown(plan: LoadPlan, stop: Stop) -> LoadResult:
    """With a bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from simulators.load import run_load

    columns = (
        BarColumn(),
        TextColumn("{task.fields[answered]} of {task.fields[due]} answered"),
        TextColumn("99 % in {task.fields[p99]:.1f} ms"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("load", total=1.0, answered=0, due=0, p99=0.0)

        def show(passed: float, result: LoadResult) -> None:
            progress.update(
                task,
                completed=passed,
                answered=result.answered,
                due=result.due,
                p99=result.answers.percentile(99) * 1000,
            )

        return await run_load(plan, on_progress=show, stop=stop)


def _show(plan: LoadPlan, result: LoadResult) -> None:
    from rich.table import Table

    plain = result.to_plain()
    out = console()
    out.print(
        f"{plan.rate:g} notices/s wanted from {len(plan.platforms)} platforms for "
        f"{plan.seconds:g} s: {result.due} due, {result.answered} answered "
        f"({plain['answered_per_s']:g}/s)"
    )
    if result.stopped:
        out.print(f"stopped after {result.seconds:.1f} s of them", style="yellow")
    if result.own_cpu > BUSY:
        out.print(
            f"the load itself used {result.own_cpu:.0%} of a core: it measures itself as well",
            style="yellow",
        )
    for what, number in (
        ("never answered", result.unanswered),
        ("not sent, as too many were unanswered", result.shed),
        *((f"refused with {code}", number) for code, number in plain["refused"].items()),
    ):
        if number:
            out.print(f"{number} {what}", style="bold red")
    table = Table(box=None, pad_edge=False)
    table.add_column("ms from when it was due")
    for title in (*SHOWN.values(), "most", "mean"):
        table.add_column(title, justify="right")
    for name, figures in (
        ("to the answer", plain["answer"]),
        ("to the delivery", plain["delivery"]),
    ):
        if figures is not None:
            row = [figures[key] for key in (*SHOWN, "max_ms", "mean_ms")]
            table.add_row(name, *(f"{value:.2f}" for value in row))
    out.print(table)
