"""`/metrics`, `/healthz` and `/readyz` over plain HTTP, in a thread of their own.

A scrape reads the store; the event loop must not wait for it. WSGI from the standard library:
three paths, GET only, no bodies read. Bind it to an address that only the watchers reach.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from linkage.observation.metric_families import Source, scrape_families

logger = logging.getLogger("linkage.observation")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Problems = Callable[[], list[str]]
"""What keeps linkage from its work, in words; nothing: it is well."""

CLIENT_WITHIN_S: Final = 10.0
CLIENTS_MAX: Final = 32
"""Requests at a time; a watcher that never reads its answer must not take all memory."""


class Phase(StrEnum):
    """Where a process is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class _Sources(Collector):
    """All families of all sources. One that fails leaves the others their say."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self._failures: dict[str, int] = {}

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: to register must not read the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        for name, source in list(self.sources.items()):
            try:
                families = list(source())
            except Exception:
                # Such as a store that is being restored; the next scrape may find it again.
                self._failures[name] = self._failures.get(name, 0) + 1
                logger.exception("the metrics of %s cannot be had", name)
                continue
            yield from families
        yield from scrape_families(self._failures)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = CLIENTS_MAX

    def __init__(self, *args: Any, **named: Any) -> None:
        self._room = threading.BoundedSemaphore(CLIENTS_MAX)
        super().__init__(*args, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """Who asks and leaves before the answer is no news, and nothing for stderr."""
        logger.debug("%s: not answered", client_address)


class _Quiet(WSGIRequestHandler):
    timeout = CLIENT_WITHIN_S  # a client that connects and says nothing holds a thread no longer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are no news."""


class HealthServer:
    """The HTTP server of one process; use as a context manager.

    It can be entered before there is anything to watch: it says then that linkage is starting.
    Parts add what they have as they come up. `phase` is set by who starts and stops them.

    Raises on entering:
        OSError: the address is in use.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._wanted = address
        self._sources = _Sources()
        self._registry = CollectorRegistry()
        self._registry.register(self._sources)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._scraping = threading.Lock()
        self._unhealthy: list[Problems] = []
        self._unready: list[Problems] = []
        self._warnings: list[Problems] = []
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.phase = Phase.STARTING

    def add_metrics(self, name: str, source: Source) -> None:
        """Show a part's metrics from now on; another of the same name is replaced."""
        self._sources.sources[name] = source

    def add_checks(
        self,
        *,
        unhealthy: Problems | None = None,
        unready: Problems | None = None,
        warnings: Problems | None = None,
    ) -> None:
        """Ask a part as well: does it still turn, can it do its work, and for how long yet."""
        if warnings is not None:
            self._warnings.append(warnings)
        if unhealthy is not None:
            self._unhealthy.append(unhealthy)
        if unready is not None:
            self._unready.append(unready)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, with the port that the system gave for 0."""
        assert self._server is not None, "not entered"
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def health(self) -> list[str]:
        """Why the process should be started anew; nothing: it turns."""
        return [problem for check in self._unhealthy for problem in check()]

    def readiness(self) -> list[str]:
        """Why it cannot do its work now; nothing: it can."""
        problems = [] if self.phase is Phase.SERVING else [f"linkage is {self.phase.value}"]
        problems += self.health()
        return problems + [problem for check in self._unready for problem in check()]

    def warnings(self) -> list[str]:
        """What will keep it from its work, if nobody sees to it."""
        return [warning for check in self._warnings for warning in check()]

    def metrics(self) -> bytes:
        """Prometheus' text; one scrape at a time."""
        with self._scraping:
            return generate_latest(self._registry)

    def __enter__(self) -> Self:
        host, port = self._wanted
        self._server = make_server(host, port, self._answer, _Server, _Quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="linkage-watch",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None, "not entered"
        assert self._thread is not None, "not entered"
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return _reply(start, "405 Method Not Allowed", "text/plain", b"GET only\n")
        match path:
            case "/metrics":
                return _reply(start, "200 OK", CONTENT_TYPE_LATEST, self.metrics())
            case "/healthz":
                return self._probe(start, environ, self.health())
            case "/readyz":
                return self._probe(start, environ, self.readiness(), self.warnings())
        return _reply(start, "404 Not Found", "text/plain", b"/metrics, /healthz or /readyz\n")

    def _probe(
        self,
        start: StartResponse,
        environ: dict[str, Any],
        problems: list[str],
        warnings: Sequence[str] = (),
    ) -> Iterable[bytes]:
        status = "503 Service Unavailable" if problems else "200 OK"
        if _wants_json(environ):
            answer = {
                "ok": not problems,
                "phase": self.phase.value,
                "problems": problems,
                "warnings": list(warnings),
            }
            body = json.dumps(answer, ensure_ascii=False).encode()
            return _reply(start, status, "application/json", body)
        lines = (problems or ["ok"]) + [f"warning: {warning}" for warning in warnings]
        text = "".join(f"{line}\n" for line in lines)
        return _reply(start, status, "text/plain; charset=utf-8", text.encode())


def _wants_json(environ: dict[str, Any]) -> bool:
    return "format=json" in environ.get("QUERY_STRING", "").split(
        "&"
    ) or "application/json" in environ.get("HTTP_ACCEPT", "")


def _reply(start: StartResponse, status: str, kind: str, body: bytes) -> Iterable[bytes]:
    start(
        status,
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ],
    )
    return [body]
