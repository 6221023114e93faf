"""The reference of the metrics, made from the families themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from linkage.core.overload.conditions import CONDITIONS
from linkage.observation import metric_families
from linkage.observation.instruments import QUICK_BOUNDS_S, AdapterFigures, Figures, Histogram
from linkage.ports.maintenance import Backlog

HEAD: Final = """\
# Metrics

Written by `make generate` from the metrics themselves. `GET /metrics` of `[watch]` shows them, and
those of the process (`process_*`) and of Python (`python_gc_*`) that every Prometheus client in
Python has. Counters only grow, and begin at 0 with each start. How to read them:
[how to observe](../how-to/observe.md).

| metric | kind | labels | meaning |
|---|---|---|---|
"""


def families() -> Iterator[Metric]:
    """Every family of linkage's own, with an example of each label."""
    figures = Figures()
    figures.requests[100, 0] = 1
    figures.deliveries[0] = 1
    figures.queue_of("application")
    adapter = AdapterFigures(commands=Counter({0: 1}))
    yield from metric_families.build_families("0", ("core",))
    yield from metric_families.core_families(figures)
    yield from metric_families.work_families(0, 0.0, 0)
    yield from metric_families.alarm_families((), CONDITIONS)
    yield from metric_families.peer_families(
        [("desk", "application", True)], {"desk": Backlog(0, None)}, 0
    )
    yield from metric_families.session_families(0, 0, {"application": 1})
    yield from metric_families.gateway_families(
        accepted=0,
        turned_away=Counter(allow=1),
        refused=Counter({201: 1}),
        events=dict.fromkeys(metric_families.GATEWAY_EVENTS, 0),
        received_bytes=0,
        sent_bytes=0,
    )
    yield from metric_families.adapter_families([("asterisk1", "up", adapter)])
    yield from metric_families.disk_families(Path("/linkage.db"))
    yield from metric_families.wal_families(0, 0.0)
    yield from metric_families.loop_families(Histogram(QUICK_BOUNDS_S))
    yield from metric_families.bus_families({"adapter:asterisk1": 1})
    yield from metric_families.core_link_families(up=True, waiting=0)
    yield from metric_families.log_families(Counter(info=1), 0)
    yield from metric_families.span_families(0, 0)
    yield from metric_families.scrape_families({"queues": 1})


def reference_text() -> str:
    """The whole page."""
    return HEAD + "".join(_row(family) for family in families())


def _row(family: Metric) -> str:
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    name = f"{family.name}_total" if family.type == "counter" else family.name
    shown = ", ".join(f"`{label}`" for label in labels)
    return f"| `{name}` | {family.type} | {shown} | {family.documentation} |\n"
