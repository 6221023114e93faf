"""`linkage.ports.FilesPort` in a directory of this host.

A file is synced before it has its name, so that a name always stands for the whole file. The disk
is waited for in threads: a recording of an hour must not hold up the calls of that hour.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from linkage.durable import put_in_place, sync_file, sync_folder
from linkage.files.layout import UNFINISHED, find_file, new_place
from linkage.ports.files import PIECE_BYTES, StoredFile

FILE_MAX_BYTES: Final = 16 * 1024**3
"""A file that is larger is no recording, but a platform that does not stop sending."""
ABANDONED_AFTER: Final = timedelta(days=1)
"""An unfinished file that was not written to for so long belongs to a process that was killed."""


class DirectoryFiles:
    """Files in a directory; see `FilesPort` for the methods."""

    def __init__(self, root: Path, max_bytes: int = FILE_MAX_BYTES) -> None:
        self._root = root
        self._max_bytes = max_bytes

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        """See `FilesPort.save`."""
        file_id, path = new_place(self._root, name)
        unfinished = path.with_name(path.name + UNFINISHED)
        digest = hashlib.sha256()
        size = 0
        out = await _created(unfinished)
        try:
            async for chunk in content:
                size += len(chunk)
                self._check_size(size, path)
                digest.update(chunk)
                await asyncio.to_thread(out.write, chunk)
            await asyncio.to_thread(_complete, out, unfinished, path)
        except BaseException:
            # Here and not in a thread: a cancelled task could not wait for one.
            with suppress(OSError):
                out.close()
            unfinished.unlink(missing_ok=True)
            raise
        return StoredFile(file_id=file_id, path=path, size_bytes=size, sha256=digest.hexdigest())

    async def open(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        """See `FilesPort.open`."""
        file = await asyncio.to_thread(self._opened, file_id, start)
        with file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece

    async def stat(self, file_id: str) -> StoredFile | None:
        """See `FilesPort.stat`."""
        return await asyncio.to_thread(self.find, file_id)

    async def delete(self, file_id: str) -> bool:
        """See `FilesPort.delete`."""
        return await asyncio.to_thread(self._delete, file_id)

    def remove_abandoned(self, now: datetime) -> int:
        """Remove what a killed process has left half-written; how many files that were."""
        removed = 0
        before = (now - ABANDONED_AFTER).timestamp()
        for path in self._root.glob(f"*/*{UNFINISHED}"):
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    def find(self, file_id: str) -> StoredFile | None:
        """`stat` for who may wait for the disk: the core's thread."""
        path = find_file(self._root, file_id)
        if path is None:
            return None
        try:
            size = path.lstat().st_size
        except FileNotFoundError:
            return None  # deleted meanwhile
        return StoredFile(file_id=file_id, path=path, size_bytes=size)

    def _check_size(self, size: int, path: Path) -> None:
        if size > self._max_bytes:
            raise OSError(errno.EFBIG, f"more than {self._max_bytes} bytes", str(path))

    # --- in a thread -----------------------------------------------------------------------------
    def _opened(self, file_id: str, start: int) -> BinaryIO:
        path = find_file(self._root, file_id)
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "no such file is kept", file_id)
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        file.seek(start)
        return file

    def _delete(self, file_id: str) -> bool:
        path = find_file(self._root, file_id)
        if path is None:
            return False
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True


async def _created(path: Path) -> BinaryIO:
    """The file, open. Whoever is cancelled while the thread makes it leaves none behind."""
    creating = asyncio.get_running_loop().run_in_executor(None, _create, path)
    try:
        return await asyncio.shield(creating)
    except asyncio.CancelledError:
        creating.add_done_callback(partial(_discard, path))
        raise


def _discard(path: Path, created: asyncio.Future[BinaryIO]) -> None:
    if created.cancelled() or created.exception() is not None:
        return
    with suppress(OSError):
        created.result().close()
    path.unlink(missing_ok=True)


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _complete(out: BinaryIO, unfinished: Path, path: Path) -> None:
    """Content first, then the name, each on disk when this returns."""
    with out:
        sync_file(out)
    put_in_place(unfinished, path)
