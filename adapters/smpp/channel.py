"""What SMPP is to the outbox: parts as submit_sm, and what a centre answers to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from adapters.messaging import sms_text
from adapters.messaging.channel import Answer
from adapters.messaging.model import Job, Part, Target
from adapters.phone_numbers import dialable
from adapters.smpp import pdu
from adapters.smpp.connection import Answered
from adapters.smpp.link import Link
from adapters.smpp.pdu import Command, ShortMessage, Status, Tag
from adapters.smpp.receipts import STATES
from adapters.smpp.settings import Settings
from linkage import ports
from linkage.ports import Clock, CommandError
from protocol.messages import SmsReportStatus as Fate
from protocol.reasons import Reason
from protocol.results import Result

RECEIPT_WANTED: Final = 1
UDH: Final = 0x40
INTERNATIONAL, NAME_TON, ISDN = 1, 5, 1
VALID_MAX_S: Final = 30 * 86_400
TOO_MUCH: Final = frozenset({Status.THROTTLED, Status.QUEUE_FULL})
REASONS: Final[dict[int, Reason]] = {
    Status.BAD_DESTINATION: Reason.SMS_BAD_NUMBER,
    **dict.fromkeys(TOO_MUCH, Reason.SMS_FLOW_CONTROL),
}


class SmppChannel:
    """Submits parts over one link; see `adapters.messaging.channel.Channel`."""

    def __init__(self, settings: Settings, clock: Clock, link: Link) -> None:
        self._settings, self._clock, self._link = settings, clock, link
        self._long = int(clock.utc().timestamp()) & 0xFF

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be submitted any more."""
        return self._link.is_lost

    def count(self, text: str) -> int:
        """How many parts a text makes."""
        return len(self._cut(text).octets)

    # --- submit_sm -------------------------------------------------------------------------------
    async def submit(
        self, target: Target, part: Part, prepared: ShortMessage, late: Callable[[Answer], None]
    ) -> Answer | None:
        """Submit one part; see `Channel.submit`."""
        body = pdu.short_message(self._addressed(prepared, target.to, part.reference))
        answer = self._link.request(Command.SUBMIT, body)
        await asyncio.wait((answer,), timeout=self._settings.response_s)
        if not answer.done():
            answer.add_done_callback(
                lambda done: None if done.cancelled() else late(_answer(done.result()))
            )
        if not answer.done() or answer.cancelled():
            return None
        return _answer(answer.result())

    def _cut(self, written: str) -> sms_text.Parts:
        return sms_text.split(written, self._settings.alphabet)

    def prepare(self, job: Job) -> Sequence[ShortMessage]:
        """The parts of a text, without their receiver."""
        cut = self._cut(job.text)
        octets, total = cut.octets, len(cut.octets)
        if self._settings.long_messages == "payload":
            octets, total = (b"".join(octets),), 1
        sender_ton, sender_npi, sender = self._address(job.source)
        left = job.left_s(self._clock.utc().timestamp())
        validity = "" if left is None else _validity(left)
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

    # --- cancel_sm and query_sm ------------------------------------------------------------------
    async def withdraw(self, target: Target, job: Job, request: ports.Command) -> bool:
        """Ask the centre to drop it. Its receipt ("DELETED") tells that, where it sends one."""
        source = pdu.address(*self._address(job.source))
        answers = [
            await self._ask(Command.CANCEL, pdu.cancel(part.id, source), request)
            for part in target.parts
            if part.fate is None
        ]
        return bool(answers) and all(status == Status.OK for status, _ in answers)

    async def look_up(self, target: Target, job: Job, request: ports.Command) -> Fate | None:
        """What the centre says became of it; see `Channel.look_up`."""
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


def _answer(answered: Answered) -> Answer:
    if answered.status == Status.OK:
        return Answer(pdu.read_id(answered.body))
    reason = REASONS.get(answered.status, Reason.SMS_REJECTED)
    return Answer(reason=reason, is_too_much=answered.status in TOO_MUCH)


def _validity(seconds: float) -> str:
    """A relative `validity_period` (7.1.1): clocks and zones that differ do not matter to it."""
    left = int(min(max(seconds, 1), VALID_MAX_S))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    return f"0000{days:02}{hours:02}{left // 60:02}{left % 60:02}000R"
