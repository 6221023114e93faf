"""The conformance kit against what this project ships: its library, quickstart and simulators."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from linkage.client import Application, Backoff, ClosedError
from linkage.config.secrets import Secret
from protocol.events import Timers
from protocol.messages import CreateEvent, IncomingCallNotice
from protocol.roles import Role
from simulators.clock import RealClock
from simulators.conformance import Report, Settings, Status, run_conformance
from simulators.platform import open_platform
from simulators.scenario import load_scenario

ROOT: Final = Path(__file__).resolve().parents[2]
PLAIN_PYTHON: Final = ROOT / "examples" / "python" / "plain_client.py"
PLAIN_NODE: Final = ROOT / "examples" / "node" / "plain_client.mjs"
SECRET: Final = "secret of the desk, and long"
SPEED: Final = 10.0
WITHIN_S: Final = 100.0
PATIENT: Final[dict[str, Any]] = {
    "secret": Secret(SECRET),
    "answer_within_s": 10.0,
    "connect_within_s": 20.0,
    "call_within_s": 20.0,
    "quiet_s": 0.3,
}


def failures(report: Report) -> dict[str, str]:
    return {
        finding.check.name: f"expected {finding.expected}; seen {finding.seen}"
        for finding in report.findings
        if finding.status in {Status.FAIL, Status.WARN}
    }


def skipped(report: Report) -> set[str]:
    return {finding.check.name for finding in report.findings if finding.status is Status.SKIP}


@asynccontextmanager
async def address_of(ready: asyncio.Future[str]) -> AsyncIterator[tuple[str, int]]:
    host, port = (await ready).rsplit(":", 1)
    yield host, int(port)


async def keep_desk(client: Application) -> None:
    """An application that makes an event of each call, until the client is closed."""
    with contextlib.suppress(ClosedError):
        async for notice in client.notices():
            if isinstance(notice.message, IncomingCallNotice):
                call_id = notice.message.call_id
                await notice.acknowledge()
                await client.send(CreateEvent(call_id=call_id, event_id=call_id), check=False)


async def test_an_application_of_the_library_conforms() -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = Settings(
        role=Role.APPLICATION,
        host="127.0.0.1",
        port=0,
        peer_id="desk",
        heartbeat_s=1.0,
        dead_after_s=10.0,
        **PATIENT,
    )
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        running = group.create_task(run_conformance(settings, on_ready=ready.set_result))
        async with (
            address_of(ready) as (host, port),
            Application(
                host,
                port,
                "desk",
                secret=SECRET,
                timers=Timers(heartbeat_s=1.0),
                backoff=Backoff(first_s=0.05, most_s=0.2),
            ) as client,
        ):
            desk = group.create_task(keep_desk(client))
            report = await running
            desk.cancel()
    assert failures(report) == {}
    assert skipped(report) == {"judges-registration", "refuses-strangers"}
    assert report.find("embodiment-1").note.startswith("it created the event")


async def test_an_application_of_the_library_that_listens_conforms() -> None:
    async with (
        asyncio.timeout(WITHIN_S),
        Application.listen(
            "127.0.0.1", 0, "desk", secret=SECRET, timers=Timers(heartbeat_s=1.0)
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        desk = group.create_task(keep_desk(client))
        host, port = client.address
        report = await run_conformance(
            Settings(
                role=Role.APPLICATION,
                host=host,
                port=port,
                listen=False,
                heartbeat_s=1.0,
                dead_after_s=10.0,
                **PATIENT,
            )
        )
        desk.cancel()
    assert failures(report) == {}
    dialled = {"digest", "waits-for-registration", "refused-registration", "fresh-nonce"}
    assert skipped(report) == dialled


async def test_the_simulated_platform_conforms() -> None:
    """With calls from its scenario, two numbers to call, and an officer to transfer to."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = Settings(
        role=Role.PLATFORM,
        host="127.0.0.1",
        port=0,
        numbers=("13900000101", "13900000109"),
        transfer_to="13",
        leave_out=frozenset({"sends-heartbeats"}),  # it talks all the time: the library is tried
        **PATIENT,
    )
    told = load_scenario("playground")
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
        running = group.create_task(run_conformance(settings, on_ready=ready.set_result))
        async with (
            address_of(ready) as (host, port),
            open_platform(
                host,
                port,
                "dispatch",
                secret=SECRET,
                site=told.site,
                clock=RealClock(speed=SPEED),
            ) as platform,
        ):
            platform.play(told.calls)
            report = await running
    assert failures(report) == {}
    assert skipped(report) == {"sends-heartbeats", "no-value"}
    assert "205, and its 105" in report.find("embodiment-1").note


@asynccontextmanager
async def kept_up(*command: str, **further: str) -> AsyncIterator[None]:
    """A program that is started again whenever it ends, as a service manager does."""
    environment = {**os.environ, "LINKAGE_SECRET": SECRET, **further}

    async def keep_up() -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
            )
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    task = asyncio.get_running_loop().create_task(keep_up())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


