"""The files port for an adapter in a process of its own: in pieces over the bus."""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, AsyncIterable
from pathlib import Path

from linkage.bus.client import CoreClient
from linkage.bus.envelope import Kind
from linkage.ports import StoredFile
from linkage.ports.files import PIECE_BYTES


class RemoteFiles:
    """`linkage.ports.FilesPort` of the core's host. Each piece is on its disk before the next."""

    def __init__(self, client: CoreClient) -> None:
        self._client = client

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        """See `FilesPort.save`; `path` is one of the core's host."""
        handle = await self._client.file_call(Kind.FILE_OPEN, Path(name).name)
        try:
            async for chunk in content:
                for start in range(0, len(chunk), PIECE_BYTES):
                    piece = chunk[start : start + PIECE_BYTES]
                    await self._client.file_call(Kind.FILE_CHUNK, handle, piece)
        except BaseException:
            self._client.drop_file(handle)
            raise
        found = await self._client.file_call(Kind.FILE_END, handle)
        file_id, path, size, digest = found
        return StoredFile(file_id=file_id, path=Path(path), size_bytes=size, sha256=digest)

    async def open(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        """See `FilesPort.open`."""
        while piece := await self._client.file_call(Kind.FILE_READ, file_id, start):
            start += len(piece)
            yield piece
        if piece is None:
            raise FileNotFoundError(errno.ENOENT, "no such file is kept", file_id)

    async def stat(self, file_id: str) -> StoredFile | None:
        """See `FilesPort.stat`; `path` is one of the core's host."""
        found = await self._client.file_call(Kind.FILE_STAT, file_id)
        if found is None:
            return None
        path, size = found
        return StoredFile(file_id=file_id, path=Path(path), size_bytes=size)

    async def delete(self, file_id: str) -> bool:
        """See `FilesPort.delete`."""
        deleted: bool = await self._client.file_call(Kind.FILE_DELETE, file_id)
        return deleted
