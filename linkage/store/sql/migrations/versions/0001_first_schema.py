"""The first schema: journal, projections, working state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "adapter_memory",
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("adapter", "key"),
    )
    op.create_table(
        "binding",
        sa.Column(
            "binding_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("op_id", sa.BigInteger(), nullable=False),
        sa.Column("event_pk", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("binding_id"),
    )
    op.create_index("binding_event", "binding", ["event_pk"], unique=False)
    op.create_index("binding_op", "binding", ["op_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("journal_seq", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("receiver", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "delivery_expiry",
        "delivery",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL AND state = 'open'"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND state = 'open'"),
    )
    op.create_index("delivery_open", "delivery", ["receiver", "state", "seq"], unique=False)
    op.create_table(
        "event",
        sa.Column(
            "event_pk",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event_pk"),
        sa.UniqueConstraint("owner", "event_id"),
    )
    op.create_index("event_by_id", "event", ["event_id"], unique=False)
    op.create_table(
        "event_link",
        sa.Column(
            "link_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("event_pk", sa.BigInteger(), nullable=False),
        sa.Column("other_pk", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("link_id"),
    )
    op.create_index("event_link_event", "event_link", ["event_pk"], unique=False)
    op.create_index("event_link_other", "event_link", ["other_pk"], unique=False)
    op.create_table(
        "file",
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("op_id", sa.BigInteger(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("duration_s", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "file_id"),
    )
    op.create_index("file_op", "file", ["op_id"], unique=False)
    op.create_table(
        "journal",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("event_pk", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("op_id", sa.BigInteger(), nullable=True),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("conference_id", sa.Text(), nullable=True),
        sa.Column("command_seq", sa.BigInteger(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("reconstructed", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("journal_event", "journal", ["event_pk"], unique=False)
    op.create_index("journal_op", "journal", ["op_id"], unique=False)
    op.create_index("journal_request", "journal", ["source", "request_id"], unique=False)
    op.create_table(
        "nonce",
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer_id", "nonce"),
    )
    op.create_table(
        "operation",
        sa.Column(
            "op_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("native", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("conference_id", sa.Text(), nullable=True),
        sa.Column("parent", sa.BigInteger(), nullable=True),
        sa.Column("root", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("from_num", sa.Text(), nullable=True),
        sa.Column("to_num", sa.Text(), nullable=True),
        sa.Column("login_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("event_pk", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("reconstructed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("op_id"),
    )
    op.create_index("operation_event", "operation", ["event_pk"], unique=False)
    op.create_index("operation_native", "operation", ["native", "platform"], unique=False)
    op.create_index("operation_root", "operation", ["root"], unique=False)
    op.create_table(
        "peer",
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("peer_id"),
    )


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("peer")
    op.drop_index("operation_root", table_name="operation")
    op.drop_index("operation_native", table_name="operation")
    op.drop_index("operation_event", table_name="operation")
    op.drop_table("operation")
    op.drop_table("nonce")
    op.drop_index("journal_request", table_name="journal")
    op.drop_index("journal_op", table_name="journal")
    op.drop_index("journal_event", table_name="journal")
    op.drop_table("journal")
    op.drop_index("file_op", table_name="file")
    op.drop_table("file")
    op.drop_index("event_link_other", table_name="event_link")
    op.drop_index("event_link_event", table_name="event_link")
    op.drop_table("event_link")
    op.drop_index("event_by_id", table_name="event")
    op.drop_table("event")
    op.drop_index("delivery_open", table_name="delivery")
    op.drop_index(
        "delivery_expiry",
        table_name="delivery",
        sqlite_where=sa.text("expires_at IS NOT NULL AND state = 'open'"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND state = 'open'"),
    )
    op.drop_table("delivery")
    op.drop_index("binding_op", table_name="binding")
    op.drop_index("binding_event", table_name="binding")
    op.drop_table("binding")
    op.drop_table("adapter_memory")
