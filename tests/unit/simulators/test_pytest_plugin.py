"""The pytest plugin, as somebody else's project meets it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60

# The example of docs/quickstart/simulators.md.
EXAMPLE = '''
from linkage.client import Application
from protocol.messages import CreateEvent, IncomingCallNotice


async def my_program(host, port, secret):
    """The program under test: files an event for the first call."""
    async with Application(host, port, "yours", secret=secret) as app:
        async for notice in app.notices():
            message = notice.message
            if isinstance(message, IncomingCallNotice):
                await app.send(CreateEvent(call_id=message.call_id, event_id="E-1"))
                return message.call_id


async def test_my_program_files_an_event(linkage_server, simulated_platform):
    import asyncio

    async with asyncio.TaskGroup() as group:
        program = group.create_task(
            my_program(linkage_server.host, linkage_server.port, linkage_server.secret)
        )
        call_id = simulated_platform.call("13900000001", "9110")
    assert program.result() == call_id
    stamped = await simulated_platform.watch.wait_for(201)
    assert stamped.event_id == "E-1"


async def test_the_duty_desk_transfers(simulated_platform, simulated_application):
    from protocol.messages import Transfer, TransferMode

    desk = simulated_application
    call_id = simulated_platform.call("13900000001", "2222")
    await desk.watch.wait_for(115, CallId=call_id, State=4)
    await desk.send(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
    moved = await desk.watch.wait_for(105, Phase=4)
    assert moved.to_login_id == "13"


async def test_the_screen_hangs_up(simulated_platform, simulated_application, simulated_screen):
    call_id = simulated_platform.call("13900000001", "2222")
    shown = await simulated_screen.watch.wait_for(300)
    assert shown.call_id == call_id
    await simulated_screen.act(402, CallId=call_id)
    ended = await simulated_application.watch.wait_for(102, Scope=2)
    assert ended.call_id == call_id
'''
SITE = """
import pytest
from simulators.platform.parties import Hotline, Officer, Site


@pytest.fixture
def simulated_site():
    return Site(
        officers=(Officer(login_id="23", ext="3021"), Officer(login_id="13", ext="3013")),
        hotlines=(
            Hotline(number="2222", officers=("23",)),
            Hotline(number="9110", officers=("23",)),
        ),
        first_call_id=500,
    )
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        # Alone: whether an installed linkage has registered the plugin already must not matter.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "simulators.pytest_plugin", *arguments, "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_another_projects_tests_run_on_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(SITE, encoding="utf-8")
    done = run_pytest(tmp_path, "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_pytest_starts_without_what_the_fixtures_need(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain():\n    pass\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import sys\n\n"
        "def pytest_sessionfinish():\n"
        "    heavy = {'protocol', 'lxml', 'linkage.app', 'linkage.client', 'sqlalchemy'}\n"
        "    loaded = heavy & set(sys.modules)\n"
        "    assert not loaded, loaded\n",
        encoding="utf-8",
    )
    # Read at the start of Python: as if pytest-asyncio were not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['pytest_asyncio'] = None\n", encoding="utf-8"
    )
    done = run_pytest(tmp_path, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
