"""The demo on simulators: an embedded server, a platform and a duty desk, step by step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.loop import run
from linkage.cli.shared.new_configuration import (
    configuration_text,
    write_configuration,
)
from linkage.cli.shared.output import console
from linkage.cli.shared.terminal import screen_width
from linkage.cli.simulate.messages import message_line
from linkage.config.file import Config
from linkage.config.keyring import new_secret
from linkage.config.load import load_config
from linkage.server.server import Server
from linkage.store.read.reader import StoreReader
from linkage.timeline import build_ladder, is_in_between, render_text
from linkage.timeline.terminal_text import clip, harmless
from protocol.message import Message
from simulators.clock import VirtualClock
from simulators.runner import ScenarioResult, run_scenario
from simulators.scenario import Scenario, load_scenario
from simulators.watch import Sighting, Way

BEFORE: Final = timedelta(seconds=200)
"""How far back the demo's clock starts, so that its minutes end about now."""
CALL_IDS_APART: Final = 1_000
"""The patent's examples use one CallId for both embodiments; one platform never does."""

_STEPS: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    "alarm": (
        (100, "301–304"), (201, "305–306"), (205, "307"), (105, "308"),
        (105, "309–311"), (202, "312–313"), (102, "314"),
    ),
    "conference": (
        (210, "401–402"), (103, "403"), (110, "404–407"), (110, "408–411"), (110, "412–415"),
        (110, "416–419"), (103, "420"),
    ),
}  # fmt: skip
"""What is heard, in order, and the patent's steps that it stands for."""


class _DemoClock(VirtualClock):
    """Time for everybody in the demo, linkage included: what takes minutes takes moments."""

    @property
    def is_wall(self) -> bool:
        """The demo's wall has no other clock."""
        return True


class _ServerClock:
    """The demo's time of day; timers of the server run in true time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def utc(self) -> datetime:
        return self._clock.utc()

    def now(self) -> float:
        return time.monotonic()


class _Commentator:
    """Prints what each side hears, with the patent's step."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._steps = list(_STEPS[scenario.name])
        self._output = console()
        self._began: float | None = None

    def see(self, sighting: Sighting) -> None:
        if sighting.way is not Way.RECEIVED or is_in_between(sighting.message):
            return
        if self._began is None:
            self._began = sighting.at_s
        names = (self._scenario.platform_id, self._scenario.application_id)
        if sighting.place == "platform":
            names = names[1], names[0]
        step = self._step(sighting.message)
        line = message_line(
            sighting.message,
            sighting.at_s - self._began,
            f"{names[0]} → {names[1]} ",
            width=self._output.width,
            step=step,
            dim=not step,
        )
        self._output.print(line, soft_wrap=True)

    def _step(self, message: Message) -> str:
        if not self._steps or self._steps[0][0] != message.number:
            return ""
        return self._steps.pop(0)[1]


def show_simulated(names: Sequence[str], keep: Path | None) -> None:
    """Run scenarios and show what is found under their EventIds.

    Raises:
        FailureError: a scenario did not come out as it must, or `keep` holds something already.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        folder = keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="linkage-demo-"))
        )
        scenarios = [_scenario(name, index) for index, name in enumerate(names)]
        config = configure(folder, scenarios)
        results = run(_play(config, scenarios))
        for result in results:
            if not result.passed:
                raise FailureError(result.describe())
        _show_events(config)
    click.echo(f"Done in {time.monotonic() - began:.1f} s.", nl=False)
    click.echo(f" Look around: linkage event show EVENTID -c {keep}/linkage.toml" if keep else
               " Keep the data with --keep DIR.")  # fmt: skip


def _scenario(name: str, index: int) -> Scenario:
    scenario = load_scenario(name)
    first = scenario.site.first_call_id + index * CALL_IDS_APART
    return replace(scenario, site=replace(scenario.site, first_call_id=first))


def configure(folder: Path, scenarios: Sequence[Scenario]) -> Config:
    """A configuration for the parties of some scenarios, written into a folder."""
    peers = {("application", scenario.application_id) for scenario in scenarios}
    peers |= {("platform", scenario.platform_id) for scenario in scenarios}
    text = configuration_text(
        [("127.0.0.1", 0)],
        [(role, peer, new_secret()) for role, peer in sorted(peers)],
    )
    path = folder / "linkage.toml"
    write_configuration(path, text)
    return load_config(path)


async def _play(config: Config, scenarios: Sequence[Scenario]) -> list[ScenarioResult]:
    clock = _DemoClock(start=datetime.fromtimestamp(time.time(), UTC) - BEFORE)
    results: list[ScenarioResult] = []
    async with Server(config, _ServerClock(clock)) as server:
        host, port = server.addresses[0]
        click.echo(f"linkage listens on {host}:{port}, data in {config.data_path}")
        for scenario in scenarios:
            click.secho("\n" + clip(scenario.title, screen_width()), bold=True)
            results.append(
                await run_scenario(
                    scenario,
                    (host, port),
                    platform_secret=secret_of(config, scenario.platform_id),
                    application_secret=secret_of(config, scenario.application_id),
                    clock=clock,
                    on_sighting=_Commentator(scenario).see,
                )
            )
    return results


def secret_of(config: Config, peer_id: str) -> str | None:
    """The secret of one of them."""
    peer = config.find_peer(peer_id)
    secret: Any = None if peer is None else peer.secret
    return None if secret is None else str(secret.get_secret_value())


def _show_events(config: Config) -> None:
    with StoreReader.open(config.database_path, files=config.files_path) as reader:
        for event in reversed(reader.list_events()):
            history = reader.history(event.event_id, event.owner)
            kinds = [operation.kind for operation in history.operations]
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
            click.secho(
                f"\nFound under EventId {harmless(event.event_id)}: {counts}; "
                f"{len(history.entries)} journal entries",
                bold=True,
            )
            click.echo(render_text(build_ladder(history, brief=True), width=screen_width()))
