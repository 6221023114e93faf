"""The store with what serves it: lock, core, housekeeper, door; the same in every composition."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

from linkage.config.file import Config
from linkage.control import ControlServer
from linkage.core import Core
from linkage.core.retention.schedule import RetentionSchedule
from linkage.ports import Capability, Clock
from linkage.server.kept_files import KeptFiles
from linkage.store.sql.maintenance import SqlMaintenance
from linkage.store.sql.renumber import notice_older_store
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.checkpoints import Checkpoints
from linkage.store.sqlite.database import open_for_reading, open_store
from linkage.store.sqlite.lock import hold_store
from linkage.tracing.spans import Put


class StoredCore:
    """Opens the store on construction; `start` begins to serve. The stack ends it all.

    Raises:
        StoreError: the data directory or database cannot be used.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        capabilities: Mapping[str, Capability],
        stack: AsyncExitStack,
        *,
        spans: Put | None = None,
    ) -> None:
        self._stack = stack
        lease = stack.enter_context(hold_store(config.database_path))
        engine = open_store(config.database_path)
        stack.callback(engine.dispose)
        notice_older_store(engine, config.head_path, clock.utc(), config.id)
        self._checkpoints = Checkpoints(config.database_path, clock=clock)
        reading = open_for_reading(config.database_path)
        stack.callback(reading.dispose)
        store = SqlMaintenance(reading, config.archive_path)
        self.kept = KeptFiles(config, clock, store.sha256_of)
        self.core = Core(
            config,
            UnitOfWork(engine, lease),
            clock,
            capabilities,
            store_log=self._checkpoints,
            find_file=self.kept.files.find,
            links=self.kept.links,
            spans=spans,
        )
        self._keeper = RetentionSchedule(self.core, store, config, clock, self.kept.look_after)
        self.door = ControlServer(self.core, config.control_path)

    async def start(self) -> None:
        """Core, then housekeeper; that one ends last, so that it notes the journal's end.

        The door for the command line opens last and is closed first.
        """
        self._stack.enter_context(self._checkpoints)
        self._stack.push_async_callback(self._keeper.stop)
        await self.core.start()
        self._stack.push_async_callback(self.core.stop)
        await self.kept.start(self.core, self._stack)
        self._keeper.start()
        await self.door.start()
        self._stack.push_async_callback(self.door.stop)
