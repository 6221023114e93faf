"""The unit of work: what one group commit reads and writes.

One thread owns it. Reads come from bounded caches of recent rows or from the database; writes are
collected and go to the database as a few `executemany` in one transaction. When a commit fails
everything that was collected is dropped, the caches with it, so that memory never runs ahead of
the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from linkage.ports.lease import LeasePort
from linkage.ports.records import RecordsPort
from linkage.ports.store import (
    JournalPort,
    MemoryPort,
    NoncesPort,
    QueriesPort,
    QueuesPort,
    TrimmingPort,
)
from linkage.store.sql.journal import SqlJournal
from linkage.store.sql.memory import SqlMemory, SqlNonces
from linkage.store.sql.queries import SqlQueries
from linkage.store.sql.queues import SqlQueues
from linkage.store.sql.records import SqlRecords
from linkage.store.sql.transaction import Transaction, explained
from linkage.store.sql.trimming import SqlTrimming


class UnitOfWork:
    """A `linkage.ports.store.StorePort` by SQL: call `begin`, use it, then `commit` or `rollback`.

    Each commit asks `lease`; None: nobody else can have the store.
    """

    def __init__(self, engine: Engine, lease: LeasePort | None = None) -> None:
        self._tx = Transaction(engine, lease)
        self.journal: JournalPort = SqlJournal(self._tx)
        self._records = SqlRecords(self._tx)
        self.records: RecordsPort = self._records
        self.queues: QueuesPort = SqlQueues(self._tx)
        self.queries: QueriesPort = SqlQueries(self._tx)
        self.memory: MemoryPort = SqlMemory(self._tx)
        self.nonces: NoncesPort = SqlNonces(self._tx)
        self.trimming: TrimmingPort = SqlTrimming(self._tx)

    def begin(self) -> None:
        """Open the transaction."""
        self._tx.begin()

    def flush(self) -> None:
        """Send what was collected to the database, still within the transaction."""
        self._tx.flush()

    def commit(self) -> None:
        """Make it durable; on an error nothing of it happened, and `rollback` is to be called."""
        self._tx.commit()

    def rollback(self) -> None:
        """Undo it, and forget what was collected and read."""
        self._tx.rollback()

    @property
    def connection(self) -> Connection:
        """The open connection, for tools and tests; `StorePort` has none."""
        return self._tx.connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; see the port.

        Raises:
            StoreFailedError: the database took nothing; the caches are dropped too.
        """
        with explained():
            try:
                self.begin()
                yield
                self.commit()
            except BaseException:
                self.rollback()
                raise

    def begin_op_ids_at(self, op_id: int) -> None:
        """Give no OpId below this one any more (`linkage.store.sql.renumber`)."""
        self._records.begin_op_ids_at(op_id)
