"""The hash chain of the journal.

Every row's hash covers its content and the hash of the row before.

SHA-256 over the previous hash, the columns as one line of JSON in table order, and the body. A
changed, missing or reordered row breaks the chain at that row; `linkage journal verify` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from json import encoder
from operator import attrgetter
from typing import Any, Final

from linkage.store.rows import JournalRow

GENESIS: Final = bytes(32)
"""What stands before the first row."""
RENUMBERED: Final = "Renumbered"
"""Kind of the one row before which seqs may be left out (`linkage.store.sql.renumber`);
it follows the hash of the row before it all the same."""
COLUMNS: Final = (
    "seq", "recorded_at", "kind", "source", "occurred_at", "type", "request_id", "owner",
    "event_pk", "event_id", "op_id", "call_id", "conference_id", "command_seq", "target", "trace",
    "result", "detail", "reconstructed",
)  # fmt: skip
"""What is hashed of a row beside its body. This order, and which they are, is for ever: a column
that is added later cannot be among them, unless from some seq on."""

_values: Final = attrgetter(*COLUMNS)


def _line_encoder() -> Callable[[tuple[Any, ...]], str]:
    """What writes values as a JSON list without spaces.

    The encoder in C is made once: `JSONEncoder.encode` makes a new one for each call, which costs
    more than to use it.
    """
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without it
        return encoder.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    chunks = make(
        markers=None, default=None, encoder=encoder.encode_basestring, indent=None,
        key_separator=":", item_separator=",", sort_keys=False, skipkeys=False, allow_nan=True,
    )  # fmt: skip
    return lambda values: "".join(chunks(values, 0))


_encode: Final = _line_encoder()


def row_hash(previous: bytes, row: JournalRow) -> bytes:
    """The hash of a row that follows the row with hash `previous` (32 bytes each)."""
    return hash_of(previous, _values(row), row.body)


def hash_of(previous: bytes, values: tuple[Any, ...], body: bytes) -> bytes:
    """The same of a row that was taken apart: its values in the order of `COLUMNS`, its body."""
    return sha256(b"".join((previous, _encode(values).encode(), body))).digest()


def breaks(
    rows: Iterable[tuple[JournalRow, bytes, bytes]],
    first_seq: int = 1,
    previous: bytes | None = None,
) -> Iterator[str]:
    """Every place where the chain does not hold, in words.

    Args:
        rows: (row, its prev_hash, its hash) by seq.
        first_seq: the seq of the first of them.
        previous: the hash that it must follow; None: unknown, but for the first row of all.
    """
    if previous is None and first_seq == 1:
        previous = GENESIS
    expected = first_seq
    for row, prev_hash, own_hash in rows:
        follows = previous is None or prev_hash == previous
        if row.seq != expected and not (row.kind == RENUMBERED and row.seq > expected and follows):
            yield f"seq {expected}: missing (the next row there is {row.seq})"
        elif not follows:
            yield f"seq {row.seq}: does not follow the row before it (changed or reordered)"
        if row_hash(prev_hash, row) != own_hash:
            yield f"seq {row.seq}: its content was changed after it was written"
        previous = own_hash
        expected = row.seq + 1