TRUSTING: Final = {
    "wrong-direction",
    "unknown-type",
    "missing-field",
    "bad-value",
    "no-id",
    "doctype",
    "too-deep",
}
"""Where sixty lines of Python take on trust what linkage would never send."""


async def start_kit(report_file: Path, *options: str) -> asyncio.subprocess.Process:
    """The kit by its command line; JSON on its stdout, JUnit in a file."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkage", "conformance", *options),
        *("--json", "--junit", str(report_file)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LINKAGE_SECRET": SECRET, "PYTHONPATH": str(ROOT)},
    )


async def test_the_plain_python_client_conforms_through_the_command_line(tmp_path: Path) -> None:
    """It passes but for warnings; it resumes nowhere, and its service manager brings it back."""
    port = await free_port()
    report_file = tmp_path / "report.xml"
    kit = await start_kit(
        report_file,
        *("--role", "application", "--listen", f"127.0.0.1:{port}", "--id", "desk"),
        *("--leave-out", "oversized", "--connect-within", "20"),
    )
    plain = (sys.executable, str(PLAIN_PYTHON), "127.0.0.1", str(port), "desk", "1213243")
    async with asyncio.timeout(WITHIN_S), kept_up(*plain):
        output, errors = await kit.communicate()
    report = json.loads(output)
    by_status = {
        status: {check["name"] for check in report["checks"] if check["status"] == status}
        for status in ("fail", "warn", "skip")
    }
    assert errors == b""
    assert by_status["fail"] == set()
    assert by_status["warn"] <= TRUSTING
    assert by_status["skip"] == {
        "judges-registration",
        "refuses-strangers",
        "resumes",
        "oversized",
    }
    assert kit.returncode == 0
    assert report["passed"]
    assert b'failures="0"' in report_file.read_bytes()


async def test_the_plain_node_client_conforms_through_the_command_line(tmp_path: Path) -> None:
    """It comes again by itself, resumes, and ends only with its call."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("LINKAGE_REQUIRE_REAL") == "1":
            pytest.fail("LINKAGE_REQUIRE_REAL=1, but there is no Node.js 18")
        pytest.skip("needs Node.js 18")
    port = await free_port()
    report_file = tmp_path / "report.xml"
    kit = await start_kit(
        report_file,
        *("--role", "application", "--listen", f"127.0.0.1:{port}", "--id", "desk"),
        *("--connect-within", "20"),
    )
    plain = (node, str(PLAIN_NODE), "127.0.0.1", str(port), "desk", "1213243")
    async with (
        asyncio.timeout(WITHIN_S),
        kept_up(*plain, LINKAGE_STATE=str(tmp_path / "desk.seq")),
    ):
        output, errors = await kit.communicate()
    report = json.loads(output)
    by_status = {
        status: {check["name"] for check in report["checks"] if check["status"] == status}
        for status in ("fail", "warn", "skip")
    }
    assert errors == b""
    assert by_status == {
        "fail": set(),
        "warn": {"unknown-type"},
        "skip": {"judges-registration", "refuses-strangers"},
    }


async def test_a_kit_that_is_stopped_from_outside_writes_what_it_has(tmp_path: Path) -> None:
    port = await free_port()
    report_file = tmp_path / "report.xml"
    kit = await start_kit(
        report_file, "--role", "platform", f"127.0.0.1:{port}", "--connect-within", "3600"
    )
    async with asyncio.timeout(WITHIN_S):
        writer = await knock(port)
        kit.terminate()
        output, errors = await kit.communicate()
    writer.close()
    report = json.loads(output)
    assert errors == b""
    assert kit.returncode == 1
    assert report["stopped"]
    assert report["checks"][-1]["note"] == "not run: the kit was stopped"
    assert b"not run: the kit was stopped" in report_file.read_bytes()


async def knock(port: int) -> asyncio.StreamWriter:
    """A connection to a program that is about to listen."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            return writer
        await asyncio.sleep(0.02)


async def free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--role", "application"), 2, "ADDRESS"),
        (("--role", "screen", "127.0.0.1:1"), 2, "screen"),
        (("--role", "platform", "nowhere"), 2, "HOST:PORT"),
        (("--role", "platform", "127.0.0.1:1"), 1, "LINKAGE_SECRET"),
        (("--role", "platform", "127.0.0.1:0", "--secret", SECRET, "--only", "x"), 1, "--list"),
    ],
)
async def test_misuse_is_said_in_one_line(
    arguments: tuple[str, ...], status: int, words: str
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "LINKAGE_SECRET"}
    kit = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkage", "conformance", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    _, errors = await asyncio.wait_for(kit.communicate(), WITHIN_S)
    assert kit.returncode == status
    assert words in errors.decode()
    assert "Traceback" not in errors.decode()
