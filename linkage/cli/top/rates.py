"""What `linkage top` shows, worked out from two scrapes of `/metrics`; no terminal in here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from protocol.messages import message_class
from protocol.results import FIRST_REFUSAL

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Reading:
    """The samples of one moment (`at`: monotonic seconds), those of several parts added up."""

    at: float
    samples: dict[str, dict[Labels, float]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, text: str) -> None:
        """One part's answer.

        Raises:
            ValueError: it is not Prometheus' text.
        """
        from prometheus_client.parser import text_string_to_metric_families

        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted(sample.labels.items()))
                kept = self.samples[sample.name]
                kept[labels] = kept.get(labels, 0.0) + sample.value

    def of(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """The samples of a name, with their labels."""
        for labels, value in self.samples.get(name, {}).items():
            yield dict(labels), value

    def value(self, name: str, **wanted: str) -> float:
        """The sum of those that carry these labels; 0 where there is none."""
        return sum(value for labels, value in self.of(name) if wanted.items() <= labels.items())


class Change:
    """From one reading to the next."""

    def __init__(self, before: Reading, now: Reading) -> None:
        self.before, self.now = before, now
        self.seconds = max(now.at - before.at, 1e-9)

    def rate(self, name: str, **wanted: str) -> float:
        """A second; a counter that began anew counts from 0."""
        return _grown(self.before.value(name, **wanted), self.now.value(name, **wanted)) / (
            self.seconds
        )

    def quantile(self, share: float, name: str, **wanted: str) -> float | None:
        """Of a histogram's growth, by linear interpolation as Prometheus does; None: no growth."""
        grown: dict[float, float] = defaultdict(float)
        for labels, value in self.now.of(f"{name}_bucket"):
            bound = labels.pop("le")
            if wanted.items() <= labels.items():
                was = self.before.value(f"{name}_bucket", le=bound, **labels)
                grown[float(bound)] += _grown(was, value)
        return quantile_of(share, sorted(grown.items()))


def _grown(before: float, now: float) -> float:
    return now if now < before else now - before


def quantile_of(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """Of cumulative counts by upper bound, the last bound being infinite."""
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return low  # beyond the last bound nothing more is known
            within = count - below
            return bound if not within else low + (bound - low) * (rank - below) / within
        low, below = bound, count
    return low


def view(change: Change, problems: Iterable[str]) -> dict[str, Any]:
    """Everything, as JSON has it. Rates are a second, times seconds, sizes bytes."""
    now = change.now
    builds = [labels for labels, value in now.of("linkage_build_info") if value]
    return {
        "versions": sorted({build["version"] for build in builds}),
        "parts": sorted({part for build in builds for part in build["parts"].split(",")}),
        "problems": list(problems),
        "alarms": sorted(
            labels["alarm"] for labels, value in now.of("linkage_alarm_raised") if value
        ),
        "connections": int(now.value("linkage_connections")),
        "unregistered": int(now.value("linkage_sessions", state="unregistered")),
        "accepted_per_s": sum(_rates(change, refused=False).values()),
        "refused_per_s": sum(_rates(change, refused=True).values()),
        "turned_away_per_s": change.rate("linkage_connections_refused_total"),
        "acknowledged_per_s": change.rate("linkage_deliveries_answered_total"),
        "answer_p99_s": change.quantile(0.99, "linkage_request_seconds"),
        "wait_p99_s": change.quantile(0.99, "linkage_delivery_wait_seconds"),
        "acknowledge_p99_s": change.quantile(0.99, "linkage_delivery_answer_seconds"),
        "commit_p99_s": change.quantile(0.99, "linkage_commit_seconds"),
        "loop_lag_p99_s": change.quantile(0.99, "linkage_loop_lag_seconds"),
        "inbox": int(now.value("linkage_inbox")),
        "inbox_oldest_s": now.value("linkage_inbox_oldest_seconds"),
        "journal_seq": int(now.value("linkage_journal_seq")),
        "database_bytes": int(now.value("linkage_store_bytes", file="database")),
        "wal_bytes": int(now.value("linkage_store_bytes", file="wal")),
        "disk_free_bytes": int(now.value("linkage_disk_free_bytes")),
        "cpu": change.rate("process_cpu_seconds_total"),
        "memory_bytes": int(now.value("process_resident_memory_bytes")),
        "types": _types(change),
        "peers": _peers(now),
        "adapters": _adapters(change),
    }


def _rates(change: Change, *, refused: bool) -> Mapping[str, float]:
    """Requests a second by type."""
    found: dict[str, float] = defaultdict(float)
    for labels, value in change.now.of("linkage_requests_total"):
        if (int(labels["result"]) >= FIRST_REFUSAL) is refused:
            was = change.before.value("linkage_requests_total", **labels)
            found[labels["type"]] += _grown(was, value) / change.seconds
    return found


def _types(change: Change) -> list[dict[str, Any]]:
    accepted, refused = _rates(change, refused=False), _rates(change, refused=True)
    rows = [
        {
            "type": int(type_),
            "name": _name(int(type_)),
            "accepted_per_s": accepted.get(type_, 0.0),
            "refused_per_s": refused.get(type_, 0.0),
        }
        for type_ in {**accepted, **refused}
    ]
    return sorted(
        rows, key=lambda row: (-row["accepted_per_s"] - row["refused_per_s"], row["type"])
    )


def _name(type_: int) -> str:
    cls = message_class(type_)
    return "" if cls is None else cls.english


def _peers(now: Reading) -> list[dict[str, Any]]:
    """The longest queue first, then those that are away."""
    rows = [
        {
            "peer": labels["peer"],
            "role": labels["role"],
            "connected": bool(now.value("linkage_peer_connected", peer=labels["peer"])),
            "waiting": int(depth),
            "oldest_s": now.value("linkage_queue_oldest_seconds", peer=labels["peer"]),
        }
        for labels, depth in now.of("linkage_queue_depth")
    ]
    return sorted(rows, key=lambda row: (-row["waiting"], row["connected"], row["peer"]))


def _adapters(change: Change) -> list[dict[str, Any]]:
    now = change.now
    return [
        {
            "adapter": labels["adapter"],
            "state": labels["state"],
            "restarts": int(
                now.value("linkage_adapter_restarts_total", adapter=labels["adapter"])
            ),
            "notices_per_s": change.rate(
                "linkage_adapter_notices_total", adapter=labels["adapter"]
            ),
            "commands_per_s": change.rate(
                "linkage_adapter_commands_total", adapter=labels["adapter"]
            ),
            "in_work": int(
                now.value("linkage_adapter_commands_in_work", adapter=labels["adapter"])
            ),
            "command_p95_s": change.quantile(
                0.95, "linkage_adapter_command_seconds", adapter=labels["adapter"]
            ),
        }
        for labels, value in now.of("linkage_adapter_state")
        if value
    ]
