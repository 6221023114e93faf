"""What is no call: recordings, SMS, faxes, mails, video, broadcasts, and where somebody is."""

from __future__ import annotations

from typing import Final

from linkage.correlation.entry import Entry, Records
from linkage.correlation.operations import attached, end, fill, make, text_of
from linkage.correlation.reused_ids import content_of, is_another_message
from linkage.store.rows import FileRecord, Operation, to_us
from protocol import messages as m

RECORDING_OVER: Final = (
    m.RecordingNoticeAction.SAVED,
    m.RecordingNoticeAction.FAILED,
    m.RecordingNoticeAction.DELETED,
)
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


def recording_change(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """108: a recording is an operation under what it records; once saved it has a file."""
    message = entry.message
    assert isinstance(message, m.RecordingNotice)
    parent = attached(records, entry)
    if message.record_id is None:
        return parent, False
    native = f"rec:{message.record_id}"
    operation = records.find_operation(entry.source, native)
    if operation is not None and _is_another_recording(operation, parent, message):
        operation = None
    is_new = operation is None
    if operation is None:
        operation = make(
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
            end(operation, operation.ended_at or entry.at, operation.state, message.reason)
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


def content_change(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """SMS, fax, mail, video and broadcasts: one id, one operation."""
    message = entry.message
    kind, id_name = OWN_IDS[message.number]
    native_id = getattr(message, id_name)
    if native_id is None:
        return None, False
    native = f"{kind}:{native_id}"
    operation = records.find_operation(entry.source, native)
    if operation is not None and is_another_message(operation, entry):
        operation = None
    is_new = operation is None
    if operation is None:
        operation = make(records, entry, kind, native, None, call_id=message.call_id)
        if message.english.endswith("ReceivedNotice"):
            operation.direction = "in"
    fill(
        operation,
        from_num=text_of(message, "phone_num") or text_of(message, "sender"),
        to_num=text_of(message, "to_num"),
        content=content_of(message),
        login_id=message.login_id,
    )
    status = getattr(message, "status", None) or getattr(message, "action", None)
    if status is not None:
        operation.state = operation.outcome = status.name.lower()
        operation.reason = getattr(message, "reason", None)
    return operation, is_new


def place_told(records: Records, entry: Entry) -> tuple[Operation | None, bool]:
    """160: where somebody is; part of the call it comes with, or an operation of its own."""
    parent = attached(records, entry)
    operation = make(
        records, entry, "location", f"place:{entry.seq}", parent, call_id=entry.message.call_id
    )
    fill(
        operation,
        from_num=text_of(entry.message, "phone_num") or text_of(entry.message, "object_id"),
    )
    end(operation, entry.at, "located", None)
    return operation, True
