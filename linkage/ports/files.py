"""The files port: recordings, faxes, attachments and snapshots that linkage keeps.

A file is written once, under a FileId of ours that nobody can guess, and never changed. Whose it
is says its row in the table `file`: the operation it belongs to (`linkage.correlation.files`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

PIECE_BYTES: Final = 256 * 1024
"""Bytes of a piece that `FilesPort.open` gives at most: what is held of a file at one time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that linkage keeps.

    `path` is where it lies at the host of the core; `sha256` in lower-case hex, as it was counted
    while the file was written: `stat` does not read the file. Empty where an older linkage wrote
    it and it was not counted yet.
    """

    file_id: str
    path: Path
    size_bytes: int
    sha256: str = ""


class DamagedFileError(OSError):
    """A file is not what was saved, and is not given out; the text says which, and the remedy."""


class FilesPort(Protocol):
    """Where files are kept. A FileId comes from outside: one that cannot be ours is not there."""

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        """Write a file durably under a new FileId; `name` gives the ending, such as `.wav`.

        Raises:
            OSError: the disk is full or not writable, or the file is larger than a file may be;
                nothing half-written is left behind.
        """
        ...

    def open(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        """The content from byte `start` on, in pieces of at most `PIECE_BYTES`.

        Raises:
            FileNotFoundError: at the first piece; there is no such file.
            OSError: it cannot be read, or is not what was saved (`DamagedFileError`, in this
                process): nothing of it is given out then.
        """
        ...

    async def stat(self, file_id: str) -> StoredFile | None:
        """What is kept under a FileId; None: nothing.

        Raises:
            OSError: the disk cannot be read.
        """
        ...

    async def delete(self, file_id: str) -> bool:
        """Remove a file for good; False: there was none.

        Raises:
            OSError: it cannot be removed.
        """
        ...
