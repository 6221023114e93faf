"""What goes out: 220 within its command, 224 and what is scheduled when its time comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from math import inf
from typing import Final

from adapters.messaging import orders, sms_text
from adapters.messaging.ledger import SMS, Ledger
from adapters.messaging.model import Job, Part, State, Target
from adapters.messaging.notices import progress, report
from adapters.messaging.pace import Pace
from adapters.messaging.recorder import Recorder
from adapters.phone_numbers import dialable
from adapters.smpp import pdu
from adapters.smpp.link import Answer, Link
from adapters.smpp.pdu import Command, ShortMessage, Status, Tag
from adapters.smpp.receipts import STATES
from adapters.smpp.settings import Settings
from linkage import ports
from linkage.ports import AdapterUnavailableError, Clock, CommandError, Outcome
from protocol import messages as m
from protocol.messages import SmsReportStatus as Fate
from protocol.reasons import Reason
from protocol.results import Result

RECEIPT_WANTED: Final = 1
UDH: Final = 0x40
INTERNATIONAL, NAME_TON, ISDN = 1, 5, 1
VALID_MAX_S: Final = 30 * 86_400
TICK_S: Final = 1.0
PRIORITY_MAX: Final = 3
TOO_MUCH: Final = frozenset({Status.THROTTLED, Status.QUEUE_FULL})
REASONS: Final[dict[int, Reason]] = {
    Status.BAD_DESTINATION: Reason.SMS_BAD_NUMBER,
    **dict.fromkeys(TOO_MUCH, Reason.SMS_FLOW_CONTROL),
}
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
    """Submits texts over one link."""

    def __init__(
        self, settings: Settings, clock: Clock, book: Ledger, recorder: Recorder, link: Link
    ) -> None:
        self._settings, self._clock = settings, clock
        self._ledger, self._recorder, self._link = book, recorder, link
        self._room = asyncio.Semaphore(settings.window)
        self._pace = Pace(clock, settings.per_second, settings.throttle_s)
        self._wanted = asyncio.Event()
        self._long = int(clock.utc().timestamp()) & 0xFF

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
        if len(self._cut(written).octets) > PARTS_MAX:
            raise CommandError(Result.TOO_LONG, f"the text makes more than {PARTS_MAX} parts")
        return Job(request.id, sms_id, written, self._settings.sender)

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
            if self._clock.now() >= min(deadline, latest) or self._link.is_lost:
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
            if self._link.is_lost:
                raise AdapterUnavailableError("the link was lost")
            raise CommandError(Result.EXPIRED, "it expired before it could be sent")
        if lost:
            raise CommandError(Result.TIMEOUT, "the centre has not answered; a 122 tells of it")
        return Outcome(ids={"sms_id": job.sms_id})

    async def _submit_chunk(
        self, job: Job, chunk: Sequence[Target], deadline: float, *, sure: bool = False
    ) -> list[Fared | Reason]:
        """Begin so many at once. What became of each is in the draft then, but for `NEVER`."""
        parts = self._parts(job)
        for target in chunk:
            self._ledger.begin(target, len(parts), self._recorder.draft)
        await (self._commit() if sure else self._recorder.commit())
        try:
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
        self, target: Target, parts: Sequence[ShortMessage], deadline: float
    ) -> Fared | Reason:
        fared = Fared.NEVER
        for part, sm in zip(target.parts, parts, strict=True):
            became = await self._submit_part(target, part, sm, deadline)
            if isinstance(became, Reason):
                return became
            if became is Fared.NEVER:
                return became if fared is Fared.NEVER else Reason.SMS_EXPIRED
            if fared is not Fared.LOST:
                fared = became
        return fared

    async def _submit_part(
        self, target: Target, part: Part, sm: ShortMessage, deadline: float
    ) -> Fared | Reason:
        body = pdu.short_message(self._addressed(sm, target.to, part.reference))
        became: Fared | Reason = Fared.NEVER
        while self._clock.now() < deadline:
            try:
                async with asyncio.timeout(min(deadline - self._clock.now(), DAY_S)):
                    await self._pace.turn()
                    await self._room.acquire()
            except TimeoutError:
                break
            try:
                if self._clock.now() >= deadline:
                    break
                answer = self._link.request(Command.SUBMIT, body)
                await asyncio.wait((answer,), timeout=self._settings.response_s)
            except AdapterUnavailableError:
                return became
            finally:
                self._room.release()
            if not answer.done():
                answer.add_done_callback(lambda late: self._late(target, part, late))
            if not answer.done() or answer.cancelled():
                return Fared.LOST
            status = answer.result().status
            if status == Status.OK:
                self._pace.took()
                message_id = pdu.read_id(answer.result().body)
                self._ledger.took(target, part, message_id, self._recorder.draft)
                return Fared.TAKEN
            became = REASONS.get(status, Reason.SMS_REJECTED)
            if status not in TOO_MUCH:
                return became
            self._pace.throttled()
        return became

    def _late(self, target: Target, part: Part, answer: Answer) -> None:
        """An answer that nobody waits for any more says after all what became of it."""
        if answer.cancelled() or target.state not in {State.BEGUN, State.UNKNOWN}:
            return
        draft = self._recorder.draft
        if answer.result().status == Status.OK:
            self._ledger.took(target, part, pdu.read_id(answer.result().body), draft)
        else:
            reason = REASONS.get(answer.result().status, Reason.SMS_REJECTED)
            self._ledger.failed(target, reason, draft)
        self._recorder.write()

    def _cut(self, written: str) -> sms_text.Parts:
        return sms_text.split(written, self._settings.alphabet)

    def _parts(self, job: Job) -> list[ShortMessage]:
        """The parts of a text, without their receiver."""
        cut = self._cut(job.text)
        octets, total = cut.octets, len(cut.octets)
        if self._settings.long_messages == "payload":
            octets, total = (b"".join(octets),), 1
        sender_ton, sender_npi, sender = self._address(job.source)
        validity = ""
        if job.valid_s is not None:
            left = job.valid_s if job.due is None else job.due + job.valid_s - self._now()
            validity = _validity(left)
        made = [
            ShortMessage(
                source=sender, source_ton=sender_ton, source_npi=sender_npi,
                priority=job.priority, validity=validity, coding=cut.coding,
                registered=RECEIPT_WANTED if job.report else 0, octets=each,
            )
            for each in octets
        ]  # fmt: skip
        if total == 1:
            return made
        self._long = (self._long + 1) & 0xFF
        for number, sm in enumerate(made, 1):
            if self._settings.long_messages == "udh":
                sm.esm_class = UDH
                sm.octets = bytes((5, 0, 3, self._long, total, number)) + sm.octets
            else:
                sm.tlvs = {
                    Tag.SAR_REFERENCE: self._long.to_bytes(2, "big"),
                    Tag.SAR_TOTAL: bytes((total,)),
                    Tag.SAR_NUMBER: bytes((number,)),
                }
        return made

    def _addressed(self, sm: ShortMessage, to: str, reference: int) -> ShortMessage:
        sm.to_ton, sm.to_npi, sm.to = self._address(dialable(to) or to)
        if self._settings.reference:
            sm.tlvs[Tag.REFERENCE] = reference.to_bytes(2, "big")
        return sm

    def _address(self, written: str) -> tuple[int, int, str]:
        if written.startswith("+"):
            return INTERNATIONAL, ISDN, written[1:]
        if not written:
            return 0, 0, ""
        return (self._settings.ton, ISDN, written) if written.isdigit() else (NAME_TON, 0, written)

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
            if target.state is State.SENT and await self._cancel_at_centre(target, request):
                done += 1
        if not done:
            raise CommandError(Result.WRONG_STATE, "it was sent already")
        if done < len(targets):
            what = f"{len(targets) - done} of {len(targets)} were sent already"
            raise CommandError(Result.PARTIAL, what)
        return Outcome()

    async def _cancel_at_centre(self, target: Target, request: ports.Command) -> bool:
        source = pdu.address(*self._address(self._ledger.jobs[target.job].source))
        answers = [
            await self._ask(Command.CANCEL, pdu.cancel(part.id, source), request)
            for part in target.parts
            if part.fate is None
        ]
        # The receipt ("DELETED") tells it, as far as the centre sends one.
        return bool(answers) and all(status == Status.OK for status, _ in answers)

    async def query(self, request: ports.Command, message: m.QuerySms) -> Outcome:
        """222: what is known, and what the centre says; by 122."""
        for target in self._targets(message):
            job = self._ledger.jobs[target.job]
            fate = await self._fate_at_centre(target, job, request)
            told = report(target, job, fate, self._clock.utc(), request_id=request.id)
            self._recorder.draft.tell(told, at=self._clock.utc())
        await self._recorder.commit()
        return Outcome()

    async def _fate_at_centre(
        self, target: Target, job: Job, request: ports.Command
    ) -> Fate | None:
        if target.state in {State.UNKNOWN, State.FAILED}:
            return Fate.UNKNOWN
        if target.state is not State.SENT:
            return None
        source = pdu.address(*self._address(job.source))
        fates: list[Fate | None] = []
        for part in target.parts:
            status, body = await self._ask(Command.QUERY, pdu.query(part.id, source), request)
            try:
                state = pdu.read_state(body) if status == Status.OK else 0
            except pdu.MalformedError:
                state = 0
            fates.append(STATES.get(state))
        return fates[0] if len(set(fates)) == 1 else None

    def _targets(self, message: m.CancelSms | m.QuerySms) -> list[Target]:
        found = self._ledger.of(sms_id=message.sms_id, request_id=message.request_id)
        if not found:
            raise CommandError(
                Result.WRONG_STATE, "nothing of that message is open here; its end was told"
            )
        return found

    async def _ask(
        self, command: Command, body: bytes, request: ports.Command
    ) -> tuple[int, bytes]:
        if self._clock.now() >= request.deadline:
            raise CommandError(Result.EXPIRED, "it expired before the centre could be asked")
        answer = self._link.request(command, body)
        await asyncio.wait((answer,), timeout=self._settings.response_s)
        if not answer.done() or answer.cancelled():
            raise CommandError(Result.TIMEOUT, "the centre did not answer")
        return answer.result().status, answer.result().body

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
        left = inf
        if job.valid_s is not None and job.due is not None:
            left = job.due + job.valid_s - self._now()
        fared = await self._submit_chunk(job, chunk, self._clock.now() + left)
        for target, each in zip(chunk, fared, strict=True):
            if each is Fared.NEVER:
                self._ledger.take_back(target, self._recorder.draft)
        await self._recorder.commit()

    def _now(self) -> float:
        return self._clock.utc().timestamp()


def _chunks(targets: Sequence[Target], size: int) -> Iterable[Sequence[Target]]:
    return (targets[at : at + size] for at in range(0, len(targets), size))


def _validity(seconds: float) -> str:
    """A relative `validity_period` (7.1.1): clocks and zones that differ do not matter to it."""
    left = int(min(max(seconds, 1), VALID_MAX_S))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    return f"0000{days:02}{hours:02}{left // 60:02}{left % 60:02}000R"
