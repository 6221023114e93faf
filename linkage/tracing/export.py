"""Spans on their way to a collector (OTLP over HTTP), from a thread of their own.

Nobody waits for it: spans wait in a bounded queue, and are dropped, and counted, where the
collector is away or slow. The libraries of OpenTelemetry are the extra `linkage[otel]`, and are
imported when this begins, not before.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from prometheus_client.core import Metric

from linkage import __version__
from linkage.observation.metric_families import span_families
from linkage.tracing.spans import Kind, Put, Span

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from opentelemetry.sdk.trace import ReadableSpan

    from linkage.config.file import Config
    from linkage.config.processes import TraceSettings
    from linkage.observation.http import HealthServer

logger = logging.getLogger("linkage.tracing")

WAITING_MAX: Final = 8192
BATCH_MAX: Final = 512
EXPORT_EVERY_S: Final = 1.0
TIMEOUT_S: Final = 5.0
LEAVE_WITHIN_S: Final = 2.0
"""What the last spans are given at the end; then they are dropped."""


class TraceError(Exception):
    """Traces are configured and cannot be had; one line with the remedy."""


class Exporter(Protocol):
    """What is used of OpenTelemetry's `SpanExporter`."""

    def export(self, spans: Sequence[ReadableSpan], /) -> Any:
        """Send them; may block."""
        ...

    def shutdown(self) -> None:
        """End, also what blocks."""
        ...


class SpanExport:
    """The queue and the thread that empties it; use as a context manager."""

    def __init__(
        self,
        exporter: Exporter,
        convert: Callable[[Span], ReadableSpan],
        accepted: Any,
        every_s: float,
    ) -> None:
        self._every_s = every_s
        self._exporter = exporter
        self._convert = convert
        self._accepted = accepted
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._leaving = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="linkage-tracing", daemon=True)
        self.exported = 0
        self.dropped = 0

    def put(self, span: Span) -> None:
        """Take a span, or drop it; never blocks."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH_MAX and not self._wake.is_set():
            self._wake.set()

    def families(self) -> Iterator[Metric]:
        """For those who watch."""
        yield from span_families(self.exported, self.dropped)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._wake.set()
        self._thread.join(LEAVE_WITHIN_S)
        self._exporter.shutdown()
        self._thread.join(LEAVE_WITHIN_S)
        self.dropped += len(self._waiting)

    def _run(self) -> None:
        leaving = False
        while not leaving:
            self._wake.wait(self._every_s)
            self._wake.clear()
            leaving = self._leaving.is_set()
            while self._waiting:
                self._export()
                if self._failing and self._leaving.is_set():
                    return

    def _export(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
        try:
            result = self._exporter.export([self._convert(span) for span in batch])
            failure = None if result is self._accepted else "it was not accepted"
        except Exception as error:  # noqa: BLE001 - whatever the library raises costs these spans
            failure = f"{type(error).__name__}: {error}"
        if failure is None:
            self.exported += len(batch)
        else:
            self.dropped += len(batch)
        self._tell(failure)

    def _tell(self, failure: str | None) -> None:
        """Once when it begins, once when it is over."""
        if failure is not None and not self._failing:
            logger.warning("spans are dropped: the collector cannot be reached: %s", failure)
        elif failure is None and self._failing:
            logger.info("the collector is back; %d spans were dropped so far", self.dropped)
        self._failing = failure is not None


def start_traces(config: Config, stack: AsyncExitStack, watch: HealthServer | None) -> Put | None:
    """Where the spans of this process go, until the stack is closed; None without `[trace]`.

    Raises:
        TraceError: the extra is not installed.
    """
    if config.trace is None:
        return None
    export = stack.enter_context(open_export(config.trace, config.id, __version__))
    if watch is not None:
        watch.add_metrics("tracing", export.families)
    return export.put


def open_export(settings: TraceSettings, own_id: str, version: str) -> SpanExport:
    """To the collector of the settings, not started.

    Raises:
        TraceError: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise TraceError(
            f"[trace]: OpenTelemetry is missing ({error.name}): pip install 'linkage[otel]', or "
            "remove [trace]"
        ) from None
    # It tells of every attempt that fails; one line at the beginning of an outage is enough.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces",
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
        timeout=TIMEOUT_S,
    )
    return make_export(exporter, settings.service or own_id, version)


def make_export(
    exporter: Exporter, service: str, version: str, *, every_s: float = EXPORT_EVERY_S
) -> SpanExport:
    """To any exporter of OpenTelemetry's."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    resource = Resource.create({"service.name": service, "service.version": version})
    scope = InstrumentationScope("linkage", version)
    kinds = {kind: SpanKind[kind.name] for kind in Kind}
    flags = TraceFlags(TraceFlags.SAMPLED)

    def context(span: Span, span_id: int, *, remote: bool) -> SpanContext:
        return SpanContext(span.trace_id, span_id, is_remote=remote, trace_flags=flags)

    def convert(span: Span) -> ReadableSpan:
        attributes = dict(span.attributes)
        if span.error is not None:
            attributes["error.type"] = str(span.attributes.get("linkage.result", "error"))
        return ReadableSpan(
            span.name,
            context=context(span, span.span_id, remote=False),
            parent=context(span, span.parent_id, remote=True) if span.parent_id else None,
            resource=resource,
            attributes=attributes,
            kind=kinds[span.kind],
            status=Status(StatusCode.UNSET)
            if span.error is None
            else Status(StatusCode.ERROR, span.error),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=scope,
        )

    return SpanExport(exporter, convert, SpanExportResult.SUCCESS, every_s)
