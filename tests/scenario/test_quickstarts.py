"""The quickstarts' programs, run as a newcomer runs them: a call comes in, gets an event, ends.

The pages of `docs/quickstart` show these very files.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import linkage
from linkage.client import Platform
from protocol.messages import CallDirection, CreateEvent, HangupNotice, IncomingCallNotice

ROOT: Final = Path(__file__).resolve().parents[2]
QUICKSTARTS: Final = ROOT / "docs" / "quickstart"
PLAIN_PYTHON: Final = ROOT / "examples" / "python" / "plain_client.py"
PLAIN_NODE: Final = ROOT / "examples" / "node" / "plain_client.mjs"
PLAIN_JAVA: Final = ROOT / "examples" / "java" / "PlainClient.java"
DUTY_DESK: Final = ROOT / "examples" / "library" / "duty_desk.py"
OPEN_EVENT: Final = ROOT / "examples" / "library" / "open_event.py"
REPORT: Final = ROOT / "examples" / "library" / "report.py"
EMBEDDED: Final = ROOT / "examples" / "library" / "embedded.py"
PLAIN_LINES_MAX: Final = 59
JAVA_RELEASE: Final = 17
WITHIN_S: Final = 60.0

DESK_SECRET: Final = "secret of the desk, and long"
EXCHANGE_SECRET: Final = "secret of the exchange, also"
EVENT_ID: Final = "1213243"
CONFIG: Final = f"""
data = "data"
listen = ["127.0.0.1:0"]

[[peer]]
id = "desk"
role = "application"
secret = "{DESK_SECRET}"

[[peer]]
id = "exchange"
role = "platform"
secret = "{EXCHANGE_SECRET}"
"""


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    status: int
    output: str
    errors: str


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "linkage.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
async def server(config_file: Path) -> AsyncIterator[linkage.Server]:
    async with linkage.Server(linkage.load_config(config_file)) as server:
        yield server


@pytest.fixture
async def exchange(server: linkage.Server) -> AsyncIterator[Platform]:
    host, port = server.addresses[0]
    async with Platform(host, port, "exchange", secret=EXCHANGE_SECRET) as platform:
        yield platform


@asynccontextmanager
async def running(*command: str, secret: str = DESK_SECRET) -> AsyncIterator[asyncio.Task[Ended]]:
    """A program of a newcomer, in an environment of its own; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LINKAGE_SECRET": secret, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
    )

    async def ending() -> Ended:
        output, errors = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, output.decode(), errors.decode())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ending())
        try:
            yield task
        finally:
            if process.returncode is None:
                process.kill()


async def play_one_call(exchange: Platform) -> None:
    """A call comes in; it ends as soon as the event that was made for it is known here."""
    call = IncomingCallNotice(
        call_id="c1", direction=CallDirection.IN, login_id="13", phone_num="13912344444"
    )
    assert (await exchange.notify(call)).result == 0
    async for command in exchange.commands():
        await command.answer()
        if isinstance(command.message, CreateEvent):
            assert command.message.event_id == EVENT_ID
            break
    leg = HangupNotice(call_id="c2", parent_call_id="c1", login_id="14")
    for ended in (leg, HangupNotice(call_id="c1", login_id="13")):
        assert (await exchange.notify(ended)).result == 0


async def follow_one_call(exchange: Platform, server: linkage.Server, *command: str) -> str:
    """What a desk printed about a whole call; it must end by itself and be content."""
    host, port = server.addresses[0]
    async with (
        asyncio.timeout(WITHIN_S),
        running(*command, host, str(port), "desk", EVENT_ID) as desk,
    ):
        await play_one_call(exchange)
        ended = await desk
    assert (ended.status, ended.errors) == (0, "")
    return ended.output


