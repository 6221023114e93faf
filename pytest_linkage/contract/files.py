"""What every store of files owes whoever keeps one there."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

import pytest

from linkage.ports.files import PIECE_BYTES, FilesPort

FORGED = ("", ".", "..", "../x", "a/b", "/etc/passwd", "x" * 300, "nobody", "a\0b", "名")
"""FileIds that cannot be ours: they come from outside."""


class FilesContract(ABC):
    """Subclass it as `Test…` and say how the store is opened."""

    pytestmark = pytest.mark.asyncio

    @abstractmethod
    def opened(self, folder: Path) -> AbstractAsyncContextManager[FilesPort]:
        """The store whose files lie in `folder / "files"`; what was kept is there again."""

    async def test_a_file_is_kept_whole_and_found_again(self, tmp_path: Path) -> None:
        pieces = [b"RIFF", b"", b"x" * (2 * PIECE_BYTES + 1)]
        whole = b"".join(pieces)
        async with self.opened(tmp_path) as files:
            kept = await files.save("../../call.wav", _content(*pieces))
        async with self.opened(tmp_path) as files:
            found = await files.stat(kept.file_id)
            read = await _read(files, kept.file_id)

        assert kept.path.is_relative_to(tmp_path)
        assert kept.path.suffix == ".wav"
        assert kept.path.read_bytes() == whole
        assert (kept.size_bytes, kept.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
        assert found is not None
        assert (found.file_id, found.size_bytes) == (kept.file_id, len(whole))
        assert found.path.resolve() == kept.path.resolve()
        assert b"".join(read) == whole
        assert max(map(len, read)) <= PIECE_BYTES

    async def test_a_file_is_read_from_any_byte_on(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            kept = await files.save("a.txt", _content(b"0123456789"))
            read = [b"".join(await _read(files, kept.file_id, start)) for start in (0, 9, 10, 99)]

        assert read == [b"0123456789", b"9", b"", b""]

    async def test_files_of_one_name_are_two(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            one, other = await asyncio.gather(
                *(files.save("a.txt", _content(text)) for text in (b"1", b"2"))
            )

        assert one.file_id != other.file_id
        assert (one.path.read_bytes(), other.path.read_bytes()) == (b"1", b"2")

    async def test_what_was_not_received_whole_is_not_kept(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            before = _files_in(tmp_path)
            with pytest.raises(ConnectionResetError):
                await files.save("a.wav", _breaking_off())
            async with asyncio.timeout(30):
                while _files_in(tmp_path) != before:  # noqa: ASYNC110 - a disk sets no event
                    await asyncio.sleep(0.01)

    async def test_a_disk_that_takes_nothing_is_an_oserror(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            await files.save("a.txt", _content(b"x"))
            shutil.rmtree(tmp_path / "files")
            _make_file(tmp_path / "files")
            with pytest.raises(OSError):  # noqa: PT011 - whichever the system names
                await files.save("b.txt", _content(*[b"x" * 1000] * 10))

    async def test_what_is_not_there_is_not_there(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            await files.save("a.txt", _content(b"x"))
            before = _files_in(tmp_path)
            for file_id in FORGED:
                assert await files.stat(file_id) is None
                assert await files.delete(file_id) is False
                with pytest.raises(FileNotFoundError):
                    await _read(files, file_id)

            assert _files_in(tmp_path) == before

    async def test_a_deleted_file_is_gone(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as files:
            kept, other = [await files.save("a.txt", _content(b"x")) for _ in range(2)]
            deleted = [await files.delete(kept.file_id) for _ in range(2)]
            found = await files.stat(kept.file_id)

        assert deleted == [True, False]
        assert found is None
        assert (kept.path.exists(), other.path.exists()) == (False, True)


async def _content(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def _breaking_off() -> AsyncIterator[bytes]:
    await asyncio.sleep(0)
    yield b"half"
    raise ConnectionResetError


async def _read(files: FilesPort, file_id: str, start: int = 0) -> list[bytes]:
    async with aclosing(files.open(file_id, start)) as pieces:
        return [piece async for piece in pieces]


def _files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _make_file(path: Path) -> None:
    path.write_text("no directory any more")
