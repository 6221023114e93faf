"""`linkage peer show ID`: one peer, its settings, its link and its queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.shared.options import config_option, json_option, none_such, read_config
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.config.file import Config
    from linkage.config.peers import PeerSettings

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


def configured(config: Config, peer_id: str, config_file: Path) -> PeerSettings:
    """The `[[peer]]` of that id.

    Raises:
        FailureError: there is none; those that are like it, and all, are named.
    """
    peer = config.find_peer(peer_id)
    if peer is None:
        raise none_such(config_file, "peer", peer_id, [one.id for one in config.peer])
    return peer


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
        raise none_such(config_file, "peer", peer_id, rows)
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
