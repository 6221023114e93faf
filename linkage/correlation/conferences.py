"""Conferences, their members, and people who are called out (103, 104, 110)."""

from __future__ import annotations

from linkage.correlation.calls import find_or_make_call
from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import attached, end, fill, make, us_of
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation
from protocol import messages as m


def conference_change(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """103: a conference begins, is connected, ends."""
    message = entry.message
    assert isinstance(message, m.ConferenceNotice)
    if message.conference_id is None:
        return attached(records, entry), False
    operation, is_new = _find_or_make_conference(records, entry)
    fill(operation, login_id=message.login_id, content=message.subject)
    action = message.action
    if action is m.ConferenceNoticeAction.CONNECTED:
        operation.answered_at = operation.answered_at or entry.at
    if action is m.ConferenceNoticeAction.ENDED:
        end(operation, entry.at, "ended", message.reason)
    elif action is not None:
        operation.state = action.name.lower()
    return operation, is_new


def _find_or_make_conference(records: RecordsPort, entry: Entry) -> tuple[Operation, bool]:
    message = entry.message
    native = f"conf:{message.conference_id}"
    found = records.find_operation(entry.source, native)
    if found is not None and not (found.ended_at is not None and _is_another(entry, found)):
        return found, False
    call = None
    if message.call_id is not None:
        call = records.find_operation(entry.source, f"call:{message.call_id}")
        if call is not None and call.ended_at is not None:
            call = None
    return make(
        records, entry, "conference", native, call,
        call_id=message.call_id, conference_id=message.conference_id,
    ), True  # fmt: skip


def _is_another(entry: Entry, ended: Operation) -> bool:
    """Whether a notice tells of a new conference and not, late, of the ended one with its id."""
    message = entry.message
    if isinstance(message, m.ConferenceNotice):
        return message.action in {None, m.ConferenceNoticeAction.CREATED}
    other_call = None not in {message.call_id, ended.call_id} and message.call_id != ended.call_id
    other_command = entry.command_event not in {None, ended.event_pk}
    return other_call or (other_command and ended.event_pk is not None)


def member_change(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """104: somebody joins a conference, leaves it, is silenced."""
    message = entry.message
    assert isinstance(message, m.ConferenceMemberNotice)
    who = message.phone_num or message.staff_id or message.member_id
    if message.conference_id is None or who is None:
        return attached(records, entry), False
    operation, is_new = _find_or_make_member(records, entry, who)
    action = message.action
    if action is None:
        return operation, is_new
    operation.state = action.name.lower()
    if action is m.MemberNoticeAction.JOINED:
        operation.answered_at = operation.answered_at or entry.at
        operation.ended_at = None
        operation.outcome = "joined"
    elif action in {m.MemberNoticeAction.LEFT, m.MemberNoticeAction.KICKED}:
        end(operation, entry.at, operation.state, message.reason)
    return operation, is_new


def _find_or_make_member(records: RecordsPort, entry: Entry, who: str) -> tuple[Operation, bool]:
    message = entry.message
    native = f"member:{message.conference_id}/{who}"
    conference, _ = _find_or_make_conference(records, entry)
    found = records.find_operation(entry.source, native)
    if found is not None and found.root == conference.root:
        return found, False
    return make(
        records, entry, "member", native, conference,
        call_id=message.call_id, conference_id=message.conference_id, to_num=who,
    ), True  # fmt: skip


def call_out_result(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """110: one person was reached or not; in a conference each is a member of their own."""
    message = entry.message
    assert isinstance(message, m.CallOutResultNotice)
    who = message.phone_num or message.staff_id
    if message.conference_id is not None and who is not None:
        operation, is_new = _find_or_make_member(records, entry, who)
    elif message.call_id is not None:
        operation, is_new = find_or_make_call(records, entry)
    else:
        return None, False
    fill(
        operation, to_num=message.phone_num, login_id=message.login_id, content=message.staff_name
    )
    operation.direction = operation.direction or "out"
    if message.reason is None and message.result is None:
        operation.answered_at = us_of(message.answer_time) or operation.answered_at or entry.at
        operation.outcome = "joined" if operation.kind == "member" else "answered"
        operation.state = operation.outcome
    else:
        end(operation, entry.at, "failed", message.reason)
    return operation, is_new
