"""`/metrics`, `/healthz` and `/readyz` over plain HTTP, in a thread of their own.

A scrape reads the store; the event loop must not wait for it. WSGI from the standard library:
three paths, GET only, no bodies read. Bind it to an address that only the watchers reach.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from linkage.observation.metrics import LinkageCollector, Snapshot

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Problems = Callable[[], list[str]]
"""What keeps linkage from its work, in words; nothing: it is well."""

CLIENT_WITHIN_S: Final = 10.0


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = CLIENT_WITHIN_S  # a client that connects and says nothing holds a thread no longer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are no news."""


class Watch:
    """The HTTP server; use as a context manager.

    Raises on entering:
        OSError: the address is in use.
    """

    def __init__(
        self,
        address: tuple[str, int],
        take: Callable[[], Snapshot],
        *,
        unhealthy: Problems,
        unready: Problems,
    ) -> None:
        self._wanted = address
        self._registry = CollectorRegistry()
        self._registry.register(LinkageCollector(take))
        self._probes = {"/healthz": unhealthy, "/readyz": unready}
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, with the port that the system gave for 0."""
        assert self._server is not None, "not entered"
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def __enter__(self) -> Self:
        host, port = self._wanted
        self._server = make_server(host, port, self._answer, _Server, _Quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="linkage-watch", daemon=True
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
        if path == "/metrics":
            text = generate_latest(self._registry)
            return _reply(start, "200 OK", CONTENT_TYPE_LATEST, text)
        probe = self._probes.get(path)
        if probe is None:
            return _reply(start, "404 Not Found", "text/plain", b"/metrics, /healthz or /readyz\n")
        problems = probe()
        status = "503 Service Unavailable" if problems else "200 OK"
        body = json.dumps({"ok": not problems, "problems": problems}, ensure_ascii=False)
        return _reply(start, status, "application/json", body.encode())


def _reply(start: StartResponse, status: str, kind: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
