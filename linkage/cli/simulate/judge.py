"""`linkage simulate run SCENARIO`: play a scenario, and judge what it expects."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkage.cli.commands import INTERRUPTED, FailureError
from linkage.cli.shared.options import named_config
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from ssl import SSLContext

    from linkage.cli.simulate.messages import Narrator
    from simulators.runner import ScenarioResult
    from simulators.scenario import Scenario


@click.command()
@click.argument("scenario", metavar="SCENARIO")
@click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=named_config,
    help="Play against the linkage that serves with this configuration; default $LINKAGE_CONFIG, "
    "else a linkage of its own, which is gone at the end.",
)
@click.option("--host", help="With -c: where linkage listens; default: as configured.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The same.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    help="Times faster than life; default: as fast as it goes, minutes taking moments, where the "
    "scenario plays both sides; else 1.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the verdict as JUnit XML too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
def run(
    scenario: str,
    config_file: Path | None,
    host: str | None,
    port: int | None,
    speed: float | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Play a scenario and judge its [[expect]] and [[never]].

    SCENARIO is the name of a built-in one, or a TOML file of yours. Where it has no [application]
    or no [platform], your own program is the other: give -c, and start it. Exit status 0 when all
    that is expected came in time and nothing that must not; 1 when not; 130 when interrupted.

    \b
    linkage simulate run alarm
    linkage simulate run mine.toml -c try/linkage.toml --junit verdict.xml
    """  # noqa: D301 - \b is click's
    from linkage.cli.simulate.messages import Narrator, plain_sighting, show_findings
    from simulators.scenario import Place, load_scenario

    told = load_scenario(scenario)
    if not told.expects and not told.nevers:
        raise FailureError(
            f"{scenario}: expect: is missing: there is nothing to judge; add an [[expect]] or a "
            "[[never]]"
        )
    if config_file is None and (host or port):
        raise click.UsageError("--host and --port go with -c FILE, which has the secrets")
    names = {"platform": told.platform_id, "application": told.application_id}
    narrator = Narrator(names, both=len(told.plays) == len(Place), began_s=0.0)
    if not as_json:
        click.secho(harmless(told.title or told.name), bold=True)
    result = _play(told, config_file, host, port, speed, None if as_json else narrator)
    if junit is not None:
        junit.write_bytes(result.to_junit())
    if as_json:
        from simulators.summary import summary_of

        plain = result.to_plain()
        plain["story"] = summary_of(result.sightings)
        plain["messages"] = [plain_sighting(sighting) for sighting in result.sightings]
        print_json(plain)
    else:
        narrator.end()
        show_findings(result.findings)
        click.echo(_verdict(result))
    if result.stopped:
        raise SystemExit(INTERRUPTED)
    if not result.passed:
        raise SystemExit(1)


def _play(
    told: Scenario,
    config_file: Path | None,
    host: str | None,
    port: int | None,
    speed: float | None,
    narrator: Narrator | None,
) -> ScenarioResult:
    from linkage.cli.shared.loop import run as run_loop

    if config_file is not None:
        return run_loop(_against(told, config_file, host, port, speed, narrator))
    from simulators.scenario import Place

    if len(told.plays) < len(Place):
        (missing,) = set(Place) - told.plays
        raise FailureError(
            f"{told.name}: {missing}: the scenario does not play the {missing}, so that is your "
            "program: say by -c FILE which linkage both are to meet at"
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linkage-run-")))
        return run_loop(_alone(told, folder, speed, narrator))


async def _against(
    told: Scenario,
    config_file: Path,
    host: str | None,
    port: int | None,
    speed: float | None,
    narrator: Narrator | None,
) -> ScenarioResult:
    """At a linkage that serves."""
    from linkage.cli.simulate.play import find_target

    where = {"host": host, "port": port, "peer_id": None, "secret": None}
    ids = {"platform": told.platform_id, "application": told.application_id}
    targets = {
        str(place): find_target(str(place), ids[place], config_file=config_file, **where)  # type: ignore[arg-type]  # as options
        for place in told.plays
    }
    # Under the names that they have there, which need not be the scenario's.
    ids |= {place: target.peer_id for place, target in targets.items()}
    told = replace(told, platform_id=ids["platform"], application_id=ids["application"])
    first = next(iter(targets.values()))
    secrets = {place: target.secret for place, target in targets.items()}
    return await _judged(told, first.address, secrets, speed, narrator, first.tls)


async def _alone(
    told: Scenario, folder: Path, speed: float | None, narrator: Narrator | None
) -> ScenarioResult:
    """At a linkage of its own, which lives in the scenario's time."""
    from linkage.cli.demo.simulated import configure, secret_of
    from linkage.server.server import Server

    config = configure(folder, [told])
    async with Server(config) as server:
        secrets = {
            "platform": secret_of(config, told.platform_id),
            "application": secret_of(config, told.application_id),
        }
        return await _judged(told, server.addresses[0], secrets, speed, narrator, None)


async def _judged(
    told: Scenario,
    address: tuple[str, int],
    secrets: dict[str, str | None],
    speed: float | None,
    narrator: Narrator | None,
    tls: SSLContext | None,
) -> ScenarioResult:
    from linkage.cli.shared.loop import told_to_stop
    from simulators.clock import RealClock
    from simulators.runner import run_scenario

    with told_to_stop() as stop:
        return await run_scenario(
            told,
            address,
            platform_secret=secrets.get("platform"),
            application_secret=secrets.get("application"),
            clock=None if speed is None else RealClock(speed=speed),
            on_sighting=None if narrator is None else narrator.see,
            stop=stop,
            tls=tls,
        )


def _verdict(result: ScenarioResult) -> str:
    musts = [one for one in result.findings if one.must]
    came = sum(one.passed for one in musts)
    nevers = sum(not one.passed for one in result.findings if not one.must)
    word = "stopped" if result.stopped else "passed" if result.passed else "FAILED"
    wrong: Any = f", {nevers} came that must not" if nevers else ""
    return (
        f"{result.scenario.name}: {word}: {came} of {len(musts)} came{wrong}, "
        f"in {result.took_s:.1f} s of the scenario"
    )
