"""`linkage.ports.FilesPort` in a directory of this host.

A file is synced before it has its name, so that a name always stands for the whole file, and what
it stands for is checked before it is given out. The disk is waited for in threads: a recording of
an hour must not hold up the calls of that hour.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from linkage.clock import SystemClock
from linkage.durable import sync_file, sync_folder
from linkage.files.contents import drop_unnamed, give_name, sha256_of
from linkage.files.layout import UNFINISHED, Name, find_name, new_place
from linkage.ports import Clock
from linkage.ports.files import PIECE_BYTES, DamagedFileError, StoredFile

FILE_MAX_BYTES: Final = 16 * 1024**3
"""A file that is larger is no recording, but a platform that does not stop sending."""
ABANDONED_AFTER: Final = timedelta(days=1)
"""An unfinished file that was not written to for so long belongs to a process that was killed."""
CHECK_HOLDS_S: Final = 60.0
"""How long a file that was found whole need not be read again: who plays it asks for pieces."""
CHECKS_MAX: Final = 1024

Tell = Callable[[str, str | None], None]
"""Called in any thread with a FileId, and what is wrong with its file; None: it is whole."""


class DirectoryFiles:
    """Files in a directory; see `FilesPort` for the methods.

    Args:
        root: the directory; made when the first file is saved.
        max_bytes: of one file.
        clock: for how long a check holds.
        tell: hears of each check of a file.
    """

    def __init__(
        self,
        root: Path,
        max_bytes: int = FILE_MAX_BYTES,
        clock: Clock | None = None,
        tell: Tell = lambda _file_id, _problem: None,
    ) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._clock = SystemClock() if clock is None else clock
        self.tell = tell
        self._whole: OrderedDict[tuple[int, ...], float] = OrderedDict()
        """Files that were found whole, by what the file system says of them, and when."""

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        """See `FilesPort.save`."""
        file_id, unfinished, ending = new_place(self.root, name)
        digest = hashlib.sha256()
        size = 0
        out = await _created(unfinished)
        try:
            async for chunk in content:
                size += len(chunk)
                self._check_size(size, unfinished)
                digest.update(chunk)
                await asyncio.to_thread(out.write, chunk)
            sha256 = digest.hexdigest()
            path = await asyncio.to_thread(
                self._complete, out, unfinished, file_id, sha256, ending
            )
        except BaseException:
            # Here and not in a thread: a cancelled task could not wait for one.
            with suppress(OSError):
                out.close()
            unfinished.unlink(missing_ok=True)
            raise
        return StoredFile(file_id=file_id, path=path, size_bytes=size, sha256=sha256)

    async def open(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        """See `FilesPort.open`."""
        _, file = await asyncio.to_thread(self.open_checked, file_id)
        with file:
            file.seek(start)
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece

    async def stat(self, file_id: str) -> StoredFile | None:
        """See `FilesPort.stat`."""
        return await asyncio.to_thread(self.find, file_id)

    async def delete(self, file_id: str) -> bool:
        """See `FilesPort.delete`."""
        return await asyncio.to_thread(self.remove, file_id)

    def remove_abandoned(self, now: datetime) -> int:
        """Remove what a killed process has left half-written; how many files that were."""
        removed = 0
        before = (now - ABANDONED_AFTER).timestamp()
        for path in self.root.glob(f"*/*{UNFINISHED}"):
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed

    # --- for who may wait for the disk -----------------------------------------------------------
    def find(self, file_id: str) -> StoredFile | None:
        """`stat` for the core's thread."""
        name = find_name(self.root, file_id)
        if name is None:
            return None
        try:
            size = name.path.lstat().st_size
        except FileNotFoundError:
            return None  # deleted meanwhile
        return StoredFile(file_id=file_id, path=name.path, size_bytes=size, sha256=name.sha256)

    def open_checked(self, file_id: str) -> tuple[StoredFile, BufferedReader]:
        """A file, open at its beginning, and found to be what was saved.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedFileError: it is not what was saved.
            OSError: it cannot be read.
        """
        name = find_name(self.root, file_id)
        if name is None:
            raise FileNotFoundError(errno.ENOENT, "no such file is kept", file_id)
        file = os.fdopen(os.open(name.path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        try:
            self.check(name, file)
            size = os.fstat(file.fileno()).st_size
        except BaseException:
            file.close()
            raise
        stored = StoredFile(file_id=file_id, path=name.path, size_bytes=size, sha256=name.sha256)
        return stored, file

    def check(self, name: Name, file: BufferedReader, *, again: bool = False) -> None:
        """Whether an open file is what its name says; `again`: also where it was a moment ago.

        The name of an older linkage says nothing, until the caretaker has given it a new one.

        Raises:
            DamagedFileError: it is not.
            OSError: it cannot be read.
        """
        if not name.sha256:
            return
        status, now = os.fstat(file.fileno()), self._clock.now()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if not again and now - self._whole.get(key, now - CHECK_HOLDS_S) < CHECK_HOLDS_S:
            return
        problem = f"FileId {name.file_id} is not what was saved (SHA-256): damaged on disk; "
        problem += f"put {name.path} back from a backup"
        if sha256_of(file) != name.sha256:
            self._whole.pop(key, None)
            self.tell(name.file_id, problem)
            raise DamagedFileError(errno.EIO, problem)
        self._whole[key] = now
        self._whole.move_to_end(key)
        while len(self._whole) > CHECKS_MAX:
            with suppress(KeyError):
                self._whole.popitem(last=False)
        self.tell(name.file_id, None)

    def remove(self, file_id: str) -> bool:
        """`delete` for a thread of its own."""
        name = find_name(self.root, file_id)
        if name is None:
            return False
        name.path.unlink(missing_ok=True)
        sync_folder(name.path.parent)
        if name.sha256:
            drop_unnamed(self.root, name.sha256)
        return True

    def _check_size(self, size: int, path: Path) -> None:
        if size > self._max_bytes:
            raise OSError(errno.EFBIG, f"more than {self._max_bytes} bytes", str(path))

    def _complete(
        self, out: BinaryIO, unfinished: Path, file_id: str, sha256: str, ending: str
    ) -> Path:
        """Content first, then the name, each on disk when this returns."""
        with out:
            sync_file(out)
        return give_name(self.root, unfinished, file_id, sha256, ending)


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
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent.parent)
    return path.open("xb")
