"""Files: recordings, and the rows that say whose each file is that a platform tells of.

Every file belongs to an operation, and so to an event and an application: a fax to itself, a
recording to what it records, an attachment to its mail, an export to the command that asked for
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from linkage.correlation.command_target import by_op_id
from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import attached, end, fill, make, text_of
from linkage.ports.records import RecordsPort
from linkage.store.rows import FileRecord, Operation, to_us
from protocol import messages as m
from protocol.message import Message

RECORDING_OVER: Final = (
    m.RecordingNoticeAction.SAVED,
    m.RecordingNoticeAction.FAILED,
    m.RecordingNoticeAction.DELETED,
)
AVAILABLE: Final = "available"


@dataclass(frozen=True, slots=True)
class Named:
    """A file as a notice names it; what it does not say is None."""

    file_id: str
    name: str | None = None
    url: str | None = None
    format: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    duration_s: int | None = None


def files_named(message: Message) -> Iterator[Named]:
    """Every file that a notice tells of, whatever its number."""
    match message:
        case m.RecordingNotice(action=m.RecordingNoticeAction.SAVED):
            file_id = message.file_id or message.record_id
            if file_id is not None:
                yield Named(
                    file_id, message.record_id, message.url, message.format, message.size,
                    message.sha256, message.duration,
                )  # fmt: skip
        case m.MailReceivedNotice() | m.ImMmsReceivedNotice():
            for each in message.files:
                yield Named(each.file_id, each.name, size_bytes=each.size)
        case m.FaxReceivedNotice(file_id=str(file_id)) | m.ExportReadyNotice(file_id=str(file_id)):
            yield Named(file_id)
        case m.VideoAlarmNotice(snapshot_file_id=str(file_id)):
            yield Named(file_id)
        case m.VideoFileNotice(file_id=str(file_id)):
            yield Named(file_id, sha256=message.sha256)
        case m.FileReadyNotice(file_id=str(file_id)):
            yield Named(
                file_id, message.name, message.url, message.kind, message.size, message.sha256
            )
        case _:
            return


def keep_file(records: RecordsPort, entry: Entry, operation: Operation, named: Named) -> None:
    """Write down whose a file is; what is known of it and not said again stays."""
    known = records.files.find(entry.source, named.file_id)
    if known is not None and known.op_id != operation.op_id:
        known = None
    row = FileRecord(
        file_id=named.file_id,
        platform=entry.source,
        created_at=entry.at if known is None else known.created_at,
        op_id=operation.op_id,
    )
    for name in ("name", "url", "format", "size_bytes", "sha256", "duration_s"):
        said = getattr(named, name)
        setattr(row, name, said if said is not None or known is None else getattr(known, name))
    records.files.put(row)


def keep_attachments(records: RecordsPort, entry: Entry, operation: Operation) -> None:
    """The files of a fax are its own, those of a mail or an MMS are operations under it."""
    for named in files_named(entry.message):
        owner = operation
        if isinstance(entry.message, m.MailReceivedNotice | m.ImMmsReceivedNotice):
            owner, _ = _file_operation(records, entry, named, operation)
            records.change_operation(owner)
        keep_file(records, entry, owner, named)


def file_told(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """151, 153, 181, 182: a picture, a clip, a file is there; an operation of its own.

    A file that is known stays whose it is: a 181 that answers a 285 gives it to nobody else.
    """
    parent = _parent(records, entry)
    named = next(files_named(entry.message), None)
    if named is None:
        return parent, False
    operation, is_new = _known(records, entry, named, parent), False
    if operation is None:
        operation, is_new = _file_operation(records, entry, named, parent)
    keep_file(records, entry, operation, named)
    return operation, is_new


def _known(
    records: RecordsPort, entry: Entry, named: Named, parent: Operation | None
) -> Operation | None:
    """What the file belongs to that a 181 tells of, if it was told before."""
    known = records.files.find(entry.source, named.file_id)
    if known is None or known.op_id is None or not isinstance(entry.message, m.FileReadyNotice):
        return None
    differs = any(
        None not in {was, said} and was != said
        for was, said in ((known.size_bytes, named.size_bytes), (known.sha256, named.sha256))
    )
    operation = records.operation(known.op_id)
    if operation is None or differs:
        return None
    asked_for = entry.command_seq is not None
    return operation if asked_for or parent is None or operation.root == parent.root else None


def _parent(records: RecordsPort, entry: Entry) -> Operation | None:
    """What a file is of: by OpId, by the video session, else the call or conference."""
    named = by_op_id(records, entry.message)
    if named is not None and named.platform == entry.source:
        return named
    video_id = text_of(entry.message, "video_id")
    if video_id is not None:
        found = records.find_operation(entry.source, f"video:{video_id}")
        if found is not None:
            return found
    return attached(records, entry)


def _file_operation(
    records: RecordsPort, entry: Entry, named: Named, parent: Operation | None
) -> tuple[Operation, bool]:
    """A file as an operation: under what it is of one for each FileId, else always a new one."""
    native = f"file:{named.file_id}"
    if parent is not None:
        found = records.find_operation(entry.source, native)
        if found is not None and found.root == parent.root:
            return found, False
    made = make(records, entry, "file", native, parent, call_id=entry.message.call_id)
    fill(made, content=named.name)
    end(made, entry.at, AVAILABLE, None)
    return made, True


# --- recordings ----------------------------------------------------------------------------------
def recording_change(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
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
    for named in files_named(message):
        keep_file(records, entry, operation, named)
    return operation, is_new


def _is_another_recording(
    found: Operation, parent: Operation | None, message: m.RecordingNotice
) -> bool:
    """Whether a RecordId was used again: for another call, or after that recording was over."""
    if parent is not None and found.root != parent.root:
        return True
    return message.action is m.RecordingNoticeAction.START and found.ended_at is not None
