"""By which number a text finds the call that it follows: of the calls that were bound before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

from linkage.correlation.replies import PARTY, WITH_A_PARTY, party_of, tail_of

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the rows, one for each call or member of a conference that ever had an event."""
    connection = op.get_bind()
    found: Iterable[Any] = connection.execute(
        sa.text(
            "SELECT op_id, platform, kind, direction, from_num, to_num FROM operation "
            "WHERE kind IN :kinds AND op_id IN (SELECT op_id FROM binding)"
        ).bindparams(sa.bindparam("kinds", sorted(WITH_A_PARTY), expanding=True))
    )
    rows = [
        {"platform": row.platform, "kind": PARTY, "key": tail_of(number), "op_id": row.op_id}
        for row in found
        if (number := party_of(row)) is not None
    ]
    if rows:
        key = sa.table("operation_key", *map(sa.column, ("platform", "kind", "key", "op_id")))
        connection.execute(sa.insert(key), rows)


def downgrade() -> None:
    """Take them away again."""
    op.get_bind().execute(
        sa.text("DELETE FROM operation_key WHERE kind = :kind").bindparams(kind=PARTY)
    )
