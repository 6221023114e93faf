"""`linkage simulate platform|application|screen`: the simulators, against a linkage that runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkage.addresses import address_text, reachable
from linkage.cli.commands import FailureError
from linkage.cli.shared.options import config_is_named, config_option, none_such, read_config
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from ssl import SSLContext

    from linkage.config.file import Config
    from linkage.config.peers import PeerSettings
    from simulators.scenario import Scenario
    from simulators.watch import Sighting

F = TypeVar("F", bound=Callable[..., Any])


def _where_options(function: F) -> F:
    """Where linkage is, and as whom to speak: given here, or read from its configuration."""
    for option in reversed(
        (
            click.option("--host", help="Where linkage listens; default: as configured."),
            click.option("--port", type=click.IntRange(1, 65_535), help="The same."),
            click.option("--id", "peer_id", metavar="ID", help="The PeerId to be."),
            click.option(
                "--secret",
                help="Its secret; default: as configured, else (with --host, --port and --id, and "
                "no configuration named) $LINKAGE_SECRET.",
            ),
            config_option,
            click.option("--json", "as_json", is_flag=True, help="One JSON object to a line."),
        )
    ):
        function = option(function)
    return function


def _scenario_options(function: F) -> F:
    for option in reversed(
        (
            click.option(
                "--scenario",
                default="playground",
                show_default=True,
                metavar="NAME|FILE",
                help="A built-in scenario, or a TOML file of yours.",
            ),
            click.option(
                "--speed",
                type=click.FloatRange(0.1, 1000),
                default=1.0,
                show_default=True,
                help="Times faster than life.",
            ),
        )
    ):
        function = option(function)
    return function


@click.command()
@_scenario_options
@click.option(
    "--recordings",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where recordings are written; default: a temporary directory.",
)
@_where_options
def platform(
    scenario: str, speed: float, recordings: Path | None, as_json: bool, **where: Any
) -> None:
    """Play a communication platform with the telephones of a scenario."""
    from simulators.platform import serve
    from simulators.scenario import load_scenario

    told = load_scenario(scenario)
    target = find_target("platform", told.platform_id, **where)
    _run(
        lambda show: serve(
            *target.address,
            target.peer_id,
            secret=target.secret,
            tls=target.tls,
            scenario=told,
            speed=speed,
            folder=recordings,
            on_sighting=show,
        ),
        target,
        told,
        as_json=as_json,
    )


@click.command()
@_scenario_options
@_where_options
def application(scenario: str, speed: float, as_json: bool, **where: Any) -> None:
    """Play the duty desk with the rules of a scenario."""
    from simulators.application import serve
    from simulators.scenario import load_scenario

    told = load_scenario(scenario)
    target = find_target("application", told.application_id, **where)
    _run(
        lambda show: serve(
            *target.address,
            target.peer_id,
            secret=target.secret,
            tls=target.tls,
            scenario=told,
            speed=speed,
            on_sighting=show,
        ),
        target,
        told,
        as_json=as_json,
    )


@click.command()
@click.option("--login", "login_id", metavar="LOGINID", help="Who works at it.")
@_where_options
def screen(login_id: str | None, as_json: bool, **where: Any) -> None:
    """Be a screen: show what is pushed to it."""
    from simulators.screen import ScreenKind, serve

    target = find_target("screen", None, **where)
    kind = ScreenKind.BUSINESS if target.role == "business-screen" else ScreenKind.COMMUNICATION
    _run(
        lambda show: serve(
            *target.address,
            target.peer_id,
            secret=target.secret,
            tls=target.tls,
            kind=kind,
            login_id=login_id,
            on_sighting=show,
        ),
        target,
        as_json=as_json,
    )


class Target:
    """Where to connect, and as whom."""

    def __init__(
        self,
        address: tuple[str, int],
        peer_id: str,
        secret: str | None,
        role: str,
        tls: SSLContext | None = None,
    ) -> None:
        self.address = address
        self.peer_id = peer_id
        self.secret = secret
        self.tls = tls
        self.role = role


def find_target(
    role: str,
    usual_id: str | None,
    *,
    host: str | None,
    port: int | None,
    peer_id: str | None,
    secret: str | None,
    config_file: Path,
) -> Target:
    """Where linkage listens and who to be there: as given, else as configured."""
    in_environment = os.environ.get("LINKAGE_SECRET") or None
    if host is not None and port is not None and peer_id is not None:
        alone = secret
        if alone is None and not config_is_named(click.get_current_context()):
            alone = in_environment
        if alone is not None:
            return Target((host, port), peer_id, alone, role)
    config = read_config(config_file)
    peer = _peer(config, role, peer_id, usual_id, config_file)
    # Plainly where linkage listens so, else by TLS.
    addresses = [*config.plain_addresses, *config.tls_addresses, ("127.0.0.1", 0)]
    listen_host, listen_port = addresses[0]
    tls = None
    if config.tls_addresses and not config.plain_addresses:
        from linkage.cli.simulate.tls import client_context

        tls = client_context(config, peer.id)
    address = (host or reachable(listen_host), port or listen_port)
    if not address[1]:
        raise FailureError(
            f"{config_file}: `listen` has port 0, which the system chooses: give --port"
        )
    if secret is None and peer.secret is not None:
        secret = peer.secret.get_secret_value()
        if in_environment not in {None, secret}:
            click.echo(
                f"linkage: the secret is that of {config_file}, not $LINKAGE_SECRET; --secret "
                "goes before both",
                err=True,
            )
    return Target(address, peer.id, secret, peer.role.value, tls)


def _peer(
    config: Config, role: str, peer_id: str | None, usual_id: str | None, path: Path
) -> PeerSettings:
    """The peer to be: the one named, the scenario's, or the only one of its role."""
    fitting = [peer for peer in config.peer if peer.role.value.endswith(role)]
    wanted = peer_id or usual_id
    named = [peer for peer in fitting if peer.id == wanted]
    if named:
        return named[0]
    if peer_id is not None:
        raise none_such(path, role, peer_id, [peer.id for peer in fitting])
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(peer.id for peer in fitting)
    raise FailureError(
        f"{path}: several are a {role}: say which by --id ({known})"
        if fitting
        else f"{path}: no peer is a {role}; add a [[peer]] with that role"
    )


def _run(
    serve: Callable[[Callable[[Sighting], None]], Awaitable[None]],
    target: Target,
    told: Scenario | None = None,
    *,
    as_json: bool,
) -> None:
    from linkage.cli.shared.loop import run, until_stopped
    from linkage.cli.simulate.messages import Narrator
    from simulators.scenario.expectations import Place
    from simulators.scenario.referee import side_of

    if not as_json:
        click.echo(
            f"{target.peer_id} ({target.role}) at {address_text(*target.address)}; Ctrl-C stops it"
        )
    narrator = Narrator(
        {"platform": target.peer_id, "application": target.peer_id, "screen": target.peer_id},
        as_json=as_json,
        side=None if told is None else side_of(told, Place(target.role)),
    )
    client = logging.getLogger("linkage.client")
    client.addHandler(_Connection())
    client.setLevel(logging.INFO)

    async def work() -> None:
        await serve(narrator.see)

    try:
        run(until_stopped(work))
    finally:
        narrator.end()


class _Connection(logging.Handler):
    """Tells on stderr how the connection stands: who waits should know for what."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(harmless(record.getMessage()), err=True)
