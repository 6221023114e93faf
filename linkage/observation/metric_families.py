"""The metric families of each part, made when they are asked for: nothing is computed between.

Each function reads figures that another thread counts. Integers and whole copies of dictionaries
are all that is taken from there, so nobody waits for anybody.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from linkage.observation.instruments import AdapterFigures, Figures, Histogram
from linkage.observation.metric_types import counter, counters, gauge, gauges, histograms
from linkage.ports.maintenance import Backlog

Source = Callable[[], Iterator[Metric]]
"""Makes some families; called in the scraper's thread."""

ADAPTER_STATES: Final = ("connecting", "up", "down", "refused", "replaced")


def core_families(figures: Figures) -> Iterator[Metric]:
    """What the core counted."""
    yield counters(
        "linkage_requests",
        "Requests taken (result below 100) or refused.",
        ("type", "result"),
        list(figures.requests.items()),
    )
    yield histograms(
        "linkage_request_seconds",
        "From taking a request to the end of the commit that answers it.",
        (),
        [((), figures.answers)],
    )
    yield counters(
        "linkage_deliveries_answered",
        "Deliveries that receivers answered, by their result.",
        ("result",),
        [((result,), count) for result, count in list(figures.deliveries.items())],
    )
    queues = list(figures.queues.items())
    yield histograms(
        "linkage_delivery_wait_seconds",
        "From the disk to the first push to a receiver; repetitions are not counted.",
        ("role",),
        [((role,), queue.waited) for role, queue in queues],
    )
    yield histograms(
        "linkage_delivery_answer_seconds",
        "From a push to the receiver's answer.",
        ("role",),
        [((role,), queue.answered) for role, queue in queues],
    )
    yield from _batches(figures)


def _batches(figures: Figures) -> Iterator[Metric]:
    commits: tuple[tuple[str, str, Histogram], ...] = (
        ("linkage_commit_seconds", "From the start of a batch to its commit.", figures.commits),
        (
            "linkage_store_write_seconds",
            "Of linkage_commit_seconds, writing to the store and syncing the disk.",
            figures.writes,
        ),
        ("linkage_batch_works", "Pieces of work in one commit.", figures.batches),
    )
    for name, text, histogram in commits:
        yield histograms(name, text, (), [((), histogram)])
    yield counter(
        "linkage_failed_batches", "Batches that the store did not take.", figures.failed_batches
    )


def work_families(inbox: int, oldest_s: float, journal_seq: int) -> Iterator[Metric]:
    """How far the disk is behind: work that waits, the age of the oldest, the newest row."""
    yield gauge("linkage_inbox", "Pieces of work that wait for the disk.", inbox)
    yield gauge(
        "linkage_inbox_oldest_seconds",
        "Journal lag: how long the oldest work has waited for the disk.",
        oldest_s,
    )
    yield gauge("linkage_journal_seq", "The newest journal row on disk.", journal_seq)


def alarm_families(raised: Collection[str], known: Sequence[str]) -> Iterator[Metric]:
    """Linkage's own alarms, by AlarmId."""
    yield gauges(
        "linkage_alarm_raised",
        "1 while an alarm (197) of linkage's own is raised.",
        ("alarm",),
        [((name,), name in raised) for name in known],
    )


def peer_families(
    peers: Sequence[tuple[str, str, bool]], waiting: Mapping[str, Backlog], now_us: int
) -> Iterator[Metric]:
    """Queues and presence; `peers` are (id, role, whether it is here)."""
    labels = ("peer", "role")
    none = Backlog(0, None)
    yield gauges(
        "linkage_queue_depth",
        "Deliveries on disk that the peer has not answered.",
        labels,
        (((peer, role), waiting.get(peer, none).depth) for peer, role, _ in peers),
    )
    yield gauges(
        "linkage_queue_oldest_seconds",
        "Age of the oldest of them.",
        labels,
        (((peer, role), waiting.get(peer, none).age_s(now_us)) for peer, role, _ in peers),
    )
    yield gauges(
        "linkage_peer_connected",
        "1 while the peer is here.",
        labels,
        (((peer, role), here) for peer, role, here in peers),
    )


def session_families(
    connections: int, unregistered: int, here: Mapping[str, int]
) -> Iterator[Metric]:
    """Who is connected; `here` counts registered peers by role."""
    yield gauge("linkage_connections", "Open connections.", connections)
    yield gauges(
        "linkage_sessions",
        "Sessions by the role of their peer; role none and state unregistered: not known yet.",
        ("role", "state"),
        [
            *(((role, "registered"), count) for role, count in here.items()),
            (("none", "unregistered"), unregistered),
        ],
    )


def gateway_families(
    *,
    accepted: int,
    turned_away: Counter[str],
    refused: Counter[int],
    events: Mapping[str, int],
    received_bytes: int,
    sent_bytes: int,
) -> Iterator[Metric]:
    """What the gateway counted; `events` are those of `GATEWAY_EVENTS`."""
    yield counter("linkage_connections_accepted", "Connections let in.", accepted)
    yield counters(
        "linkage_connections_refused",
        "Connections closed before they said anything: allow, rate, connections, address, "
        "unregistered, unregistered_address or tls.",
        ("reason",),
        [((reason,), count) for reason, count in list(turned_away.items())],
    )
    yield counters(
        "linkage_registrations_refused",
        "Registrations refused.",
        ("result",),
        [((int(result),), count) for result, count in list(refused.items())],
    )
    for name, (_, text) in GATEWAY_EVENTS.items():
        yield counter(name, text, events[name])
    yield counter("linkage_received_bytes", "Bytes read from peers.", received_bytes)
    yield counter("linkage_sent_bytes", "Bytes written to peers.", sent_bytes)


