"""The tables (ARCHITECTURE section 4).

What a table holds is declared by its class of rows (`linkage.store.rows`), its key and indices
here. Times are microseconds since 1970 UTC; OpIds are numbers here, text on the wire.

`journal` is the truth and only grows; its oldest part may lie in the segments of `archive`.
`event`, `event_link`, `operation`, `operation_key`, `binding` and `file` are projections: a
rebuild from the journal gives the same rows. `delivery`, `peer`, `nonce`, `adapter_memory` and
`floor` are working state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.schema import SchemaItem

from linkage.store.archive import Segment
from linkage.store.rows import (
    Binding,
    DeliveryRow,
    Event,
    EventLink,
    FileRecord,
    JournalRow,
    Operation,
    OperationKey,
    Small,
    Time,
)

metadata: Final = MetaData()

Serial: Final = BigInteger().with_variant(Integer, "sqlite")

_TYPES: Final[Mapping[Any, Any]] = {
    int: BigInteger, Small: Integer, str: Text, bool: Boolean, float: Float, bytes: LargeBinary,
}  # fmt: skip


def _table(
    name: str, cls: type, key: tuple[str, ...], *more: SchemaItem, **settings: Any
) -> Table:
    """The table of a class of rows, whose fields are its columns; those of the key come first."""
    hints = get_type_hints(cls, include_extras=True)
    of = [*key, *(field.name for field in fields(cls) if field.name not in key)]
    columns = [_column(column, hints[column], key) for column in of]
    return Table(name, metadata, *columns, *more, **settings)


def _column(name: str, hint: Any, key: tuple[str, ...]) -> Column[Any]:
    options = [option for option in get_args(hint) if option is not NoneType]
    nullable = NoneType in get_args(hint)
    kind = int if Time in (hint, *options) else options[0] if nullable else hint
    if name not in key:
        return Column(name, _TYPES[kind], nullable=nullable)
    type_ = Serial if key == (name,) and kind is int else _TYPES[kind]
    return Column(name, type_, primary_key=True, autoincrement=False)


journal: Final = _table(
    "journal",
    JournalRow,
    ("seq",),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("journal_request", "source", "request_id"),
    Index("journal_event", "event_pk", sqlite_where=text("event_pk IS NOT NULL")),
    Index("journal_op", "op_id", sqlite_where=text("op_id IS NOT NULL")),
)
event: Final = _table(
    "event",
    Event,
    ("event_pk",),
    UniqueConstraint("owner", "event_id"),
    Index("event_by_id", "event_id"),
    Index("event_merged", "merged_into", sqlite_where=text("merged_into IS NOT NULL")),
)
"""`event_pk` is the journal seq that opened it: merging redirects by it and never rewrites a
key."""

event_link: Final = _table(
    "event_link",
    EventLink,
    ("link_id",),
    Index("event_link_event", "event_pk"),
    Index("event_link_other", "other_pk"),
)

operation: Final = _table(
    "operation",
    Operation,
    ("op_id",),
    Index("operation_native", "native", "platform"),
    Index("operation_root", "root"),
    Index("operation_event", "event_pk", sqlite_where=text("event_pk IS NOT NULL")),
    Index("operation_open", "kind", "op_id", sqlite_where=text("ended_at IS NULL")),
)
"""The communication operation table of the patent. `event_pk` and `cause` repeat the valid
`binding` row for retrieval."""

binding: Final = _table(
    "binding",
    Binding,
    ("binding_id",),
    Index("binding_op", "op_id"),
    Index("binding_event", "event_pk"),
)
"""Undone by `valid_to`, never by deletion. Both are journal seqs."""

operation_key: Final = _table(
    "operation_key",
    OperationKey,
    ("kind", "key", "platform", "op_id"),
    sqlite_with_rowid=False,
)
"""Other names of messages (Message-ID, the number they went to), by which an answer finds them."""

file: Final = _table(
    "file",
    FileRecord,
    ("platform", "file_id"),
    Index("file_op", "op_id"),
    Index("file_by_id", "file_id"),
)
"""Each platform numbers its files as it likes: another's of the same FileId is another file."""

delivery: Final = _table(
    "delivery",
    DeliveryRow,
    ("receiver", "seq"),
    Index("delivery_open", "receiver", "state", "seq", sqlite_where=text("state = 'open'")),
    Index(
        "delivery_expiry",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL AND state = 'open'"),
    ),
    sqlite_with_rowid=False,
)
"""`delivery_open` has `state` in it although it is the same everywhere: SQLite, which knows no
figures of the tables, would take the primary key else, and read through all that is done."""

is_open: Final = delivery.c.state == literal_column("'open'")
"""A delivery that is not done. The word stands in the statement: with a parameter in its place
SQLite would plan anew each time, to see whether `delivery_open` fits."""

peer: Final = Table(
    "peer",
    metadata,
    Column("peer_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("last_seen", BigInteger),
    Column("gone_to", BigInteger, nullable=False, server_default="0"),
)
"""`gone_to`: of the queue up to this Seq nothing is kept, but for a 195 that may stand in this
very place and tell of it."""

nonce: Final = Table(
    "nonce",
    metadata,
    Column("peer_id", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    Column("used_at", BigInteger, nullable=False),
    Index("nonce_age", "used_at"),
)

adapter_memory: Final = Table(
    "adapter_memory",
    metadata,
    Column("adapter", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

archive: Final = _table(
    "archive",
    Segment,
    ("first_seq",),
)
"""The journal's segments outside the database, without a gap between them. The last one is the
anchor: up to its `last_seq` the rows are gone from `journal`, and the next row follows its
`hash`."""

floor: Final = Table(
    "floor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Numbers below which none is given any more, because they were before a backup was restored."""

NONCES_SINCE: Final = "nonces"
"""`floor` of the time, in microseconds, from which every nonce that was used is known here."""

PROJECTIONS: Final = (event, event_link, operation, operation_key, binding, file)
"""What a rebuild makes anew."""
