"""`linkage peers`: who is configured, and what waits for whom."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkage.cli.common import config_option, console, json_option, local_time, print_json
from linkage.timeline.cells import harmless

if TYPE_CHECKING:
    from linkage.config import Config, PeerSettings
    from linkage.store.views import PeerView


@click.command()
@json_option
@config_option
def peers(as_json: bool, config_file: Path) -> None:
    """List the configured peers and adapters, and what waits for them."""
    from linkage.cli.common import read_config

    config = read_config(config_file)
    queues, alarms = _stored(config)
    rows = peer_rows(config, queues, alarms)
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("peer", overflow="fold")
    table.add_column("role", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("next seq", justify="right")
    table.add_column("waiting", justify="right")
    table.add_column("last seen", no_wrap=True)
    table.add_column("alarm", overflow="fold")
    for row in rows:
        waiting = row["open_deliveries"]
        table.add_row(
            harmless(row["id"]),
            row["role"] if row["configured"] else f"{row['role']} (not configured)",
            harmless(row["by"]),
            "" if row["next_seq"] is None else str(row["next_seq"]),
            "" if waiting is None else str(waiting),
            local_time(
                None if row["last_seen"] is None else datetime.fromisoformat(row["last_seen"])
            )[:19],
            harmless(row["alarm"] or ""),
        )
    console().print(table)


def _stored(config: Config) -> tuple[dict[str, PeerView], dict[str, str]]:
    """Queues and raised alarms, as the store knows them; nothing before linkage ever ran."""
    from linkage.store.reader import StoreReader

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
    from linkage.cli.plain import plain_time

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
