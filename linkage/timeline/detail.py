"""What a rung adds to its message's name: the little that tells one from another.

The ladder shows who and when already; numbers, names and outcomes are what is left to say.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from linkage.store.read.summary import summarise
from protocol import messages as m
from protocol.message import Message
from protocol.reasons import reason_text
from protocol.results import result_text


def detail_of(message: Message) -> str:
    """A few words of field data; empty where the name says it all."""
    tell = TELL.get(message.number)
    if tell is None:
        return summarise(message)
    return " ".join(part for part in (tell(message), _outcome(message)) if part)


def _outcome(message: Any) -> str:
    reason = getattr(message, "reason", None)
    if reason is not None:
        return f"{reason} {reason_text(reason)}" if isinstance(reason, int) else str(reason)
    if message.result is not None:
        said = f": {message.detail}" if message.detail else ""
        return f"{message.result} {result_text(int(message.result))}{said}"
    return ""


def _word(value: Any) -> str:
    if value is None:
        return ""
    return value.name.lower().replace("_", "-") if isinstance(value, Enum) else str(value)


def _words(*names: str) -> Callable[[Any], str]:
    return lambda message: " ".join(
        word for name in names if (word := _word(getattr(message, name, None)))
    )


def _way(source: Any, target: Any) -> str:
    return f"{source or '?'} → {target or '?'}" if source or target else ""


def _call_out(message: Any) -> str:
    people = sum(len(group.staff) for group in message.groups)
    names = ", ".join(group.group_name for group in message.groups if group.group_name)
    return f"{people} to call" + (f": {names}" if names else "")


def _receivers(message: Any) -> str:
    numbers = ", ".join(each.phone_num or each.staff_id or "?" for each in message.receivers)
    return f"→ {numbers}" if numbers else ""


def _mail(message: Any) -> str:
    return f"→ {', '.join(message.to)}" + (f" “{message.subject}”" if message.subject else "")


def _fax(message: Any) -> str:
    return f"{message.file_id} → {', '.join(each.number for each in message.phone_nums)}"


def _link(message: Any) -> str:
    action = _word(message.action)
    word = {"merge": "merged into", "unmerge": "no longer merged into", "split": "split into"}
    tied = f"{message.event_id} {word.get(action, action)} {message.other_event_id}"
    moved = getattr(message, "moved", None)
    return tied + (f", {moved} operations" if moved is not None else "")


def _recording(message: Any) -> str:
    action = "" if message.action is None else _word(message.action)
    length = "" if message.duration is None else f"{message.duration} s"
    return " ".join(part for part in (action, message.file_id or "", length) if part)


def _bound(message: Any) -> str:
    cause = _word(message.cause)
    return f"operation {message.op_id} ({cause})" if message.op_id else cause


TELL: Final[dict[int, Callable[[Any], str]]] = {
    m.IncomingCallNotice.number: lambda message: _way(message.phone_num, message.to_num),
    m.EventBoundNotice.number: _bound,
    m.HangupNotice.number: _words("content"),
    m.ConferenceNotice.number: _words("action", "subject"),
    m.ConferenceMemberNotice.number: _words("action", "phone_num"),
    m.TransferNotice.number: lambda message: " ".join(
        part
        for part in (
            _way(message.from_login_id or message.from_ext, message.to_login_id or message.to_num),
            _word(message.phase),
        )
        if part
    ),
    m.HoldNotice.number: _words("action", "phone_num"),
    m.RecordingNotice.number: _recording,
    m.CallOutResultNotice.number: _words("staff_name", "phone_num"),
    m.CallStateNotice.number: lambda message: " ".join(
        part for part in (_word(message.state), message.to_num or message.login_id or "") if part
    ),
    m.CreateEvent.number: _words("event_id", "title"),
    m.Hangup.number: _words("scope", "content"),
    m.Transfer.number: lambda message: " ".join(
        part
        for part in (_word(message.mode), f"→ {message.to_login_id or message.to_num or ''}")
        if part
    ),
    m.Hold.number: _words("action"),
    m.CallOut.number: _call_out,
    m.CloseEvent.number: _words("action", "summary"),
    m.LinkEvent.number: _link,
    m.EventLinkNotice.number: _link,
    m.SendSms.number: _receivers,
    m.SmsSendResultNotice.number: _words("sms_id", "status", "phone_num"),
    m.SmsReportNotice.number: _words("sms_id", "status", "phone_num"),
    m.SmsReceivedNotice.number: _words("phone_num", "content"),
    m.SendMail.number: _mail,
    m.MailResultNotice.number: _words("status", "recipient"),
    m.MailReportNotice.number: _words("status", "recipient", "enhanced_code"),
    m.MailReceivedNotice.number: _words("sender", "subject"),
    m.SendFax.number: _fax,
    m.FaxResultNotice.number: _words("status", "phone_num"),
    m.FaxProgressNotice.number: lambda message: f"page {message.page or '?'}",
    m.FaxReceivedNotice.number: _words("phone_num", "csid"),
}
"""Type → what it has to say; every other message is summarised."""
