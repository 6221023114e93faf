"""The tables (ARCHITECTURE section 4).

Times are microseconds since 1970 UTC; OpIds are numbers here, text on the wire.

`journal` is the truth and only grows; its oldest part may lie in the segments of `archive`.
`event`, `event_link`, `operation`, `operation_key`, `binding` and `file` are projections: a
rebuild from the journal gives the same rows. `delivery`, `peer`, `nonce`, `adapter_memory` and
`floor` are working state.
"""

from __future__ import annotations

from typing import Final

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

metadata: Final = MetaData()

Serial: Final = BigInteger().with_variant(Integer, "sqlite")

journal: Final = Table(
    "journal",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("occurred_at", BigInteger),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Integer),
    Column("request_id", Text),
    Column("owner", Text),
    Column("event_pk", BigInteger),
    Column("event_id", Text),
    Column("op_id", BigInteger),
    Column("call_id", Text),
    Column("conference_id", Text),
    Column("command_seq", BigInteger),
    Column("target", Text),
    Column("trace", Text),
    Column("result", Integer),
    Column("detail", Text),
    Column("reconstructed", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("journal_request", "source", "request_id"),
    Index(
        "journal_event",
        "event_pk",
        sqlite_where=text("event_pk IS NOT NULL"),
        postgresql_where=text("event_pk IS NOT NULL"),
    ),
    Index(
        "journal_op",
        "op_id",
        sqlite_where=text("op_id IS NOT NULL"),
        postgresql_where=text("op_id IS NOT NULL"),
    ),
)
"""`owner` is the application that routing chose for a call nobody owns yet, or for whom a screen
acts; `command_seq` the command
whose outcome this is; `target` the platform that a command went to."""

event: Final = Table(
    "event",
    metadata,
    Column("event_pk", Serial, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text),
    Column("title", Text),
    Column("level", Text),
    Column("status", Text, nullable=False),
    Column("address", Text),
    Column("lon", Float),
    Column("lat", Float),
    Column("summary", Text),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("merged_into", BigInteger),
    UniqueConstraint("owner", "event_id"),
    Index("event_by_id", "event_id"),
    Index(
        "event_merged",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)
"""`event_pk` is the journal seq that opened it: merging redirects by it and never rewrites a
key."""

event_link: Final = Table(
    "event_link",
    metadata,
    Column("link_id", Serial, primary_key=True, autoincrement=False),
    Column("event_pk", BigInteger, nullable=False),
    Column("other_pk", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),
    Index("event_link_event", "event_pk"),
    Index("event_link_other", "other_pk"),
)

operation: Final = Table(
    "operation",
    metadata,
    Column("op_id", Serial, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("native", Text, nullable=False),
    Column("owner", Text),
    Column("call_id", Text),
    Column("conference_id", Text),
    Column("parent", BigInteger),
    Column("root", BigInteger, nullable=False),
    Column("direction", Text),
    Column("from_num", Text),
    Column("to_num", Text),
    Column("login_id", Text),
    Column("state", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("outcome", Text),
    Column("reason", Integer),
    Column("content", Text),
    Column("event_pk", BigInteger),
    Column("cause", Text),
    Column("reconstructed", Boolean, nullable=False),
    Index("operation_native", "native", "platform"),
    Index("operation_root", "root"),
    Index(
        "operation_event",
        "event_pk",
        sqlite_where=text("event_pk IS NOT NULL"),
        postgresql_where=text("event_pk IS NOT NULL"),
    ),
    Index(
        "operation_open",
        "kind",
        "op_id",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
"""The communication operation table of the patent. `event_pk` and `cause` repeat the valid
`binding` row for retrieval."""

binding: Final = Table(
    "binding",
    metadata,
    Column("binding_id", Serial, primary_key=True, autoincrement=False),
    Column("op_id", BigInteger, nullable=False),
    Column("event_pk", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),
    Index("binding_op", "op_id"),
    Index("binding_event", "event_pk"),
)
"""Undone by `valid_to`, never by deletion. Both are journal seqs."""

operation_key: Final = Table(
    "operation_key",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("platform", Text, primary_key=True),
    Column("op_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Other names of messages (Message-ID, the number they went to), by which an answer finds them."""

file: Final = Table(
    "file",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("file_id", Text, primary_key=True),
    Column("op_id", BigInteger),
    Column("name", Text),
    Column("url", Text),
    Column("format", Text),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("duration_s", Integer),
    Column("created_at", BigInteger, nullable=False),
    Index("file_op", "op_id"),
    Index("file_by_id", "file_id"),
)
"""Each platform numbers its files as it likes: another's of the same FileId is another file."""

delivery: Final = Table(
    "delivery",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("journal_seq", BigInteger, nullable=False),
    Column("type", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("expires_at", BigInteger),
    Column("result", Integer),
    Index(
        "delivery_open",
        "receiver",
        "state",
        "seq",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(
        "delivery_expiry",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL AND state = 'open'"),
        postgresql_where=text("expires_at IS NOT NULL AND state = 'open'"),
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

archive: Final = Table(
    "archive",
    metadata,
    Column("first_seq", Serial, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
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
