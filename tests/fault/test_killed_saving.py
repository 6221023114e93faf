"""A process that saves files is killed at any moment: what it had is whole, the rest is swept."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkage.clock import ManualClock
from linkage.files import DirectoryFiles
from linkage.files.caretaker import WALK_EVERY_S, Caretaker
from linkage.files.layout import CONTENTS, name_of

SAVER = """
import asyncio, random, sys
from pathlib import Path
from linkage.files import DirectoryFiles

async def pieces(content):
    for start in range(0, len(content), 4096):
        yield content[start : start + 4096]

async def save_on(lot):
    files = DirectoryFiles(Path(sys.argv[1]))
    while True:
        content = bytes([lot.randrange(3)]) * lot.choice([0, 1, 5000, 60_000])
        stored = await files.save("a.wav", pieces(content))
        print(stored.file_id, stored.sha256, flush=True)
        if lot.random() < 0.2:
            await files.delete(stored.file_id)
            print(stored.file_id, "", flush=True)

asyncio.run(save_on(random.Random(int(sys.argv[2]))))
"""


@pytest.mark.parametrize("seed", range(6))
def test_whatever_was_said_to_be_saved_is_whole_after_a_kill(tmp_path: Path, seed: int) -> None:
    lot = random.Random(seed)
    root = tmp_path / "files"
    said: dict[str, str] = {}
    for _ in range(3):
        said |= _saved_until_killed(root, lot)

    _walk(root)

    names = [name for path in root.glob("??/*") if (name := name_of(path)) is not None]
    kept = {name.file_id: name.path.read_bytes() for name in names}
    assert {name.sha256 for name in names} == {
        hashlib.sha256(content).hexdigest() for content in kept.values()
    }
    wanted = {file_id for file_id, sha256 in said.items() if sha256}
    gone = {file_id for file_id, sha256 in said.items() if not sha256}
    assert wanted - kept.keys() == _being_deleted(wanted - kept.keys())
    assert not gone & kept.keys()
    assert all(said[each] == hashlib.sha256(kept[each]).hexdigest() for each in wanted & set(kept))
    assert not list(root.rglob("*.part"))
    contents = [path for path in (root / CONTENTS).rglob("*") if path.is_file()]
    assert {path.name for path in contents} == {name.sha256 for name in names}
    assert len({path.stat().st_ino for path in contents}) == len(
        {name.path.stat().st_ino for name in names}
    )


def _being_deleted(missing: set[str]) -> set[str]:
    """At each kill one may have been deleted whose deletion was not said yet."""
    assert len(missing) <= 3
    return missing


def _saved_until_killed(root: Path, lot: random.Random) -> dict[str, str]:
    command = [sys.executable, "-c", SAVER, str(root), str(lot.randrange(1000))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as saver:
        assert saver.stdout is not None
        lines = [saver.stdout.readline() for _ in range(lot.randrange(1, 60))]
        saver.send_signal(signal.SIGKILL)
        lines += saver.stdout.read().splitlines()
    # The last line may be cut: then nobody was told.
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def _walk(root: Path) -> None:
    """What the caretaker does two days later."""
    now = datetime.now(UTC)  # noqa: TID251 - what the file system says is compared with it
    clock = ManualClock()
    caretaker = Caretaker(DirectoryFiles(root, clock=clock), clock)
    for path in root.rglob("*.part"):
        os.utime(path, times=((now - timedelta(days=2)).timestamp(),) * 2)
    for _ in range(2):
        clock.advance(WALK_EVERY_S)
        while caretaker.work(now):
            pass
