"""What goes out: 240 within its command, or never; 241 and 242 about it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from adapters.mail import event_tags
from adapters.mail.addresses import bare, once
from adapters.mail.compose import Attachment, Letter, compose
from adapters.mail.ledger import Ledger
from adapters.mail.model import Answer, Mail, Recipient
from adapters.mail.settings import Settings
from adapters.mail.submission import (
    Envelope,
    LostAnswerError,
    NotBegunError,
    Submission,
    combined,
    wire_address,
)
from adapters.messaging.recorder import Recorder
from linkage import ports
from linkage.ports import AdapterError, AdapterUnavailableError, Clock, CommandError, Outcome
from linkage.ports.files import FilesPort
from protocol import messages as m
from protocol.results import Result

WITHIN_S: Final = 28.0
"""A command is answered within this time, whatever its deadline: who has it done waits 30 s."""
TICK_S: Final = 5.0
NO_ADDRESS: Final = Answer(553, "5.1.3")
ENCODED: Final = 1.4
"""A file in base64, with the ends of its lines, is so many times as long."""


@dataclass(eq=False)
class Sending:
    """A mail that is being handed over; a 241 may still stop it."""

    mail: Mail
    done: asyncio.Future[None]
    is_wanted: bool = True
    was_stopped: bool = False


class Outbox:
    """Hands mails over by one server."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ledger: Ledger,
        recorder: Recorder,
        submission: Submission,
        files: FilesPort,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._ledger, self._recorder = ledger, recorder
        self._submission, self._files = submission, files
        self._sending: dict[str, Sending] = {}

    # --- 240 -------------------------------------------------------------------------------------
    async def send(self, request: ports.Command, message: m.SendMail) -> Outcome:
        """240: what the server says of it is told before this returns."""
        now = self._clock.now()
        deadline = min(request.deadline, now + WITHIN_S - self._settings.response_s)
        token = secrets.token_hex(10)
        mail = Mail(
            token=token,
            request_id=request.id,
            mail_id=message.mail_id or f"M{token}",
            message_id=event_tags.message_id(token, message.event_id, self._settings.domain),
        )
        written = once([*message.to, *message.cc])
        mail.recipients = [Recipient(bare(each) or each) for each in written]
        octets = await self._octets(mail, message)
        sending = Sending(mail, asyncio.get_running_loop().create_future())
        self._sending[token] = sending
        try:
            await self._hand_over(sending, octets, deadline)
        finally:
            del self._sending[token]
            sending.done.set_result(None)
        return Outcome(ids={"mail_id": mail.mail_id})

    async def _octets(self, mail: Mail, message: m.SendMail) -> bytes:
        attachments = await self._attachments(message.file_ids)
        subject = event_tags.tagged(
            message.subject or "", message.event_id, self._settings.subject_tag
        )
        letter = Letter(
            message_id=mail.message_id,
            sender=self._settings.sender,
            sender_name=self._settings.sender_name,
            to=_in_header(message.to),
            cc=_in_header(message.cc),
            subject=subject,
            text=message.text,
            html=message.html,
            in_reply_to=message.in_reply_to,
            attachments=attachments,
            at=self._clock.utc(),
        )
        octets = await asyncio.to_thread(compose, letter)
        self._check_size(len(octets))
        return octets

    async def _attachments(self, file_ids: tuple[str, ...]) -> list[Attachment]:
        size, found = 0, []
        for file_id in file_ids:
            try:
                kept = await self._files.stat(file_id)
                if kept is None:
                    raise CommandError(Result.NO_FILE, f"FileId {file_id} is not kept here")
                size += kept.size_bytes
                self._check_size(int(size * ENCODED))
                octets = b"".join([piece async for piece in self._files.open(file_id)])
            except OSError as error:
                raise CommandError(
                    Result.NO_FILE, f"FileId {file_id} cannot be read: {error.strerror}"
                ) from error
            found.append(Attachment(file_id.rpartition("/")[2], octets))
        return found

    def _check_size(self, size_bytes: int) -> None:
        most = self._settings.max_mail_bytes
        if size_bytes > most:
            raise CommandError(Result.TOO_LONG, f"the mail is larger than {most} bytes")

    async def _hand_over(self, sending: Sending, octets: bytes, deadline: float) -> None:
        mail = sending.mail
        sent = [each for each in mail.recipients if bare(each.address)]
        draft = self._recorder.draft
        self._ledger.begin(mail, draft)
        if not sent:
            self._ledger.settle(mail, [NO_ADDRESS] * len(mail.recipients), draft)
            return await self._recorder.commit()
        await self._recorder.commit()
        envelope = Envelope(
            self._settings.sender, [each.address for each in sent], octets, mail.token
        )
        try:
            answers = await self._submission.hand_over(
                envelope, deadline, lambda: sending.is_wanted
            )
        except LostAnswerError as error:
            answers = list(error.answers)
            error.late.add_done_callback(lambda late: self._late(mail, answers, late))
            self._refused_ones(mail, answers)
            self._ledger.lost(mail, self._recorder.draft)
            await self._commit()
            raise CommandError(
                Result.TIMEOUT, "the mail server has not answered; a 141 tells of it"
            ) from error
        except (NotBegunError, AdapterError) as error:
            return await self._not_begun(sending, deadline, error)
        except asyncio.CancelledError:
            self._ledger.lost(mail, self._recorder.draft)
            self._recorder.write()
            raise
        self._ledger.settle(mail, _of_all(mail, answers), self._recorder.draft)
        return await self._commit()

    def _refused_ones(self, mail: Mail, answers: list[Answer]) -> None:
        """Tell of those recipients that were refused before the answer was lost."""
        refused = [
            (each, answer)
            for each, answer in zip(mail.recipients, _of_all(mail, answers), strict=True)
            if not answer.is_taken
        ]
        for recipient, answer in refused:
            self._ledger.refused(mail, recipient, answer, self._recorder.draft)

    async def _not_begun(self, sending: Sending, deadline: float, error: Exception) -> None:
        if not sending.is_wanted:
            self._ledger.cancelled(sending.mail, self._recorder.draft)
            sending.was_stopped = True
            return await self._recorder.commit()
        self._ledger.forget(sending.mail, self._recorder.draft)
        await self._recorder.commit()
        if isinstance(error, AdapterError):
            raise error
        if self._clock.now() >= deadline:
            raise CommandError(Result.EXPIRED, "it expired before it could be sent") from error
        raise AdapterUnavailableError(str(error)) from error

    def _late(self, mail: Mail, answers: list[Answer], late: asyncio.Task[Answer]) -> None:
        """An answer that nobody waits for any more says after all what became of it."""
        if late.cancelled() or late.exception() is not None:
            return
        told = _of_all(mail, combined(answers, late.result()))
        self._ledger.settle(mail, told, self._recorder.draft)
        self._recorder.write()

    async def _commit(self) -> None:
        """Commit what came of what was begun: where that cannot be, nobody knows."""
        try:
            await self._recorder.commit()
        except AdapterUnavailableError as error:
            raise CommandError(Result.TIMEOUT, "the link was lost on the way") from error

    # --- 241 and 242 -----------------------------------------------------------------------------
    async def cancel(self, request: ports.Command, message: m.CancelMail) -> Outcome:
        """241: stop what the server does not have yet."""
        del request
        found = self._of(message)
        sending = [self._sending[each.token] for each in found if each.token in self._sending]
        for each in sending:
            each.is_wanted = False
        if sending:
            await asyncio.wait({each.done for each in sending})
        if not any(each.was_stopped for each in sending):
            raise CommandError(Result.WRONG_STATE, "it was handed over already")
        return Outcome()

    async def query(self, request: ports.Command, message: m.QueryMail) -> Outcome:
        """242: what is known, by 142."""
        self._ledger.tell_state(self._of(message), request.id, self._recorder.draft)
        await self._recorder.commit()
        return Outcome()

    def _of(self, message: m.CancelMail | m.QueryMail) -> list[Mail]:
        found = self._ledger.of(mail_id=message.mail_id, request_id=message.request_id)
        if not found:
            raise CommandError(
                Result.WRONG_STATE, "nothing of that mail is open here; its end was told"
            )
        return found

    # --- what is over ----------------------------------------------------------------------------
    async def run(self) -> None:
        """Give up what is waited for too long, until cancelled."""
        while True:
            draft = self._recorder.draft
            self._ledger.expire(draft)
            if draft.notices or draft.memory:
                await self._recorder.commit()
            await asyncio.sleep(TICK_S)


def _in_header(addresses: tuple[str, ...]) -> list[str]:
    return [wire_address(found) for each in addresses if (found := bare(each)) is not None]


def _of_all(mail: Mail, answers: list[Answer]) -> list[Answer]:
    """Answers of those that were asked for, and one for each that is no address."""
    given = iter(answers)
    return [next(given) if bare(each.address) else NO_ADDRESS for each in mail.recipients]
