"""One transaction: what was collected goes to the database in a few statements, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine

from linkage.ports.lease import LeasePort
from linkage.ports.store import StoreFailedError
from linkage.store.sql.dialect import FAILURE, OUR_FAULT
from linkage.store.sql.driver import SqlDriver


@contextmanager
def explained() -> Iterator[None]:
    """Errors of the database as the port has them.

    Raises:
        StoreFailedError: the disk is full, locked, gone; a bug of ours is raised as it is.
    """
    try:
        yield
    except OUR_FAULT:
        raise
    except FAILURE as error:
        raise StoreFailedError(str(getattr(error, "orig", error))) from None


class Part:
    """What of a transaction belongs to some of the tables: what is known of them, and collected.

    Parts are written in the order in which they were made. What a part does not override, it has
    no need of.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        tx.parts.append(self)
        self.forget()

    def forget(self) -> None:
        """Know nothing: what is known is read from the disk again, what was collected dropped."""

    def read_position(self) -> None:
        """Read where things stand from the open transaction: the first one, and after `forget`."""

    def begun(self) -> None:
        """A transaction was opened."""

    def write(self, driver: SqlDriver) -> None:
        """Send what was collected to the database, and collect anew."""

    def committed(self) -> None:
        """A commit was made: the time to let go of what was kept for it."""


class Transaction:
    """The open transaction of a connection, and the parts that are written with it."""

    def __init__(self, engine: Engine, lease: LeasePort | None = None) -> None:
        self._engine = engine
        self._lease = lease
        self._connection: Connection | None = None
        self._is_known = False
        self.parts: list[Part] = []
        self.driver: SqlDriver
        """The driver beneath the open connection."""

    @property
    def connection(self) -> Connection:
        """The open connection; only between `begin` and `commit`."""
        assert self._connection is not None, "begin() was not called"
        return self._connection

    def begin(self) -> None:
        """Open the transaction."""
        self._connection = self._engine.connect()
        self._connection.begin()
        self.driver = SqlDriver(self._connection)
        for part in self.parts:
            part.begun()
        if not self._is_known:
            for part in self.parts:
                part.read_position()
            self._is_known = True

    def flush(self) -> None:
        """Send what was collected to the database, still within the transaction."""
        for part in self.parts:
            part.write(self.driver)

    def commit(self) -> None:
        """Write everything that was collected and make it durable.

        On an error nothing of it happened.

        Raises:
            LeaseLostError: another process writes to the store now.
            sqlalchemy.exc.DBAPIError, sqlite3.Error: disk full, database locked, …; call
            `rollback` then.
        """
        self.flush()
        if self._lease is not None:
            self._lease.check()
        self.connection.commit()
        self.connection.close()
        self._connection = None
        for part in self.parts:
            part.committed()

    def rollback(self) -> None:
        """Forget what was collected, and the caches."""
        connection, self._connection = self._connection, None
        self._is_known = False
        for part in self.parts:
            part.forget()
        if connection is not None:
            # A disk that took nothing may not even take that; SQLite then has undone it already.
            with suppress(*FAILURE):
                connection.rollback()
            with suppress(*FAILURE):
                connection.close()
