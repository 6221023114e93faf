"""Files that are fetched by a link: whether that may still be, and the entry of who did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.rights.files import may_fetch
from linkage.correlation import final_event
from linkage.ports import EntryKind
from linkage.ports.file_links import FileLink, GrantedFile, LinkDeniedError
from linkage.store.rows import FileRecord, JournalRow
from protocol.results import Result


@dataclass(frozen=True, slots=True)
class OpenLink(Job[GrantedFile | LinkDeniedError]):
    """Ask whether the receiver of a link may have its file now.

    The link says who might when it was given out. A file may have gone to another application
    since, or its receiver out of the configuration.
    """

    link: FileLink

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> GrantedFile | LinkDeniedError:
        """What it opens, or why it does not: 202, 203 or 305."""
        link = self.link
        receiver = context.peers.get(link.receiver)
        row = context.tx.records.files.find(link.platform, link.file_id)
        if receiver is None or receiver.shut_out:
            return LinkDeniedError(Result.FORBIDDEN, f"{link.receiver} is no peer here any more")
        if row is None:
            return LinkDeniedError(Result.NO_FILE, f"FileId {link.file_id} is not known any more")
        if not may_fetch(context.tx, context.peers, row, link.owner):
            return LinkDeniedError(
                Result.OTHER_TENANT, f"FileId {link.file_id} is of another application now"
            )
        return GrantedFile(row.name)


@dataclass(frozen=True, slots=True)
class NoteFetch(Job[None]):
    """Journal who fetched a file, under its operation and event."""

    link: FileLink
    detail: str

    def run(self, context: Context) -> None:
        """One entry `FileFetched`."""
        tx, link = context.tx, self.link
        row = JournalRow(
            seq=tx.journal.next_seq,
            recorded_at=context.scope.now_us,
            kind=EntryKind.FILE_FETCHED.value,
            source=link.receiver,
            owner=link.owner,
            command_seq=link.asked_seq,
            detail=self.detail,
        )
        file = tx.records.files.find(link.platform, link.file_id)
        put_file(context, row, file)
        tx.journal.append(row)


def put_file(context: Context, row: JournalRow, file: FileRecord | None) -> None:
    """Say in an entry about a file to what it belongs, so that its event shows it."""
    records = context.tx.records
    operation = None if file is None or file.op_id is None else records.operation(file.op_id)
    if operation is None:
        return
    row.op_id, row.call_id = operation.op_id, operation.call_id
    event = None if operation.event_pk is None else records.event(operation.event_pk)
    if event is not None:
        row.event_pk, row.event_id = event.event_pk, final_event(records, event).event_id
