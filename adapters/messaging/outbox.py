"""What goes out: 220 within its command, 224 and what is scheduled when its time comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from math import inf
from typing import Any, Final

from adapters.messaging import orders
from adapters.messaging.channel import Answer, Channel
from adapters.messaging.ledger import SMS, Ledger
from adapters.messaging.model import Job, Part, State, Target
from adapters.messaging.notices import progress, report
from adapters.messaging.pace import Pace
from adapters.messaging.recorder import Recorder
from adapters.messaging.settings import MessagingSettings
from linkage import ports
from linkage.ports import AdapterUnavailableError, Clock, CommandError, Outcome
from protocol import messages as m
from protocol.messages import SmsReportStatus as Fate
from protocol.reasons import Reason
from protocol.results import Result

TICK_S: Final = 1.0
PRIORITY_MAX: Final = 3
PARTS_MAX: Final = 255
DAY_S: Final = 86_400.0
WITHIN_S: Final = 28.0
"""A command is answered within this time, whatever its deadline: who has it done waits 30 s."""


class Fared(Enum):
    """How submitting a text has fared, where the centre did not refuse it."""

    TAKEN = auto()
    NEVER = auto()
    """Nothing was submitted."""
    LOST = auto()
    """An answer is missing."""


class Outbox:
    """Submits texts over one channel."""

    def __init__(
        self,
        settings: MessagingSettings,
        clock: Clock,
        ledger: Ledger,
        recorder: Recorder,
        channel: Channel,
        *,
        sender: str = "",
    ) -> None:
        self._settings, self._clock, self._sender = settings, clock, sender
        self._ledger, self._recorder, self._channel = ledger, recorder, channel
        self._room = asyncio.Semaphore(settings.window)
        self._pace = Pace(clock, settings.per_second, settings.throttle_s)
        self._wanted = asyncio.Event()

    # --- 220 and 224 -----------------------------------------------------------------------------
    async def send(self, request: ports.Command, message: m.SendSms) -> Outcome:
        """220: submit it now, or keep it until it is due."""
        job = self._job(request, message, message.sms_id or f"S{request.id}")
        job.source += message.ext_num or ""
        job.report = message.report is not False
        job.priority = min(message.priority or 0, PRIORITY_MAX)
        job.valid_s = message.valid_seconds
        if message.send_time is not None and message.send_time > self._clock.utc():
            job.due = message.send_time.timestamp()
            return await self._put_off(job, message.receivers)
        return await self._submit_all(job, message.receivers, request.deadline)

    async def send_batch(self, request: ports.Command, message: m.SendSmsBatch) -> Outcome:
        """224: keep it; it is submitted beside what is urgent."""
        batch_id = message.batch_id or f"B{request.id}"
        job = self._job(request, message, batch_id)
        job.batch_id, job.due = batch_id, self._now()
        receivers = orders.receivers_of(message, self._settings.groups)
        if not receivers:
            raise CommandError(Result.BAD_VALUE, "there is nobody in these groups")
        return await self._put_off(job, receivers)

    def _job(
        self, request: ports.Command, message: m.SendSms | m.SendSmsBatch, sms_id: str
    ) -> Job:
        written = orders.text_of(message, self._settings.templates)
        if self._channel.count(written) > PARTS_MAX:
            raise CommandError(Result.TOO_LONG, f"the text makes more than {PARTS_MAX} parts")
        return Job(request.id, sms_id, written, self._sender)

    async def _put_off(self, job: Job, receivers: Sequence[m.Receiver]) -> Outcome:
        self._open(job, receivers)
        await self._recorder.commit()
        self._wanted.set()
        return Outcome(ids={"sms_id": job.sms_id})

    def _open(self, job: Job, receivers: Sequence[m.Receiver]) -> list[Target]:
        """Put all on the way to disk; those that can be sent to."""
        draft = self._recorder.draft
        targets = [
            Target(f"{SMS}{job.id}.{n}", job.id, each.phone_num or "", each.staff_id)
            for n, each in enumerate(receivers)
        ]
        self._ledger.open(job, targets, draft)
        blocked = self._settings.blocked
        refused = {t.key: reason for t in targets if (reason := orders.refusal(t.to, blocked))}
        for target in targets:
            if target.key in refused:
                self._ledger.failed(target, refused[target.key], draft)
        return [each for each in targets if each.key not in refused]

    async def _submit_all(
        self, job: Job, receivers: Sequence[m.Receiver], deadline: float
    ) -> Outcome:
        latest = self._clock.now() + WITHIN_S - self._settings.response_s
        targets, began = self._open(job, receivers), False
        never: list[Target] = []
        lost = False
        for chunk in _chunks(targets, self._settings.window):
            if self._clock.now() >= min(deadline, latest) or self._channel.is_lost:
                never += chunk
                continue
            fared = await self._submit_chunk(job, chunk, min(deadline, latest), sure=began)
            never += [each for each, what in zip(chunk, fared, strict=True) if what is Fared.NEVER]
            began = began or any(each is not Fared.NEVER for each in fared)
            lost = lost or Fared.LOST in fared
        for target in never:
            if began:
                self._ledger.failed(target, Reason.SMS_EXPIRED, self._recorder.draft)
            else:
                self._ledger.take_back(target, self._recorder.draft)
        await self._commit()
        if never and not began:
            if self._channel.is_lost:
                raise AdapterUnavailableError("the link was lost")
            raise CommandError(Result.EXPIRED, "it expired before it could be sent")
        if lost:
            raise CommandError(Result.TIMEOUT, "the centre has not answered; a 122 tells of it")
        return Outcome(ids={"sms_id": job.sms_id})

    async def _submit_chunk(
        self, job: Job, chunk: Sequence[Target], deadline: float, *, sure: bool = False
    ) -> list[Fared | Reason]:
        """Begin so many at once. What became of each is in the draft then, but for `NEVER`."""
        parts = self._channel.prepare(job)
        for target in chunk:
            self._ledger.begin(target, len(parts), self._recorder.draft)
        await (self._commit() if sure else self._recorder.commit())
        try:
            if len(chunk) == 1:  # a task for each of them is for nothing
                fared = [await self._submit(chunk[0], parts, deadline)]
            else:
                fared = await asyncio.gather(
                    *(self._submit(target, parts, deadline) for target in chunk)
                )
        except asyncio.CancelledError:
            for target in chunk:
                self._ledger.lost(target, self._recorder.draft)
            self._recorder.write()
            raise
        for target, each in zip(chunk, fared, strict=True):
            if isinstance(each, Reason):
                self._ledger.failed(target, each, self._recorder.draft)
            elif each is Fared.LOST:
                self._ledger.lost(target, self._recorder.draft)
        return fared

    async def _commit(self) -> None:
        """Commit what came of what was begun: where that cannot be, nobody knows."""
        try:
            await self._recorder.commit()
        except AdapterUnavailableError as error:
            raise CommandError(Result.TIMEOUT, "the link was lost on the way") from error

    # --- one text to one receiver ----------------------------------------------------------------
    async def _submit(
        self, target: Target, parts: Sequence[Any], deadline: float
    ) -> Fared | Reason:
        fared = Fared.NEVER
        for part, prepared in zip(target.parts, parts, strict=True):
            became = await self._submit_part(target, part, prepared, deadline)
            if isinstance(became, Reason):
                return became
            if became is Fared.NEVER:
                return became if fared is Fared.NEVER else Reason.SMS_EXPIRED
            if fared is not Fared.LOST:
                fared = became
        return fared

    async def _submit_part(
        self, target: Target, part: Part, prepared: Any, deadline: float
    ) -> Fared | Reason:
        became: Fared | Reason = Fared.NEVER
        while self._clock.now() < deadline:
            if not await self._turn(deadline):
                break
            try:
                if self._clock.now() >= deadline:
                    break
                answer = await self._channel.submit(
                    target, part, prepared, lambda late: self._late(target, part, late)
                )
            except AdapterUnavailableError:
                return became
            finally:
                self._room.release()
            if answer is None:
                return Fared.LOST
            if answer.reason is None:
                self._pace.took()
                self._ledger.took(target, part, answer.id, self._recorder.draft)
                return Fared.TAKEN
            became = answer.reason
            if not answer.is_too_much:
                return became
            self._pace.throttled()
        return became

    async def _turn(self, deadline: float) -> bool:
        """Wait for a place in the window; False: none was free in time."""
        if self._pace.is_free and not self._room.locked():
            await self._room.acquire()
            return True
        try:
            async with asyncio.timeout(min(deadline - self._clock.now(), DAY_S)):
                await self._pace.turn()
                await self._room.acquire()
        except TimeoutError:
            return False
        return True

    def _late(self, target: Target, part: Part, answer: Answer) -> None:
        """An answer that nobody waits for any more says after all what became of it."""
        if target.state not in {State.BEGUN, State.UNKNOWN}:
            return
        draft = self._recorder.draft
        if answer.reason is None:
            self._ledger.took(target, part, answer.id, draft)
        else:
            self._ledger.failed(target, answer.reason, draft)
        self._recorder.write()

    # --- 221 and 222 -----------------------------------------------------------------------------
    async def cancel(self, request: ports.Command, message: m.CancelSms) -> Outcome:
        """221: what waits is not sent, what the centre still has it is asked to drop."""
        targets = self._targets(message)
        done = 0
        for target in targets:
            if target.state is State.WAITING:
                self._ledger.failed(target, Reason.OPERATOR_CANCELLED, self._recorder.draft)
                done += 1
        await self._recorder.commit()
        for target in targets:
            if target.state is State.SENT and await self._withdraw(target, request):
                done += 1
        if not done:
            raise CommandError(Result.WRONG_STATE, "it was sent already")
        if done < len(targets):
            what = f"{len(targets) - done} of {len(targets)} were sent already"
            raise CommandError(Result.PARTIAL, what)
        return Outcome()

    async def _withdraw(self, target: Target, request: ports.Command) -> bool:
        return await self._channel.withdraw(target, self._ledger.jobs[target.job], request)

    async def query(self, request: ports.Command, message: m.QuerySms) -> Outcome:
        """222: what is known, and what the centre says; by 122."""
        for target in self._targets(message):
            job = self._ledger.jobs[target.job]
            fate = await self._look_up(target, job, request)
            told = report(target, job, fate, self._clock.utc(), request_id=request.id)
            self._recorder.draft.tell(told, at=self._clock.utc())
        await self._recorder.commit()
        return Outcome()

    async def _look_up(self, target: Target, job: Job, request: ports.Command) -> Fate | None:
        if target.state in {State.UNKNOWN, State.FAILED}:
            return Fate.UNKNOWN
        if target.state is not State.SENT:
            return None
        return await self._channel.look_up(target, job, request)

    def _targets(self, message: m.CancelSms | m.QuerySms) -> list[Target]:
        found = self._ledger.of(sms_id=message.sms_id, request_id=message.request_id)
        if not found:
            raise CommandError(
                Result.WRONG_STATE, "nothing of that message is open here; its end was told"
            )
        return found

    # --- what is due -----------------------------------------------------------------------------
    async def run(self) -> None:
        """Submit what is due, and give up what is over, until cancelled."""
        progress_at = self._clock.now() + self._settings.progress_s
        while True:
            draft = self._recorder.draft
            self._ledger.expire(draft)
            if self._clock.now() >= progress_at:
                progress_at = self._clock.now() + self._settings.progress_s
                for job in self._ledger.batches():
                    draft.tell(progress(job), at=self._clock.utc())
            if draft.notices or draft.memory:
                await self._recorder.commit()
            due = self._ledger.due(self._now(), max(1, self._settings.window // 2))
            if due:
                await self._submit_due(due)
                continue
            self._wanted.clear()
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _submit_due(self, chunk: Sequence[Target]) -> None:
        job = self._ledger.jobs[chunk[0].job]
        left = job.left_s(self._now())
        deadline = inf if left is None else self._clock.now() + left
        fared = await self._submit_chunk(job, chunk, deadline)
        for target, each in zip(chunk, fared, strict=True):
            if each is Fared.NEVER:
                self._ledger.take_back(target, self._recorder.draft)
        await self._recorder.commit()

    def _now(self) -> float:
        return self._clock.utc().timestamp()


def _chunks(targets: Sequence[Target], size: int) -> Iterable[Sequence[Target]]:
    return (targets[at : at + size] for at in range(0, len(targets), size))
