"""The core's face to the event loop.

Links in and out, group commit, queues (`linkage.ports.CorePort`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from linkage.config import Config, SweepSettings
from linkage.core.alarms import told_at_once
from linkage.core.breaker import Breaker
from linkage.core.engine import CoreEngine
from linkage.core.handover import Handover
from linkage.core.inbox import Item
from linkage.core.message_log import MessageLog
from linkage.core.outbox import QUEUE_MAX, Outbox
from linkage.core.peers import Peer, Peers
from linkage.core.pressure import Pressure
from linkage.core.strain import Strain
from linkage.core.stuck import Doubts
from linkage.core.work import (
    Acknowledge,
    Alarm,
    Announce,
    AskAround,
    Done,
    GiveUp,
    LoadQueue,
    Now,
    Observe,
    Recall,
    Register,
    Remember,
    Retire,
    Seal,
    Submit,
    Sweep,
    Trim,
    Work,
)
from linkage.core.worker import Batch, Worker
from linkage.observation.figures import Figures
from linkage.ports import Capability, Clock, EntryKind, Link, Role
from linkage.store.rows import to_us
from linkage.store.unit import UnitOfWork
from linkage.tracing.context import Conversations
from linkage.tracing.spans import Put, SpanMaker
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import CapabilityNotice, PlatformRegister
from protocol.registration import make_registration, peer_id_of
from protocol.results import Result

logger = logging.getLogger("linkage.core")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

SWEEP_EVERY_S: Final = 1.0
_REQUESTS: Final = (Submit, Register)


class Core:
    """Journal, correlation and delivery behind `CorePort`.

    Everything but `CoreEngine.process` runs in the event loop's thread.
    """

    def __init__(
        self,
        config: Config,
        unit: UnitOfWork,
        clock: Clock,
        capabilities: Mapping[str, Capability],
        *,
        free_bytes: Callable[[], int | None] | None = None,
        spans: Put | None = None,
    ) -> None:
        self.peers = Peers.of(config, capabilities)
        self._clock = clock
        self._config = config
        self.figures = Figures()
        self._log = MessageLog()
        self._spans = None if spans is None else SpanMaker(config.id, spans, clock)
        sample = 1.0 if config.trace is None else config.trace.sample
        self._engine = CoreEngine(
            unit,
            self.peers,
            config.timers.command_expire_s,
            now=clock.now,
            writes=self.figures.writes,
            doubts=_doubts(config.sweep),
            free_bytes=free_bytes or partial(_free_bytes, config.data_path),
            conversations=None if spans is None else Conversations(config.id, sample),
        )
        self._breaker = Breaker(self._engine, clock.now)
        self._strain = Strain(
            config,
            self._engine,
            clock,
            put=partial(self._put, told=None),
            tell=self._tell_at_once,
        )
        self._handover = Handover()
        self._links: dict[Link, Peer] = {}
        self._outboxes: dict[str, Outbox] = {}
        self._positions: dict[Link, int] = {}
        self._inbox: list[Item] = []
        self._turn_began = 0.0
        self._taken = 0
        # When each thing was taken that is not settled yet, by its number: the monotonic time of
        # the first of its turn of the loop.
        self._unsettled: dict[int, float] = {}
        self._worker = Worker(self._process, self._settle_batch)
        self._running = False
        self._sweeping: asyncio.TimerHandle | None = None
        self._sweep_waits = False
        self._asked_at = clock.now()
        self._stopping = False
        self._steady_from_us = to_us(clock.utc()) - round(clock.now() * 1e6)
        self._answer_ids = _AnswerIds()
        self._introductions: Counter[str] = Counter()

    # --- life ------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Begin to take work."""
        self._worker.start()
        self._running = True
        await self._do(Observe(self.peers.own_id, EntryKind.STARTED, "linkage started"))
        await self._do(Announce())
        self._sweep_later()

    async def stop(self) -> None:
        """Finish what was taken, then end; every link should be closed before."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._running:
            await self.between_commits(lambda: None)
            self._strain.offer_kept()
            self._put(Observe(self.peers.own_id, EntryKind.STOPPED, "linkage stopped"), None)
            self._stopping = True
            self._hand_over()
            await self._worker.stop()
            self._running = False

    def _process(self, items: list[Item]) -> Batch:
        """One commit, in the core's thread; no bug ends that."""
        now = Now(self._clock.utc(), self._steady_us())
        began = self._clock.now()
        try:
            done = self._breaker.process([work for _, work, _ in items], now)
        except Exception as error:
            logger.exception("a batch of %d failed as a whole", len(items))
            done = [Done(value=error) for _ in items]
        return Batch(items, done, began, self._clock.now(), failed=self._engine.store_failing)

    def _settle_batch(self, batch: Batch) -> None:
        """What follows from a commit, in the loop's thread; no bug in it reaches another's."""
        took = batch.ended - batch.began
        self.figures.committed(len(batch.items), took, failed=batch.failed)
        now_us = self._steady_us()
        for (number, work, told), done in zip(batch.items, batch.done, strict=True):
            taken_at = self._unsettled.pop(number)
            self._count(work, done, batch.ended - taken_at, batch.ended)
            if batch.failed:
                self._strain.failed(work, done)
            try:
                if self._spans is not None:
                    self._spans.settled(work, done, (taken_at, batch.began, batch.ended))
                if told is not None:
                    told(done)
                self._settle(work, done, now_us)
            except Exception:
                logger.exception("what became of a %s was not handed out", type(work).__name__)
        self._strain.look(len(self._unsettled), self.oldest_work_s)

    def _count(self, work: Work, done: Done, seconds: float, now: float) -> None:
        if isinstance(work, Acknowledge):
            self.figures.deliveries[work.response.result] += 1
        elif isinstance(work, _REQUESTS) and done.response is not None:
            self.figures.requests[work.request.type, done.response.result] += 1
            self.figures.answers.observe(seconds)
            self._log.taken(work, done, seconds, now)

    def _delivered(
        self, receiver: str, request: Request, response: Response, took_s: float
    ) -> None:
        self._log.delivered(receiver, request, response, took_s)
        if self._spans is not None:
            self._spans.delivered(receiver, request, response, took_s)

    def _tell_at_once(self, alarm: Alarm) -> None:
        for peer in list(self._links.values()):
            message = told_at_once(alarm, peer)
            if message is not None:
                self._answer(peer.id, message, self._steady_us())

    # --- what watchers ask -----------------------------------------------------------------------
    @property
    def inbox(self) -> int:
        """Work that waits for the disk."""
        return len(self._unsettled)

    @property
    def oldest_work_s(self) -> float:
        """How long the oldest work has waited for the disk; safe to ask in any thread."""
        try:
            since = next(iter(self._unsettled.values()), None)
        except RuntimeError:  # the loop took or settled something just now
            return self.oldest_work_s
        return 0.0 if since is None else max(0.0, self._clock.now() - since)

    @property
    def pressure(self) -> Pressure:
        """Whether requests are taken, and which alarms are raised."""
        return self._strain.pressure

    @property
    def disk_free(self) -> int | None:
        """Bytes that are free on the disk of the store; None before the first sweep."""
        return self._engine.disk_free

    @property
    def journal_seq(self) -> int:
        """The newest journal row."""
        return self._engine.journal_seq

    @property
    def store_failing(self) -> bool:
        """Whether the store did not take the last batch."""
        return self._engine.store_failing

    def _steady_us(self) -> int:
        """Microseconds that only pass, however the wall clock is set; see `Now`."""
        return self._steady_from_us + round(self._clock.now() * 1e6)

    def _settle(self, work: Work, done: Done, now_us: int) -> None:
        """Hand out what a commit brought; its response has gone before."""
        if isinstance(work, LoadQueue):
            outbox = self._outbox(work.receiver)
            self._guarded(outbox, self._loaded, outbox, work, done)
            return
        if not isinstance(work, Submit):
            self._settle_own(work, done)
        elif done.value == "reload":
            outbox = self._outbox(work.source)
            self._guarded(outbox, outbox.restart, 0)
            self._load_more(outbox)
        for delivery in done.deliveries:
            outbox = self._outbox(delivery.row.receiver)
            self._guarded(outbox, outbox.offer, delivery, now_us)
            if outbox.behind:
                self._load_more(outbox)
        for receiver, message in done.answers:
            self._answer(receiver, message, now_us)

    def _settle_own(self, work: Work, done: Done) -> None:
        if isinstance(work, Sweep):
            self._sweep_waits = False
        elif isinstance(work, Retire):
            outbox = self._outbox(work.receiver)
            self._guarded(outbox, self._retired, outbox, done)
        elif isinstance(work, Alarm):
            self._strain.told(work, done)

    def _answer(self, receiver: str, message: Message, now_us: int) -> None:
        """Push what has no place in a queue."""
        outbox = self._outbox(receiver)
        request = Request(id=self._answer_ids.take(), message=message)
        self._guarded(outbox, outbox.answer, request, now_us)

    def _guarded(
        self, outbox: Outbox, act: Callable[P, R], *args: P.args, **kw: P.kwargs
    ) -> R | None:
        """Do something at an outbox; a bug in it costs the receiver its link, and nobody else.

        The next link of the receiver goes on from what is on disk.
        """
        try:
            return act(*args, **kw)
        except Exception:
            logger.exception(
                "the queue of %s failed: its link is closed",
                outbox.receiver,
                extra={"peer": outbox.receiver},
            )
        link = outbox.link
        if link is not None:
            self.closed(link, "internal error")
            link.close("internal error")
        return None

    def _retired(self, outbox: Outbox, done: Done) -> None:
        if done.value is True:
            outbox.restart(0)
        outbox.release(self._steady_us())
        self._load_more(outbox)

    def _loaded(self, outbox: Outbox, work: LoadQueue, done: Done) -> None:
        if isinstance(done.value, Exception):
            if work.generation == outbox.generation:
                outbox.loading = False
            asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._load_more, outbox)
            return
        unknown = outbox.extend(
            done.deliveries,
            work.generation,
            self._steady_us(),
            complete=bool(done.value),
        )
        for delivery in unknown:
            self._put(GiveUp(work.receiver, delivery.row.seq, delivery.row.journal_seq), None)
        self._load_more(outbox)

    def _put(self, work: Work, told: Callable[[Done], None] | None) -> None:
        """Queue work; it is handed over with everything else of this turn of the loop."""
        if not self._inbox:
            asyncio.get_running_loop().call_soon(self._hand_over)
            self._turn_began = self._clock.now()
        self._taken += 1
        self._inbox.append((self._taken, work, told))
        self._unsettled[self._taken] = self._turn_began

    def _hand_over(self) -> None:
        if self._inbox:
            self._worker.hand_over(self._inbox)
            self._inbox = []

    async def between_commits(self, act: Callable[[], T]) -> T:
        """Do something in the core's thread, after what was taken so far, outside a transaction.

        For who wants the store to himself for a moment. Call it only between `start` and `stop`.
        """
        self._hand_over()
        return await self._worker.call(act)

    async def _do(self, work: Work) -> Done:
        failing = isinstance(work, Register) and self._engine.store_failing
        if failing or self._stopping or not self._running:
            return self._engine.not_now(work)
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._put(work, partial(_tell, future))
        return await future

    # --- CorePort --------------------------------------------------------------------------------
    async def register(self, link: Link, request: Request) -> Response:
        """See `CorePort.register`."""
        came_at = self._clock.utc()
        done = await self._judged(Register(request, link.address))
        if done.response is None:
            return _refused(request, Result.INTERNAL, None)
        if done.response.accepted:
            peer = self.peers.by_id[done.value]
            self._learn(peer, request.message, came_at)
            self._positions[link] = done.response.last_seq or 0
            self._take_link(link, peer)
        return done.response

    async def _judged(self, work: Register) -> Done:
        """What becomes of a registration."""
        claimed = peer_id_of(work.request.message)
        if claimed is None or getattr(work.request.message, "last_seq", None) is None:
            return await self._do(work)
        accepted = False
        self._handover.begin(claimed)
        try:
            done = await self._do(work)
            accepted = done.response is not None and done.response.accepted
        finally:
            for answer in self._handover.end(claimed, accepted=accepted):
                self._put(answer, None)
        return done

    def _learn(self, peer: Peer, message: Message, came_at: datetime) -> None:
        """What a registration tells beside the secret, or a notice of capabilities."""
        if isinstance(message, CapabilityNotice):
            peer.capability = _capability(message)
            return
        said: datetime | None = getattr(message, "time", None)
        peer.ahead_s = 0.0 if said is None else (said - came_at).total_seconds()
        if isinstance(message, PlatformRegister) and message.capabilities:
            peer.capability = _capability(message)
        if peer.role in {Role.COMMUNICATION_SCREEN, Role.BUSINESS_SCREEN}:
            peer.login = message.login_id or (
                None if peer.settings is None else peer.settings.login
            )

    def _take_link(self, link: Link, peer: Peer) -> None:
        outbox = self._outbox(peer.id)
        older = outbox.link
        if older is not None and older is not link:
            self._links.pop(older, None)
            self._put(Observe(peer.id, EntryKind.SESSION_CLOSED, "replaced by a newer one"), None)
            older.close("replaced")
        self._links[link] = peer
        outbox.attach(link)
        peer.connected = True

    async def adopt(self, link: Link, peer_id: str) -> None:
        """See `CorePort.adopt`."""
        peer = self.peers.by_id[peer_id]
        self._introductions.pop(peer_id, None)
        await self._do(Observe(peer_id, EntryKind.SESSION_OPENED, f"from {link.address}"))
        self._take_link(link, peer)

    async def resume(
        self, link: Link, peer_id: str, told: Sequence[tuple[Request, datetime]]
    ) -> bool:
        """See `CoreService.resume`."""
        peer = self.peers.by_id[peer_id]
        if self._outbox(peer_id).link is not None:
            return False
        detail = f"from {link.address}, kept over a restart of the core"
        await self._do(Observe(peer_id, EntryKind.SESSION_OPENED, detail))
        if self._outbox(peer_id).link is not None:
            return False  # it has come anew meanwhile
        for request, came_at in told:
            self._learn(peer, request.message, came_at)
        self._take_link(link, peer)
        return True

    def announce(self, peer_id: str, capability: Capability) -> None:
        """See `CoreService.announce`."""
        self.peers.by_id[peer_id].capability = capability

    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`."""
        settings = self.peers.by_id[peer_id].settings
        utc = self._clock.utc()
        valid = () if settings is None else settings.valid_secrets(utc)
        if not valid:
            raise KeyError(peer_id)
        # The peer may not have its new secret yet: each of those in force has its turn.
        turn = self._introductions[peer_id] % len(valid)
        self._introductions[peer_id] += 1
        message = make_registration(
            Role.PLATFORM,
            self.peers.own_id,
            valid[turn],
            utc,
            secrets.token_hex(16),
        )
        return Request(id=secrets.token_hex(8), message=message)

    def begin(self, link: Link) -> None:
        """See `CorePort.begin`."""
        peer = self._links.get(link)
        if peer is None:
            return
        outbox = self._outbox(peer.id)
        outbox.begin(self._positions.pop(link, 0))
        self._load_more(outbox)

    async def submit(
        self, link: Link, request: Request, *, reconstructed: bool = False
    ) -> Response:
        """See `CorePort.submit`."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.post(link, request, partial(_tell, answer), reconstructed=reconstructed)
        return await answer

    def post(
        self,
        link: Link,
        request: Request,
        answer: Callable[[Response], None],
        *,
        reconstructed: bool = False,
    ) -> None:
        """See `CorePort.post`."""
        peer = self._links.get(link)
        if peer is None:
            answer(_refused(request, Result.SESSION_EXPIRED, None))
            return
        wait_s = self._strain.refusal(peer.id, len(self._unsettled))
        if wait_s:
            self.figures.requests[request.type, Result.OVERLOAD] += 1
            answer(_refused(request, Result.OVERLOAD, wait_s))
            return
        work = Submit(peer.id, request, reconstructed)

        def told(done: Done) -> None:
            self._strain.waiting[peer.id] -= 1
            response = done.response
            if response is None:
                response = _refused(request, Result.INTERNAL, None)
            elif isinstance(request.message, CapabilityNotice) and response.accepted:
                peer.capability = _capability(request.message)
            answer(response)

        self._strain.waiting[peer.id] += 1
        if self._stopping or not self._running:
            told(self._engine.not_now(work))
        else:
            self._put(work, told)

    def answered(self, link: Link, response: Response) -> None:
        """See `CorePort.answered`."""
        peer = self._links.get(link)
        if peer is None:
            return
        outbox = self._outbox(peer.id)
        seq = self._guarded(outbox, outbox.answered, response, self._steady_us())
        if seq is not None:
            work = Acknowledge(peer.id, seq, response)
            if not self._handover.holds(work):
                self._put(work, None)
        if outbox.behind:
            self._load_more(outbox)

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
        peer = self._links.get(link)
        source = link.address if peer is None else peer.id
        if len(self._unsettled) < self._strain.pressure.bounds.inbox:
            await self._do(Observe(source, kind, detail, raw, result))

    def closed(self, link: Link, reason: str) -> None:
        """See `CorePort.closed`."""
        self._positions.pop(link, None)
        peer = self._links.pop(link, None)
        if peer is None:
            return
        outbox = self._outbox(peer.id)
        if outbox.link is link:
            outbox.detach()
            peer.connected = False
        self._put(Observe(peer.id, EntryKind.SESSION_CLOSED, reason), None)

    # --- retention -------------------------------------------------------------------------------
    async def keep(self, work: Retire | Seal | Trim) -> Any:
        """Do a slice of retention between the commits of others; see `linkage.core.keeping`.

        Raises:
            OSError: the store cannot be written now.
        """
        if isinstance(work, Retire) and not self._outbox(work.receiver).hold(work.to_seq):
            return None
        done = await self._do(work)
        if isinstance(done.value, Exception):
            raise done.value
        return done.value

    # --- adapters' memory ------------------------------------------------------------------------
    async def recall(self, adapter: str) -> dict[str, Any]:
        """An adapter's memory."""
        return self._value(await self._do(Recall(adapter)))

    async def remember(self, adapter: str, key: str, value: Any) -> None:
        """Write a key of an adapter's memory; None deletes. Returns when it is on disk."""
        text = None if value is None else json.dumps(value, ensure_ascii=False)
        await self.remember_text(adapter, key, text)

    async def remember_text(self, adapter: str, key: str, value: str | None) -> None:
        """See `CoreService.remember_text`."""
        self._value(await self._do(Remember(adapter, key, value)))

    @staticmethod
    def _value(done: Done) -> dict[str, Any]:
        if isinstance(done.value, Exception):
            raise done.value
        return done.value or {}

    # --- queues ----------------------------------------------------------------------------------
    def _outbox(self, receiver: str) -> Outbox:
        outbox = self._outboxes.get(receiver)
        if outbox is None:
            peer = self.peers.get(receiver)
            role = "none" if peer is None else peer.role.value
            outbox = Outbox(receiver, self.figures.queue_of(role), self._delivered)
            self._outboxes[receiver] = outbox
        return outbox

    def _load_more(self, outbox: Outbox) -> None:
        if outbox.wants and not self._stopping and self._strain.has_room:
            outbox.loading = True
            self._put(
                LoadQueue(outbox.receiver, outbox.loaded, QUEUE_MAX // 2, outbox.generation), None
            )

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._sweep)

    def _sweep(self) -> None:
        for outbox in self._outboxes.values():
            if outbox.due_us is not None:
                self._guarded(outbox, outbox.pump, self._steady_us())
        self._ask_around()
        if self._strain.offer_kept():
            for outbox in self._outboxes.values():
                self._load_more(outbox)
        # One at a time: a disk that hangs must not find a heap of them when it comes back.
        if not self._sweep_waits:
            self._sweep_waits = True
            pushed = frozenset(
                (outbox.receiver, seq)
                for outbox in self._outboxes.values()
                for seq in outbox.pushed
            )
            self._put(Sweep(pushed, self._steady_us()), None)
        self._strain.look(len(self._unsettled), self.oldest_work_s)
        self._sweep_later()

    def _ask_around(self) -> None:
        now = self._clock.now()
        if now - self._asked_at >= self._config.sweep.every_s and not self._sweep_waits:
            self._asked_at = now
            self._put(AskAround(), None)


def _tell(future: asyncio.Future[T], value: T) -> None:
    # Who waited may have been cancelled.
    if not future.done():
        future.set_result(value)


class _AnswerIds:
    """Request Ids of data answers.

    Unique for this sender across restarts, and never a journal seq.
    """

    def __init__(self) -> None:
        self._prefix = "q" + secrets.token_hex(4)
        self._next = 0

    def take(self) -> str:
        self._next += 1
        return f"{self._prefix}{self._next % 10_000_000}"


def _doubts(settings: SweepSettings) -> Doubts | None:
    if not settings.ask_after_h:
        return None
    return Doubts(round(settings.ask_after_h * 3600e6), round(settings.settle_s * 1e6))


def _capability(message: PlatformRegister | CapabilityNotice) -> Capability:
    return {item.no: item.action_numbers for item in message.capabilities}


def _refused(request: Request, result: Result, retry_after_s: int | None) -> Response:
    return Response(
        request_id=request.id, type=request.type, result=int(result), retry_after_s=retry_after_s
    )


def _free_bytes(folder: Path) -> int | None:
    """What is free where the store lies; None where the system does not say."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
