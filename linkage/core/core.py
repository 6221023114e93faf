"""The core's face to the event loop (`linkage.ports.CorePort`), put together of its parts.

```
 Links ── who is at which link ──▶ Queues ── Outbox of each receiver ──▶ Link.push
 post, note, … ──▶ Writer ── one batch ──▶ GroupCommit, in its thread ──▶ _settle ──▶ Queues
```
`Admission` is asked before a request is taken, and told after each batch.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from linkage.config.file import Config
from linkage.core.alarms import Alarm, told_at_once
from linkage.core.clock_steps import steady_us_of
from linkage.core.context import Context
from linkage.core.delivery.jobs import Sweep
from linkage.core.delivery.queues import Queues
from linkage.core.handle.incoming import Handled, not_written
from linkage.core.handle.jobs import Record, Submit
from linkage.core.handle.notices import ClearUnrouted
from linkage.core.jobs import Job
from linkage.core.liveness.jobs import AuditLiveness
from linkage.core.measures import Measures, Times
from linkage.core.memory import LoadMemory
from linkage.core.observe import ALARMS, Observe
from linkage.core.overload.admission import Admission
from linkage.core.overload.conditions import Conditions
from linkage.core.overload.holds import STORE_RETRY_S, Holds
from linkage.core.peers import OPERATOR, Peer, Peers, capability_of
from linkage.core.retention.jobs import AnnounceGaps, DropQueue
from linkage.core.scope import Done
from linkage.core.sessions.credential_expiry import CredentialExpiry
from linkage.core.sessions.registry import Links, Presence
from linkage.core.sessions.takeover import Takeover
from linkage.core.writer.group_commit import GroupCommit
from linkage.core.writer.writer import Batch, Writer, tell
from linkage.observation.figures import Figures
from linkage.ports import Capability, Clock, EntryKind, Link, NoticeRequest, Recorded, StoredFile
from linkage.ports.maintenance import StoreLog
from linkage.ports.store import Store
from linkage.tracing.context import Conversations
from linkage.tracing.spans import Put, SpanMaker
from protocol.envelope import Request, Response
from protocol.messages import CapabilityNotice
from protocol.results import Result

logger = logging.getLogger("linkage.core")

T = TypeVar("T")

SWEEP_EVERY_S: Final = 1.0


class Core:
    """Journal, correlation and delivery behind `CorePort`.

    Everything but `GroupCommit.process` runs in the event loop's thread.
    """

    def __init__(
        self,
        config: Config,
        unit: Store,
        clock: Clock,
        capabilities: Mapping[str, Capability],
        *,
        free_bytes: Callable[[], int | None] | None = None,
        find_file: Callable[[str], StoredFile | None] = lambda _: None,
        store_log: StoreLog | None = None,
        spans: Put | None = None,
    ) -> None:
        self.peers = Peers.of(config, capabilities)
        self.store_log = store_log
        self._clock = clock
        self._config = config
        self.figures = Figures()
        self._measures = Measures(
            self.figures, clock, None if spans is None else SpanMaker(config.id, spans, clock)
        )
        sample = 1.0 if config.trace is None else config.trace.sample
        holds = Holds()
        self._commits = GroupCommit(
            Context(
                unit,
                self.peers,
                config.timers.command_expire_s,
                liveness=config.sweep if config.sweep.ask_after_h else None,
                conversations=None if spans is None else Conversations(config.id, sample),
                free_bytes=free_bytes or partial(_free_bytes, config.data_path),
                find_file=find_file,
            ),
            clock.now,
            holds=holds,
            writes=self.figures.writes,
        )
        self._steady_us = steady_us_of(clock)
        self._writer = Writer(self._commits, clock, self._steady_us, self._settle)
        takeover = Takeover()
        self._admission = Admission(
            config,
            self._commits,
            clock,
            put=self._writer.put,
            holds=holds,
            tell=self._tell_at_once,
            takeover=takeover,
            log_held=lambda: None if store_log is None else store_log.problem,
        )
        self._queues = Queues(
            self.peers,
            self.figures,
            self._writer,
            self._admission,
            takeover,
            self._steady_us,
            closed=self.closed,
            delivered=self._delivered,
        )
        self._links = Links(
            self.peers, clock, self._writer, self._queues, self._admission, takeover
        )
        self.credential_expiry = CredentialExpiry(
            lambda: self._links.credentials, self._links.end, clock
        )
        self._sweeping: asyncio.TimerHandle | None = None
        self._sweep_waits = False
        self._asked_at = clock.now()

    # --- life ------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to take work."""
        self._writer.start()
        await self._writer.do(Observe(self.peers.own_id, EntryKind.STARTED, "linkage started"))
        await self._writer.do(AnnounceGaps())
        await self._writer.do(ClearUnrouted())
        self._sweep_later()
        self.credential_expiry.start()

    async def stop(self) -> None:
        """Finish what was taken, then end; every link should be closed before."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self.credential_expiry.stop()
        if self._writer.running:
            await self.between_commits(lambda: None)
            self._admission.offer_kept()
            self._writer.put(Observe(self.peers.own_id, EntryKind.STOPPED, "linkage stopped"))
            await self._writer.stop()

    # --- what a commit brought -------------------------------------------------------------------
    def _settle(self, batch: Batch) -> None:
        """What follows from a commit, in the loop's thread; no bug in it reaches another's."""
        self.figures.committed(len(batch.items), batch.ended - batch.began, failed=batch.failed)
        now_us = self._steady_us()
        unsettled, hand_out = self._writer.unsettled, self._queues.hand_out
        for (number, job, on_done), done in zip(batch.items, batch.done, strict=True):
            times = Times(unsettled.pop(number), batch.began, batch.ended)
            if done.error is not None:
                self._keep(job, done.error)
            # One by one: a queue is not read on from the disk before its last reading is settled.
            try:
                if on_done is not None:
                    on_done(done)
            except Exception:
                logger.exception("%s: its result was not handed on, by a bug", type(job).__name__)
            try:
                hand_out(done, now_us)
            except Exception:
                logger.exception(
                    "%s: its deliveries were not handed on, by a bug; they stay queued on disk",
                    type(job).__name__,
                )
            try:
                job.measure(self._measures, done, times)
            except Exception:
                logger.exception("%s: not counted, by a bug", type(job).__name__)
        self._admission.look(self.inbox, self.oldest_work_s)

    def _keep(self, job: Job[Any], error: Exception) -> None:
        try:
            self._admission.failed(job, error)
        except Exception:
            logger.exception("%s: not kept for the disk, by a bug", type(job).__name__)

    def _delivered(
        self, receiver: str, request: Request, response: Response, took_s: float
    ) -> None:
        try:
            self._measures.delivered(receiver, request, response, took_s)
        except Exception:
            logger.exception("%s: its answer was not counted, by a bug", receiver)

    def _tell_at_once(self, alarm: Alarm) -> None:
        for peer in list(self._links.peer_at.values()):
            message = told_at_once(alarm, peer)
            if message is not None:
                self._queues.answer(peer.id, message, self._steady_us())

    # --- what watchers ask -----------------------------------------------------------------------
    @property
    def inbox(self) -> int:
        """Jobs that waits for the disk."""
        return len(self._writer.unsettled)

    @property
    def oldest_work_s(self) -> float:
        """How long the oldest work has waited for the disk; safe to ask in any thread."""
        return self._writer.oldest_s

    @property
    def conditions(self) -> Conditions:
        """Whether requests are taken, and which alarms are raised."""
        return self._admission.conditions

    @property
    def disk_free(self) -> int | None:
        """Bytes that are free on the disk of the store; None before the first sweep."""
        return self._commits.context.disk_free

    @property
    def journal_seq(self) -> int:
        """The newest journal row."""
        return self._commits.journal_seq

    @property
    def store_failing(self) -> bool:
        """Whether the store did not take the last batch."""
        return self._commits.store_failing

    # --- CorePort --------------------------------------------------------------------------------
    async def register(self, link: Link, request: Request) -> Response:
        """See `CorePort.register`."""
        return await self._links.register(link, request)

    async def adopt(self, link: Link, peer_id: str) -> None:
        """See `CorePort.adopt`."""
        await self._links.adopt(link, peer_id)

    async def resume(
        self, link: Link, peer_id: str, told: Sequence[tuple[Request, datetime]]
    ) -> bool:
        """See `CoreService.resume`."""
        return await self._links.resume(link, peer_id, told)

    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`."""
        return await self._links.introduce(peer_id)

    def begin(self, link: Link) -> None:
        """See `CorePort.begin`."""
        self._links.begin(link)

    async def take_up(self, config: Config, gone: Collection[str]) -> None:
        """Let in whom a changed configuration lets in, and end the sessions of the others.

        Args:
            config: of the same peers and of new ones; of those that were there, how they may come
                in is taken up, and nothing else.
            gone: those of them that are shut out.
        """
        new = [settings for settings in config.peer if settings.id not in self.peers.by_id]
        if new:
            await self.between_commits(partial(self.peers.add, new))
            await self._writer.do(ClearUnrouted())
        for settings in config.peer:
            self.peers.by_id[settings.id].settings = settings
        self._links.shut_out(gone)
        await self.credential_expiry.look()

    def closed(self, link: Link, reason: str) -> None:
        """See `CorePort.closed`."""
        self._links.closed(link, reason)

    def announce(self, peer_id: str, capability: Capability) -> None:
        """See `CoreService.announce`."""
        self.peers.by_id[peer_id].capability = capability

    async def submit(self, link: Link, request: Request) -> Response:
        """See `CorePort.submit`."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.post(link, request, partial(tell, answer))
        return await answer

    def post(self, link: Link, request: Request, answer: Callable[[Response], None]) -> None:
        """See `CorePort.post`."""
        peer = self._links.peer_at.get(link)
        if peer is None:
            answer(_refused(request, Result.SESSION_EXPIRED))
            return
        wait_s = self._admission.refusal(peer.id, len(self._writer.unsettled))
        if wait_s:
            refused = _refused(request, Result.OVERLOAD, wait_s)
            self._measures.refused_unread(request, refused)
            answer(refused)
            return
        if self._writer.stopping or not self._writer.running:
            answer(not_written(request, OSError()))
            return
        job = Submit(peer.id, request, answered=self._writer.answered)
        self._admission.waiting[peer.id] += 1
        self._writer.put(job, partial(self._submitted, peer, request, answer))

    def _submitted(
        self,
        peer: Peer,
        request: Request,
        answer: Callable[[Response], None],
        done: Done[Handled],
    ) -> None:
        self._admission.waiting[peer.id] -= 1
        answer(_response_of(peer, request, done))
        if done.value is not None and done.value.replayed:
            self._queues.replay(peer.id)

    async def record(
        self, link: Link, notices: Sequence[NoticeRequest], memory: Mapping[str, str | None]
    ) -> Recorded:
        """See `AdapterCore.record`."""
        peer = self._links.peer_at.get(link)
        if peer is None:
            return Recorded(result=Result.SESSION_EXPIRED)
        wait_s = self._admission.refusal(peer.id, self.inbox) if notices else 0
        if wait_s:
            for notice in notices:
                self.figures.requests[notice.request.type, Result.OVERLOAD] += 1
            return Recorded(result=Result.OVERLOAD, retry_after_s=wait_s)
        answered = self._writer.answered
        submits = [
            Submit(peer.id, notice.request, notice.reconstructed, answered) for notice in notices
        ]
        self._admission.waiting[peer.id] += len(submits)
        try:
            done = await self._writer.do(Record(peer.id, tuple(submits), memory))
        finally:
            self._admission.waiting[peer.id] -= len(submits)
        if isinstance(done.error, OSError):
            return Recorded(result=Result.OVERLOAD, retry_after_s=STORE_RETRY_S)
        parts = done.result()
        responses = (
            _response_of(peer, notice.request, part)
            for notice, part in zip(notices, parts, strict=True)
        )
        return Recorded(responses=tuple(responses))

    async def operate(self, author: str, owner: str, request: Request) -> Response:
        """Handle a command of a person at this machine, by the rules for everybody.

        Args:
            author: who they are, for the journal and for what is bound.
            owner: the application in whose name they act.
            request: a 2xx that is about events.
        """
        done = await self._writer.do(Submit(f"{OPERATOR}{author}", request, owner=owner))
        handled = done.value
        return not_written(request, done.error) if handled is None else handled.response

    @property
    def present(self) -> list[Presence]:
        """Who is connected now."""
        return self._links.present

    def answered(self, link: Link, response: Response) -> None:
        """See `CorePort.answered`."""
        peer = self._links.peer_at.get(link)
        if peer is not None:
            self._queues.answered(peer.id, response)

    async def note(
        self,
        link: Link,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """See `CorePort.note`."""
        peer = self._links.peer_at.get(link)
        source = link.address if peer is None else peer.id
        # Who says an alarm says it once: that is never what there is no room for.
        if kind in ALARMS or len(self._writer.unsettled) < self._admission.conditions.bounds.inbox:
            await self._writer.do(Observe(source, kind, detail, raw, result))

    # --- the store to oneself --------------------------------------------------------------------
    async def between_commits(self, act: Callable[[], T]) -> T:
        """Do something in the core's thread, after what was taken so far, outside a transaction.

        For who wants the store to himself for a moment. Call it only between `start` and `stop`.
        """
        return await self._writer.between(act)

    # --- retention -------------------------------------------------------------------------------
    async def keep(self, job: Job[T]) -> T:
        """Do a slice of retention between the commits of others (`linkage.core.retention`).

        Raises:
            OSError: the store cannot be written now.
        """
        return (await self._writer.do(job)).result()

    async def drop_queue(self, job: DropQueue) -> bool:
        """Let a queue go, as far as nothing of that is at the receiver; whether it was done.

        Raises:
            OSError: the store cannot be written now.
        """
        if not self._queues.hold(job.receiver, job.to_seq):
            return False
        return (await self._writer.do(job, partial(self._queues.dropped, job.receiver))).result()

    # --- adapters' memory ------------------------------------------------------------------------
    async def recall(self, adapter: str) -> dict[str, Any]:
        """See `AdapterCore.recall`."""
        return (await self._writer.do(LoadMemory(adapter))).result()

    # --- every second ----------------------------------------------------------------------------
    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._sweep)

    def _sweep(self) -> None:
        self._sweep_later()
        self._queues.pump_due()
        self._audit_liveness()
        self._links.sum_up()
        if self._admission.offer_kept():
            self._queues.load_all()
        # One at a time: a disk that hangs must not find a heap of them when it comes back.
        if not self._sweep_waits:
            self._sweep_waits = True
            self._writer.put(Sweep(self._queues.pushed(), self._steady_us()), self._swept)
        self._admission.look(self.inbox, self.oldest_work_s)

    def _swept(self, _: Done[None]) -> None:
        self._sweep_waits = False

    def _audit_liveness(self) -> None:
        now = self._clock.now()
        if now - self._asked_at >= self._config.sweep.every_s and not self._sweep_waits:
            self._asked_at = now
            self._writer.put(AuditLiveness())


def _response_of(peer: Peer, request: Request, done: Done[Handled]) -> Response:
    """What a peer is answered; what it can do is known from then on, where it told that."""
    if done.value is None:
        return not_written(request, done.error)
    response = done.value.response
    if response.accepted and isinstance(request.message, CapabilityNotice):
        peer.capability = capability_of(request.message)
    return response


def _refused(request: Request, result: Result, retry_after_s: int | None = None) -> Response:
    return Response(
        request_id=request.id, type=request.type, result=int(result), retry_after_s=retry_after_s
    )


def _free_bytes(folder: Path) -> int | None:
    """What is free where the store lies; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
