"""The hash chain of the journal.

Every row's hash covers its content and the hash of the row before.

SHA-256 over the previous hash, the columns as one line of JSON in table order, and the body. A
changed, missing or reordered row breaks the chain at that row; `linkage journal verify` names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final

from linkage.store.rows import JournalRow

GENESIS: Final = bytes(32)
"""What stands before the first row."""
COLUMNS: Final = tuple(field.name for field in fields(JournalRow) if field.name != "body")

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def row_hash(previous: bytes, row: JournalRow) -> bytes:
    """The hash of a row that follows the row with hash `previous` (32 bytes each)."""
    digest = hashlib.sha256(previous)
    digest.update(_encode([getattr(row, column) for column in COLUMNS]).encode())
    digest.update(row.body)
    return digest.digest()


def breaks(rows: Iterable[tuple[JournalRow, bytes, bytes]], first_seq: int = 1) -> Iterator[str]:
    """Every place where the chain does not hold, in words.

    `rows` are (row, its prev_hash, its hash) by seq.
    """
    previous = GENESIS if first_seq == 1 else None
    expected = first_seq
    for row, prev_hash, own_hash in rows:
        if row.seq != expected:
            yield f"seq {expected}: missing (the next row there is {row.seq})"
        elif previous is not None and prev_hash != previous:
            yield f"seq {row.seq}: does not follow the row before it (changed or reordered)"
        if row_hash(prev_hash, row) != own_hash:
            yield f"seq {row.seq}: its content was changed after it was written"
        previous = own_hash
        expected = row.seq + 1
