"""What the watchers of a running server see, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway import Gateway
from linkage.config import Config
from linkage.core import Core
from linkage.hosting import AdapterHost, AdapterState
from linkage.observation.http import Watch
from linkage.observation.metrics import Queue, Snapshot
from linkage.ports import Clock
from linkage.store.backlog import backlogs
from linkage.store.database import open_for_reading
from linkage.store.rows import to_us

STUCK_AFTER_S: Final = 10.0
"""An event loop that has not turned for so long is not well; it turns at least once a second."""


def make_watch(
    config: Config,
    core: Core,
    gateway: Gateway,
    hosts: Callable[[], Sequence[AdapterHost]],
    clock: Clock,
) -> Watch | None:
    """The HTTP server of `[watch]`, not started; None where none is configured."""
    if config.watch is None:
        return None
    database = config.database_path

    def take() -> Snapshot:
        return Snapshot(
            figures=core.figures,
            inbox=core.inbox,
            journal_seq=core.journal_seq,
            connections=gateway.connections,
            queues=tuple(_queues(core, database, clock)),
            adapters={host.peer_id: host.state.value for host in hosts()},
        )

    def unhealthy() -> list[str]:
        silent_s = clock.now() - core.turned_at
        return (
            [f"the event loop has stood for {silent_s:.0f} s"] if silent_s > STUCK_AFTER_S else []
        )

    def unready() -> list[str]:
        problems = unhealthy()
        if core.store_failing:
            problems.append("the store cannot be written: requests are refused with 404")
        problems += [
            f"adapter {host.peer_id} is {host.state.value}"
            for host in hosts()
            if host.state is AdapterState.REFUSED
        ]
        return problems

    return Watch(config.watch.listen, take, unhealthy=unhealthy, unready=unready)


def _queues(core: Core, database: Path, clock: Clock) -> list[Queue]:
    now_us = to_us(clock.utc())
    engine = open_for_reading(database)
    try:
        waiting = backlogs(engine, list(core.peers.by_id))
    finally:
        engine.dispose()
    return [
        Queue(
            peer=peer.id,
            role=peer.role.value,
            connected=peer.connected,
            depth=waiting[peer.id].depth,
            oldest_s=waiting[peer.id].age_s(now_us),
        )
        for peer in core.peers.by_id.values()
    ]
