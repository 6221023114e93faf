"""Opening the store: pragmas, migrations, and errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_KIB: Final = 64 * 1024
LOG_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of a log that is begun anew; one that is taken in in time is smaller."""
BUSY_TIMEOUT_MS: Final = 5_000
MIGRATIONS: Final = Path(__file__).parents[1] / "sql" / "migrations"
HEAD: Final = max(path.name[:4] for path in MIGRATIONS.glob("versions/[0-9]*.py"))
"""The newest migration; a database beyond it was written by a newer linkage."""


class StoreError(Exception):
    """The store cannot be used; the text names the file and the remedy."""


def open_store(path: Path) -> Engine:
    """Open (and make or migrate) the embedded store for writing.

    Raises:
        StoreError: the directory is not writable, the file is no database, or a newer linkage
        wrote it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot be made: {error.strerror}; choose another `data`"
        ) from None
    with suppress(OSError):  # what is wrong with it, SQLite says better
        # The directory may be of somebody else's making, and open to all. The files that SQLite
        # puts beside the database get its mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    engine = _engine(path, read_only=False)
    with _explained(path):
        migrate(engine, path)
    return engine


def open_for_reading(path: Path) -> Engine:
    """Open the store beside a serving linkage, or without one; writes are impossible.

    Raises:
        StoreError: there is no store yet, it is no database, or another version wrote it.
    """
    if not path.exists():
        raise StoreError(f"{path}: no store yet; it is made by `linkage serve`")
    engine = _engine(path, read_only=True)
    with _explained(path), engine.connect() as connection:
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    _check_version(current, path)
    if current != HEAD:
        raise StoreError(
            f"{path}: written by an older linkage (schema {current}, this one reads {HEAD}); "
            "start `linkage serve` once, which brings it up to date"
        )
    return engine


def migrate(engine: Engine, path: Path) -> None:
    """Bring the schema to `HEAD`; a database that is there already costs one query."""
    with engine.connect() as connection:
        current = None
        if inspect(connection).has_table("alembic_version"):
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current == HEAD:
        return
    _check_version(current, path)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        # The driver begins no transaction for a CREATE or ALTER by itself: a process that dies
        # between two steps would leave tables that the next start finds in its way.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _check_version(current: str | None, path: Path) -> None:
    if current is not None and current > HEAD:
        raise StoreError(
            f"{path}: written by a newer linkage (schema {current}, this one knows {HEAD}); "
            "upgrade linkage"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"{path}: {error.orig}; {_remedy(str(error.orig))}") from None


def _remedy(problem: str) -> str:
    if "readonly" in problem or "unable to open" in problem:
        return "make the directory and its files writable for this user, or choose another `data`"
    if "not a database" in problem:
        return "it is no linkage store: move it away, or choose another `data`"
    if "locked" in problem:
        return "another process writes to it: is linkage running already?"
    if "full" in problem:
        return "the disk is full: free some space"
    return "see `linkage doctor`"


def _engine(path: Path, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri_of(path, "ro" if read_only else "rwc"),
            uri=True,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            cached_statements=512,
        )

    # One writer, one connection: the core's thread. Readers give theirs back after each query, so
    # that they hold up no checkpoint, but do not open the file and read its schema each time.
    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool if read_only else StaticPool
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            # Pages; most are taken in before already where `sqlite.checkpoints` runs.
            cursor.execute("PRAGMA wal_autocheckpoint=4000")
            # What a reader that stayed let it grow to is given back once that is gone.
            cursor.execute(f"PRAGMA journal_size_limit={LOG_KEPT_BYTES}")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    return engine


def uri_of(path: Path, mode: str) -> str:
    """What the driver opens the file by; `mode` is ro, rw or rwc."""
    quoted = str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{quoted}?mode={mode}"
