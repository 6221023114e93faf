"""Both stores of files keep the contract: in a directory, and over the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp

from linkage.bus.remote_files import RemoteFiles
from linkage.files import DirectoryFiles
from linkage.ports import FilesPort
from pytest_linkage.contract.files import FilesContract
from tests.fakes.bus import Bus


class TestDirectoryFiles(FilesContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[FilesPort]:
        yield DirectoryFiles(folder / "files")


class TestRemoteFiles(FilesContract):
    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[FilesPort]:
        async with Bus(another_place(folder), adapters=["sim"]) as bus:
            yield RemoteFiles(await bus.connected("adapter:sim"))


def another_place(folder: Path) -> Path:
    """For another core, with the same files."""
    (folder / "files").mkdir(exist_ok=True)
    place = Path(mkdtemp(dir=folder))
    (place / "files").symlink_to(folder / "files")
    return place
