"""What the watchers of a process see, put together from the parts that run in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from gateway import Gateway
from linkage import __version__
from linkage.core import Core
from linkage.core.overload.conditions import CONDITIONS, DISK_LOW, LOG_HELD, OVERLOAD
from linkage.hosting import AdapterHost, AdapterState
from linkage.logs.writer import log_writer
from linkage.observation import metric_families
from linkage.observation.http import HealthServer, Phase
from linkage.observation.lag import LoopLag
from linkage.ports import Clock
from linkage.store.rows import to_us
from linkage.store.sql.maintenance import backlogs
from linkage.store.sqlite.database import open_for_reading

STUCK_AFTER_S: Final = 10.0
"""An event loop that has not turned for so long is not well."""


def watch_process(watch: HealthServer, lag: LoopLag, clock: Clock, parts: Sequence[str]) -> None:
    """The process itself: its version, and whether its event loop turns."""

    def families() -> Iterator[Metric]:
        yield from metric_families.build_families(__version__, parts)
        yield from metric_families.loop_families(lag.lags)

    def log() -> Iterator[Metric]:
        writer = log_writer()
        if writer is not None:
            yield from metric_families.log_families(writer.lines, writer.dropped)

    def unhealthy() -> list[str]:
        silent_s = clock.now() - lag.seen_at
        # A start may rightly stand for long, over a large store that is brought to a new schema.
        if watch.phase is Phase.STARTING or silent_s <= STUCK_AFTER_S:
            return []
        return [f"the event loop has stood for {silent_s:.0f} s"]

    watch.add_metrics("process", families)
    watch.add_metrics("log", log)
    watch.add_checks(unhealthy=unhealthy)


def watch_core(watch: HealthServer, core: Core, database: Path, clock: Clock) -> None:
    """The core with its store: requests, batches, queues, the disk."""

    def families() -> Iterator[Metric]:
        yield from metric_families.core_families(core.figures)
        yield from metric_families.work_families(core.inbox, core.oldest_work_s, core.journal_seq)
        yield from metric_families.alarm_families(core.conditions.raised, CONDITIONS)

    def queues() -> Iterator[Metric]:
        peers = [(peer.id, peer.role.value, peer.connected) for peer in core.peers.by_id.values()]
        engine = open_for_reading(database)
        try:
            waiting = backlogs(engine)
        finally:
            engine.dispose()
        yield from metric_families.peer_families(peers, waiting, to_us(clock.utc()))

    def unready() -> list[str]:
        raised = core.conditions.raised
        problems = []
        if core.store_failing:
            problems.append("the store cannot be written: requests are refused with 404")
        if core.conditions.overloaded:
            problems.append(f"overloaded: {raised.get(OVERLOAD, 'too much waits')}")
        return problems

    def warnings() -> list[str]:
        raised = core.conditions.raised
        return [raised[name] for name in (DISK_LOW, LOG_HELD) if name in raised]

    watch.add_metrics("core", families)
    watch.add_metrics("queues", queues)
    watch.add_metrics("disk", lambda: metric_families.disk_families(database))
    if (log := core.store_log) is not None:
        watch.add_metrics(
            "wal", lambda: metric_families.wal_families(log.behind_bytes, log.held_s)
        )
    watch.add_checks(unready=unready, warnings=warnings)


def watch_gateway(watch: HealthServer, gateway: Gateway, here: Callable[[], Counter[str]]) -> None:
    """The gateway; `here` counts registered peers by role."""

    def families() -> Iterator[Metric]:
        figures = gateway.figures
        yield from metric_families.session_families(
            gateway.connections, gateway.unregistered, here()
        )
        yield from metric_families.gateway_families(
            accepted=figures.accepted,
            turned_away=figures.turned_away,
            refused=figures.refused,
            events={
                name: getattr(figures, field)
                for name, (field, _) in metric_families.GATEWAY_EVENTS.items()
            },
            received_bytes=figures.received_bytes,
            sent_bytes=figures.sent_bytes,
        )

    watch.add_metrics("gateway", families)


def watch_parts(watch: HealthServer, parts: Callable[[], Mapping[str, int]]) -> None:
    """The bus at the core's end: which parts are here, each with how many links."""
    watch.add_metrics("bus", lambda: metric_families.bus_families(parts()))


def watch_bus(
    watch: HealthServer, problem: Callable[[], str | None], waiting: Callable[[], int]
) -> None:
    """The bus at a part's end: a part without a core is healthy, but not ready."""

    def families() -> Iterator[Metric]:
        return metric_families.core_link_families(up=problem() is None, waiting=waiting())

    def unready() -> list[str]:
        found = problem()
        return [] if found is None else [found]

    watch.add_metrics("bus", families)
    watch.add_checks(unready=unready)


def registered_by_role(core: Core) -> Counter[str]:
    """How many peers are here that came through the gateway."""
    return Counter(
        peer.role.value
        for peer in core.peers.by_id.values()
        if peer.connected and peer.settings is not None
    )


def watch_adapters(watch: HealthServer, hosts: Callable[[], Sequence[AdapterHost]]) -> None:
    """Adapters in this process. A platform that is down for now keeps nobody from being ready."""

    def families() -> Iterator[Metric]:
        return metric_families.adapter_families(
            [(host.peer_id, host.state.value, host.figures) for host in hosts()]
        )

    def unready() -> list[str]:
        return [
            f"adapter {host.peer_id} is {host.state.value}"
            for host in hosts()
            if host.state in {AdapterState.REFUSED, AdapterState.REPLACED}
        ]

    watch.add_metrics("adapters", families)
    watch.add_checks(unready=unready)
