"""Ids that are given again: does a notice tell of what is known by its id, or of another thing?

A platform that restarts counts its calls, conferences and messages from 1 again.
"""

from __future__ import annotations

from typing import Final

from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import native_of, text_of
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation
from protocol import messages as m
from protocol.message import Message

BEGINNINGS: Final = (m.CallState.DIALLING, m.CallState.ALERTING)
SUBSCRIBER_DIGITS: Final = 7
"""Digits of the shortest number that stands with and without prefixes: shorter ones are
extensions, each for itself."""


def begins_call(message: Message) -> bool:
    """Whether a notice can only be of a call's beginning: its CallId is a new one's then."""
    if isinstance(message, m.CallStateNotice):
        return message.state in BEGINNINGS
    return isinstance(message, m.IncomingCallNotice)


def begins(message: Message) -> bool:
    """Whether a notice tells that a call came in, or a conference began: once each."""
    if isinstance(message, m.ConferenceNotice):
        return message.action is m.ConferenceNoticeAction.CREATED
    return isinstance(message, m.IncomingCallNotice)


def is_over_for(records: RecordsPort, op_id: int | None, platform: str, message: Message) -> bool:
    """Whether a message cannot be about what one that reads the same was about earlier.

    Because that is over and the message is of a beginning, or because another call or conference
    of the platform has the id now.
    """
    earlier = None if op_id is None else records.operation(op_id)
    native = native_of(message)
    if earlier is None or native is None:
        return False
    now = records.find_operation(platform, native)
    if now is not None and now.root != earlier.root:
        return True
    return (begins(message) or begins_call(message)) and earlier.ended_at is not None


def is_of_another(known: Operation, message: Message) -> bool:
    """Whether the beginning of a call or conference is not that of an open one with its id."""
    if isinstance(message, m.IncomingCallNotice):
        return _is_of_another_caller(known, message)
    return None not in {message.call_id, known.call_id} and message.call_id != known.call_id


def _is_of_another_caller(call: Operation, message: m.IncomingCallNotice) -> bool:
    """Whether a 100 names another number than the call's; with another prefix it is the same.

    Of a call that goes out the number may change on the way: a redirection, the next number of
    the same person.
    """
    if message.direction is not m.CallDirection.IN or call.direction != "in":
        return False
    known, told = call.from_num, message.phone_num
    return known is not None and told is not None and not is_same_number(known, told)


def is_same_number(one: str, other: str) -> bool:
    """Whether two numbers are one, with another prefix or written with other signs between.

    `010 8203 9239` is `+86 10 8203 9239`: the zero of a country itself is dropped abroad.
    """
    longer, shorter = sorted((digits_of(one), digits_of(other)), key=len, reverse=True)
    if len(shorter) < SUBSCRIBER_DIGITS:
        return longer == shorter
    significant = shorter.lstrip("0")
    return longer.endswith(significant if len(significant) >= SUBSCRIBER_DIGITS else shorter)


def is_same_party(one: str, other: str) -> bool:
    """Whether two numbers, or two mail addresses, are of one receiver."""
    if "@" in one or "@" in other:
        return one.lower() == other.lower()
    return is_same_number(one, other)


def is_another_message(known: Operation, entry: Entry) -> bool:
    """Whether an SMS, fax or mail that was received is not the one that is known by its id."""
    message = entry.message
    sender = text_of(message, "phone_num") or text_of(message, "sender")
    content = content_of(message)
    differs = any(
        None not in {told, kept} and told != kept
        for told, kept in ((sender, known.from_num), (content, known.content))
    )
    return differs or entry.given_again


def content_of(message: Message) -> str | None:
    """What an SMS, a mail or a fax says, as far as it is kept with the operation."""
    return text_of(message, "content") or text_of(message, "subject") or text_of(message, "text")


def digits_of(number: str) -> str:
    """A number without what people write between its digits; one without digits as it is."""
    return "".join(each for each in number if each.isdecimal()) or number
