"""Files in a directory: whole or not at all, found by FileId, given out, deleted."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linkage.clock import ManualClock
from linkage.files import DirectoryFiles
from linkage.files.directory import CHECK_HOLDS_S
from linkage.files.layout import content_path
from linkage.ports.files import PIECE_BYTES, DamagedFileError


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_a_file_is_kept_with_its_size_and_sum(tmp_path: Path) -> None:
    stored = await DirectoryFiles(tmp_path).save("../../call.wav", chunks(b"RIFF", b"", b"data"))

    name = f"{stored.file_id}.{stored.sha256}.wav"
    assert stored.path == tmp_path / stored.file_id[:2] / name
    assert stored.path.read_bytes() == b"RIFFdata"
    assert (stored.size_bytes, stored.sha256) == (8, hashlib.sha256(b"RIFFdata").hexdigest())
    assert 1 <= len(stored.file_id) <= 64


async def test_a_name_gives_no_more_than_its_ending(tmp_path: Path) -> None:
    for name, ending in (("a", ""), ("a.w/v", ""), ("a.tar.gz", ".gz"), ("a.b c\n*d", ".bcd")):
        stored = await DirectoryFiles(tmp_path).save(name, chunks(b"x"))
        assert stored.path.name == f"{stored.file_id}.{stored.sha256}{ending}"


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def failing() -> AsyncIterator[bytes]:
    await asyncio.sleep(0)
    yield b"half"
    raise ConnectionResetError


async def test_what_was_not_received_whole_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await DirectoryFiles(tmp_path).save("a.wav", failing())

    assert files_under(tmp_path) == []


class _SlowDisk(ThreadPoolExecutor):
    """Does what it is asked, and says so only when it is let."""

    def __init__(self) -> None:
        super().__init__(1)
        self.done = threading.Event()
        self.gate = threading.Event()

    def submit(self, act: Callable[..., Any], /, *args: Any, **kw: Any) -> Future[Any]:
        def held() -> Any:
            result = act(*args, **kw)
            self.done.set()
            assert self.gate.wait(20)
            return result

        return super().submit(held)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - a file sets no event
        await asyncio.sleep(0.001)


async def test_who_is_cancelled_while_the_file_is_made_leaves_none(tmp_path: Path) -> None:
    disk = _SlowDisk()
    asyncio.get_running_loop().set_default_executor(disk)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        saving = group.create_task(DirectoryFiles(tmp_path).save("a.wav", chunks(b"x")))
        await until(disk.done.is_set)
        assert files_under(tmp_path)
        saving.cancel()
        await asyncio.wait({saving})
        disk.gate.set()
        await until(lambda: not files_under(tmp_path))


async def test_a_disk_that_takes_no_file_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a directory")

    with pytest.raises(OSError, match="files"):
        await DirectoryFiles(tmp_path / "files").save("a.wav", chunks(b"x"))


async def test_other_work_goes_on_while_a_file_is_written(tmp_path: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        before = ticks
        await DirectoryFiles(tmp_path).save("a.wav", chunks(*[b"x" * 4096] * 20))
        during = ticks - before
        ticking.cancel()

    # Each write and the sync give way to the others; in the loop itself they would not.
    assert during > 22


async def test_a_file_of_endless_size_is_given_up_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="more than 10 bytes"):
        await DirectoryFiles(tmp_path, max_bytes=10).save("a.wav", chunks(*[b"xxxx"] * 3))

    assert files_under(tmp_path) == []


async def test_a_disk_that_fills_up_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large|No space"):
            await DirectoryFiles(tmp_path).save("a.wav", chunks(*[b"x" * 60_000] * 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert files_under(tmp_path) == []


# --- open, stat, delete --------------------------------------------------------------------------
async def content_of(files: DirectoryFiles, file_id: str) -> list[bytes]:
    return [piece async for piece in files.open(file_id)]


async def test_a_large_file_is_given_out_in_pieces(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    stored = await files.save("a.wav", chunks(*[bytes([n]) * 100_000 for n in range(6)]))

    pieces = await content_of(files, stored.file_id)

    rest = 600_000 - 2 * PIECE_BYTES
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, PIECE_BYTES, rest]
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == stored.sha256
    assert [piece async for piece in files.open(stored.file_id, 599_998)] == [b"\x05" * 2]
    assert [piece async for piece in files.open(stored.file_id, 600_000)] == []


async def test_what_is_kept_has_a_size_and_a_place(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    stored = await files.save("a", chunks(b"12345"))

    assert await files.stat(stored.file_id) == stored


async def test_a_deleted_file_is_gone_for_good(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    stored = await files.save("a.wav", chunks(b"1"))
    other = await files.save("b.wav", chunks(b"2"))

    assert await files.delete(stored.file_id)

    assert not await files.delete(stored.file_id)
    assert await files.stat(stored.file_id) is None
    with pytest.raises(FileNotFoundError):
        await content_of(files, stored.file_id)
    assert await content_of(files, other.file_id) == [b"2"]


HOSTILE = [
    "",
    "..",
    "../x",
    "/etc/passwd",
    "../../../etc/passwd",
    "ab/../../x",
    "*",
    "??",
    "[a-f]*",
    "a\0b",
    "a\nb",
    "é" * 8,
    "a" * 65,
    "a",
    ".part",
]


@pytest.mark.parametrize("file_id", HOSTILE)
async def test_an_id_that_cannot_be_ours_leads_nowhere(tmp_path: Path, file_id: str) -> None:
    files = DirectoryFiles(tmp_path / "files")
    await files.save("a.wav", chunks(b"ours"))
    (tmp_path / "x").write_text("not ours")
    before = files_under(tmp_path)

    assert await files.stat(file_id) is None
    assert not await files.delete(file_id)
    with pytest.raises(FileNotFoundError):
        await content_of(files, file_id)
    assert files_under(tmp_path) == before


@pytest.mark.parametrize("where", ["file", "folder"])
async def test_a_link_that_leads_out_of_the_folder_is_no_file(tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside" / "abcd.wav"
    outside.parent.mkdir()
    outside.write_text("not ours")
    root = tmp_path / "files"
    root.mkdir()
    if where == "folder":
        (root / "ab").symlink_to(outside.parent)
    else:
        (root / "ab").mkdir()
        (root / "ab" / "abcd.wav").symlink_to(outside)
    files = DirectoryFiles(root)

    assert await files.stat("abcd") is None
    assert not await files.delete("abcd")
    with pytest.raises(FileNotFoundError):
        await content_of(files, "abcd")
    assert outside.read_text() == "not ours"


async def test_what_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    written = asyncio.Event()
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"half"
        written.set()
        await go_on.wait()
        yield b"whole"

    async with asyncio.TaskGroup() as group:
        saving = group.create_task(files.save("a.wav", slow()))
        await written.wait()
        (unfinished,) = files_under(tmp_path)
        file_id = unfinished.name.partition(".")[0]
        assert await files.stat(file_id) is None
        assert not await files.delete(file_id)
        go_on.set()
    assert await content_of(files, (await saving).file_id) == [b"halfwhole"]


async def test_a_name_that_ends_like_an_unfinished_file_is_found_all_the_same(
    tmp_path: Path,
) -> None:
    files = DirectoryFiles(tmp_path)
    stored = await files.save("fax.part", chunks(b"1"))

    assert await content_of(files, stored.file_id) == [b"1"]


async def test_only_what_nobody_has_written_to_for_a_day_is_abandoned(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    kept = await files.save("a.wav", chunks(b"whole"))
    now = datetime.now(UTC)  # noqa: TID251 - what the file system says is compared with it
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(hours=1))):
        path = kept.path.with_name(f"{name}.wav.part")
        path.write_text("half")
        os.utime(path, times=((now - age).timestamp(),) * 2)
    os.utime(kept.path, times=(0, 0))

    assert files.remove_abandoned(now) == 1

    assert sorted(path.name for path in kept.path.parent.iterdir()) == sorted(
        ["new.wav.part", kept.path.name]
    )


# --- the same content once -----------------------------------------------------------------------
def inode(path: Path) -> int:
    return path.stat().st_ino


async def test_the_same_content_is_kept_once_and_goes_with_its_last_name(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    one, same = [await files.save(f"{name}.pdf", chunks(b"fax")) for name in "ab"]
    other = await files.save("c.pdf", chunks(b"another"))
    content = content_path(tmp_path, one.sha256)

    assert one.file_id != same.file_id
    assert inode(one.path) == inode(same.path) == inode(content) != inode(other.path)
    assert await files.delete(one.file_id)
    assert await content_of(files, same.file_id) == [b"fax"]
    assert await files.delete(same.file_id)
    assert not content.exists()
    assert await content_of(files, other.file_id) == [b"another"]


async def test_where_there_are_no_hard_links_each_name_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    files = DirectoryFiles(tmp_path)
    one, same = [await files.save("a.pdf", chunks(b"fax")) for _ in range(2)]

    assert inode(one.path) != inode(same.path)
    assert await files.delete(one.file_id)
    assert await content_of(files, same.file_id) == [b"fax"]


async def test_many_save_and_delete_the_same_content_at_a_time(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)

    async def save_and_delete() -> None:
        for _ in range(10):
            stored = await files.save("a", chunks(b"same"))
            assert await content_of(files, stored.file_id) == [b"same"]
            assert await files.delete(stored.file_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(save_and_delete())

    assert files_under(tmp_path) == []


# --- damage --------------------------------------------------------------------------------------
def damage(path: Path) -> None:
    """One bit, as a disk does it: size and times stay."""
    status = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


async def test_a_file_that_is_damaged_on_disk_is_told_and_not_given_out(tmp_path: Path) -> None:
    told: list[tuple[str, str | None]] = []
    clock = ManualClock()
    files = DirectoryFiles(tmp_path, clock=clock, tell=lambda *what: told.append(what))
    stored = await files.save("a.wav", chunks(b"evidence"))
    assert await content_of(files, stored.file_id) == [b"evidence"]

    damage(stored.path)
    clock.advance(CHECK_HOLDS_S)
    for start in (0, 4):
        with pytest.raises(DamagedFileError, match=f"FileId {stored.file_id} is not what was"):
            await anext(files.open(stored.file_id, start))

    assert [(file_id, problem is None) for file_id, problem in told] == [
        (stored.file_id, True), (stored.file_id, False), (stored.file_id, False),
    ]  # fmt: skip


async def test_who_asks_for_pieces_has_the_file_checked_once(tmp_path: Path) -> None:
    told: list[str] = []
    clock = ManualClock()
    files = DirectoryFiles(tmp_path, clock=clock, tell=lambda file_id, _: told.append(file_id))
    stored = await files.save("a.wav", chunks(b"0123456789"))

    pieces = [[piece async for piece in files.open(stored.file_id, at)] for at in (0, 3, 9)]
    clock.advance(CHECK_HOLDS_S)
    pieces.append([piece async for piece in files.open(stored.file_id, 8)])

    assert pieces == [[b"0123456789"], [b"3456789"], [b"9"], [b"89"]]
    assert told == [stored.file_id] * 2


async def test_what_is_saved_again_takes_the_place_of_a_damaged_content(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    old = await files.save("a.wav", chunks(b"evidence"))
    damage(old.path)

    new = await files.save("b.wav", chunks(b"evidence"))

    assert await content_of(files, new.file_id) == [b"evidence"]
    with pytest.raises(DamagedFileError):
        await content_of(files, old.file_id)


async def test_a_file_of_an_older_linkage_is_given_out(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "abcdef0123.wav").write_bytes(b"old")
    files = DirectoryFiles(tmp_path)

    assert await content_of(files, "abcdef0123") == [b"old"]
    found = await files.stat("abcdef0123")
    assert found is not None
    assert (found.size_bytes, found.sha256) == (3, "")
