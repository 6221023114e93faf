"""Serves the files of links over HTTP: `GET` and `HEAD /files/TOKEN`, with Range.

In threads of its own, by the standard library: the disk is read and slow clients are waited for
without the event loop. What comes from a client is hostile; a link is all that opens anything.
"""

from __future__ import annotations

import base64
import logging
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BufferedReader
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from urllib.parse import quote

from linkage.clock import SystemClock
from linkage.files.contents import sha256_of
from linkage.files.directory import DirectoryFiles
from linkage.files.fetches import Fetches
from linkage.files.links import FileLinks, LinkRefusedError
from linkage.files.ranges import Span, UnsatisfiableError, names, span_of
from linkage.ports import Clock, StoredFile
from linkage.ports.file_links import FileLink, GrantedFile, LinkDeniedError
from linkage.ports.files import DamagedFileError
from protocol.results import Result

logger = logging.getLogger("linkage.files")

CLIENTS_MAX: Final = 64
"""Connections at a time."""
HOST_CLIENTS_MAX: Final = 16
"""Of these, from one address."""
HEAD_WITHIN_S: Final = 10.0
"""For the head of a request to be there, TLS included; then the connection is cut."""
SEND_WITHIN_S: Final = 30.0
"""For each `PIECE_BYTES` to be taken."""
PIECE_BYTES: Final = 64 * 1024
POLL_S: Final = 0.1
NAME_MAX: Final = 150

TYPES: Final = {
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg",
    ".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".gif": "image/gif", ".tif": "image/tiff", ".tiff": "image/tiff", ".pdf": "application/pdf",
    ".txt": "text/plain", ".zip": "application/zip",
}  # fmt: skip
"""What is named to a browser; all else is `OTHER`. Nothing in it that a browser runs."""
OTHER: Final = "application/octet-stream"
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Connection": "close",
}
STATUS: Final = {
    Result.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Result.OTHER_TENANT: HTTPStatus.FORBIDDEN,
    Result.NO_FILE: HTTPStatus.GONE,
}

Refused = Callable[[str, str, str], None]
"""Told in any thread of a link that opened nothing: host, address, why."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the server has what it serves from."""

    links: FileLinks
    files: DirectoryFiles
    fetches: Fetches
    refused: Refused


