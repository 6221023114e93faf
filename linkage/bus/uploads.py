"""Files that parts send in pieces, on their way into the core's store; and reading one back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

from linkage.bus.pack import PackError
from linkage.ports import FilesPort, StoredFile

UPLOADS_MAX: Final = 64
"""Files of one part that are being written."""
HANDLE_BITS: Final = 63


class _BrokenOffError(OSError):
    """The sender gave up, or is gone."""


class _Upload:
    """One file on its way into the store: pieces go in, the store takes them out."""

    def __init__(self, files: FilesPort, name: str) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._saving = asyncio.get_running_loop().create_task(
            files.save(name, self._content()), name="bus-upload"
        )
        self._saving.add_done_callback(_look_at)

    async def _content(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def add(self, piece: bytes) -> None:
        """Returns when the store has taken the one before it."""
        await self._put(piece)

    async def finish(self) -> StoredFile:
        """It is whole; the file as it is kept."""
        await self._put(None)
        return await self._saving

    async def _put(self, piece: bytes | None) -> None:
        putting = asyncio.ensure_future(self._pieces.put(piece))  # noqa: TID251 - awaited or cancelled here
        await asyncio.wait({putting, self._saving}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            self._saving.result()  # why the store takes no more
            raise _BrokenOffError("the store took no more")

    def abort(self) -> None:
        """Nothing of it is kept."""
        self._saving.cancel()


def _look_at(task: asyncio.Task[StoredFile]) -> None:
    """Its error is told to who asks next; nobody may."""
    if not task.cancelled():
        task.exception()


class Uploads:
    """The files that one part is sending."""

    def __init__(self) -> None:
        self._uploads: dict[int, _Upload] = {}

    def open(self, files: FilesPort, name: str) -> int:
        """Begin one; its handle.

        Raises:
            PackError: too many are open.
        """
        if len(self._uploads) >= UPLOADS_MAX:
            raise PackError(f"{UPLOADS_MAX} files are being written")
        # By no number that an earlier core may have given: what is left of a file that was on its
        # way to that one must find nothing here.
        handle = secrets.randbits(HANDLE_BITS)
        self._uploads[handle] = _Upload(files, name)
        return handle

    async def add(self, handle: int, piece: bytes) -> None:
        """One more piece.

        Raises:
            OSError: it cannot be written; the upload is over.
        """
        await self._of(handle).add(piece)

    async def finish(self, handle: int) -> tuple[Any, ...]:
        """It is whole: (FileId, path, bytes, SHA-256).

        Raises:
            OSError: it cannot be kept.
        """
        upload = self._of(handle)
        del self._uploads[handle]
        stored = await upload.finish()
        return stored.file_id, str(stored.path), stored.size_bytes, stored.sha256

    def drop(self, handle: int) -> None:
        """It will not be whole; no error where there is none."""
        upload = self._uploads.pop(handle, None)
        if upload is not None:
            upload.abort()

    def abort(self) -> None:
        """None of them will be."""
        for handle in list(self._uploads):
            self.drop(handle)

    def _of(self, handle: int) -> _Upload:
        upload = self._uploads.get(handle)
        if upload is None:
            raise _BrokenOffError("there is no such upload")
        return upload


async def read_piece(files: FilesPort, file_id: str, start: int) -> bytes | None:
    """One piece of a file from byte `start` on, empty at its end; None: there is no such file."""
    if start < 0:
        raise PackError(f"a piece from byte {start}")
    content = files.open(file_id, start)
    try:
        return await anext(aiter(content), b"")
    except FileNotFoundError:
        return None
    finally:
        await content.aclose()


async def stat_of(files: FilesPort, file_id: str) -> tuple[Any, ...] | None:
    """(path, bytes) of a file that is kept."""
    found = await files.stat(file_id)
    return None if found is None else (str(found.path), found.size_bytes)
