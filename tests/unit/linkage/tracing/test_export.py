"""Spans reach a collector, and never hold anybody up where there is none."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from linkage.client import Application, Platform
from linkage.config.file import Config
from linkage.config.processes import TraceSettings
from linkage.server.server import Server
from linkage.tracing.export import WAITING_MAX, TraceError, make_export, open_export
from linkage.tracing.spans import Kind, Span
from protocol.messages import CallDirection, IncomingCallNotice

SECRET = "a secret of the tests"


def span(number: int = 1, **changes: Any) -> Span:
    values: dict[str, Any] = {
        "name": "receive Hangup",
        "kind": Kind.CONSUMER,
        "trace_id": 7,
        "span_id": number,
        "parent_id": 0,
        "start_ns": 10,
        "end_ns": 20,
        "attributes": {"linkage.peer": "desk", "linkage.result": 301},
        **changes,
    }
    return Span(**values)


def test_a_span_becomes_one_of_opentelemetry() -> None:
    memory = InMemorySpanExporter()
    with make_export(memory, "linkage", "1.0") as export:
        export.put(span(2, parent_id=9, error="no such call"))
    (made,) = memory.get_finished_spans()
    assert made.context is not None
    assert made.parent is not None
    assert (made.context.trace_id, made.context.span_id, made.parent.span_id) == (7, 2, 9)
    assert (made.name, made.kind) == ("receive Hangup", SpanKind.CONSUMER)
    assert (made.start_time, made.end_time) == (10, 20)
    assert (made.status.status_code, made.status.description) == (
        StatusCode.ERROR,
        "no such call",
    )
    assert dict(made.attributes or {})["error.type"] == "301"
    assert made.resource.attributes["service.name"] == "linkage"
    assert (export.exported, export.dropped) == (1, 0)


class Stuck:
    """A collector that takes a connection and says nothing."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult:  # noqa: ARG002 - as the protocol has it
        self.asked.set()
        self.released.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.released.set()


def test_spans_beyond_a_bound_are_dropped_and_counted() -> None:
    stuck = Stuck()
    with make_export(stuck, "linkage", "1.0") as export:
        export.put(span())
        assert stuck.asked.wait(10)
        for number in range(WAITING_MAX + 5):
            export.put(span(number + 1))
        assert export.dropped == 5
        stuck.released.set()
    assert export.exported == 0
    assert export.dropped == WAITING_MAX + 6


class Flaky:
    """A collector that is away for a while."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.taken = threading.Event()

    def export(self, spans: Sequence[ReadableSpan], /) -> SpanExportResult:  # noqa: ARG002 - as the protocol has it
        self.failures -= 1
        if self.failures >= 0:
            raise ConnectionError("refused")
        self.taken.set()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is open."""


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky = Flaky(3)
    with (
        caplog.at_level(logging.INFO, "linkage.tracing"),
        make_export(flaky, "x", "1", every_s=0.001) as export,
    ):
        while not flaky.taken.is_set():
            export.put(span())
            flaky.taken.wait(0.005)
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == (
        "spans are dropped: the collector cannot be reached: ConnectionError: refused"
    )
    assert told[1].startswith("the collector is back; ")
    assert len(told) == 2


def test_a_missing_library_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TraceError, match=r"pip install 'linkage\[otel\]', or remove \[trace\]"):
        open_export(TraceSettings(), "linkage", "1.0")


# --- over the wire -------------------------------------------------------------------------------
class Collector(HTTPServer):
    """Takes OTLP over HTTP, as real collectors do, and decodes it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []

    @property
    def spans(self) -> list[Any]:
        return [
            made
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for made in scope.spans
        ]


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.paths.append(self.path)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def config_of(tmp_path: Path, endpoint: str) -> Config:
    peers = [
        {"id": "desk", "role": "application", "secret": SECRET},
        {"id": "pbx", "role": "platform", "secret": SECRET},
    ]
    return Config.model_validate(
        {
            "source": tmp_path / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "trace": {"endpoint": endpoint, "headers": {"x-tenant": "t1"}},
            "peer": peers,
        }
    )


async def one_call(server: Server) -> None:
    host, port = server.addresses[0]
    async with (
        Platform(host, port, "pbx", secret=SECRET) as pbx,
        Application(host, port, "desk", secret=SECRET) as desk,
    ):
        await pbx.notify(IncomingCallNotice(call_id="C1", direction=CallDirection.IN))
        await (await desk.next_notice()).acknowledge()


async def test_a_serving_linkage_sends_its_spans_to_a_collector(
    tmp_path: Path, collector: Collector
) -> None:
    port = collector.server_address[1]
    async with Server(config_of(tmp_path, f"http://127.0.0.1:{port}/")) as server:
        await one_call(server)
    by_name = {made.name: made for made in collector.spans}
    assert set(by_name) == {
        "receive IncomingCallNotice",
        "journal",
        "deliver IncomingCallNotice",
    }
    receive, deliver = by_name["receive IncomingCallNotice"], by_name["deliver IncomingCallNotice"]
    assert deliver.parent_span_id == receive.span_id
    assert deliver.trace_id == receive.trace_id
    assert receive.end_time_unix_nano >= receive.start_time_unix_nano > 1.7e18
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.headers[0]["x-tenant"] == "t1"
    (service,) = {
        attribute.value.string_value
        for attribute in collector.requests[0].resource_spans[0].resource.attributes
        if attribute.key == "service.name"
    }
    assert service == "linkage"


async def test_a_collector_that_is_away_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    async with Server(config_of(tmp_path, "http://127.0.0.1:1")) as server:
        await one_call(server)
