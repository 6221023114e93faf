"""The core as a part sees it that runs in another process: `CorePort` over the bus."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from linkage.bus.core_connection import CoreConnection
from linkage.bus.envelope import Kind, pack_item
from linkage.bus.local_links import LocalLink
from linkage.bus.pack import (
    PackError,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from linkage.bus.pending_calls import CoreAwayError, tell
from linkage.config.processes import MessagingSettings
from linkage.ports import Clock, EntryKind, LinkPort, NoticeRequest, Recorded
from protocol.envelope import Request, Response
from protocol.kinds import is_command
from protocol.messages import CapabilityNotice
from protocol.registration import peer_id_of
from protocol.results import Result

logger = logging.getLogger("linkage.bus")

RETRY_AFTER_S: Final = 2
FULL_RETRY_S: Final = 1
"""Where there is no core, and where too much waits for it already."""
NOTES_MAX: Final = 1000
"""Entries that wait for a core; more of them are lost, and the log says how many."""
STORE_WITHIN_S: Final = 30.0
"""How long an adapter waits for a core that keeps its memory and its files."""


class CoreClient:
    """`AdapterCorePort`, and an adapter's files, for one part. In one event loop.

    Every call may be made at any time, whether there is a core or not. What is closed is to be
    closed before the connection is stopped.

    Args:
        connection: to the core; started and stopped by who made it.
        clock: for timers.
        settings: the figures.
        expire_s: how long a command without `Expire` may wait (protocol.md#expiry).
    """

    def __init__(
        self,
        connection: CoreConnection,
        clock: Clock,
        settings: MessagingSettings,
        *,
        expire_s: int = 30,
    ) -> None:
        self.connection = connection
        self._clock = clock
        self._settings = settings
        self._expire_s = expire_s
        self._notes = self._notes_lost = 0

    @property
    def peers(self) -> list[str]:
        """Whose links this part has."""
        return [link.peer_id for link in self.connection.links if link.peer_id is not None]

    # --- CorePort: links -------------------------------------------------------------------------
    async def register(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.register`."""
        local = self.connection.links.of(link)
        came_at = self._clock.utc()
        try:
            found = await self._ask_for(
                local, Kind.REGISTER, link.address, link.window, pack_request(request),
                hold_s=self._settings.hold_s,
            )  # fmt: skip
            response = unpack_response(found)
        except CoreAwayError:
            return _away(request)
        except (RuntimeError, ValueError) as error:
            return _failed(request, error)
        if response.accepted:
            local.peer_id = peer_id_of(request.message)
            local.told = ((request, came_at),)
        return response

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        """See `CorePort.adopt`. Waits for a core as long as it takes, or the link lives."""
        local = self.connection.links.of(link)
        try:
            await self._ask_for(local, Kind.ADOPT, link.address, link.window, peer_id)
        except CoreAwayError:
            if self.connection.links.find(link) is not None:
                raise
            return  # closed meanwhile: the caller sees that by itself
        local.peer_id = peer_id

    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`.

        Raises:
            CoreAwayError: there is no core.
        """
        found = await self.connection.call(Kind.INTRODUCE, peer_id, hold_s=self._settings.hold_s)
        return unpack_request(found)

    def begin(self, link: LinkPort) -> None:
        """See `CorePort.begin`."""
        local = self.connection.links.find(link)
        if local is not None:
            local.begun = True
            self.connection.say(Kind.BEGIN, local.number)

    def closed(self, link: LinkPort, reason: str) -> None:
        """See `CorePort.closed`."""
        local = self.connection.links.remove(link)
        if local is None:
            return
        self.connection.say(Kind.CLOSED, local.number, reason)
        if local.asking is not None:
            self.connection.calls.drop_unsent(local.asking)

    # --- CorePort: messages ----------------------------------------------------------------------
    async def submit(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.submit`."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def told(response: Response) -> None:
            tell(answer, response, None)

        self.post(link, request, told)
        return await answer

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        """See `CorePort.post`."""
        local = self.connection.links.find(link)
        if local is None:
            answer(_refused(request, Result.SESSION_EXPIRED))
            return
        wait_s = self._wait_of(local)
        if wait_s:
            answer(_refused(request, Result.OVERLOAD, retry_after_s=wait_s))
            return

        def told(value: Any, error: Exception | None) -> None:
            answer(self._response(local, request, value, error))

        try:
            self.connection.ask(
                told, Kind.SUBMIT, local.number, pack_request(request),
                hold_s=self._settings.hold_s, lane=local.number,
                expires_at=self._expiry(request),
            )  # fmt: skip
        except (TypeError, ValueError, OverflowError) as error:
            answer(_failed(request, error))

    def _wait_of(self, local: LocalLink) -> int:
        """For how many seconds a link's requests are not taken; 0: they are."""
        return local.wait_s() or (local.hold(FULL_RETRY_S) if self.connection.calls.full else 0)

    def _response(
        self, local: LocalLink, request: Request, value: Any, error: Exception | None
    ) -> Response:
        if error is not None:
            if not isinstance(error, CoreAwayError):
                return _failed(request, error)
            local.hold(RETRY_AFTER_S)
            return _away(request)
        try:
            response = unpack_response(value)
        except PackError as damage:
            return _failed(request, damage)
        self._take_capability(local, request, response)
        return response

    def _take_capability(self, local: LocalLink, request: Request, response: Response) -> None:
        if isinstance(request.message, CapabilityNotice) and response.accepted:
            local.told = (*local.told[:1], (request, self._clock.utc()))

    def _expiry(self, request: Request) -> float:
        if not is_command(request.type):
            return math.inf
        return self._clock.now() + (
            self._expire_s if request.expire_s is None else request.expire_s
        )

    def answered(self, link: LinkPort, response: Response) -> None:
        """See `CorePort.answered`."""
        local = self.connection.links.find(link)
        if local is not None:
            live = self.connection.talking
            self.connection.say(Kind.ANSWERED, local.number, pack_response(response))
            local.answered(response, live=live)
            for expired in local.take_expired():
                self.connection.say(Kind.ANSWERED, local.number, pack_response(expired))

    async def note(
        self,
        link: LinkPort,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """See `CorePort.note`. Waits for a core; of too many that wait, the rest is lost."""
        if self._notes >= NOTES_MAX:
            self._notes_lost += 1
            return
        local = self.connection.links.find(link)
        number = 0 if local is None else local.number
        plain_result = None if result is None else int(result)
        self._notes += 1
        try:
            await self.connection.call(
                Kind.NOTE, number, link.address, kind.value, detail, raw, plain_result
            )
        finally:
            self._notes -= 1
        if self._notes_lost:
            logger.error("bus: %d entries for the journal were lost", self._notes_lost)
            self._notes_lost = 0

    # --- adapters: notices, memory and files ---------------------------------------------------
    async def recall(self, adapter: str) -> dict[str, Any]:
        """An adapter's memory, by key.

        Raises:
            OSError: the store, or the core, cannot be reached.
        """
        found = await self.connection.call(Kind.RECALL, adapter, hold_s=STORE_WITHIN_S)
        memory: dict[str, Any] = json.loads(found)
        return memory

    async def record(
        self, link: LinkPort, notices: Sequence[NoticeRequest], memory: Mapping[str, str | None]
    ) -> Recorded:
        """See `AdapterCorePort.record`.

        A core that went away before it answered may have committed it: the next one is asked the
        same again.
        """
        local = self.connection.links.find(link)
        if local is None:
            return Recorded(result=Result.SESSION_EXPIRED)
        wait_s = self._wait_of(local)
        if wait_s:
            return Recorded(result=Result.OVERLOAD, retry_after_s=wait_s)
        lost: dict[int, Response] = {}
        packed: list[tuple[Any, bool]] = []
        for place, notice in enumerate(notices):
            try:
                fields = pack_request(notice.request)
                pack_item(fields)
            except (TypeError, ValueError, OverflowError) as error:
                lost[place] = _failed(notice.request, error)
            else:
                packed.append((fields, notice.reconstructed))
        call = self.connection.call(
            Kind.RECORD, local.number, packed, dict(memory),
            hold_s=self._settings.hold_s, lane=local.number,
        )  # fmt: skip
        try:
            result, retry_after_s, found = await call
        except CoreAwayError:
            return Recorded(result=Result.OVERLOAD, retry_after_s=local.hold(RETRY_AFTER_S))
        if result:
            return Recorded(result=result, retry_after_s=retry_after_s)
        taken = map(unpack_response, found)
        places = range(len(notices))
        responses = [lost[place] if place in lost else next(taken) for place in places]
        for notice, response in zip(notices, responses, strict=True):
            self._take_capability(local, notice.request, response)
        return Recorded(responses=tuple(responses))

    async def file_call(self, kind: Kind, *fields: Any) -> Any:
        """One step of an upload (`linkage.bus.remote_files`).

        Raises:
            OSError: the disk of the core, or the core, cannot be reached.
        """
        return await self.connection.call(kind, *fields, hold_s=STORE_WITHIN_S)

    def drop_file(self, handle: int) -> None:
        """An upload will not be whole."""
        self.connection.say(Kind.FILE_DROP, handle)

    # --- asking ----------------------------------------------------------------------------------
    def _ask_for(
        self, local: LocalLink, kind: Kind, *fields: Any, hold_s: float | None = None
    ) -> asyncio.Future[Any]:
        """Ask for a link to be taken; nobody is asked that any more when it is closed."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        told = partial(tell, answer)
        local.asking = self.connection.ask(told, kind, local.number, *fields, hold_s=hold_s)
        return answer


def _refused(
    request: Request, result: Result, detail: str | None = None, retry_after_s: int | None = None
) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        detail=detail,
        retry_after_s=retry_after_s,
    )


def _away(request: Request) -> Response:
    return _refused(request, Result.OVERLOAD, "the core is not there now", RETRY_AFTER_S)


def _failed(request: Request, error: Exception) -> Response:
    logger.error("bus: %d %s could not be handed on: %s", request.type, request.id, error)
    return _refused(request, Result.INTERNAL, "internal error")
