"""What the core does for a part: each kind of item, and who may send it.

An adapter's part speaks for its adapter and nobody else; a gateway for every peer but adapters.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
from inspect import signature
from typing import Any, Final

from linkage.bus.checks import want, want_capability, want_pairs, want_time
from linkage.bus.envelope import Kind
from linkage.bus.pack import (
    Fields,
    PackError,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from linkage.bus.part import Part
from linkage.bus.remote_link import RemoteLink
from linkage.bus.uploads import read_piece, stat_of
from linkage.ports import Absent, CoreServicePort, EntryKind, FilesPort, NoticeRequest
from protocol.envelope import Request, Response
from protocol.registration import peer_id_of
from protocol.results import Result

logger = logging.getLogger("linkage.bus")

WINDOW_MAX: Final = 1024


class Dispatcher:
    """Serves the items of all parts. What does not fit its kind is a `PackError`."""

    def __init__(self, core: CoreServicePort, files: FilesPort, adapters: frozenset[str]) -> None:
        self._core = core
        self._files = files
        self._adapters = adapters

    def learn(self, part: Part, capabilities: Any) -> None:
        """What the adapters of a part can do, as it told in its hello."""
        if not isinstance(capabilities, dict):
            return
        for peer_id, told in capabilities.items():
            if peer_id == part.adapter:
                try:
                    self._core.announce(peer_id, want_capability(told))
                except PackError as error:
                    logger.warning("bus: %s: %s", part.name, error)

    # --- links -----------------------------------------------------------------------------------
    def register(
        self, part: Part, number: Any, address: Any, window: Any, packed: Any
    ) -> Coroutine[Any, Any, Fields]:
        """A peer registers."""
        request = unpack_request(packed)
        self._check_peer(part, peer_id_of(request.message) or "")
        return self._register(self._link(part, number, address, window), request)

    async def _register(self, link: RemoteLink, request: Request) -> Fields:
        response = await self._core.register(link, request)
        if response.accepted:
            self._taken(link)
        return pack_response(response)

    def adopt(
        self, part: Part, number: Any, address: Any, window: Any, peer_id: Any
    ) -> Coroutine[Any, Any, None]:
        """A peer is known without registration."""
        self._check_peer(part, peer_id)
        return self._adopt(self._link(part, number, address, window), peer_id)

    async def _adopt(self, link: RemoteLink, peer_id: str) -> None:
        await self._core.adopt(link, peer_id)
        self._taken(link)

    def resume(
        self,
        part: Part,
        number: Any,
        address: Any,
        window: Any,
        peer_id: Any,
        begun: Any,
        told: Any,
    ) -> Coroutine[Any, Any, bool]:
        """A link has lived through the end of the core that took it."""
        self._check_peer(part, peer_id)
        heard = tuple(
            (unpack_request(packed), want_time(came_at)) for packed, came_at in want_pairs(told)
        )
        link = self._link(part, number, address, window)
        link.begun = want(begun, bool)
        return self._resume(link, peer_id, heard)

    async def _resume(
        self, link: RemoteLink, peer_id: str, told: tuple[tuple[Request, datetime], ...]
    ) -> bool:
        if not await self._core.resume(link, peer_id, told):
            return False
        self._taken(link)
        return True

    def _taken(self, link: RemoteLink) -> None:
        link.taken = True
        if link.end is not None:
            self._core.closed(link, link.end)  # it went while the core was taking it
        elif link.begun:
            self._core.begin(link)

    def begin(self, part: Part, number: Any) -> None:
        """Deliveries may begin."""
        link = part.links.get(number)
        if link is None:
            return
        link.begun = True
        if link.taken:
            self._core.begin(link)

    def closed(self, part: Part, number: Any, reason: Any) -> None:
        """A link is gone."""
        link = part.links.pop(number, None)
        if link is not None:
            link.end = want(reason, str)
            self._core.closed(link, link.end)

    async def introduce(self, part: Part, peer_id: Any) -> Fields:
        """Linkage registers at a peer that was dialled."""
        self._check_peer(part, peer_id)
        return pack_request(await self._core.introduce(peer_id))

    # --- messages --------------------------------------------------------------------------------
    def submit(self, part: Part, call: int, number: Any, packed: Any) -> None:
        """A request of a peer: the one call that comes often, so no task waits for its answer."""
        link = part.links.get(want(number, int))
        request = unpack_request(packed)
        if link is None:
            response = Response(
                request_id=request.id, type=request.type, result=int(Result.SESSION_EXPIRED)
            )
            part.say(Kind.ANSWER, call, pack_response(response))
            return
        self._core.post(link, request, partial(_answer, part, call))

    def answered(self, part: Part, number: Any, packed: Any) -> None:
        """A peer answered a push."""
        link = part.links.get(number)
        if link is not None:
            self._core.answered(link, unpack_response(packed))

    def note(
        self,
        part: Part,
        number: Any,
        address: Any,
        kind: Any,
        detail: Any,
        raw: Any,
        result: Any,
    ) -> Coroutine[Any, Any, None]:
        """An entry for the journal."""
        try:
            entry = EntryKind(kind)
        except ValueError:
            raise PackError(f"{kind!r} is no kind of entry") from None
        if result is not None:
            want(result, int)
        link = part.links.get(want(number, int)) or Absent(want(address, str))
        return self._core.note(link, entry, want(detail, str), raw=want(raw, bytes), result=result)

    # --- adapters --------------------------------------------------------------------------------
    async def recall(self, part: Part, adapter: Any) -> str:
        """An adapter's memory, as JSON: msgpack would make other kinds of its lists."""
        self._check_own(part, adapter)
        return json.dumps(await self._core.recall(adapter), ensure_ascii=False)

    async def record(self, part: Part, number: Any, packed: Any, memory: Any) -> tuple[Any, ...]:
        """What an adapter tells, with what it changes in its memory."""
        self._check_own(part, part.adapter)
        notices = [
            NoticeRequest(unpack_request(request), want(reconstructed, bool))
            for request, reconstructed in want_pairs(packed)
        ]
        for key, value in want(memory, dict).items():
            want(key, str)
            if value is not None:
                want(value, str)
        link = part.links.get(want(number, int))
        if link is None:
            return int(Result.SESSION_EXPIRED), None, ()
        done = await self._core.record(link, notices, memory)
        return int(done.result), done.retry_after_s, [*map(pack_response, done.responses)]

    async def open_file(self, part: Part, name: Any) -> int:
        """A file begins."""
        self._check_own(part, part.adapter)
        return part.uploads.open(self._files, want(name, str))

    def add_to_file(self, part: Part, handle: Any, piece: Any) -> Coroutine[Any, Any, None]:
        """A piece of it."""
        return part.uploads.add(want(handle, int), want(piece, bytes))

    def finish_file(self, part: Part, handle: Any) -> Coroutine[Any, Any, tuple[Any, ...]]:
        """It is whole."""
        return part.uploads.finish(want(handle, int))

    def drop_file(self, part: Part, handle: Any) -> None:
        """It will not be."""
        part.uploads.drop(want(handle, int))

    def read_file(self, part: Part, file_id: Any, start: Any) -> Coroutine[Any, Any, bytes | None]:
        """A piece of a file that is kept."""
        self._check_own(part, part.adapter)
        return read_piece(self._files, want(file_id, str), want(start, int))

    def stat_file(self, part: Part, file_id: Any) -> Coroutine[Any, Any, tuple[Any, ...] | None]:
        """Where it lies, and how large it is."""
        self._check_own(part, part.adapter)
        return stat_of(self._files, want(file_id, str))

    def delete_file(self, part: Part, file_id: Any) -> Coroutine[Any, Any, bool]:
        """It goes for good."""
        self._check_own(part, part.adapter)
        return self._files.delete(want(file_id, str))

    # --- rights ----------------------------------------------------------------------------------
    def _check_peer(self, part: Part, peer_id: Any) -> None:
        want(peer_id, str)
        own = part.adapter
        allowed = peer_id == own if own is not None else peer_id not in self._adapters
        if not allowed:
            raise PackError(f"{part.name} does not speak for {peer_id[:80]!r}")

    @staticmethod
    def _check_own(part: Part, adapter: Any) -> None:
        if adapter is None or adapter != part.adapter:
            raise PackError(f"{part.name} is not the part of adapter {adapter!r}")

    @staticmethod
    def _link(part: Part, number: Any, address: Any, window: Any) -> RemoteLink:
        want(number, int)
        if not 0 < want(window, int) <= WINDOW_MAX:
            raise PackError(f"a window of {window}")
        return part.link(number, want(address, str), window)


