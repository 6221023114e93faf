"""Retention: how far queues are gone, archive segments, floors of numbers, indices of the open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what retention, archives and restored backups need."""
    op.add_column(
        "peer", sa.Column("gone_to", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "archive",
        sa.Column(
            "first_seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("first_seq"),
    )
    op.create_table(
        "floor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("nonce_age", "nonce", ["used_at"], unique=False)
    op.create_index(
        "operation_open",
        "operation",
        ["kind", "op_id"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "event_merged",
        "event",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )


def downgrade() -> None:
    """Take it away again; what was archived does not come back."""
    op.drop_index("event_merged", table_name="event")
    op.drop_index("operation_open", table_name="operation")
    op.drop_index("nonce_age", table_name="nonce")
    op.drop_table("floor")
    op.drop_table("archive")
    with op.batch_alter_table("peer") as peer:
        peer.drop_column("gone_to")
