"""Other names of operations, by which answers find them; files are found by FileId alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "operation_key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("op_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "platform", "op_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("file_by_id", "file", ["file_id"], unique=False)


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("file_by_id", table_name="file")
    op.drop_table("operation_key")
