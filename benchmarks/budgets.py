"""What was promised, and whether the figures of `benchmarks.all` keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Figures = Mapping[str, Any]
RAISED: Final = "2026-11-30"
"""The day on which most targets were set higher."""


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise.

    Args:
        what: in words.
        yardstick: the name of the benchmark in `benchmarks.all`.
        target: what was promised, with its unit.
        read: finds the figure among those of the yardstick.
        kept: whether a figure keeps the promise.
        unit: of the figure.
        since: the day from which on so much is promised; older figures are of builds that
            promised less.
    """

    what: str
    yardstick: str
    target: str
    read: Callable[[Figures], float]
    kept: Callable[[float], bool]
    unit: str = ""
    since: str = RAISED


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise and what became of it.

    Nothing was measured where `met` is None. `build` says of which build the figure is: its
    commit, where that was noted, and the day; `is_older`: a build before the promise was made.
    """

    what: str
    target: str
    found: str
    met: bool | None
    command: str
    build: str = ""
    is_older: bool = False


def at_least(least: float) -> Callable[[float], bool]:
    """The more the better."""
    return lambda found: found >= least


def at_most(most: float) -> Callable[[float], bool]:
    """The less the better."""
    return lambda found: found <= most


def _delay_ratio(figures: Figures) -> float:
    """Linkage's delay against RabbitMQ's, in one run."""
    ours, theirs = (
        figures["medians"][name]["paced"]["delivery"]["p99_ms"] for name in ("linkage", "rabbitmq")
    )
    return float(ours / theirs)


def _two_cores(figures: Figures) -> float:
    """Gateway and core on a core each, against the whole on one."""
    medians = figures["medians"]
    return float(medians["two-cores"]["per_s"] / medians["linkage"]["per_s"])


def _queued_bytes(figures: Figures) -> float:
    """What a queued notice of a stopped reader costs more than one that is read."""
    reader = figures["reader"]
    return float(reader["costs_mib"] * 2**20 / reader["queued"])


def _deepening(figures: Figures) -> float:
    """The worst ratio of the deepest store's cost to the shallowest's."""
    first, last = figures["depths"][0], figures["depths"][-1]
    keys = [key for key in first if key.endswith("_cpu_us")]
    return max(float(last[key] / first[key]) for key in keys)


BUDGETS: Final = (
    Budget(
        "1xx in → journalled (fsync) → delivered → acknowledged, against RabbitMQ's quorum queue",
        *("durable", "≥ 5 ×", lambda f: f["ratios"]["rabbitmq"], at_least(5), "×"),
    ),
    Budget(
        "the same against JetStream, which does not wait for the disk",
        *("durable", "≥ 1 ×", lambda f: f["ratios"]["jetstream"], at_least(1), "×"),
    ),
    Budget(
        "the same with gateway and core on two cores, against one core",
        *("durable", "≥ 1.6 ×", _two_cores, at_least(1.6), "×"),
    ),
    Budget(
        "the same against JetStream with `sync_interval: always` (2.9 knows it not)",
        *("durable", "≥ 5 ×", lambda f: f["ratios"]["jetstream-synced"], at_least(5), "×"),
    ),
    Budget(
        "delay until delivered at 1,000 messages/s, p99, against RabbitMQ's",
        *("durable", "≤ 1 ×", _delay_ratio, at_most(1), "×"),
    ),
    Budget(
        "from a 205 to the first INVITE at its target, median",
        *("ringing", "≤ 15 ms", lambda f: f["medians"]["linkage"]["205"]["p50_ms"], at_most(15)),
        "ms",
    ),
    Budget(
        "framing + decode + encode of a request and its response",
        *("codec", "≤ 10 µs", lambda f: f["median_us"]["whole pair"], at_most(10), "µs"),
    ),
    Budget(
        "idle registered connection",
        *("crowd", "≤ 8 KiB", lambda f: f["pss_kib_each"], at_most(8), "KiB"),
    ),
    Budget(
        "queued notice of a stopped reader, beyond what one costs that is read",
        *("pressure", "≤ 120 bytes", _queued_bytes, at_most(120), "bytes"),
    ),
    Budget(
        "serving, idle",
        *("start", "≤ 60 MiB", lambda f: f["idle_mib"], at_most(60), "MiB"),
    ),
    Budget(
        "of the connections that stay, dropped",
        *("crowd", "0 of 10,000 in 10 min", lambda f: f["dropped"], at_most(0)),
        since="",
    ),
    Budget(
        "start to listening, empty store",
        *("start", "≤ 0.5 s", lambda f: f["empty_listening_s"], at_most(0.5), "s"),
    ),
    Budget(
        "start to listening, 1 million open deliveries",
        *("start", "≤ 1 s", lambda f: f["listening_s"], at_most(1), "s"),
    ),
    Budget(
        "`linkage --help`",
        *("start", "≤ 100 ms", lambda f: f["help_ms"], at_most(100), "ms"),
    ),
    Budget(
        "timeline of one EventID among 10 million operations, p99",
        *("depth", "≤ 5 ms", lambda f: f["depths"][-1]["timeline_p99_ms"], at_most(5), "ms"),
    ),
    Budget(
        "cost of a message at 10 million journal rows against 10 thousand",
        *("depth", "≤ 1.1 ×", _deepening, at_most(1.1), "×"),
    ),
    Budget(
        "100,000 notices, 40 kills: lost, doubled or out of order",
        *("campaign", "0", lambda f: len(f["failures"]), at_most(0)),
        since="",
    ),
    Budget(
        "SMS accepted (fsync) → submitted → 121 → receipt → 122 acknowledged, on one core",
        *("sms", "≥ 1,500/s", lambda f: f["medians"]["linkage"]["per_s"], at_least(1500), "/s"),
        since="",
    ),
    Budget(
        "the same against Kannel, whose store and receipts are spooled",
        *("sms", "≥ 4 ×", lambda f: f["ratios"]["kannel"], at_least(4), "×"),
        since="",
    ),
    Budget(
        "of 100,000 SMS, receipts that were not told",
        *("sms", "0", lambda f: f["medians"]["linkage"]["unmatched"], at_most(0)),
        since="",
    ),
    Budget(
        "10,000 SMS, 40 kills: sent twice, forgotten or told wrongly",
        *("kills", "0", lambda f: len(f["failures"]), at_most(0)),
        since="",
    ),
    Budget(
        "10,000 damaged PDUs: faults found",
        *("lies", "0", lambda f: len(f["failures"]), at_most(0)),
        since="",
    ),
    Budget(
        "a million damaged streams: faults found",
        *("fuzz", "0", lambda f: len(f["failures"]), at_most(0)),
        since="",
    ),
)


def verdicts(found: Mapping[str, Any]) -> Iterator[Verdict]:
    """Each promise; then those that a benchmark judged itself (`budgets` in its figures)."""
    for budget in BUDGETS:
        item = found.get(budget.yardstick)
        try:
            figure = None if item is None else float(budget.read(item["figures"]))
        except (KeyError, IndexError, TypeError):
            figure = None  # such as a run without RabbitMQ
        command = "" if item is None else item["command"]
        if item is None or figure is None:
            yield Verdict(budget.what, budget.target, "not measured yet", None, command)
            continue
        text = f"{figure:,.4g}" if figure < 1000 else f"{figure:,.0f}"
        yield Verdict(
            budget.what,
            budget.target,
            f"{text} {budget.unit}".strip(),
            budget.kept(figure),
            command,
            build_of(item),
            is_older=item["day"] < budget.since,
        )
    for item in found.values():
        figures = item.get("figures") if isinstance(item, dict) else None
        for own in (figures or {}).get("budgets", ()):
            yield Verdict(
                own["what"],
                own["target"],
                own["found"],
                own["met"],
                item["command"],
                build_of(item),
            )


def build_of(item: Mapping[str, Any]) -> str:
    """Of which build the figures of a yardstick are."""
    build = item.get("build")
    return f"{build}, {item['day']}" if build else str(item["day"])