def _answer(part: Part, call: int, response: Response) -> None:
    part.say(Kind.ANSWER, call, pack_response(response))


Handler = Callable[..., Coroutine[Any, Any, Any]]
OneWay = Callable[..., None]

CALLS: Final[dict[int, Handler]] = {
    Kind.REGISTER: Dispatcher.register,
    Kind.ADOPT: Dispatcher.adopt,
    Kind.RESUME: Dispatcher.resume,
    Kind.INTRODUCE: Dispatcher.introduce,
    Kind.NOTE: Dispatcher.note,
    Kind.RECALL: Dispatcher.recall,
    Kind.RECORD: Dispatcher.record,
    Kind.FILE_OPEN: Dispatcher.open_file,
    Kind.FILE_CHUNK: Dispatcher.add_to_file,
    Kind.FILE_END: Dispatcher.finish_file,
    Kind.FILE_READ: Dispatcher.read_file,
    Kind.FILE_STAT: Dispatcher.stat_file,
    Kind.FILE_DELETE: Dispatcher.delete_file,
}
SAYS: Final[dict[int, OneWay]] = {
    Kind.SUBMIT: Dispatcher.submit,
    Kind.ANSWERED: Dispatcher.answered,
    Kind.BEGIN: Dispatcher.begin,
    Kind.CLOSED: Dispatcher.closed,
    Kind.FILE_DROP: Dispatcher.drop_file,
}
"""What needs no answer, or answers itself."""


def _fields_of(method: Callable[..., Any]) -> int:
    """How many fields an item has that this method serves: all it takes but self and the part."""
    return len(signature(method).parameters) - 2


FIELDS: Final[dict[int, int]] = {
    Kind.PING: 0,
    Kind.BYE: 0,
    **{kind: _fields_of(method) + 1 for kind, method in CALLS.items()},
    **{kind: _fields_of(method) for kind, method in SAYS.items()},
}
"""How many fields an item has, the number of a call included."""
