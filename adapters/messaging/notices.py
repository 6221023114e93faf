"""What is told of a text: 121, 122 and 124."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from adapters.messaging.model import Job, Target
from protocol.messages import SmsBatchNotice, SmsReportNotice, SmsSendResultNotice, SmsSendStatus
from protocol.messages import SmsReportStatus as Fate
from protocol.reasons import Reason

REASONS: Final[Mapping[Fate, Reason | None]] = {
    Fate.DELIVERED: None, Fate.EXPIRED: Reason.SMS_EXPIRED, Fate.REJECTED: Reason.SMS_REJECTED,
    Fate.UNDELIVERABLE: Reason.SMS_UNDELIVERABLE, Fate.UNKNOWN: Reason.OUTCOME_UNKNOWN,
}  # fmt: skip


def result(target: Target, job: Job, reason: Reason | None = None) -> SmsSendResultNotice:
    """121: the centre has it, or why not."""
    return SmsSendResultNotice(
        status=SmsSendStatus.FAILED if reason else SmsSendStatus.ACCEPTED,
        reason=reason,
        parts=len(target.parts) or None,
        staff_id=target.staff,
        **target.names(job),
    )


def report(
    target: Target, job: Job, fate: Fate | None, at: datetime, *, request_id: str | None = None
) -> SmsReportNotice:
    """122; `fate` None: it is under way."""
    names = target.names(job)
    if request_id is not None:
        names["request_id"] = request_id
    return SmsReportNotice(
        status=fate,
        parts_ok=sum(each.fate == Fate.DELIVERED for each in target.parts),
        parts=len(target.parts) or None,
        done_time=at if fate not in {None, Fate.UNKNOWN} else None,
        reason=None if fate is None else REASONS[fate],
        **names,
    )


def progress(job: Job, *, finished: bool = False) -> SmsBatchNotice:
    """124."""
    return SmsBatchNotice(
        batch_id=job.batch_id,
        request_id=job.id,
        total=job.total,
        sent=job.sent,
        delivered=job.delivered,
        failed=job.failed,
        finished=finished,
    )
