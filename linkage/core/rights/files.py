"""Whose is a file? Only its owner has it given out; a file that nobody's row owns is refused.

A file belongs to the application of the event, or else of the call or message, that it is of. Of
what is nobody's yet it is for whom the number was meant, or who takes all (`*`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from linkage.core.peers import Peers
from linkage.core.rights.refusal import RefusedError
from linkage.ports.store import Tx
from linkage.store.rows import FileRecord
from protocol.message import Message
from protocol.results import Result

GIVE_OUT: Final = frozenset({223, 230, 240, 285})
"""Commands by which a file leaves the house: sent by MMS, fax or mail, or fetched. What others
name may also be a sound that a platform has and nobody told of (203, 209, 210, 217, 218)."""


def check_files(tx: Tx, peers: Peers, message: Message, owner: str, platform: str) -> None:
    """Every file that a command names.

    An adapter opens the files that linkage keeps, and those only adapters have told of: a platform
    of others that names one of ours in a notice makes it nobody's.

    Raises:
        RefusedError: 203, it is another application's; 305, nobody knows whose it is.
    """
    for file_id in _named(message):
        found = tx.records.files.find_all(file_id)
        if is_adapter(peers, platform):
            found = [row for row in found if is_adapter(peers, row.platform)]
        there = [row for row in found if row.platform == platform] or found
        if there and not any(may_fetch(tx, peers, row, owner) for row in there):
            raise _refused(file_id)
        if not there and message.number in GIVE_OUT:
            raise RefusedError(Result.NO_FILE, f"FileId {file_id} is not known")


def is_adapter(peers: Peers, platform: str) -> bool:
    """Whether a platform is an adapter of ours, so that its files are those linkage keeps."""
    peer = peers.get(platform)
    return peer is not None and peer.settings is None


def file_meant(tx: Tx, peers: Peers, file_id: str, owner: str) -> FileRecord:
    """The file that a 285 asks for.

    Raises:
        RefusedError: 203, it is another application's; 305, it is not known; 306, several
            platforms have one of this id that the application may fetch.
    """
    found = tx.records.files.find_all(file_id)
    mine = [row for row in found if may_fetch(tx, peers, row, owner)]
    if not found:
        raise RefusedError(Result.NO_FILE, f"FileId {file_id} is not known")
    if not mine:
        raise _refused(file_id)
    if len(mine) > 1:
        where = ", ".join(f"OpId {row.op_id} at {row.platform}" for row in mine)
        raise RefusedError(
            Result.WRONG_STATE, f"FileId {file_id} is several files, ask for one by OpId: {where}"
        )
    return mine[0]


def may_fetch(tx: Tx, peers: Peers, row: FileRecord, owner: str) -> bool:
    """Whether an application may have a file given out."""
    operation = None if row.op_id is None else tx.records.operation(row.op_id)
    if operation is None:
        return False
    root = tx.records.operation(operation.root) or operation
    holder = operation.owner or root.owner
    if holder is not None:
        return holder == owner
    number = root.from_num if root.direction == "out" else root.to_num
    return any(peer.id == owner for peer in peers.takers(number, root.login_id).peers)


def _named(message: Message) -> Sequence[str]:
    single = getattr(message, "file_id", None)
    return (*getattr(message, "file_ids", ()), *([single] if isinstance(single, str) else ()))


def _refused(file_id: str) -> RefusedError:
    return RefusedError(
        Result.OTHER_TENANT,
        f"FileId {file_id} belongs to another application, or to no event yet: bind it by 281",
    )
