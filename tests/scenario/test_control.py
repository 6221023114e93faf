"""The command line beside a `linkage serve` that lives, is killed, or is a part alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINKAGE = (sys.executable, "-m", "linkage")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def linkage(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LINKAGE, *map(str, words)],
        capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False,
    )  # fmt: skip


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*LINKAGE, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = linkage(
        "init", tmp_path, "--listen", "127.0.0.1:0",
        "--peer", "application:duty-desk", "--peer", "platform:dispatch",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return tmp_path / "linkage.toml"


def peers(site: Path) -> dict[str, dict[str, Any]]:
    done = linkage("peers", "--json", "-c", site)
    assert done.returncode == 0, done.stderr
    return {row["id"]: row for row in json.loads(done.stdout)}


def test_peers_are_here_until_linkage_is_killed_and_then_they_are_not(site: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        port = json.loads(said(server))["addresses"][0].rpartition(":")[2]
        with running("simulate", "application", "--port", port, "-c", site) as desk:
            said(desk)
            while not peers(site)["duty-desk"]["connected"]:
                assert desk.poll() is None
            assert peers(site)["dispatch"]["connected"] is False
            server.send_signal(signal.SIGKILL)
            server.wait(60)
            assert (site.parent / "data" / "control.sock").exists()
            assert peers(site)["duty-desk"]["connected"] is False
            refused = linkage("event", "create", "77", "-c", site)
            desk.send_signal(signal.SIGTERM)
            desk.communicate(timeout=60)
    assert refused.returncode == 1
    assert "no linkage serves this data: start it" in refused.stderr
    with running("serve", "--json", "-c", site) as again:
        said(again)
        assert linkage("event", "create", "77", "-c", site).returncode == 0
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=60)


def test_a_core_alone_is_asked_in_the_same_way(site: Path) -> None:
    with running("serve", "--only", "core", "-c", site) as core:
        said(core)
        created = linkage("event", "create", "77", "--title", "火灾", "-c", site)
        added = linkage("peer", "add", "fire", "--role", "application", "-c", site)
        core.send_signal(signal.SIGTERM)
        core.communicate(timeout=60)
    assert (created.returncode, created.stdout) == (0, "EventId 77 of duty-desk: open\n")
    assert "peer fire: new, may register from now on" in added.stdout
    assert "send each SIGHUP as well" in added.stdout
    verified = linkage("journal", "verify", "-c", site)
    assert verified.returncode == 0
