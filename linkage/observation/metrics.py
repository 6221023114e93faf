"""Prometheus metrics, made when they are asked for: nothing is computed between two scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from linkage.observation.figures import COMMIT_BOUNDS_S, Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for one peer: open deliveries on disk, and the age of the oldest in seconds."""

    peer: str
    role: str
    connected: bool
    depth: int
    oldest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state that a scrape shows beside the counters.

    `inbox` is work that waits for the disk (the journal's lag), `journal_seq` the newest row,
    `adapters` the state of each by id.
    """

    figures: Figures
    inbox: int
    journal_seq: int
    connections: int
    queues: tuple[Queue, ...] = ()
    adapters: dict[str, str] = field(default_factory=dict)


class LinkageCollector(Collector):
    """Turns a snapshot into metric families; a registry calls `collect` at each scrape."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: to register must not read the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All families."""
        snapshot = self._take()
        yield from _counters(snapshot.figures)
        yield from _queues(snapshot)
        yield _gauge("linkage_inbox", "Work that waits for the disk.", snapshot.inbox)
        yield _gauge("linkage_journal_seq", "The newest journal row.", snapshot.journal_seq)
        yield _gauge("linkage_connections", "Accepted connections.", snapshot.connections)
        adapters = GaugeMetricFamily(
            "linkage_adapter_state",
            "1 for the state an adapter is in.",
            labels=["adapter", "state"],
        )
        for adapter, state in snapshot.adapters.items():
            adapters.add_metric([adapter, state], 1)
        yield adapters


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counters(figures: Figures) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "linkage_requests", "Requests taken or refused.", labels=["type", "result"]
    )
    for (type_, result), count in list(figures.requests.items()):
        requests.add_metric([str(type_), str(result)], count)
    yield requests
    answers = CounterMetricFamily(
        "linkage_deliveries_answered", "Deliveries that receivers answered.", labels=["result"]
    )
    for result, count in list(figures.answers.items()):
        answers.add_metric([str(result)], count)
    yield answers
    commits = HistogramMetricFamily(
        "linkage_commit_seconds", "From the start of a batch to its commit."
    )
    sums = list(accumulate(figures.commits))
    bounds = [str(bound) for bound in COMMIT_BOUNDS_S] + ["+Inf"]
    commits.add_metric([], list(zip(bounds, sums, strict=True)), figures.commit_seconds)
    yield commits
    yield CounterMetricFamily(
        "linkage_committed_works", "Pieces of work in all batches.", figures.committed_works
    )
    yield CounterMetricFamily(
        "linkage_failed_batches", "Batches that the store did not take.", figures.failed_batches
    )


def _queues(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ["peer", "role"]
    depth = GaugeMetricFamily("linkage_queue_depth", "Deliveries not answered.", labels=labels)
    age = GaugeMetricFamily("linkage_queue_oldest_seconds", "Age of the oldest.", labels=labels)
    here = GaugeMetricFamily("linkage_peer_connected", "1 while the peer is here.", labels=labels)
    for queue in snapshot.queues:
        names = [queue.peer, queue.role]
        depth.add_metric(names, queue.depth)
        age.add_metric(names, queue.oldest_s)
        here.add_metric(names, queue.connected)
    yield depth
    yield age
    yield here
