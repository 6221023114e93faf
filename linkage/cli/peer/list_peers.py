"""`linkage peers`: who is configured, who is connected, and what waits for whom."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.shared.options import config_option, json_option, read_config
from linkage.cli.shared.output import print_json
from linkage.cli.shared.terminal import screen_width
from linkage.timeline.terminal_text import harmless
from linkage.times import full_time

if TYPE_CHECKING:
    from linkage.config.file import Config
    from linkage.config.peers import PeerSettings
    from linkage.store.read.views import PeerView

HERE: Final = {True: "yes", False: "no", None: "?"}
HEADS: Final = ("peer", "here", "since", "waiting", "role", "from")


@click.command()
@json_option
@config_option
def peers(as_json: bool, config_file: Path) -> None:
    """List the configured peers and adapters: who is connected, and what waits for them.

    Who is connected is asked of the linkage that serves; where none does, nobody is. since: when
    a peer came, or was there last; from: where it speaks from, or else how it is known.
    """
    config = read_config(config_file)
    rows = all_rows(config)
    if as_json:
        print_json(rows)
        return
    from linkage.cli.shared.tables import table_lines

    for row, lines in table_lines(HEADS, [_cells(row) for row in rows], screen_width()):
        for line in lines:
            click.echo(line)
        if row is not None and rows[row]["alarm"]:
            click.echo(f"  ! {harmless(rows[row]['alarm'])}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    since = row["since"] if row["connected"] else row["last_seen"]
    return (
        harmless(row["id"]),
        harmless(row["state"] or HERE[row["connected"]]),
        "" if since is None else full_time(datetime.fromisoformat(since), to="seconds"),
        "" if row["open_deliveries"] is None else str(row["open_deliveries"]),
        row["role"] if row["configured"] else f"{row['role']} (not configured)",
        harmless(row["address"] or row["by"]),
    )


def all_rows(config: Config) -> list[dict[str, Any]]:
    """Every peer with what is configured, stored, and, where a linkage serves, so."""
    present = _Present(config)
    return [{**row, **present.of(row["id"])} for row in peer_rows(config, *_stored(config))]


class _Present:
    """Who is connected, as the serving linkage says."""

    def __init__(self, config: Config) -> None:
        from linkage.control import ControlError, NotServingError, ask

        self._known = True
        self._links: dict[str, dict[str, Any]] = {}
        try:
            told = ask(config.control_path, {"do": "status"})
        except NotServingError as error:
            click.echo(f"linkage: {error}: nobody is connected", err=True)
        except ControlError as error:
            self._known = False
            click.echo(f"linkage: who is connected is not known: {error}", err=True)
        else:
            self._links = {link["id"]: link for link in told["peers"]}

    def of(self, peer_id: str) -> dict[str, Any]:
        """`connected` is None where nobody could be asked."""
        link = self._links.get(peer_id)
        if link is None:
            gone = False if self._known else None
            return {"connected": gone, "since": None, "address": None, "state": None}
        return {
            "connected": True,
            "since": link["since"],
            "address": link["address"],
            "state": link["state"],
        }


def _stored(config: Config) -> tuple[dict[str, PeerView], dict[str, str]]:
    """Queues and raised alarms, as the store knows them; nothing before linkage ever ran."""
    from linkage.store.read.reader import StoreReader

    if not config.database_path.exists():
        return {}, {}
    with StoreReader.open(config.database_path) as reader:
        return {peer.peer_id: peer for peer in reader.peers()}, reader.alarms()


def peer_rows(
    config: Config, queues: dict[str, PeerView], alarms: dict[str, str]
) -> list[dict[str, Any]]:
    """Peers and adapters as configured, then those that are in the store only.

    `alarm` is what is wrong with one: an adapter's alarm has the adapter's id.
    """
    rows = [
        _row(peer.id, peer.role.value, _known_by(peer), queues.get(peer.id))
        for peer in config.peer
    ]
    rows += [
        _row(adapter.id, "platform", f"adapter {adapter.kind}", queues.get(adapter.id))
        for adapter in config.adapter
    ]
    known = {row["id"] for row in rows}
    rows += [
        {**_row(peer.peer_id, peer.role, "", peer), "configured": False}
        for peer in queues.values()
        if peer.peer_id not in known
    ]
    return [{**row, "alarm": alarms.get(row["id"])} for row in rows]


def _row(peer_id: str, role: str, by: str, queue: PeerView | None) -> dict[str, Any]:
    from linkage.cli.shared.json_views import plain_time

    return {
        "id": peer_id,
        "role": role,
        "by": by,
        "configured": True,
        "next_seq": None if queue is None else queue.next_seq,
        "open_deliveries": None if queue is None else queue.open_deliveries,
        "last_seen": None if queue is None else plain_time(queue.last_seen),
    }


def _known_by(peer: PeerSettings) -> str:
    """How linkage knows the peer when it meets it."""
    if peer.dial is not None:
        host, port = peer.dial
        return f"dialled at {host}:{port}"
    return f"address {peer.address}" if peer.legacy else "secret"