GATEWAY_EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "linkage_connections_probed": (
        "probes",
        "Connections that ended without a byte, such as the checks of a load balancer.",
    ),
    "linkage_frames_malformed": (
        "malformed",
        "Frames or messages that could not be read, or whose fields were wrong.",
    ),
    "linkage_requests_paced": ("paced", "Requests answered 206: their peer was over its rate."),
    "linkage_answers_late": ("late_answers", "Requests that a peer did not answer in time."),
    "linkage_heartbeats_missed": ("silent", "Sessions closed for a silent peer."),
    "linkage_sessions_stalled": ("stalled", "Sessions closed for a peer that does not read."),
}
"""Family → field of the gateway's figures, and what it tells."""


def adapter_families(
    adapters: Sequence[tuple[str, str, AdapterFigures]],
) -> Iterator[Metric]:
    """Adapters as (id, state, figures)."""
    yield gauges(
        "linkage_adapter_state",
        "1 for the state an adapter is in, 0 for the others.",
        ("adapter", "state"),
        [
            ((adapter, state), state == current)
            for adapter, current, _ in adapters
            for state in ADAPTER_STATES
        ],
    )
    yield counters(
        "linkage_adapter_restarts",
        "Times an adapter was run again after it had ended.",
        ("adapter",),
        [((adapter,), figures.restarts) for adapter, _, figures in adapters],
    )
    yield counters(
        "linkage_adapter_notices",
        "Notices that an adapter gave.",
        ("adapter",),
        [((adapter,), figures.notices) for adapter, _, figures in adapters],
    )
    yield counters(
        "linkage_adapter_commands",
        "Commands that an adapter answered, by result.",
        ("adapter", "result"),
        [
            ((adapter, result), count)
            for adapter, _, figures in adapters
            for result, count in list(figures.commands.items())
        ],
    )
    yield histograms(
        "linkage_adapter_command_seconds",
        "From handing a command to an adapter to its answer, waiting its turn included.",
        ("adapter",),
        [((adapter,), figures.seconds) for adapter, _, figures in adapters],
    )
    yield gauges(
        "linkage_adapter_commands_in_work",
        "Commands that an adapter has and has not answered.",
        ("adapter",),
        [((adapter,), figures.in_work) for adapter, _, figures in adapters],
    )


def bus_families(parts: Mapping[str, int]) -> Iterator[Metric]:
    """Parts in other processes, by name, with the links of each."""
    yield gauges(
        "linkage_part_links",
        "Links of a part that runs in another process; a part that is not here is not listed.",
        ("part",),
        [((part,), links) for part, links in parts.items()],
    )


def core_link_families(*, up: bool, waiting: int) -> Iterator[Metric]:
    """How a part stands with the core in another process."""
    yield gauge("linkage_core_up", "1 while this part has a core.", up)
    yield gauge("linkage_core_calls", "Questions that the core has not answered.", waiting)


def disk_families(database: Path) -> Iterator[Metric]:
    """The files of the store and the disk under them."""
    yield gauges(
        "linkage_store_bytes",
        "Size of the store: its database, and the log (wal) that is not yet part of it.",
        ("file",),
        [
            (("database",), _size(database)),
            (("wal",), _size(database.with_name(database.name + "-wal"))),
        ],
    )
    disk = os.statvfs(database.parent)
    yield gauge(
        "linkage_disk_free_bytes",
        "Free on the disk of the store, for linkage's user.",
        disk.f_bavail * disk.f_frsize,
    )
    yield gauge(
        "linkage_disk_size_bytes", "Size of the store's disk.", disk.f_blocks * disk.f_frsize
    )


def wal_families(behind_bytes: int, held_s: float) -> Iterator[Metric]:
    """How the store's log gets on."""
    yield gauge(
        "linkage_wal_behind_bytes",
        "Of the store's log, what is not in its database.",
        behind_bytes,
    )
    yield gauge(
        "linkage_wal_held_seconds",
        "How long a reader has kept the log from being taken in; 0: nobody does.",
        held_s,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def loop_families(lags: Histogram) -> Iterator[Metric]:
    """How late the event loop comes to what is due."""
    yield histograms(
        "linkage_loop_lag_seconds",
        "How late a timer of the event loop came, looked at four times a second.",
        (),
        [((), lags)],
    )


def log_families(lines: Counter[str], dropped: int) -> Iterator[Metric]:
    """Lines of the log by level, and those that nobody read in time."""
    yield counters(
        "linkage_log_lines",
        "Lines of the log, by level.",
        ("level",),
        [((level,), count) for level, count in list(lines.items())],
    )
    yield counter(
        "linkage_log_lines_dropped", "Lines dropped because the log is not read.", dropped
    )


def span_families(exported: int, dropped: int) -> Iterator[Metric]:
    """What became of the spans of traces."""
    yield counters(
        "linkage_spans",
        "Spans that were exported, or dropped because the collector was away or slow.",
        ("outcome",),
        [(("exported",), exported), (("dropped",), dropped)],
    )


def scrape_families(failures: Mapping[str, int]) -> Iterator[Metric]:
    """What a scrape could not show; `failures` by part."""
    yield counters(
        "linkage_scrape_failures",
        "Times that a part's metrics could not be had.",
        ("part",),
        [((part,), count) for part, count in failures.items()],
    )


def build_families(version: str, parts: Sequence[str]) -> Iterator[Metric]:
    """What runs there; `parts` are those of linkage in this process."""
    yield gauges(
        "linkage_build_info",
        "1; the version, and the parts of linkage that this process runs.",
        ("version", "parts"),
        [((version, ",".join(parts)), 1)],
    )
