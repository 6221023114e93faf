"""A core that remembers what it was told. mypy proves that it serves the port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from linkage.ports import AdapterCorePort, EntryKind, LinkPort, NoticeRequest, Recorded
from protocol.envelope import Request, Response
from protocol.registration import make_registration, peer_id_of, signed_fields, verify
from protocol.results import Result
from protocol.roles import Role

NOTHING_TAKEN: Final = {
    Result.OVERLOAD,
    Result.STORAGE_FULL,
    Result.SWITCHING_OVER,
    Result.SESSION_EXPIRED,
}
SECRET = "a secret of the tests"


@dataclass(frozen=True)
class Note:
    link: LinkPort
    kind: EntryKind
    detail: str
    raw: bytes
    result: int | None
    source: str
    """The peer whose link it is, or else where the link says that it speaks from."""


@dataclass
class FakeCore:
    """Takes every request of `peers`; the fields up to `at_begin` change that.

    As the real one does, it lets a newer link of a peer replace the older.
    """

    peers: Collection[str] = ("app", "platform")
    gate: asyncio.Event | None = None
    refusals: list[Result] = field(default_factory=list)
    retry_after_s: int | None = None
    """What goes with each of `refusals`."""
    fail: Exception | None = None
    fail_notes: Exception | None = None
    detail: str | None = None
    register_gate: asyncio.Event | None = None
    at_begin: Callable[[LinkPort], None] | None = None
    registering: int = 0
    live: dict[str, LinkPort] = field(default_factory=dict)
    begun: list[LinkPort] = field(default_factory=list)
    started: list[Request] = field(default_factory=list)
    submitted: list[Request] = field(default_factory=list)
    reconstructed: list[bool] = field(default_factory=list)
    memory: dict[str, str | None] = field(default_factory=dict)
    answers: list[Response] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    ends: list[tuple[LinkPort, str]] = field(default_factory=list)
    introduced: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to have happened here; fails after 30 s."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def kinds(self) -> list[EntryKind]:
        return [note.kind for note in self.notes]

    def _tell(self) -> None:
        self._changed.set()

    def _replace(self, peer_id: str, link: LinkPort) -> None:
        older = self.live.get(peer_id)
        self.live[peer_id] = link
        if older is not None:
            older.close("replaced")

    # --- the port -------------------------------------------------------------------------------
    async def register(self, link: LinkPort, request: Request) -> Response:
        self.registering += 1
        self._tell()
        await (asyncio.sleep(0) if self.register_gate is None else self.register_gate.wait())
        peer_id = peer_id_of(request.message)
        result = Result.BAD_CREDENTIALS
        if peer_id in self.peers and verify(SECRET, signed_fields(request)):
            assert peer_id is not None
            result = Result.OK
            self._replace(peer_id, link)
        self._tell()
        return Response(
            request_id=request.id,
            type=request.type,
            result=result,
            detail=result.name,
            last_seq=0 if result is Result.OK else None,
        )

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        await asyncio.sleep(0)
        if peer_id not in self.peers:
            raise KeyError(peer_id)
        self._replace(peer_id, link)
        self._tell()

    async def introduce(self, peer_id: str) -> Request:
        await asyncio.sleep(0)
        if peer_id not in self.peers:
            raise KeyError(peer_id)
        self.introduced += 1
        message = make_registration(
            Role.PLATFORM, "linkage", SECRET, datetime(2026, 11, 22, tzinfo=UTC), "nonce-nonce"
        )
        return Request(id=f"hello{self.introduced}", message=message)

    def begin(self, link: LinkPort) -> None:
        self.begun.append(link)
        if self.at_begin is not None:
            self.at_begin(link)
        self._tell()

    async def submit(self, link: LinkPort, request: Request) -> Response:  # noqa: ARG002 - the port's signature
        self.started.append(request)
        self._tell()
        await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        if self.fail is not None:
            raise self.fail
        self.submitted.append(request)
        self._tell()
        return self._respond(request, self.refusals.pop(0) if self.refusals else Result.OK)

    def _respond(self, request: Request, result: Result) -> Response:
        return Response(
            request_id=request.id,
            type=request.type,
            result=result,
            detail=self.detail,
            retry_after_s=None if result is Result.OK else self.retry_after_s,
        )

    async def record(
        self,
        link: LinkPort,  # noqa: ARG002 - the same
        notices: Sequence[NoticeRequest],
        memory: Mapping[str, str | None],
    ) -> Recorded:
        self.started += [notice.request for notice in notices]
        self._tell()
        await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        if self.fail is not None:
            raise self.fail
        self.submitted += [notice.request for notice in notices]
        self.reconstructed += [notice.reconstructed for notice in notices]
        result = self.refusals.pop(0) if self.refusals else Result.OK
        self._tell()
        if result in NOTHING_TAKEN:
            return Recorded(result=result, retry_after_s=self.retry_after_s)
        self.memory.update(memory)
        # A refusal is that of the first notice.
        results = [result, *[Result.OK] * len(notices)]
        pairs = zip(notices, results, strict=False)
        return Recorded(
            responses=tuple(self._respond(notice.request, each) for notice, each in pairs)
        )

    async def recall(self, adapter: str) -> dict[str, Any]:  # noqa: ARG002 - the same
        kept = {key: value for key, value in self.memory.items() if value is not None}
        return {key: json.loads(value) for key, value in kept.items()}

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        if self.fail is not None:
            raise self.fail

        async def work() -> None:
            answer(await self.submit(link, request))

        task = asyncio.get_running_loop().create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def answered(self, link: LinkPort, response: Response) -> None:  # noqa: ARG002 - the same
        self.answers.append(response)
        self._tell()

    async def note(
        self,
        link: LinkPort,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        source = next((peer for peer, live in self.live.items() if live is link), link.address)
        await asyncio.sleep(0)
        if self.fail_notes is not None:
            raise self.fail_notes
        raised = any(note.kind is EntryKind.ALARM and note.source == source for note in self.notes)
        if kind is EntryKind.ALARM_CLEARED and not raised:
            return  # as the real one: no news
        self.notes.append(Note(link, kind, detail, raw, result, source))
        self._tell()

    def closed(self, link: LinkPort, reason: str) -> None:
        for peer_id in [peer for peer, live in self.live.items() if live is link]:
            del self.live[peer_id]
        if all(known is not link for known, _ in self.ends):
            self.ends.append((link, reason))
        self._tell()


def serves_the_port(core: FakeCore) -> AdapterCorePort:
    return core
