"""Asterisk's REST interface (ARI, Asterisk 18–22) as a thin client: requests, events, files.

No state of calls in here and no reconnecting: what is lost is said by an error, and who owns the
link makes another client.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from adapters.asterisk.settings import Settings
from adapters.voice.driver import OutcomeUnknownError, PlatformRefusedError
from linkage.ports import AdapterError, AdapterRefusedError, AdapterUnavailableError
from protocol.results import Result

logger = logging.getLogger("linkage.asterisk")

PING_S: Final = 10.0
"""Between two pings of the WebSocket; half of it without an answer and the link is lost."""
EVENT_MAX_BYTES: Final = 1024 * 1024
ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
"""A list of a few thousand channels; more than that is no answer but a fault."""
CHUNK_BYTES: Final = 64 * 1024
ACCESS_VARIABLE: Final = "LINKAGE_ACCESS"
"""A global variable that is set to see whether we may set anything; nobody reads it."""
DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
LOST_BEHIND: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""From a proxy that passed the request on, perhaps, and had no answer. Asterisk says neither."""
EXACT_S: Final = 3600.0
"""Below so much aiohttp is not to round up a time limit."""


RESULTS: Final[Mapping[int, Result]] = {
    HTTPStatus.NOT_FOUND: Result.NO_CALL,
    HTTPStatus.CONFLICT: Result.WRONG_STATE,
    HTTPStatus.PRECONDITION_FAILED: Result.WRONG_STATE,
    HTTPStatus.UNPROCESSABLE_ENTITY: Result.BAD_VALUE,
    HTTPStatus.BAD_REQUEST: Result.BAD_VALUE,
}
"""HTTP status → what the sender of a command is told; of others `Result.VENDOR`."""


