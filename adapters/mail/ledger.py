"""Mails whose fate is open: what was handed over, what was told of it, what may still be heard.

| key of the memory | record |
|---|---|
| `mail:<token>` | a mail that may have been handed over, until no report is awaited any more |

Every change goes to the memory in the draft that tells it. A mail is *unknown* where the server
had it and its answer was lost; such a mail is never handed over again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.mail.model import Answer, Mail, Recipient
from adapters.mail.reasons import reason_of
from adapters.mail.reports import Report, Told
from adapters.messaging.model import State
from adapters.messaging.recorder import Draft
from linkage.ports import Clock
from protocol import messages as m
from protocol.messages import MailReportStatus as Fate
from protocol.messages import MailStatus as Status
from protocol.reasons import Reason

logger = logging.getLogger("adapters.mail")

MAIL: Final = "mail:"
FINAL: Final = frozenset({Fate.BOUNCED, Fate.READ})
"""What a later report of `delivered` or `delayed` does not change."""


class Ledger:
    """All that is open. Its methods change it and put what is told of that into a draft."""

    def __init__(self, clock: Clock, *, report_within_s: float) -> None:
        self._clock, self._report_within_s = clock, report_within_s
        self._mails: dict[str, Mail] = {}
        self._by_message_id: dict[str, Mail] = {}

    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has left, and tell what that run cannot tell any more."""
        for key, record in memory.items():
            if not key.startswith(MAIL):
                continue
            try:
                self._add(Mail.of_record(record))
            except (AttributeError, KeyError, TypeError, ValueError):
                logger.warning("memory: %s cannot be read, dropped", key)
                draft.memory[key] = None
        for mail in list(self._mails.values()):
            self.lost(mail, draft, reconstructed=True)

    def _add(self, mail: Mail) -> None:
        self._mails[mail.token] = mail
        self._by_message_id[mail.message_id] = mail

    def _keep(self, mail: Mail, draft: Draft) -> None:
        draft.memory[MAIL + mail.token] = mail.record()

    def forget(self, mail: Mail, draft: Draft) -> None:
        """Nothing more is told of it: it was never handed over, or too long ago."""
        if self._mails.pop(mail.token, None) is not None:
            self._by_message_id.pop(mail.message_id, None)
            draft.memory[MAIL + mail.token] = None

    # --- what is handed over ---------------------------------------------------------------------
    def begin(self, mail: Mail, draft: Draft) -> None:
        """It is about to be handed over; on disk before that is."""
        mail.at = self._epoch()
        for each in mail.recipients:
            each.state = State.BEGUN
        self._add(mail)
        self._keep(mail, draft)

    def settle(self, mail: Mail, answers: Sequence[Answer], draft: Draft) -> None:
        """What the server answered, for each recipient: 141 for those that nothing was told of."""
        if mail.token not in self._mails:
            return
        for recipient, answer in zip(mail.recipients, answers, strict=True):
            if recipient.state not in {State.BEGUN, State.UNKNOWN}:
                continue
            if answer.is_taken:
                recipient.state = State.SENT
                self._result(mail, recipient, draft, code=answer.code)
            else:
                self.refused(mail, recipient, answer, draft)
        if all(each.state is State.FAILED for each in mail.recipients):
            self.forget(mail, draft)
        else:
            self._keep(mail, draft)

    def refused(self, mail: Mail, recipient: Recipient, answer: Answer, draft: Draft) -> None:
        """The server does not take it for one recipient, whatever becomes of the others."""
        recipient.state = State.FAILED
        self._result(mail, recipient, draft, reason=reason_of(answer), code=answer.code)

    def lost(self, mail: Mail, draft: Draft, *, reconstructed: bool = False) -> None:
        """What the server answered nobody knows."""
        begun = [each for each in mail.recipients if each.state is State.BEGUN]
        for recipient in begun:
            recipient.state = State.UNKNOWN
            self._result(
                mail, recipient, draft, reason=Reason.OUTCOME_UNKNOWN, reconstructed=reconstructed
            )
        if begun:
            self._keep(mail, draft)

    def cancelled(self, mail: Mail, draft: Draft) -> None:
        """It was stopped before it was handed over."""
        for recipient in mail.recipients:
            recipient.state = State.FAILED
            self._result(mail, recipient, draft, reason=Reason.OPERATOR_CANCELLED)
        self.forget(mail, draft)

    # --- what is heard later ---------------------------------------------------------------------
    def reported(self, report: Report, draft: Draft) -> bool:
        """A report of a server or a reader: 142. False: it is of no mail that is open."""
        mail = self._meant(report)
        if mail is None:
            return False
        for told in report.told:
            recipient = self._recipient(mail, told)
            if recipient is None:
                self._tell_report(mail, told.address or mail.recipients[0].address, told, draft)
                continue
            if recipient.state in {State.BEGUN, State.UNKNOWN}:  # what has a report was taken
                recipient.state = State.SENT
                self._result(mail, recipient, draft)
            if told.fate is None or not _is_news(recipient, told.fate):
                continue
            recipient.fate = told.fate
            self._tell_report(mail, recipient.address, told, draft)
        self._keep(mail, draft)
        return True

    def _meant(self, report: Report) -> Mail | None:
        if report.envelope_id and report.envelope_id in self._mails:
            return self._mails[report.envelope_id]
        found = (self._by_message_id.get(f"<{each}>") for each in report.message_ids)
        return next((each for each in found if each is not None), None)

    def _recipient(self, mail: Mail, told: Told) -> Recipient | None:
        for address in told.addresses:
            found = mail.find(address)
            if found is not None:
                return found
        return mail.recipients[0] if len(mail.recipients) == 1 else None

    def of(self, *, mail_id: str | None, request_id: str | None) -> list[Mail]:
        """Mails that are not forgotten yet."""
        return [
            each
            for each in self._mails.values()
            if (each.request_id == request_id if mail_id is None else each.mail_id == mail_id)
        ]

    def expire(self, draft: Draft) -> None:
        """Give up waiting for reports that would have come by now."""
        before = self._epoch() - self._report_within_s
        for mail in [each for each in self._mails.values() if each.at < before]:
            self.forget(mail, draft)

    # --- what is told ----------------------------------------------------------------------------
    def tell_state(self, mails: Iterable[Mail], request_id: str, draft: Draft) -> None:
        """142 as it stands, for each recipient: without a Status where nothing was heard yet."""
        for mail in mails:
            for each in mail.recipients:
                told = m.MailReportNotice(
                    request_id=request_id,
                    mail_id=mail.mail_id,
                    recipient=each.address,
                    status=None if each.fate is None else Fate(each.fate),
                )
                draft.tell(told, at=self._clock.utc())

    def _result(
        self,
        mail: Mail,
        recipient: Recipient,
        draft: Draft,
        *,
        reason: Reason | None = None,
        code: int | None = None,
        reconstructed: bool = False,
    ) -> None:
        status = Status.ACCEPTED if reason is None else Status.FAILED
        if reason is Reason.OUTCOME_UNKNOWN:
            status = Status.UNKNOWN
        told = m.MailResultNotice(
            request_id=mail.request_id,
            mail_id=mail.mail_id,
            message_id=mail.message_id,
            recipient=recipient.address,
            status=status,
            smtp_code=code,
            reason=reason,
        )
        draft.tell(told, at=self._clock.utc(), reconstructed=reconstructed)

    def _tell_report(self, mail: Mail, address: str, told: Told, draft: Draft) -> None:
        notice = m.MailReportNotice(
            request_id=mail.request_id,
            mail_id=mail.mail_id,
            recipient=address,
            status=told.fate,
            enhanced_code=told.status or None,
        )
        draft.tell(notice, at=self._clock.utc())

    def _epoch(self) -> float:
        return self._clock.utc().timestamp()


def _is_news(recipient: Recipient, fate: Fate) -> bool:
    if recipient.fate == fate:
        return False
    known = None if recipient.fate is None else Fate(recipient.fate)
    if fate is Fate.DELAYED:
        return known is None  # a report of a delay that comes behind what became of it
    return known not in FINAL or fate in FINAL