def find_program(name: str, origin: str) -> str:
    """The path of a program; without it the test is skipped, unless it must run."""
    found = shutil.which(name)
    if found is not None:
        return found
    reason = f"needs {name} of {origin}, which is not on the PATH"
    if os.environ.get("LINKAGE_REQUIRE_REAL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def java(command: str) -> str:
    return find_program(command, f"a JDK {JAVA_RELEASE}")


def node() -> str:
    return find_program("node", "Node.js 18")


async def test_a_vendor_follows_a_call_with_plain_python_sockets(
    exchange: Platform, server: linkage.Server
) -> None:
    output = await follow_one_call(exchange, server, sys.executable, str(PLAIN_PYTHON))
    kinds = re.findall(r"^(request|response) (\d+)", output, re.MULTILINE)
    assert kinds[:2] == [("response", "290"), ("request", "100")]
    assert ("response", "201") in kinds
    assert kinds[-1] == ("request", "102")
    last = output.splitlines()[-1]
    assert "'CallId': 'c1'" in last, "the end of a leg is not the end of the call"
    assert f"'EventId': '{EVENT_ID}'" in last


async def test_a_vendor_follows_a_call_with_plain_java_sockets(
    exchange: Platform, server: linkage.Server, tmp_path: Path
) -> None:
    compiled = await asyncio.create_subprocess_exec(
        java("javac"), "-Xlint:all", "-Werror", "-d", str(tmp_path), str(PLAIN_JAVA)
    )
    assert await asyncio.wait_for(compiled.wait(), WITHIN_S) == 0
    output = await follow_one_call(
        exchange, server, java("java"), "-cp", str(tmp_path), "PlainClient"
    )
    assert f"EventId={EVENT_ID}" in output.splitlines()[-1]
    assert output.splitlines()[-1].startswith("request 102")


async def test_a_vendor_follows_a_call_with_plain_node_sockets(
    exchange: Platform, server: linkage.Server
) -> None:
    output = await follow_one_call(exchange, server, node(), str(PLAIN_NODE))
    last = output.splitlines()[-1]
    assert last.startswith("request 102")
    assert '"CallId":"c1"' in last, "the end of a leg is not the end of the call"
    assert f'"EventId":"{EVENT_ID}"' in last


async def test_the_node_client_resumes_behind_what_it_answered_before_it_was_killed(
    exchange: Platform, server: linkage.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "desk.seq"
    monkeypatch.setenv("LINKAGE_STATE", str(state))
    first = await follow_one_call(exchange, server, node(), str(PLAIN_NODE))
    answered = int(state.read_text(encoding="utf-8"))
    second = await follow_one_call(exchange, server, node(), str(PLAIN_NODE))
    assert first.count("request 100") == second.count("request 100") == 1
    assert int(state.read_text(encoding="utf-8")) > answered


async def test_a_wrong_secret_ends_the_node_client_with_the_reason(server: linkage.Server) -> None:
    host, port = server.addresses[0]
    command = (node(), str(PLAIN_NODE), host, str(port), "desk", EVENT_ID)
    async with asyncio.timeout(WITHIN_S), running(*command, secret="not the secret") as client:
        ended = await client
    assert ended.status == 1
    assert "linkage refused 290: 201" in ended.errors


async def test_a_desk_of_the_library_follows_a_call(
    exchange: Platform, server: linkage.Server
) -> None:
    output = await follow_one_call(exchange, server, sys.executable, str(DUTY_DESK))
    lines = output.splitlines()
    assert lines[0].startswith("100 IncomingCallNotice(")
    assert lines[-1].startswith("102 HangupNotice(")
    assert f"event_id='{EVENT_ID}'" in lines[-1]


async def test_a_dispatch_platform_runs_linkage_inside_it(config_file: Path) -> None:
    command = (sys.executable, str(EMBEDDED), str(config_file), EVENT_ID)
    async with asyncio.timeout(WITHIN_S), running(*command) as program:
        ended = await program
    assert (ended.status, ended.errors) == (0, "")
    assert "exchange: CreateEvent(" in ended.output
    last = ended.output.splitlines()[-1]
    assert last.startswith("desk: HangupNotice(")
    assert f"event_id='{EVENT_ID}'" in last


async def test_a_script_opens_an_event_and_another_reports_of_it(
    server: linkage.Server, config_file: Path
) -> None:
    host, port = server.addresses[0]
    opening = (sys.executable, str(OPEN_EVENT), host, str(port), "desk", EVENT_ID)
    async with asyncio.timeout(WITHIN_S), running(*opening) as program:
        opened = await program
    assert (opened.status, opened.errors) == (0, "")
    assert "event created:" in opened.output
    reporting = (sys.executable, str(REPORT), str(config_file))
    async with asyncio.timeout(WITHIN_S), running(*reporting) as program:
        told = await program
    assert (told.status, told.errors) == (0, "")
    assert told.output.startswith(f"{EVENT_ID} open opened by a script (0 operations)")
    assert "desk CreateEvent" in told.output


@pytest.mark.parametrize(
    "program", [PLAIN_PYTHON, DUTY_DESK, OPEN_EVENT], ids=lambda path: path.stem
)
async def test_a_wrong_secret_ends_a_client_with_the_reason(
    server: linkage.Server, program: Path
) -> None:
    host, port = server.addresses[0]
    command = (sys.executable, str(program), host, str(port), "desk", EVENT_ID)
    async with asyncio.timeout(WITHIN_S), running(*command, secret="not the secret") as client:
        ended = await client
    assert ended.status == 1
    assert "refused" in ended.errors


def test_the_page_of_vendors_shows_the_node_client_which_imports_what_node_brings() -> None:
    text = PLAIN_NODE.read_text(encoding="utf-8")
    assert f"```javascript\n{text}```\n" in (QUICKSTARTS / "vendor.md").read_text(encoding="utf-8")
    imported = re.findall(r' from "([^"]+)"', text)
    assert imported
    assert all(name.startswith("node:") for name in imported)
    assert "require(" not in text


def test_the_plain_python_client_has_under_sixty_lines_and_needs_nothing() -> None:
    lines = PLAIN_PYTHON.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= PLAIN_LINES_MAX
    imported = {
        line.split()[1].split(".")[0] for line in lines if re.match("(import|from) ", line)
    }
    assert imported
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("page", "language", "program"),
    [
        ("vendor.md", "python", PLAIN_PYTHON),
        ("vendor.md", "java", PLAIN_JAVA),
        ("library.md", "python", DUTY_DESK),
        ("library.md", "python", EMBEDDED),
        ("library.md", "python", OPEN_EVENT),
        ("library.md", "python", REPORT),
    ],
    ids=["plain-python", "plain-java", "duty-desk", "embedded", "open-event", "report"],
)
def test_a_page_shows_the_very_program_that_is_tested(
    page: str, language: str, program: Path
) -> None:
    text = (QUICKSTARTS / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert program.read_text(encoding="utf-8") in blocks
    assert program.relative_to(ROOT).as_posix() in text
