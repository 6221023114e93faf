"""`linkage peer add|remove ID`: who is in the configuration; what serves is told at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkage.cli.commands import FailureError
from linkage.cli.init import ROLES
from linkage.cli.peer.show import configured
from linkage.cli.shared.options import config_option, json_option, read_config
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.config.file import Config


@click.command()
@click.argument("peer_id", metavar="ID")
@click.option("--role", type=click.Choice(list(ROLES)), required=True, help="What it is.")
@click.option(
    "--number", "numbers", multiple=True, help="A called number whose calls an application gets."
)
@click.option("--login", "logins", multiple=True, help="A LoginId that is the peer's.")
@click.option("--application", metavar="APP", help="Whose screen a business screen is.")
@click.option("--platform", metavar="ID", help="Where an application's call-outs go.")
@click.option("--allow", multiple=True, metavar="NETWORK", help="Where it may come from.")
@json_option
@config_option
def add(peer_id: str, role: str, as_json: bool, config_file: Path, **options: Any) -> None:
    """Add a peer to the configuration, and make a secret for it.

    The rest of the file stays as it is. A serving linkage is told at once, and lets the peer in.
    --number, --login and --allow may be repeated.
    """
    from linkage.cli.shared.toml_editing import read_text, with_peer, write_changed
    from linkage.config.peers import PeerSettings
    from linkage.config.problems import check

    config = read_config(config_file)
    taken = {peer.id for peer in config.peer} | {item.id for item in config.adapter}
    if peer_id in taken:
        raise FailureError(f"{config_file}: there is a peer or adapter {peer_id!r} already")
    settings: dict[str, Any] = {
        "id": peer_id,
        "role": ROLES[role],
        "secret_file": f"secrets/{peer_id}",
    }
    settings |= {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value
    }
    check(PeerSettings, settings, str(config_file), at="peer")
    path = config.source.parent / str(settings["secret_file"])
    secret = _new_secret(path, peer_id, config_file)
    text, document = read_text(config_file)
    wanted = {**document, "peer": [*document.get("peer", []), settings]}
    try:
        write_changed(config_file, text, with_peer(text, settings.items()), wanted)
    except BaseException:
        if secret is not None:
            path.unlink()
        raise
    done = _reload(config)
    if as_json:
        print_json({"peer": peer_id, "file": str(path), "secret": secret, "reloaded": done})
        return
    whose = "its secret is in" if secret is not None else "its secret is, as before, that in"
    click.echo(f"Added {ROLES[role]} {peer_id} to {config_file}; {whose} {path}.")
    _tell(done, config_file)


def _new_secret(path: Path, peer_id: str, config_file: Path) -> str | None:
    """A secret in a file of its own; None where a peer of that id has left its own there."""
    from linkage.clock import SystemClock
    from linkage.config.keyring import KeyringError, rotate

    if path.exists():
        return None
    try:
        return rotate(path, peer_id, (), timedelta(0), SystemClock().utc(), like=config_file)
    except KeyringError as error:
        raise FailureError(str(error)) from None


@click.command()
@click.argument("peer_id", metavar="ID")
@json_option
@config_option
def remove(peer_id: str, as_json: bool, config_file: Path) -> None:
    """Take a peer out of the configuration.

    A serving linkage is told at once, and shuts it out. Its secret file and its queue stay.
    """
    from linkage.cli.shared.toml_editing import read_text, without_peer, write_changed

    config = read_config(config_file)
    peer = configured(config, peer_id, config_file)
    text, document = read_text(config_file)
    index = config.peer.index(peer)
    rest = [each for at, each in enumerate(document["peer"]) if at != index]
    wanted = {**document, "peer": rest}
    if not rest:
        del wanted["peer"]
    write_changed(config_file, text, without_peer(text, index), wanted)
    done = _reload(config)
    path = peer.secret_path
    kept = str(path) if path is not None and path.exists() else None
    if as_json:
        print_json({"peer": peer_id, "file": kept, "reloaded": done})
        return
    click.echo(f"Took {peer_id} out of {config_file}.")
    if kept is not None:
        click.echo(f"Its secret is still in {kept}: delete that, unless it is to come back.")
    _tell(done, config_file)


def _reload(config: Config) -> list[str] | None:
    """What a serving linkage says to the new settings; None: none serves."""
    from linkage.control import ControlError, NotServingError, ask

    try:
        told = ask(config.control_path, {"do": "reload"})
    except NotServingError:
        return None
    except ControlError as error:
        return [f"it was not told: {error}: send it SIGHUP"]
    lines = [str(line) for line in told["lines"]]
    if not told["whole"]:
        lines.append("its gateways run as parts of their own: send each SIGHUP as well")
    return lines


def _tell(done: list[str] | None, config_file: Path) -> None:
    if done is None:
        click.echo(f"No linkage serves now: `linkage serve -c {config_file}` will read it.")
        return
    for line in done:
        click.echo(harmless(f"The linkage that serves: {line}"))
