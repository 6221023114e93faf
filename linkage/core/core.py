"""The core's face to the event loop (`linkage.ports.CorePort`), put together of its parts.

```
 LinkRegistry ── who is at which link ──▶ DeliveryQueues ── an Outbox each ──▶ LinkPort.push
 post, note, … ──▶ Writer ── one batch ──▶ GroupCommit ──▶ _settle ──▶ DeliveryQueues
```
`Admission` is asked before a request is taken, and told after each batch.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from linkage.config.file import Config
from linkage.core.alarms import Alarm, told_at_once
from linkage.core.clock_steps import steady_us_of
from linkage.core.context import Context
from linkage.core.delivery.queues import DeliveryQueues
from linkage.core.job import Job
from linkage.core.measures import Measures
from linkage.core.overload.admission import Admission
from linkage.core.overload.conditions import Conditions
from linkage.core.overload.holds import Holds
from linkage.core.own_entries import ALARMS, Observe, RaisedAlarms
from linkage.core.peers import Peers
from linkage.core.requests.adapter_record import AdapterRecorder
from linkage.core.requests.file_fetch import NoteFetch, OpenLink
from linkage.core.requests.notices import ClearUnrouted
from linkage.core.requests.submit import Intake
from linkage.core.retention.dropped_queues import AnnounceGaps, DropQueue
from linkage.core.sessions.credential_expiry import CredentialExpiry
from linkage.core.sessions.registry import LinkRegistry, Presence
from linkage.core.sessions.takeover import Takeover
from linkage.core.sweeper import Sweeper
from linkage.core.writer.group_commit import GroupCommit
from linkage.core.writer.writer import Batch, Writer
from linkage.observation.instruments import Figures
from linkage.ports import (
    Capability,
    Clock,
    EntryKind,
    LinkPort,
    NoticeRequest,
    Recorded,
    StoredFile,
)
from linkage.ports.file_links import FileLink, GrantedFile, LinkDeniedError, LinksPort
from linkage.ports.maintenance import StoreLog
from linkage.ports.store import StorePort
from linkage.tracing.context import Conversations
from linkage.tracing.spans import Put, SpanMaker
from protocol.envelope import Request, Response

logger = logging.getLogger("linkage.core")

T = TypeVar("T")


class Core:
    """Journal, correlation and delivery behind `CorePort`.

    Everything but `GroupCommit.process` runs in the event loop's thread.
    """

    def __init__(
        self,
        config: Config,
        unit: StorePort,
        clock: Clock,
        capabilities: Mapping[str, Capability],
        *,
        free_bytes: Callable[[], int | None] | None = None,
        find_file: Callable[[str], StoredFile | None] = lambda _: None,
        links: LinksPort | None = None,
        store_log: StoreLog | None = None,
        spans: Put | None = None,
    ) -> None:
        self.peers = Peers.of(config, capabilities)
        self.store_log = store_log
        self._clock = clock
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
                links=links,
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
        self._queues = DeliveryQueues(
            self.peers,
            self.figures,
            self._writer,
            self._admission,
            takeover,
            self._steady_us,
            closed=self.closed,
            delivered=self._delivered,
        )
        self._links = LinkRegistry(
            self.peers, clock, self._writer, self._queues, self._admission, takeover
        )
        self.credential_expiry = CredentialExpiry(
            lambda: self._links.credentials, self._links.end, clock
        )
        at_link = self._links.peer_at
        self._intake = Intake(
            at_link, self._writer, self._admission, self._measures, replay=self._queues.replay
        )
        self._recorder = AdapterRecorder(at_link, self._writer, self._admission, self.figures)
        self._sweeper = Sweeper(
            self._writer,
            self._queues,
            self._links,
            self._admission,
            clock,
            self._steady_us,
            audit_every_s=config.sweep.every_s,
        )

    # --- life ------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to take work."""
        self._writer.start()
        await self._writer.do(Observe(self.peers.own_id, EntryKind.STARTED, "linkage started"))
        await self._writer.do(AnnounceGaps())
        await self._writer.do(ClearUnrouted())
        self._sweeper.start()
        self.credential_expiry.start()

    async def stop(self) -> None:
        """Finish what was taken, then end; every link should be closed before."""
        self._sweeper.stop()
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
            times = unsettled.pop(number), batch.began, batch.ended
            if done.error is not None:
                self._keep(job, done.error)
            # One by one: a queue is not read on from the disk before its last reading is settled.
            try:
                if on_done is not None:
                    on_done(done)
            except Exception:
                logger.exception("%s: its result was not handed on, by a bug", type(job).__name__)
            try:
                if done.deliveries or done.answers:
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
    async def register(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.register`."""
        return await self._links.register(link, request)

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        """See `CorePort.adopt`."""
        await self._links.adopt(link, peer_id)

    async def resume(
        self, link: LinkPort, peer_id: str, told: Sequence[tuple[Request, datetime]]
    ) -> bool:
        """See `CoreServicePort.resume`."""
        return await self._links.resume(link, peer_id, told)

    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`."""
        return await self._links.introduce(peer_id)

    def begin(self, link: LinkPort) -> None:
        """See `CorePort.begin`."""
        self._links.begin_pushing(link)

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

    def closed(self, link: LinkPort, reason: str) -> None:
        """See `CorePort.closed`."""
        self._links.closed(link, reason)

    def announce(self, peer_id: str, capability: Capability) -> None:
        """See `CoreServicePort.announce`."""
        self.peers.by_id[peer_id].capability = capability

    async def submit(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.submit`."""
        return await self._intake.submit(link, request)

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        """See `CorePort.post`."""
        self._intake.post(link, request, answer)

    async def operate(self, author: str, owner: str, request: Request) -> Response:
        """See `Intake.operate`."""
        return await self._intake.operate(author, owner, request)

    async def record(
        self, link: LinkPort, notices: Sequence[NoticeRequest], memory: Mapping[str, str | None]
    ) -> Recorded:
        """See `AdapterCorePort.record`."""
        return await self._recorder.record(link, notices, memory)

    async def recall(self, adapter: str) -> dict[str, Any]:
        """See `AdapterCorePort.recall`."""
        return await self._recorder.recall(adapter)

    @property
    def present(self) -> list[Presence]:
        """Who is connected now."""
        return self._links.present

    def answered(self, link: LinkPort, response: Response) -> None:
        """See `CorePort.answered`."""
        peer = self._links.peer_at.get(link)
        if peer is not None:
            self._queues.answered(peer.id, response)

    async def note(
        self,
        link: LinkPort,
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

    async def raised_alarms(self, prefix: str) -> list[str]:
        """The AlarmIds that are raised and begin so.

        Raises:
            OSError: the store cannot be read.
        """
        return (await self._writer.do(RaisedAlarms(prefix))).result()

    # --- files -----------------------------------------------------------------------------------
    async def open_link(self, link: FileLink) -> GrantedFile:
        """See `linkage.files.fetches.FetchCore.open_link`."""
        found = (await self._writer.do(OpenLink(link))).result()
        if isinstance(found, LinkDeniedError):
            raise found
        return found

    async def note_fetch(self, link: FileLink, detail: str) -> None:
        """See `linkage.files.fetches.FetchCore.note_fetch`."""
        (await self._writer.do(NoteFetch(link, detail))).result()

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


def _free_bytes(folder: Path) -> int | None:
    """What is free where the store lies; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