class AriError(PlatformRefusedError):
    """Asterisk refused one request: `status` is HTTP's, `detail` its own words."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(RESULTS.get(status, Result.VENDOR), detail)
        self.status = status

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


def segment(value: str) -> str:
    """A part of a path, quoted: ids come from outside and may hold anything."""
    return quote(value, safe="")


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    """How Asterisk is verified; read anew for each link, so that renewed files are taken up.

    Raises:
        AdapterUnavailableError: a file cannot be used; it may be mended without a restart.
    """
    if settings.ca is None and settings.certificate is None:
        return True
    try:
        made = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate is not None:
            made.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:  # OpenSSL's own errors among them
        named = f"settings.ca {settings.ca}"
        if settings.certificate is not None:
            named += f", settings.certificate {settings.certificate}"
        reason = error.strerror or str(error)
        raise AdapterUnavailableError(f"{named}: cannot be used: {reason}") from None
    return made


def _basic(settings: Settings) -> str:
    secret = f"{settings.user}:{settings.password.get_secret_value()}"
    return f"Basic {base64.b64encode(secret.encode()).decode('ascii')}"


class AriClient:
    """One session with ARI. Use `async with`; a client that failed is thrown away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.base_url
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls(self._settings)),
            headers={"Authorization": _basic(self._settings)},
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
        )
        return self

    def authorize(self, settings: Settings) -> None:
        """Go on with other credentials, from the next request on.

        Asterisk looks at those of each request, and at the event stream's when it is opened.
        """
        self._settings = settings
        self._session.headers["Authorization"] = _basic(settings)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def connect(self) -> None:
        """Open the WebSocket, which makes the application known to Asterisk.

        Events are kept from now on, to be read by `events`.

        Raises:
            AdapterUnavailableError: nobody answers, or not as ARI does.
            AdapterRefusedError: the credentials are wrong.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                self._socket = await self._session.ws_connect(
                    f"{self._url}/events",
                    params={"app": self._settings.app, "subscribeAll": "false"},
                    heartbeat=PING_S,
                    max_msg_size=EVENT_MAX_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise self._refusal(error.status, error.message) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise AdapterUnavailableError(
                f"Asterisk at {self._url} shows a certificate that cannot be trusted: "
                f"{error.certificate_error}; settings.ca names the authority of it"
            ) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AdapterUnavailableError(
                f"Asterisk at {self._url} cannot be reached: {str(error) or type(error).__name__}"
            ) from error

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """Each event as it comes; what is no JSON object is dropped and logged.

        Raises:
            AdapterUnavailableError: the link was lost (there is no other end).
        """
        socket = self._socket
        if socket is None:
            raise AdapterUnavailableError("not connected")
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                logger.warning("asterisk sent %s instead of text: dropped", message.type.name)
                continue
            try:
                event = json.loads(message.data)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                yield event
            else:
                logger.warning("asterisk sent what is no event: %.200r", message.data)
        error = socket.exception()
        raise AdapterUnavailableError(
            f"Asterisk closed the link: {error or socket.close_code or 'lost'}"
        )

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        begin_within_s: float | None = None,
    ) -> Any:
        """Do one request and return the decoded answer, None where there is none.

        `begin_within_s`: it is sent within so many seconds or never.

        Raises:
            AriError: Asterisk refused it.
            OutcomeUnknownError: no answer, and nobody knows whether it was done.
            AdapterUnavailableError: nobody is there; it was never sent.
            AdapterRefusedError: the credentials are wrong.
        """
        status, data = await self._send(method, path, query, body, begin_within_s)
        if status in DENIED:
            await self._check_access(method)
        if status in LOST_BEHIND:
            raise OutcomeUnknownError(f"{method} {path}: the proxy answers {status}")
        _check(status, data)
        try:
            return json.loads(data) if data else None
        except (ValueError, RecursionError) as error:
            raise AriError(HTTPStatus.BAD_GATEWAY, f"{method} {path}: no JSON") from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        begin_within_s: float | None = None,
    ) -> tuple[int, bytes]:
        limit = aiohttp.ClientTimeout(
            total=self._settings.timeout_s, connect=begin_within_s, ceil_threshold=EXACT_S
        )
        try:
            async with self._session.request(
                method, f"{self._url}{path}", params=dict(query or {}), json=body, timeout=limit
            ) as response:
                return response.status, await response.content.read(ANSWER_MAX_BYTES)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise AdapterUnavailableError(
                f"Asterisk at {self._url} cannot be reached: {error}"
            ) from error
        except TimeoutError as error:
            raise OutcomeUnknownError(f"{method} {path}: no answer from Asterisk") from error
        except (aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknownError(f"{method} {path}: {error}") from error

    async def ping(self, within_s: float | None = None) -> None:
        """Return when Asterisk has answered: what is sent now is done now.

        A request to one that stands still lies in its socket, and is done when it goes on.

        Raises: as `request`; TimeoutError: not within so many seconds.
        """
        async with asyncio.timeout(within_s):
            try:
                await self.request("GET", "/asterisk/ping")
            except AriError as error:
                if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise AdapterUnavailableError(f"Asterisk answers {error}") from error

    async def _check_access(self, method: str) -> None:
        """A request was denied: is it about what it names, or does Asterisk not take us at all?

        Raises:
            AdapterRefusedError: as a whole.
        """
        status, data = await self._send("GET", "/asterisk/ping")
        if status not in DENIED and method != "GET":
            query = {"variable": ACCESS_VARIABLE, "value": "1"}
            status, data = await self._send("POST", "/asterisk/variable", query)
        if status in DENIED:
            raise self._refusal(status, _words(data))

    async def find(self, path: str) -> Any:
        """GET something that may not be there: None then."""
        try:
            return await self.request("GET", path)
        except AriError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """A file in pieces. The time limit counts for each piece, not for the whole.

        Raises: as `request`.
        """
        limit = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._settings.timeout_s,
            sock_read=self._settings.timeout_s,
        )
        try:
            async with self._session.get(f"{self._url}{path}", timeout=limit) as response:
                if response.status in DENIED:
                    await self._check_access("GET")
                if response.status != HTTPStatus.OK:
                    _check(response.status, await response.content.read(CHUNK_BYTES))
                async for piece in response.content.iter_chunked(CHUNK_BYTES):
                    yield piece
        except TimeoutError as error:
            raise OutcomeUnknownError(f"{path}: no more from Asterisk") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AdapterUnavailableError(f"{path}: {error}") from error

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise AdapterUnavailableError("not connected")
        return self._http

    def _refusal(self, status: int, detail: str) -> AdapterError:
        if status in DENIED:
            return AdapterRefusedError(
                f"Asterisk at {self._url} does not take user {self._settings.user!r} ({status}): "
                "check user and password in the adapter's settings and in ari.conf, "
                "and that the user is not read_only there"
            )
        if status == HTTPStatus.NOT_FOUND:
            return AdapterUnavailableError(
                f"{self._url} answers, but has no ARI ({status}): check the url, "
                "and enabled=yes in ari.conf and http.conf"
            )
        return AdapterUnavailableError(f"Asterisk at {self._url} answers {status} {detail}")


def _check(status: int, data: bytes) -> None:
    """Raise what an answer says is wrong with what was asked for."""
    if status >= HTTPStatus.BAD_REQUEST:
        raise AriError(status, _words(data) or f"HTTP status {status}")


def _words(data: bytes) -> str:
    """What Asterisk says in an error: `{"message": …}`, or `{"error": …}`."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    return " ".join(str(answer.get("message") or answer.get("error") or "").split())[:300]
