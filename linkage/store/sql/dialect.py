"""What differs between databases, gathered: the embedded SQLite here; another stands beside it.

Statements are SQLAlchemy's and say nothing of the database; what has no common word, or must be
quick, is here and in `linkage.store.sqlite`.
"""

from __future__ import annotations

import sqlite3
from typing import Final, cast

from sqlalchemy import Connection, exc
from sqlalchemy.dialects.sqlite import insert as upsert

__all__ = ["FAILURE", "OUR_FAULT", "numbered", "raw", "size_bytes", "upsert"]

OUR_FAULT: Final = tuple(
    getattr(errors, f"{kind}Error")
    for errors in (exc, sqlite3)
    for kind in ("Data", "Integrity", "Interface", "NotSupported", "Programming")
)
"""Errors that the same message would meet again: a bug to be found, not a disk to wait for."""
FAILURE: Final = (exc.DBAPIError, sqlite3.Error)
"""Any error of the database, from SQLAlchemy or straight from the driver."""

# For None, bytes and bool the driver looks for an adapter first, and where there is none it raises
# and swallows two errors for each value: ten times the price of binding it. So there is one. Each
# gives what it gets, and is written in C: `bytes` copies nothing, an empty dictionary finds None.
_NOTHINGS: Final[dict[None, None]] = {}
sqlite3.register_adapter(type(None), _NOTHINGS.get)
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)


def raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection beneath an open one."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def numbered(position: int) -> str:
    """A parameter of a statement by its place, from 1 on, which may stand in it several times."""
    return f"?{position}"


def size_bytes(connection: Connection) -> int:
    """How much of the database is in use."""
    pages, free, page_bytes = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page_bytes
