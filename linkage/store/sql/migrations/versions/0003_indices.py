"""Indices hold only what is looked for: no rows without an event, no deliveries that are done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHANGED = (
    ("journal_event", "journal", ["event_pk"], "event_pk IS NOT NULL"),
    ("journal_op", "journal", ["op_id"], "op_id IS NOT NULL"),
    ("operation_event", "operation", ["event_pk"], "event_pk IS NOT NULL"),
    ("delivery_open", "delivery", ["receiver", "state", "seq"], "state = 'open'"),
)
"""Index, table, columns, and what a row must be to stand in it."""


def upgrade() -> None:
    """Make them partial."""
    for name, table, columns, where in CHANGED:
        op.drop_index(name, table_name=table)
        op.create_index(
            name,
            table,
            columns,
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    """Make them whole again."""
    for name, table, columns, _ in CHANGED:
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns, unique=False)
