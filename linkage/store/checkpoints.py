"""Takes the write-ahead log into the database beside the writer, so that no commit waits for it.

```
 commits ──▶ linkage.db-wal ── this thread, a few times a second ──▶ linkage.db
```
SQLite's own way is to do it within the commit that fills the log: some thousand pages and two
syncs, 20 to 100 ms in which nothing is answered. Here most of it is done when that commit comes.
It stays with that commit to begin the log anew, which only the writer can.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from linkage.store.database import uri_of

logger = logging.getLogger("linkage.store")

EVERY_S: Final = 0.25
"""How often: what came since is what a commit that begins the log anew has left to do."""


class Checkpoints:
    """A thread with a connection of its own, from entering until leaving.

    It never waits for the writer or for readers, and the writer never for it. A disk that does
    not take it is the writer's to tell of; here it is logged once until it does again.
    """

    def __init__(self, path: Path, *, every_s: float = EVERY_S) -> None:
        self._path = path
        self._every_s = every_s
        self._over = threading.Event()
        self._failing = False
        # A daemon: what it has not done, the next one does.
        self._thread = threading.Thread(target=self._run, name="linkage-checkpoints", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, after the one under way."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                with closing(_connect(self._path)) as connection:
                    self._take_in(connection)
            except sqlite3.Error as error:
                self._failed(error)

    def _take_in(self, connection: sqlite3.Connection) -> None:
        """As long as it works."""
        while not self._over.wait(self._every_s):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._failing = False

    def _failed(self, error: sqlite3.Error) -> None:
        if not self._failing:
            self._failing = True
            logger.warning("%s: the log is not taken into the database: %s", self._path, error)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(uri_of(path, "rw"), uri=True, isolation_level=None)