class _NotServedError(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CLIENTS_MAX

    def __init__(
        self,
        address: tuple[str, int],
        sources: Sources,
        tls: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        self.sources = sources
        self._tls = tls
        self.clock = clock
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float | None] = {}
        """Connections, and by when the head of their request must be there."""
        self._hosts: Counter[str] = Counter()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of a name for the host, which may take long."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[Any, Any]:
        """A connection; TLS is agreed in its own thread."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, where there is room."""
        host = client_address[0]
        with self._lock:
            full = len(self._open) >= CLIENTS_MAX or self._hosts[host] >= HOST_CLIENTS_MAX
            if not full:
                self._open[request] = self.clock.now() + HEAD_WITHIN_S
                self._hosts[host] += 1
        if full:
            self.sources.refused(host, f"{host}:{client_address[1]}", "too many fetch files")
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """And out again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
                self._hosts[client_address[0]] -= 1
                self._hosts += Counter()  # without those at nought

    def head_is_here(self, request: Any) -> None:
        """From here on each piece has its own time."""
        with self._lock:
            if request in self._open:
                self._open[request] = None

    def service_actions(self) -> None:
        """Cut those off that say nothing, or a byte now and then."""
        now = self.clock.now()
        self._cut(lambda due: due is not None and due <= now)

    def end_all(self) -> None:
        """Cut everybody off."""
        self._cut(lambda _: True)

    def _cut(self, is_due: Callable[[float | None], bool]) -> None:
        with self._lock:
            for request, due in self._open.items():
                if is_due(due):
                    try:
                        request.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue  # it is gone

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's signature
        """Who leaves before the end, or speaks no TLS, is no news."""
        logger.debug("%s: not served", client_address)


class LinkServer:
    """The HTTP server; serves from `start` to `close`, both may wait a moment.

    Raises on construction:
        OSError: the address is in use.
    """

    def __init__(
        self,
        address: tuple[str, int],
        sources: Sources,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._server = _Server(address, sources, tls, clock or SystemClock())
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": POLL_S},
            name="linkage-files",
            daemon=True,
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, with the port that the system gave for 0."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End, and cut off whoever is being served."""
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.server_close()
        self._server.end_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "linkage"
    sys_version = ""
    timeout = HEAD_WITHIN_S
    server: _Server

    def setup(self) -> None:
        """TLS first, where it is spoken."""
        super().setup()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()

    def do_GET(self) -> None:
        """A file, or a part of it."""
        self._serve()

    def do_HEAD(self) -> None:
        """What a file is, without a byte of it."""
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """The journal has who fetched what."""

    def send_error(
        self,
        code: int,
        message: str | None = None,
        explain: str | None = None,  # noqa: ARG002 - the base class has it
    ) -> None:
        """In one line, with nothing of what the client said."""
        self._answer(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _serve(self) -> None:
        self.server.head_is_here(self.request)
        self.close_connection = True
        try:
            link = self._link()
            granted = self._granted(link)
            stored, file = self._file(link)
        except _NotServedError as error:
            self._answer(error.status, str(error))
            return
        with file:
            self._give(link, granted, stored, file)

    # --- what is asked for -----------------------------------------------------------------------
    def _link(self) -> FileLink:
        sources = self.server.sources
        try:
            return sources.links.read(self.path)
        except LinkRefusedError as error:
            host, port = self.client_address[:2]
            sources.refused(host, f"{host}:{port}", str(error))
            status = HTTPStatus.GONE if error.expired else HTTPStatus.NOT_FOUND
            raise _NotServedError(status, str(error)) from None

    def _granted(self, link: FileLink) -> GrantedFile:
        try:
            return self.server.sources.fetches.grant(link)
        except LinkDeniedError as error:
            status = STATUS.get(error.result, HTTPStatus.FORBIDDEN)
            raise _NotServedError(status, str(error)) from None
        except OSError as error:
            raise _NotServedError(HTTPStatus.SERVICE_UNAVAILABLE, f"not now: {error}") from None

    def _file(self, link: FileLink) -> tuple[StoredFile, BufferedReader]:
        file_id = link.file_id
        try:
            return self.server.sources.files.open_checked(file_id)
        except FileNotFoundError:
            raise _NotServedError(HTTPStatus.GONE, f"FileId {file_id} is not kept") from None
        except DamagedFileError:
            text = f"FileId {file_id} is damaged on disk and is not given out; an alarm says so"
            raise _NotServedError(HTTPStatus.INTERNAL_SERVER_ERROR, text) from None
        except OSError as error:
            text = f"FileId {file_id} cannot be read: {error.strerror}"
            logger.error("%s", text)  # noqa: TRY400 - the reason is in the error's text
            raise _NotServedError(HTTPStatus.INTERNAL_SERVER_ERROR, text) from None

    # --- giving it out ---------------------------------------------------------------------------
    def _give(
        self, link: FileLink, granted: GrantedFile, stored: StoredFile, file: BufferedReader
    ) -> None:
        sha256 = stored.sha256 or sha256_of(file)
        etag, size = f'"{sha256}"', stored.size_bytes
        said = self.headers
        if names(said["If-None-Match"], etag):
            self._head(HTTPStatus.NOT_MODIFIED, {"ETag": etag})
            return
        wanted = said["Range"] if self.command == "GET" else None
        try:
            span = span_of(size, wanted, said["If-Range"], etag)
        except UnsatisfiableError:
            text = f"it has {size} bytes"
            self._answer(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, text,
                {"Content-Range": f"bytes */{size}"},
            )  # fmt: skip
            return
        headers = {
            "Content-Type": TYPES.get(stored.path.suffix.lower(), OTHER),
            "Content-Disposition": disposition(granted.name, link.file_id, stored.path.suffix),
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",
        }
        status = HTTPStatus.OK
        if span is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
        whole = Span(0, size - 1)
        headers["Content-Length"] = f"{(span or whole).length}"
        if self.command == "HEAD":
            self._head(status, headers)
            return
        try:
            self._note(link, granted, span, size)
        except OSError as error:
            # Nothing goes out that the journal does not have.
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"not now: {error}")
            return
        self._head(status, headers)
        self._send(file, span or whole)

    def _note(self, link: FileLink, granted: GrantedFile, span: Span | None, size: int) -> None:
        host, port = self.client_address[:2]
        part = "" if span is None else f" bytes {span.first} to {span.last} of"
        name = f" ({granted.name})" if granted.name else ""
        detail = f"FileId {link.file_id}{name}:{part} {size} bytes, by the link of entry "
        detail += f"{link.asked_seq}, from {host}:{port}"
        self.server.sources.fetches.fetched(link, host, detail)

    def _send(self, file: BufferedReader, span: Span) -> None:
        self.connection.settimeout(SEND_WITHIN_S)
        file.seek(span.first)
        left = span.length
        while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
            self.wfile.write(piece)
            left -= len(piece)

    def _answer(
        self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None
    ) -> None:
        body = f"{text}\n".encode()
        self._head(
            status,
            {
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": f"{len(body)}",
                **({"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}),
                **(headers or {}),
            },
        )
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in {**headers, **ALWAYS}.items():
            self.send_header(name, value)
        self.end_headers()


def disposition(name: str | None, file_id: str, ending: str) -> str:
    """To be saved, never shown, under a name that a platform gave: hostile."""
    base = Path((name or "").replace("\\", "/")).name
    base = "".join(c for c in base if c.isprintable() and c not in '"/\\')[:NAME_MAX].strip(". ")
    base = base or file_id
    if ending and not base.lower().endswith(ending.lower()):
        base += ending
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", base)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(base, safe='')}"
