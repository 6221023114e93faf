"""The commands that run something: serve, demo, simulate; as processes, over loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

LINKAGE = (sys.executable, "-m", "linkage")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def linkage(*words: object, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LINKAGE, *map(str, words)],
        capture_output=True, text=True, timeout=timeout_s, env=ENVIRONMENT, check=False,
    )  # fmt: skip


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*LINKAGE, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(stream: IO[str] | None, wanted: str) -> str:
    assert stream is not None
    for line in stream:
        if wanted in line:
            return line
    raise AssertionError(f"the output ended without {wanted!r}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = linkage(
        "init", tmp_path, "--listen", "127.0.0.1:0",
        "--peer", "application:duty-desk", "--peer", "platform:dispatch",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return tmp_path / "linkage.toml"


def port_of(announcement: str) -> str:
    return str(json.loads(announcement)["addresses"][0]).rpartition(":")[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_serve_says_where_it_listens_and_stops_cleanly(site: Path, number: signal.Signals) -> None:
    with running("serve", "-c", site) as server:
        line = read_until(server.stdout, "listens on 127.0.0.1:")
        server.send_signal(number)
        _, errors = server.communicate(timeout=60)

    assert "listens on" in line
    assert server.returncode == 0
    assert "Traceback" not in errors
    assert "stopped" in errors


def test_serve_logs_json_for_programs(site: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        announcement = read_until(server.stdout, "listening")
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=60)

    assert int(port_of(announcement)) > 0
    assert json.loads(errors.splitlines()[-1])["event"] == "stopped"


def test_a_second_linkage_on_the_same_data_is_one_clear_line(site: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        read_until(server.stdout, "listening")
        second = linkage("serve", "-c", site)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)

    assert second.returncode == 1
    assert f"another linkage (process {server.pid}) serves this data" in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_clear_line(site: Path, tmp_path: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        port = port_of(read_until(server.stdout, "listening"))
        other = tmp_path / "other"
        linkage("init", other, "--listen", f"127.0.0.1:{port}")
        second = linkage("serve", "-c", other / "linkage.toml")
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)

    assert second.returncode == 1
    assert second.stderr.splitlines()[-1].startswith(f"linkage: cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in second.stderr


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(site: Path) -> None:
    (site.parent / "data").write_text("a file")

    done = linkage("serve", "-c", site)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "choose another `data`" in done.stderr


def test_a_newer_database_is_one_clear_line(site: Path) -> None:
    from sqlalchemy import text

    from linkage.store.sqlite.database import open_store

    engine = open_store(site.parent / "data" / "linkage.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    for words in (("serve",), ("event", "list")):
        done = linkage(*words, "-c", site)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "written by a newer linkage" in done.stderr


def test_the_demo_shows_both_embodiments_and_what_is_found(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    done = linkage("demo", "--keep", keep)

    assert done.returncode == 0, done.stderr
    for step in ("301–304", "305–306", "307", "308", "309–311", "312–313", "314",
                 "401–402", "403", "404–407", "408–411", "412–415", "416–419", "420"):  # fmt: skip
        assert f" {step} " in done.stdout
    assert "Found under EventId 1213243" in done.stdout
    found = linkage("event", "show", "1213243", "--json", "-c", keep / "linkage.toml")
    kinds = {operation["kind"] for operation in json.loads(found.stdout)["operations"]}
    assert {"call", "leg", "transfer", "conference", "member"} <= kinds
    assert linkage("journal", "verify", "-c", keep / "linkage.toml").returncode == 0


def test_the_demo_writes_into_no_directory_that_holds_a_site(site: Path) -> None:
    done = linkage("demo", "--keep", site.parent)

    assert done.returncode == 1
    assert "exists already" in done.stderr


def test_the_demo_on_asterisk_says_what_it_needs(site: Path) -> None:
    for words in ((), ("-c", site)):
        done = linkage("demo", "--platform", "asterisk", *words)
        assert done.returncode == 1
        assert 'an adapter of kind "asterisk"' in done.stderr
        assert "make test-real" in done.stderr


@contextmanager
def simulated(*words: object, wanted: str) -> Iterator[None]:
    """Run a simulator that is to write `wanted`; when that is used up, interrupt it."""
    with running("simulate", *words) as process:
        read_until(process.stdout, wanted)
        yield
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "What happened:" in output
    assert "the platform said" in output


def test_a_simulated_platform_and_application_meet_at_a_linkage(site: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        port = port_of(read_until(server.stdout, "listening"))
        where = ("-c", site, "--port", port, "--speed", "20")
        with running("simulate", "application", *where) as application:
            read_until(application.stdout, "Ctrl-C stops it")
            read_until(application.stderr, f"duty-desk: ready with 127.0.0.1:{port}")
            # It stays until the call has arrived: what it wrote may still be on its way.
            with simulated("platform", *where, wanted="100 IncomingCallNotice"):
                read_until(application.stdout, "→ 201 CreateEvent")
            application.send_signal(signal.SIGTERM)
            application.communicate(timeout=60)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)

    assert application.returncode == 0


def test_a_simulator_with_a_wrong_secret_is_told_what_to_check(site: Path) -> None:
    with running("serve", "--json", "-c", site) as server:
        port = port_of(read_until(server.stdout, "listening"))
        done = linkage(
            "simulate", "application", "-c", site, "--port", port, "--secret", "wrong" * 5
        )
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)

    assert done.returncode == 1
    assert "201 bad credentials" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_simulator_asks_for_what_the_configuration_leaves_open(site: Path) -> None:
    no_port = linkage("simulate", "platform", "-c", site)
    no_peer = linkage("simulate", "screen", "-c", site, "--port", "7700")
    stranger = linkage("simulate", "platform", "-c", site, "--id", "nobody")

    assert (no_port.returncode, no_peer.returncode, stranger.returncode) == (1, 1, 1)
    assert "give --port" in no_port.stderr
    assert "no peer is a screen" in no_peer.stderr
    assert "no platform 'nobody'; there are: dispatch" in stranger.stderr
