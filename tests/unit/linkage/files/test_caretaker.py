"""The walk through the files: what is left over goes, what is old is adopted, damage is told."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkage.clock import ManualClock
from linkage.files import DirectoryFiles
from linkage.files.caretaker import BUDGET_S, WALK_EVERY_S, Caretaker
from linkage.files.layout import content_path
from linkage.ports.files import DamagedFileError, StoredFile

NOW = datetime(2026, 12, 1, tzinfo=UTC)
OLD = b"of an older linkage"


class Scene:
    """A directory of files with its caretaker."""

    def __init__(self, root: Path) -> None:
        self.told: list[tuple[str, bool]] = []
        self.recorded: dict[str, str] = {}
        self.clock = ManualClock()
        self.files = DirectoryFiles(root, clock=self.clock, tell=self._tell)
        self.caretaker = Caretaker(self.files, self.clock, self.recorded.get)

    def _tell(self, file_id: str, problem: str | None) -> None:
        self.told.append((file_id, problem is None))

    def walk(self) -> None:
        """One whole walk, the next day."""
        self.clock.advance(WALK_EVERY_S)
        while self.caretaker.work(NOW):
            pass

    async def save(self, content: bytes) -> StoredFile:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        return await self.files.save("a.wav", pieces())

    def put_old(self, file_id: str, content: bytes = OLD) -> None:
        path = self.files.root / file_id[:2] / f"{file_id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    async def read(self, file_id: str) -> bytes:
        return b"".join([piece async for piece in self.files.open(file_id)])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "files")


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def everything_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


async def test_names_of_an_older_linkage_get_their_sum_and_lose_nothing(scene: Scene) -> None:
    for file_id in ("abcd01", "abcd02", "ef"):
        scene.put_old(file_id)

    scene.walk()
    scene.walk()

    for file_id in ("abcd01", "abcd02", "ef"):
        found = await scene.files.stat(file_id)
        assert found is not None
        assert found.sha256 == sum_of(OLD)
        assert found.path.name == f"{file_id}.{sum_of(OLD)}.wav"
        assert found.path.samefile(content_path(scene.files.root, sum_of(OLD)))
        assert await scene.read(file_id) == OLD


async def test_what_the_disk_lost_before_the_upgrade_is_found_out(scene: Scene) -> None:
    scene.put_old("abcd01", b"damaged")
    scene.recorded["abcd01"] = sum_of(OLD).upper()

    scene.walk()

    with pytest.raises(DamagedFileError):
        await scene.read("abcd01")
    found = await scene.files.stat("abcd01")
    assert found is not None
    assert found.path.read_bytes() == b"damaged"
    assert ("abcd01", False) in scene.told


async def test_damage_that_nobody_has_met_is_told(scene: Scene) -> None:
    stored = await scene.save(b"evidence")
    scene.walk()
    assert scene.told == [(stored.file_id, True)]

    spoil(stored.path)
    scene.walk()

    assert scene.told[-1] == (stored.file_id, False)


async def test_a_damaged_name_is_mended_by_a_content_that_is_whole(scene: Scene) -> None:
    old = await scene.save(b"evidence")
    spoil(old.path)
    await scene.save(b"evidence")

    scene.walk()

    assert await scene.read(old.file_id) == b"evidence"
    assert scene.told[-1] == (old.file_id, True) or (old.file_id, True) in scene.told
    assert old.path.samefile(content_path(scene.files.root, old.sha256))


async def test_names_without_their_content_are_linked_again(scene: Scene) -> None:
    """So they are after a restore: what is linked was copied name by name."""
    one, other = [await scene.save(b"fax") for _ in range(2)]
    content = content_path(scene.files.root, one.sha256)
    content.unlink()
    other.path.unlink()
    other.path.write_bytes(b"fax")

    scene.walk()

    assert one.path.samefile(content)
    assert other.path.samefile(content)


async def test_a_content_that_nobody_names_goes(scene: Scene) -> None:
    """As a process leaves it that was killed before the name was given."""
    kept = await scene.save(b"kept")
    lost = content_path(scene.files.root, sum_of(b"lost"))
    lost.parent.mkdir(parents=True, exist_ok=True)
    lost.write_bytes(b"lost")

    scene.walk()

    assert not lost.exists()
    assert await scene.read(kept.file_id) == b"kept"


async def test_a_walk_takes_a_few_seconds_of_a_minute(scene: Scene) -> None:
    for number in range(4):
        await scene.save(bytes([number]))
    scene.files.tell = lambda *_: scene.clock.advance(BUDGET_S / 2)

    turns = 1
    while scene.caretaker.work(NOW):
        turns += 1

    assert turns == 3
    assert not scene.caretaker.work(NOW)


async def test_what_is_none_of_ours_is_left_alone(scene: Scene, tmp_path: Path) -> None:
    stored = await scene.save(b"x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "cdef.wav").write_bytes(b"not ours")
    (scene.files.root / "cd").symlink_to(outside)
    for name in ("notes.txt", f"{stored.file_id[:2]}/.hidden", f"{stored.file_id[:2]}/zz99.wav"):
        (scene.files.root / name).write_bytes(b"of somebody")
    os.mkfifo(scene.files.root / stored.file_id[:2] / f"{stored.file_id[:2]}pipe.wav")
    before = everything_in(tmp_path)

    scene.walk()

    assert everything_in(tmp_path) == before
    assert (outside / "cdef.wav").read_bytes() == b"not ours"
