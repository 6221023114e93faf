"""Which operation a notice concerns, and what the notice changes in it.

Native keys, one namespace per platform: `call:<CallId>` (calls and legs), `conf:<ConferenceID>`,
`member:<ConferenceID>/<number>`, `transfer:<OpId of the call>/<journal seq>`, `rec:<RecordId>`,
`sms:`, `fax:`, `mail:`, `video:`, `broadcast:` and `place:<seq>`. A platform may use a CallId
again once its call has ended: then a new operation begins; the same goes for conferences.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from linkage.correlation.entry import Entry, Records
from linkage.store.rows import FileRecord, Operation, to_us
from protocol import messages as m
from protocol.message import Message
from protocol.results import is_accepted

ENDING_PHASES: Final = (m.CallPhase.DONE, m.CallPhase.FAILED, m.CallPhase.CANCELLED)
TRANSFERRED: Final = 134
"""Reason of a leg that ended because its call went on elsewhere (PROTOCOL.md section 8)."""
TELL_OF_REFUSAL: Final = frozenset({100, 102, 103, 105, 115})
"""Notices that, with a `Result` of 10 or more, say only that a command came to nothing: no call
was answered, ended or transferred by them (docs/decisions/0002)."""
LOST: Final = "lost"
"""Outcome of what ended unseen."""
BEGINNINGS: Final = (m.CallState.DIALLING, m.CallState.ALERTING)
RECORDING_OVER: Final = (
    m.RecordingNoticeAction.SAVED,
    m.RecordingNoticeAction.FAILED,
    m.RecordingNoticeAction.DELETED,
)


def locate(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """The operation of a notice, made where it is new (then True), and brought up to date."""
    message = entry.message
    handler = HANDLERS.get(message.number)
    refused = message.result is not None and not is_accepted(message.result)
    if handler is None or (refused and message.number in TELL_OF_REFUSAL):
        return _attached(records, entry), False
    return handler(records, entry)


def close_lost(records: Records, entry: Entry, operation: Operation) -> None:
    """End an operation that its platform does not know any more, with its transfers.

    By its OpId and not by what the notice names: the platform may have used the name again.
    """
    if operation.ended_at is not None:
        return
    reason = getattr(entry.message, "reason", None)
    for child in records.tree(operation.root):
        if child.parent == operation.op_id and child.kind == "transfer" and child.ended_at is None:
            _end(child, entry.at, LOST, reason)
            records.change_operation(child)
    _end(operation, entry.at, LOST, reason)
    operation.reconstructed = True
    records.change_operation(operation)


def natives_of(message: Message) -> list[str]:
    """The native keys that a notice will be looked up by; so that a batch can be read at once."""
    found = []
    if message.call_id is not None:
        found.append(f"call:{message.call_id}")
    if message.parent_call_id is not None:
        found.append(f"call:{message.parent_call_id}")
    if message.conference_id is not None:
        found.append(f"conf:{message.conference_id}")
        who = _text(message, "phone_num") or _text(message, "staff_id")
        if who is not None:
            found.append(f"member:{message.conference_id}/{who}")
    own = OWN_IDS.get(message.number)
    if own is not None:
        kind, name = own
        own_id = getattr(message, name)
        if own_id is not None:
            found.append(f"{kind}:{own_id}")
    return found


def _attached(records: Records, entry: Entry) -> Operation | None:
    """Notices that only tell more about an operation that is known: hold, media, queue, data."""
    message = entry.message
    if message.call_id is not None:
        return records.find_operation(entry.source, f"call:{message.call_id}")
    if message.conference_id is not None:
        return records.find_operation(entry.source, f"conf:{message.conference_id}")
    return None


def _make(
    records: Records,
    entry: Entry,
    kind: str,
    native: str,
    parent: Operation | None,
    *,
    call_id: str | None,
    conference_id: str | None = None,
    to_num: str | None = None,
) -> Operation:
    op_id = records.next_op_id()
    entry.made.add(op_id)
    return records.add_operation(
        Operation(
            op_id=op_id,
            kind=kind,
            platform=entry.source,
            native=native,
            parent=None if parent is None else parent.op_id,
            root=op_id if parent is None else parent.root,
            started_at=entry.at,
            owner=entry.owner if parent is None else parent.owner,
            reconstructed=entry.reconstructed,
            call_id=call_id,
            conference_id=conference_id,
            to_num=to_num,
        )
    )


def _call(records: Records, entry: Entry) -> tuple[Operation, bool]:
    """The call or leg of a notice.

    Made where the platform speaks of one that is not known (or has ended).
    """
    message = entry.message
    native = f"call:{message.call_id}"
    found = records.find_operation(entry.source, native)
    parent = None
    if message.parent_call_id is not None and message.parent_call_id != message.call_id:
        parent = records.find_operation(entry.source, f"call:{message.parent_call_id}")
    if found is not None and not (_begins_call(message) and found.ended_at is not None):
        if parent is not None and found.ended_at is None:
            _put_under(records, found, parent)
        return found, False
    if parent is None and message.conference_id is not None:
        parent = records.find_operation(entry.source, f"conf:{message.conference_id}")
        # Small numbers are given again and again: an ended conference is not this one.
        if parent is not None and parent.ended_at is not None:
            parent = None
    return _make(
        records,
        entry,
        "call" if parent is None or parent.kind == "conference" else "leg",
        native,
        parent,
        call_id=message.call_id,
        conference_id=message.conference_id,
    ), True


def _begins_call(message: Message) -> bool:
    """Whether a notice can only be of a call's beginning: its CallId is a new one's then."""
    if isinstance(message, m.CallStateNotice):
        return message.state in BEGINNINGS
    return isinstance(message, m.IncomingCallNotice)


def _put_under(records: Records, operation: Operation, parent: Operation) -> None:
    """A call that was thought to stand alone turns out to be a leg of another."""
    if operation.root != operation.op_id or operation.root == parent.root:
        return
    records.graft(operation, parent)
    operation.kind = "leg"
    records.change_operation(operation)


def _incoming(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    message = entry.message
    assert isinstance(message, m.IncomingCallNotice)
    operation, is_new = _call(records, entry)
    operation.direction = "in" if message.direction is m.CallDirection.IN else "out"
    _fill(operation, from_num=message.phone_num, to_num=message.to_num, login_id=message.login_id)
    return operation, is_new


def _state(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    message = entry.message
    assert isinstance(message, m.CallStateNotice)
    if message.call_id is None:
        return None, False
    operation, is_new = _call(records, entry)
    _fill(operation, from_num=message.phone_num, to_num=message.to_num, login_id=message.login_id)
    if message.state is not None:
        operation.state = message.state.name.lower()
    if message.state is m.CallState.ANSWERED and operation.answered_at is None:
        operation.answered_at = entry.at
    if message.state is m.CallState.FAILED:
        _end(operation, entry.at, "failed", message.reason)
    return operation, is_new


def _hangup(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    message = entry.message
    assert isinstance(message, m.HangupNotice)
    if message.call_id is None:
        return _conference_over(records, entry, message), False
    operation, is_new = _call(records, entry)
    if entry.reconstructed and operation.ended_at is not None:
        return operation, is_new  # what a resync makes up does not correct what was told
    _fill(
        operation, from_num=message.phone_num, login_id=message.login_id, content=message.content
    )
    operation.answered_at = _us(message.answer_time) or operation.answered_at
    if message.start_time is not None:
        operation.started_at = to_us(message.start_time)
    outcome = (
        "unanswered" if operation.answered_at is None and operation.kind == "leg" else "ended"
    )
    _end(operation, _us(message.end_time) or entry.at, outcome, message.reason)
    if entry.reconstructed:
        operation.reconstructed = True
    for child in records.tree(operation.root):
        if child.parent == operation.op_id and child.kind == "transfer" and child.ended_at is None:
            _end(child, entry.at, "done" if message.reason == TRANSFERRED else "ended", None)
            records.change_operation(child)
    return operation, is_new


def _conference_over(records: Records, entry: Entry, message: m.HangupNotice) -> Operation | None:
    """102 without a CallId tells of the conference that it names."""
    conference = _attached(records, entry)
    if conference is not None and conference.ended_at is None:
        _end(conference, _us(message.end_time) or entry.at, "ended", message.reason)
    return conference


def _transfer(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """105: the transfer is an operation of its own under the call, and the new leg another."""
    message = entry.message
    assert isinstance(message, m.TransferNotice)
    if message.call_id is None:
        return _attached(records, entry), False
    call, _ = _call(records, entry)
    transfer = next(
        (
            child
            for child in records.tree(call.root)
            if child.parent == call.op_id and child.kind == "transfer" and child.ended_at is None
        ),
        None,
    )
    is_new = transfer is None
    if transfer is None:
        transfer = _make(
            records,
            entry,
            "transfer",
            f"transfer:{call.op_id}/{entry.seq}",
            call,
            call_id=message.call_id,
        )
    target = message.to_num or message.to_login_id
    _fill(
        transfer,
        from_num=message.from_ext or message.from_login_id,
        to_num=target,
        login_id=message.to_login_id,
    )
    phase = (
        message.phase or m.CallPhase.DONE
    )  # the patent's 105 has no phase: it tells of a transfer made
    transfer.state = phase.name.lower()
    if phase in ENDING_PHASES:
        _end(transfer, entry.at, transfer.state, message.reason)
    if phase is m.CallPhase.DONE:
        transfer.answered_at = transfer.answered_at or entry.at
        _fill(call, login_id=message.to_login_id)
        records.change_operation(call)
    if message.new_call_id is not None and message.new_call_id != message.call_id:
        _new_leg(records, entry, call, message)
    return transfer, is_new


def _new_leg(records: Records, entry: Entry, call: Operation, message: m.TransferNotice) -> None:
    native = f"call:{message.new_call_id}"
    leg = records.find_operation(entry.source, native)
    if leg is not None and leg.root != call.root and leg.ended_at is not None:
        leg = None  # an earlier call's id, used again
    if leg is None:
        leg = _make(records, entry, "leg", native, call, call_id=message.new_call_id)
    _put_under(records, leg, call)
    _fill(leg, to_num=message.to_num, login_id=message.to_login_id)
    records.change_operation(leg)


def _conference(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    message = entry.message
    assert isinstance(message, m.ConferenceNotice)
    if message.conference_id is None:
        return _attached(records, entry), False
    operation, is_new = _find_or_make_conference(records, entry)
    _fill(operation, login_id=message.login_id, content=message.subject)
    action = message.action
    if action is m.ConferenceNoticeAction.CONNECTED:
        operation.answered_at = operation.answered_at or entry.at
    if action is m.ConferenceNoticeAction.ENDED:
        _end(operation, entry.at, "ended", message.reason)
    elif action is not None:
        operation.state = action.name.lower()
    return operation, is_new


def _find_or_make_conference(records: Records, entry: Entry) -> tuple[Operation, bool]:
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
    return _make(
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


def _member(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    message = entry.message
    assert isinstance(message, m.ConferenceMemberNotice)
    who = message.phone_num or message.staff_id or message.member_id
    if message.conference_id is None or who is None:
        return _attached(records, entry), False
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
        _end(operation, entry.at, operation.state, message.reason)
    return operation, is_new


def _find_or_make_member(records: Records, entry: Entry, who: str) -> tuple[Operation, bool]:
    message = entry.message
    native = f"member:{message.conference_id}/{who}"
    conference, _ = _find_or_make_conference(records, entry)
    found = records.find_operation(entry.source, native)
    if found is not None and found.root == conference.root:
        return found, False
    return _make(
        records, entry, "member", native, conference,
        call_id=message.call_id, conference_id=message.conference_id, to_num=who,
    ), True  # fmt: skip


def _call_out_result(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """110: one person was reached or not; in a conference each is a member of their own."""
    message = entry.message
    assert isinstance(message, m.CallOutResultNotice)
    who = message.phone_num or message.staff_id
    if message.conference_id is not None and who is not None:
        operation, is_new = _find_or_make_member(records, entry, who)
    elif message.call_id is not None:
        operation, is_new = _call(records, entry)
    else:
        return None, False
    _fill(
        operation, to_num=message.phone_num, login_id=message.login_id, content=message.staff_name
    )
    operation.direction = operation.direction or "out"
    if message.reason is None and message.result is None:
        operation.answered_at = _us(message.answer_time) or operation.answered_at or entry.at
        operation.outcome = "joined" if operation.kind == "member" else "answered"
        operation.state = operation.outcome
    else:
        _end(operation, entry.at, "failed", message.reason)
    return operation, is_new


def _recording(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """108: a recording is an operation under what it records; once saved it has a file."""
    message = entry.message
    assert isinstance(message, m.RecordingNotice)
    parent = _attached(records, entry)
    if message.record_id is None:
        return parent, False
    native = f"rec:{message.record_id}"
    operation = records.find_operation(entry.source, native)
    if operation is not None and _is_another_recording(operation, parent, message):
        operation = None
    is_new = operation is None
    if operation is None:
        operation = _make(
            records, entry, "recording", native, parent,
            call_id=message.call_id, conference_id=message.conference_id,
        )  # fmt: skip
    if message.start_time is not None:
        operation.started_at = to_us(message.start_time)
    if message.action is not None:
        operation.state = message.action.name.lower()
        if message.action is m.RecordingNoticeAction.STOP:
            operation.ended_at = entry.at
        if message.action in RECORDING_OVER:
            _end(operation, operation.ended_at or entry.at, operation.state, message.reason)
    if message.action is m.RecordingNoticeAction.SAVED:
        records.put_file(_file_of(entry, operation, message))
    return operation, is_new


def _is_another_recording(
    found: Operation, parent: Operation | None, message: m.RecordingNotice
) -> bool:
    """Whether a RecordId was used again: for another call, or after that recording was over."""
    if parent is not None and found.root != parent.root:
        return True
    return message.action is m.RecordingNoticeAction.START and found.ended_at is not None


def _file_of(entry: Entry, operation: Operation, message: m.RecordingNotice) -> FileRecord:
    return FileRecord(
        file_id=str(message.file_id or message.record_id),
        platform=entry.source,
        created_at=entry.at,
        op_id=operation.op_id,
        name=message.record_id,
        url=message.url,
        format=message.format,
        size_bytes=message.size,
        sha256=message.sha256,
        duration_s=message.duration,
    )


def _single(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """SMS, fax, mail, video and broadcasts: one id, one operation."""
    message = entry.message
    kind, id_name = OWN_IDS[message.number]
    native_id = getattr(message, id_name)
    if native_id is None:
        return None, False
    native = f"{kind}:{native_id}"
    operation = records.find_operation(entry.source, native)
    is_new = operation is None
    if operation is None:
        operation = _make(records, entry, kind, native, None, call_id=message.call_id)
        if message.english.endswith("ReceivedNotice"):
            operation.direction = "in"
    _fill(
        operation,
        from_num=_text(message, "phone_num") or _text(message, "sender"),
        to_num=_text(message, "to_num"),
        content=_text(message, "content") or _text(message, "subject") or _text(message, "text"),
        login_id=message.login_id,
    )
    status = getattr(message, "status", None) or getattr(message, "action", None)
    if status is not None:
        operation.state = operation.outcome = status.name.lower()
        operation.reason = getattr(message, "reason", None)
    return operation, is_new


def _place(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """160: where somebody is; part of the call it comes with, or an operation of its own."""
    parent = _attached(records, entry)
    operation = _make(
        records, entry, "location", f"place:{entry.seq}", parent, call_id=entry.message.call_id
    )
    _fill(
        operation, from_num=_text(entry.message, "phone_num") or _text(entry.message, "object_id")
    )
    _end(operation, entry.at, "located", None)
    return operation, True


def _text(message: Message, name: str) -> str | None:
    value = getattr(message, name, None)
    return value if isinstance(value, str) else None


def _fill(operation: Operation, **values: str | None) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(operation, name, value)


def _end(operation: Operation, at: int, outcome: str, reason: int | None) -> None:
    operation.ended_at = at
    operation.state = "ended"
    operation.outcome = outcome
    if reason is not None:
        operation.reason = int(reason)


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)


OWN_IDS: Final = {
    105: ("call", "new_call_id"),
    108: ("rec", "record_id"),
    118: ("broadcast", "broadcast_id"),
    120: ("sms", "sms_id"),
    121: ("sms", "sms_id"),
    122: ("sms", "sms_id"),
    130: ("fax", "fax_id"),
    131: ("fax", "fax_id"),
    132: ("fax", "fax_id"),
    140: ("mail", "mail_id"),
    141: ("mail", "mail_id"),
    142: ("mail", "mail_id"),
    150: ("video", "video_id"),
    153: ("video", "video_id"),
}
"""Notices that have an id beside those of calls and conferences: prefix of its native key, and
name of the field."""
HANDLERS: Final[dict[int, Callable[[Records, Entry], tuple[Operation | None, bool]]]] = {
    100: _incoming,
    102: _hangup,
    103: _conference,
    104: _member,
    105: _transfer,
    108: _recording,
    110: _call_out_result,
    115: _state,
    160: _place,
    **dict.fromkeys((118, 120, 121, 122, 130, 131, 132, 140, 141, 142, 150, 153), _single),
}
"""Notices that make or change an operation; every other 1xx is attached to the call or conference
it names."""
