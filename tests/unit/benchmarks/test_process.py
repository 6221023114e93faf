"""Processes under test are watched, and ended with all that they started."""

import resource
from pathlib import Path

import pytest

from benchmarks.crowd.run import allow_descriptors
from benchmarks.process import BenchmarkError, Child, family, free_port, memory

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are watched in /proc: Linux only"
)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # its new parent has not looked yet


async def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "sleep 600 & echo ready; wait"], tmp_path / "log")
    try:
        await child.says("ready")
        pids = list(family(child.pid))
        assert len(pids) == 2
        assert child.cpu_s() >= 0
        assert memory(child.pid).rss_kib > 0
    finally:
        child.stop()
    assert all(map(gone, pids))


async def test_a_process_that_does_not_listen_to_reason_is_killed(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "trap '' TERM; echo ready; sleep 600"], tmp_path / "log")
    child.stop_within_s = 0.2
    try:
        await child.says("ready")
        pids = list(family(child.pid))
    finally:
        child.stop()
    assert all(map(gone, pids))


async def test_an_early_end_is_told_with_the_last_words(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo no such thing >&2; exit 3"], tmp_path / "log")
    try:
        with pytest.raises(BenchmarkError, match=r"ended with 3:\nno such thing"):
            await child.says("ready")
        with pytest.raises(BenchmarkError, match="ended with 3"):
            await child.listens(free_port())
    finally:
        child.stop()


async def test_who_does_not_say_it_in_time_is_not_waited_for(tmp_path: Path) -> None:
    child = Child(["sleep", "600"], tmp_path / "log")
    try:
        with pytest.raises(BenchmarkError, match="did not say 'ready' within"):
            await child.says("ready", within_s=0.05)
        with pytest.raises(BenchmarkError, match="did not listen on"):
            await child.listens(free_port(), within_s=0.05)
    finally:
        child.stop()


def test_a_limit_of_open_files_that_cannot_be_raised_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_which: int, _limits: tuple[int, int]) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(BenchmarkError, match="10000 open files are needed, 4096 are allowed: run"):
        allow_descriptors(10_000)


def test_a_limit_of_open_files_is_raised_only_where_it_must_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: asked.append(limits))
    allow_descriptors(1000)
    assert asked == []
    allow_descriptors(10_000)
    assert asked == [(10_000, 20_000)]
    assert "raised from 1024 to 10000" in capsys.readouterr().err
