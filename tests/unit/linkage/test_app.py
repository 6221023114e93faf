"""The whole middleware in a process, and where it keeps files."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway import ListenError
from linkage.app import DirectoryFiles, Server
from linkage.client import Application, Platform
from linkage.config.file import Config, load_config
from linkage.store.database import StoreError
from protocol import messages as m
from tests.unit.linkage.bench import SECRET, peer
from tests.unit.linkage.said import incoming

PEERS = [peer("desk", "application"), peer("pbx", "platform")]


def config(folder: Path, listen: str = "127.0.0.1:0") -> Config:
    return Config.model_validate(
        {"source": folder / "linkage.toml", "peer": PEERS, "listen": [listen]}
    )


async def test_a_call_goes_through_a_server_embedded_in_a_process(tmp_path: Path) -> None:
    async with Server(config(tmp_path)) as server:
        ((host, port),) = server.addresses
        async with (
            Platform(host, port, "pbx", secret=SECRET) as pbx,
            Application(host, port, "desk", secret=SECRET) as desk,
        ):
            answer = await pbx.notify(incoming())
            heard = await desk.next_notice()

    assert answer.result == 0
    assert isinstance(heard.message, m.IncomingCallNotice)
    assert server.hosts == ()


async def test_a_server_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Server(config(tmp_path / "one")) as server:
        ((host, port),) = server.addresses
        with pytest.raises(ListenError):
            await Server(config(tmp_path / "two", f"{host}:{port}")).__aenter__()
        with pytest.raises(StoreError):
            await Server(config(tmp_path / "one")).__aenter__()

    assert asyncio.all_tasks() == before
    async with Server(config(tmp_path / "two")):
        pass  # the failed one let go of its data


# --- files ---------------------------------------------------------------------------------------
async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


async def test_a_file_is_kept_with_its_size_and_sum(tmp_path: Path) -> None:
    stored = await DirectoryFiles(tmp_path).save("../../call.wav", chunks(b"RIFF", b"", b"data"))

    assert stored.path == tmp_path / stored.file_id[:2] / f"{stored.file_id}.wav"
    assert stored.path.read_bytes() == b"RIFFdata"
    assert (stored.size_bytes, stored.sha256) == (8, hashlib.sha256(b"RIFFdata").hexdigest())
    assert 1 <= len(stored.file_id) <= 64


async def test_a_name_gives_no_more_than_its_ending(tmp_path: Path) -> None:
    for name, ending in (("a", ""), ("a.w/v", ""), ("a.tar.gz", ".gz"), ("a.b c\n*d", ".bcd")):
        stored = await DirectoryFiles(tmp_path).save(name, chunks(b"x"))
        assert stored.path.name == f"{stored.file_id}{ending}"


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


def test_a_misspelt_keyword_of_the_server_is_told_with_the_one_that_was_meant() -> None:
    wrong: Any = Server
    read: Any = load_config
    with pytest.raises(TypeError, match=r"Server\(\) got .* 'confg': did you mean 'config'\?"):
        wrong(confg=1)
    with pytest.raises(TypeError, match=r"linkage\.load_config\(path\)"):
        wrong("linkage.toml")
    with pytest.raises(TypeError, match=r"'pth': did you mean 'path'\?"):
        read(pth="linkage.toml")
