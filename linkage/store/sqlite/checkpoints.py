"""Takes the write-ahead log into the database beside the writer, so that no commit waits for it.

```
 commits ──▶ linkage.db-wal ── this thread, a few times a second ──▶ linkage.db
```
SQLite's own way is to do it within the commit that fills the log: some thousand pages and two
syncs, 20 to 100 ms in which nothing is answered. Here most of it is done when that commit comes.
It stays with that commit to begin the log anew, which only the writer can.

What came after the point in time that a reader sees cannot be taken in until it is done: one that
stays makes the log grow without end. Here it is seen, and whoever it is, is named.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from linkage.clock import SystemClock
from linkage.ports import Clock
from linkage.store.sqlite.database import uri_of
from linkage.store.sqlite.holders import Holder, readers_of

logger = logging.getLogger("linkage.store")

EVERY_S: Final = 0.25
"""How often: what came since is what a commit that begins the log anew has left to do."""
PATIENCE_S: Final = 30.0
"""How long the log may stand still although there is more of it, before that is told."""
BACKUP_PATIENCE_S: Final = 900.0
"""The same while `linkage backup` reads, which is to see one moment, and ends by itself."""
ASK_EVERY_S: Final = 5.0
"""Between two looks at who it is."""
KIB: Final = 1024


class Checkpoints:
    """A thread with a connection of its own, from entering until leaving.

    It never waits for the writer or for readers, and the writer never for it. A disk that does
    not take it is the writer's to tell of; here it is logged once until it does again.

    `behind_bytes` is what of the log is not in the database, `held_s` for how long a reader has
    kept it so, `problem` who it is, in words, once that is too long. They may be read in any
    thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_s: float = EVERY_S,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
    ) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._every_s = every_s
        self._patience_s = patience_s
        self._over = threading.Event()
        self._failing = False
        self._page_bytes = 4 * KIB
        self._taken_in = 0
        self._moved_at = self._clock.now()
        self._asked_at = -ASK_EVERY_S
        self._readers: list[Holder] = []
        self.behind_bytes = 0
        self.held_s = 0.0
        self.problem: str | None = None
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
        ((self._page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
        while not self._over.wait(self._every_s):
            found = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._failing = False
            ((_, pages, taken_in),) = found
            self._look(pages, taken_in)

    def _look(self, pages: int, taken_in: int) -> None:
        """Whether the log gets on: the pages it has, and those of them in the database."""
        now = self._clock.now()
        self.behind_bytes = max(0, pages - taken_in) * self._page_bytes
        if taken_in != self._taken_in or not self.behind_bytes:
            self._taken_in, self._moved_at = taken_in, now
        self.held_s = now - self._moved_at
        if self.held_s < self._patience_s:
            self.problem = None
            return
        if now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self._readers = readers_of(self._path)
        self.problem = self._held()

    def _held(self) -> str | None:
        is_backup = bool(self._readers) and all(reader.is_backup for reader in self._readers)
        if is_backup and self.held_s < BACKUP_PATIENCE_S:
            return None
        who = ", ".join(map(str, self._readers)) or "a reader that cannot be named"
        return (
            f"{who} reads the store since {self.held_s:.0f} s and keeps its log from being taken "
            f"in ({self.behind_bytes // KIB} KiB, growing): end it, or its transaction"
        )

    def _failed(self, error: sqlite3.Error) -> None:
        if not self._failing:
            self._failing = True
            logger.warning("%s: the log is not taken into the database: %s", self._path, error)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(uri_of(path, "rw"), uri=True, isolation_level=None)
