"""285 (GetFile): answered by 181 from the files that linkage keeps, else by its platform."""

from __future__ import annotations

from linkage.core.context import Context
from linkage.core.rights.files import is_adapter
from linkage.ports import StoredFile
from linkage.store.rows import FileRecord
from protocol import messages as m


def ready_notice(
    context: Context, row: FileRecord, request_id: str, receiver: str, owner: str
) -> m.FileReadyNotice | None:
    """The 181 for a file, as far as linkage can give it; None: its platform has to.

    Only of an adapter's file: a FileId is its platform's word, and a foreign platform could name
    one of ours. Where linkage serves links, `Url` is one for the receiver, in the name of `owner`;
    else it says where the file lies.
    """
    is_kept = is_adapter(context.peers, row.platform)
    kept = context.find_file(row.file_id) if is_kept else None
    if kept is None and row.url is None:
        return None
    operation = None if row.op_id is None else context.tx.records.operation(row.op_id)
    event_pk = None if operation is None else operation.event_pk
    event = None if event_pk is None else context.tx.records.event(event_pk)
    url, until = row.url or _url_of(kept), None
    if kept is not None and context.links is not None:
        link = context.links.make(
            platform=row.platform,
            file_id=row.file_id,
            receiver=receiver,
            owner=owner,
            asked_seq=context.tx.journal.next_seq,
        )
        url, until = link.url, link.until
    return m.FileReadyNotice(
        request_id=request_id,
        event_id=None if event is None else event.event_id,
        call_id=None if operation is None else operation.call_id,
        op_id=None if row.op_id is None else str(row.op_id),
        file_id=row.file_id,
        kind=None if operation is None else operation.kind,
        name=row.name,
        size=row.size_bytes if kept is None else kept.size_bytes,
        sha256=row.sha256,
        url=url,
        url_expire=until,
    )


def _url_of(kept: StoredFile | None) -> str | None:
    return None if kept is None else kept.path.absolute().as_uri()
