"""`linkage peer show|rotate ID`: one peer, its settings and its secret."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.options import config_option, json_option, read_config, similar
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.config.file import Config
    from linkage.config.peers import PeerSettings

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
    from linkage.cli.peer.list_peers import all_rows

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
    from linkage.config.keyring import KeyringError
    from linkage.config.keyring import rotate as write
    from linkage.times import full_time

    peer = configured(read_config(config_file), peer_id, config_file)
    path = peer.secret_path
    if path is None:
        raise FailureError(f"peer {peer_id!r} is legacy: it has no secret, it does not register")
    now = SystemClock().utc()
    try:
        secret = write(path, peer_id, peer.keys(), grace, now, like=config_file)
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
