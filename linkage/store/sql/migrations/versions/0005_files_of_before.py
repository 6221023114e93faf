"""Whose the files are that came before schema 0004: until then only recordings had rows.

Without one a file is given to nobody: yesterday's fax could not be fetched after the upgrade. It
belongs to the operation of the notice that told of it, as the journal has it; entries in the
archive are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import sqlalchemy as sa
from alembic import op

from linkage.correlation.files import files_named
from protocol.codec import decode
from protocol.envelope import Request
from protocol.errors import ProtocolError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TELL_OF_FILES = (123, 130, 140, 151, 153, 181, 182)
"""Notices other than that of a recording (108)."""


def upgrade() -> None:
    """Add the rows; of several with one FileId at a platform the latest."""
    connection = op.get_bind()
    file = sa.table("file", *map(sa.column, _columns(connection)))
    known = {tuple(row) for row in connection.execute(sa.select(file.c.platform, file.c.file_id))}
    rows = {
        (row["platform"], row["file_id"]): row
        for row in _told(connection)
        if (row["platform"], row["file_id"]) not in known
    }
    if rows:
        connection.execute(sa.insert(file), list(rows.values()))


def downgrade() -> None:
    """Leave them: they are true."""


def _columns(connection: sa.Connection) -> list[str]:
    return [column["name"] for column in sa.inspect(connection).get_columns("file")]


def _told(connection: sa.Connection) -> Iterator[dict[str, object]]:
    entries = connection.execute(
        sa.text(
            "SELECT source, coalesce(occurred_at, recorded_at) AS at, op_id, body FROM journal "
            "WHERE type IN :types AND kind = 'Message' AND result < 10 AND op_id IS NOT NULL "
            "ORDER BY seq"
        ).bindparams(sa.bindparam("types", TELL_OF_FILES, expanding=True))
    )
    for entry in entries:
        try:
            item = decode(entry.body)
        except ProtocolError:
            continue  # what no reader takes any more has no file either
        if isinstance(item, Request):
            for named in files_named(item.message):
                yield {
                    "platform": entry.source,
                    "created_at": entry.at,
                    "op_id": entry.op_id,
                    **asdict(named),
                }
