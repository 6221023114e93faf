"""`linkage peer show|add|remove|rotate ID`: one peer, its settings and its secret."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.common import config_option, json_option, print_json, read_config, similar
from linkage.cli.init import ROLES
from linkage.timeline.cells import harmless

if TYPE_CHECKING:
    from linkage.config import Config, PeerSettings

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
GRACE_MAX: Final = timedelta(days=366)
SHOWN: Final = {
    "role": "role",
    "connected": "connected",
    "since": "since",
    "address": "from",
    "state": "state",
    "by": "known by",
    "open_deliveries": "waiting",
    "next_seq": "next Seq",
    "last_seen": "last seen",
    "alarm": "alarm",
}


def parse_grace(
    _context: click.Context | None, _option: click.Parameter | None, written: str
) -> timedelta:
    """`24h`, `30m`, `7d`, `90s`, `0`."""
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", written)
    if found is None or (found[2] == "" and int(found[1])):
        raise click.BadParameter(f"{written!r}: write a number and its unit, such as 24h or 30m")
    grace = timedelta(seconds=int(found[1]) * UNITS[found[2] or "s"])
    if grace > GRACE_MAX:
        raise click.BadParameter(f"{written!r}: more than a year is no grace")
    return grace


def configured(config: Config, peer_id: str, config_file: Path) -> PeerSettings:
    """The `[[peer]]` of that id.

    Raises:
        FailureError: there is none; those that are like it, and all, are named.
    """
    peer = config.find_peer(peer_id)
    if peer is None:
        ids = [one.id for one in config.peer]
        raise FailureError(
            f"{config_file}: no peer {peer_id!r}{similar(peer_id, ids)}; "
            f"there are: {', '.join(ids) or 'none'}"
        )
    return peer


# --- show ----------------------------------------------------------------------------------------
@click.command()
@click.argument("peer_id", metavar="ID")
@json_option
@config_option
def show(peer_id: str, as_json: bool, config_file: Path) -> None:
    """Show a peer: its settings but for its secret, its link, its queue."""
    from linkage.cli.peers import all_rows

    config = read_config(config_file)
    rows = {row["id"]: row for row in all_rows(config)}
    if peer_id not in rows:
        ids = list(rows)
        raise FailureError(
            f"{config_file}: no peer {peer_id!r}{similar(peer_id, ids)}; "
            f"there are: {', '.join(ids) or 'none'}"
        )
    row, settings = rows[peer_id], _settings(config, peer_id)
    if as_json:
        print_json({**row, "settings": settings})
        return
    click.secho(harmless(peer_id), bold=True)
    for name, title in SHOWN.items():
        value = _for_people(name, row[name])
        if value:
            click.echo(f"  {title:<14}{harmless(value)}")
    for name, value in settings.items():
        click.echo(f"  {name:<14}{harmless(_plainly(value))}")


def _for_people(name: str, value: Any) -> str:
    from datetime import datetime

    from linkage.times import full_time

    if value is None:
        return ""
    if name in {"since", "last_seen"}:
        return full_time(datetime.fromisoformat(value), to="seconds")
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _settings(config: Config, peer_id: str) -> dict[str, Any]:
    """What the file says of it beside its role, and not by default; never a secret."""
    peer = config.find_peer(peer_id)
    if peer is None:
        return {}
    hidden = {"id", "role", "inline_secret"}
    return peer.model_dump(mode="json", exclude=hidden, exclude_unset=True)


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plainly(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plainly(each) for each in value)
    return str(value)


# --- add and remove ------------------------------------------------------------------------------
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
    from linkage.cli.editing import read_text, with_peer, write_changed

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
    _check(settings)
    path = config.source.parent / str(settings["secret_file"])
    secret = _new_secret(path, peer_id)
    text, document = read_text(config_file)
    wanted = {**document, "peer": [*document.get("peer", []), settings]}
    try:
        write_changed(config_file, with_peer(text, settings.items()), wanted)
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


def _new_secret(path: Path, peer_id: str) -> str | None:
    """A secret in a file of its own; None where a peer of that id has left its own there."""
    from linkage.clock import SystemClock
    from linkage.keyring import KeyringError, rotate

    if path.exists():
        return None
    try:
        return rotate(path, peer_id, (), timedelta(0), SystemClock().utc())
    except KeyringError as error:
        raise FailureError(str(error)) from None


def _check(settings: dict[str, Any]) -> None:
    """Whether these can be a peer's, before anything is written.

    Raises:
        FailureError: what is wrong with each.
    """
    from pydantic import ValidationError

    from linkage.config import PeerSettings

    try:
        PeerSettings.model_validate(settings)
    except ValidationError as error:
        raise FailureError(
            "\n".join(
                f"{'.'.join(str(step) for step in item['loc'])}: "
                f"{str(item['msg']).removeprefix('Value error, ')}"
                for item in error.errors()
            )
        ) from None


@click.command()
@click.argument("peer_id", metavar="ID")
@json_option
@config_option
def remove(peer_id: str, as_json: bool, config_file: Path) -> None:
    """Take a peer out of the configuration.

    A serving linkage is told at once, and shuts it out. Its secret file and its queue stay.
    """
    from linkage.cli.editing import read_text, without_peer, write_changed

    config = read_config(config_file)
    peer = configured(config, peer_id, config_file)
    text, document = read_text(config_file)
    index = config.peer.index(peer)
    rest = [each for at, each in enumerate(document["peer"]) if at != index]
    wanted = {**document, "peer": rest}
    if not rest:
        del wanted["peer"]
    write_changed(config_file, without_peer(text, index), wanted)
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


# --- rotate --------------------------------------------------------------------------------------
@click.command()
@click.argument("peer_id", metavar="ID")
@click.option(
    "--grace",
    default="24h",
    show_default=True,
    callback=parse_grace,
    help="How long the secret from before stays valid; 0: not at all.",
)
@json_option
@config_option
def rotate(peer_id: str, grace: timedelta, as_json: bool, config_file: Path) -> None:
    """Give a peer a new secret.

    A serving linkage takes it up at the peer's next registration. A session that the secret from
    before has opened is closed when that one is valid no more, and the peer registers again.
    """
    from linkage.clock import SystemClock
    from linkage.keyring import KeyringError
    from linkage.keyring import rotate as write
    from linkage.times import full_time

    peer = configured(read_config(config_file), peer_id, config_file)
    path = peer.secret_path
    if path is None:
        raise FailureError(f"peer {peer_id!r} is legacy: it has no secret, it does not register")
    now = SystemClock().utc()
    try:
        secret = write(path, peer_id, peer.keys(), grace, now)
    except KeyringError as error:
        raise FailureError(str(error)) from None
    ends = (now + grace).replace(microsecond=0)
    if as_json:
        until = ends.isoformat() if grace else None
        print_json({"peer": peer_id, "file": str(path), "secret": secret, "old_until": until})
        return
    click.echo(f"Wrote {path}: its first secret is the new one of {peer_id}.")
    click.echo(
        f"The one from before is valid until {full_time(ends, to='seconds')}: "
        "give the new one to the peer by then."
        if grace
        else "The one from before is not valid any more; a session that it opened ends in seconds."
    )
    if peer.inline_secret is not None:
        click.echo(
            f"{config_file} still has the old one as `secret`, which is not read any more: put "
            f'secret_file = "secrets/{peer_id}" in its place.'
        )
