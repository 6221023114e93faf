"""`linkage init DIR`: a configuration that is ready to serve, with generated secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from linkage.addresses import address_text
from linkage.cli.commands import FailureError
from linkage.cli.shared.new_configuration import (
    configuration_text,
    refuse_existing,
    write_configuration,
)
from linkage.cli.shared.options import ADDRESS, json_option
from linkage.cli.shared.output import print_json

ROLES: Final = {
    "application": "application",
    "monitor": "monitor",
    "platform": "platform",
    "screen": "communication-screen",
    "communication-screen": "communication-screen",
    "business-screen": "business-screen",
}
DEFAULT_LISTEN: Final = ("127.0.0.1", 7700)
DEFAULT_PEERS: Final = ("application:desk", "platform:pbx", "screen:screen1")


def _check_peer(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for written in values or DEFAULT_PEERS:
        role, colon, peer_id = written.partition(":")
        if not colon or role not in ROLES or not peer_id:
            raise click.BadParameter(
                f"{written!r}: write ROLE:ID with ROLE one of {', '.join(ROLES)}"
            )
        found.append((ROLES[role], peer_id))
    return found


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--listen",
    type=ADDRESS,
    multiple=True,
    help=f"Where to listen; may be repeated. Default {address_text(*DEFAULT_LISTEN)}.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="ROLE:ID",
    callback=_check_peer,
    help=f"A peer; may be repeated. Default {', '.join(DEFAULT_PEERS)}.",
)
@click.option("--tls", is_flag=True, help="Listen with TLS, with a test authority in tls/.")
@click.option(
    "--bus",
    type=ADDRESS,
    help="Join the parts of `serve --only` over TCP, with keys in keys/.",
)
@json_option
def init(
    directory: Path,
    listen: tuple[tuple[str, int], ...],
    peers: list[tuple[str, str]],
    tls: bool,
    bus: tuple[str, int] | None,
    as_json: bool,
) -> None:
    """Write DIRECTORY/linkage.toml, ready to serve.

    Every peer gets a secret of its own. ROLE is application, monitor, platform, screen
    (communication-screen) or business-screen.
    """
    from linkage.config.file import check_config
    from linkage.config.keyring import new_secret

    path = directory / "linkage.toml"
    listen = listen or (DEFAULT_LISTEN,)
    made = [(role, peer_id, new_secret()) for role, peer_id in peers]
    text = configuration_text(listen, made, tls=tls, bus=bus)
    check_config(path, tomllib.loads(text))  # never write what `linkage serve` would refuse
    refuse_existing(path)
    # Before the file that names them: half of it would not serve.
    if tls:
        _make_certificates(directory / "tls", listen, [peer_id for _, peer_id in peers])
    if bus is not None:
        _make_keys(directory / "keys")
    directory.mkdir(parents=True, exist_ok=True)
    write_configuration(path, text)
    if as_json:
        print_json(_described(path, listen, made))
    else:
        _tell(path, made)


def _make_certificates(
    directory: Path, listen: Sequence[tuple[str, int]], peers: Sequence[str]
) -> None:
    from linkage.clock import SystemClock
    from linkage.config.certificates import CertificateError, make_test_files

    try:
        make_test_files(directory, [host for host, _ in listen], peers, SystemClock().utc())
    except CertificateError as error:
        raise FailureError(str(error)) from None
    except FileExistsError:
        raise FailureError(
            f"{directory} exists already and was not changed: remove it, or choose another "
            "directory"
        ) from None


def _make_keys(directory: Path) -> None:
    from linkage.bus.keys import make_keys

    make_keys(directory, ["core", "gateway"])


def _described(
    path: Path, listen: Sequence[tuple[str, int]], peers: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    return {
        "config": str(path.resolve()),
        "data": str((path.parent / "data").resolve()),
        "listen": [address_text(*address) for address in listen],
        "peers": [
            {"id": peer_id, "role": role, "secret": secret} for role, peer_id, secret in peers
        ],
    }


def _tell(path: Path, peers: Sequence[tuple[str, str, str]]) -> None:
    click.echo(f"Wrote {path} with {len(peers)} peers, each with a secret of its own:")
    width = max(len(peer_id) for _, peer_id, _ in peers)
    for role, peer_id, _ in peers:
        click.echo(f"  {peer_id:<{width}}  {role}")
    click.echo("\nNext:")
    click.echo(f"  linkage serve -c {path}")
    simulated = {"application": "application", "platform": "platform"}
    for role, peer_id, _ in peers:
        if role in simulated:
            click.echo(f"  linkage simulate {simulated[role]} -c {path} --id {peer_id}")
    click.echo(f"  linkage event list -c {path}")
