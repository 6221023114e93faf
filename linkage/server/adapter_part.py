"""One adapter in a process of its own: `linkage serve --only adapter:ID`."""

from __future__ import annotations

from linkage.bus.address import endpoint, is_ipc
from linkage.bus.part_names import adapter_of
from linkage.bus.remote_files import RemoteFiles
from linkage.config.file import Config
from linkage.config.reload import plan_reload
from linkage.files import DirectoryFiles
from linkage.files.alarms import FileAlarms
from linkage.hosting import AdapterHost
from linkage.ports import Clock, FilesPort
from linkage.server.adapters import Adapters, capabilities_of
from linkage.server.metrics import watch_adapters
from linkage.server.remote_part import RemotePart
from linkage.tracing.export import start_traces


class AdapterPart(RemotePart):
    """One adapter with its host.

    Raises on entering:
        AdapterError: its library is missing or its settings are wrong.
        BusError, KeyFileError: the bus cannot be used.
    """

    _adapters: Adapters

    def __init__(self, config: Config, name: str, clock: Clock | None = None) -> None:
        super().__init__(_with_one(config, name), name, clock)

    @property
    def hosts(self) -> tuple[AdapterHost, ...]:
        """That of the adapter."""
        return self._adapters.hosts

    async def _start(self) -> None:
        config = self.config
        client = self._make_client(capabilities_of(config))
        local = is_ipc(endpoint(config.messaging.address, config.data_path))
        files: FilesPort = RemoteFiles(client)
        if local:
            tell = FileAlarms(client, self._notes).tell
            files = DirectoryFiles(config.files_path, config.files.max_bytes, self._clock, tell)
        spans = start_traces(config, self._stack, self.watch)
        self._adapters = Adapters(config, client, self._clock, files, spans)
        self._connection.start()
        self._adapters.start_when_possible()
        self._stack.push_async_callback(self._adapters.stop)
        if self.watch is not None:
            watch_adapters(self.watch, lambda: self.hosts)

    async def reload(self, config: Config) -> list[str]:
        """The settings of this adapter; one that is refused is started again at once."""
        changes = plan_reload(self.config, _with_one(config, self.name), self.hosts)
        applied = await self._adapters.apply(changes.again)
        self.config = self.config.model_copy(update={"adapter": self._adapters.settings})
        return changes.remarks + applied


def _with_one(config: Config, name: str) -> Config:
    """A configuration with the adapter of that part alone."""
    own = tuple(item for item in config.adapter if item.id == adapter_of(name))
    return config.model_copy(update={"adapter": own})
