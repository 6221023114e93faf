"""From figures to Prometheus metric families, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from linkage.observation.figures import Histogram

Labelled = Iterable[tuple[Sequence[object], float]]
"""Label values and the figure, for each."""


def gauge(name: str, text: str, value: float) -> Metric:
    """One figure that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    """The same by labels."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def counter(name: str, text: str, value: float) -> Metric:
    """One figure that only grows; `_total` is added to the name."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    """The same by labels."""
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def histograms(
    name: str,
    text: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[object], Histogram]],
) -> Metric:
    """Distributions by labels; no labels: one of them."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for names, histogram in values:
        sums = list(accumulate(histogram.counts))
        bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
        family.add_metric(
            [str(value) for value in names],
            list(zip(bounds, sums, strict=True)),
            histogram.total,
        )
    return family


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Labelled) -> Metric:
    for names, value in values:
        family.add_metric([str(name) for name in names], value)
    return family
