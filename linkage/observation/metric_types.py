"""From figures to Prometheus metric families, in few words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.samples import Sample

from linkage.observation.instruments import Histogram

BREATH_EVERY: Final = 50
BREATH_S: Final = 0.0005
Labelled = Iterable[tuple[Sequence[object], float]]
"""Label values and the figure, for each."""


class Samples(list[Sample]):
    """A family's samples, made one by one while they are written out, with a breath now and then.

    Ten thousand peers have thirty thousand of them: kept all at once they would set off the
    collector of garbage, and written without a pause they would leave the interpreter's lock to
    the event loop only every 5 ms.
    """

    def __init__(self, make: Callable[[], Iterable[Sample]]) -> None:
        super().__init__()
        self._make = make

    def __iter__(self) -> Iterator[Sample]:
        for number, sample in enumerate(self._make(), 1):
            yield sample
            if number % BREATH_EVERY == 0:
                time.sleep(BREATH_S)


def gauge(name: str, text: str, value: float) -> Metric:
    """One figure that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    """The same by labels; `values` are walked through when they are written out."""
    family = GaugeMetricFamily(name, text, labels=labels)

    def samples() -> Iterator[Sample]:
        for names, value in values:
            shown = dict(zip(labels, map(str, names), strict=True))
            yield Sample(name, shown, value)

    family.samples = Samples(samples)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """One figure that only grows; `_total` is added to the name."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    """The same by labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric([str(name) for name in names], value)
    return family


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
