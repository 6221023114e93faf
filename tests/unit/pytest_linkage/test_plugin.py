"""The pytest plugin, as somebody else's project meets it: in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from simulators.scenario import parse_scenario

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60

QUICKSTART = ROOT / "docs" / "quickstart" / "simulators.md"
MORE = """

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
"""


def examples(language: str) -> list[str]:
    """The code of the quickstart in one language, block by block."""
    return re.findall(
        rf"```{language}\n(.*?)```", QUICKSTART.read_text(encoding="utf-8"), re.DOTALL
    )


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        # Alone: whether an installed linkage has registered the plugin already must not matter.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_linkage", *arguments, "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_quickstarts_example_runs_in_another_project(tmp_path: Path) -> None:
    program, telephones, *_ = examples("python")
    (tmp_path / "test_theirs.py").write_text(program + MORE, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(telephones, encoding="utf-8")
    done = run_pytest(tmp_path, "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_quickstarts_scenario_is_a_scenario_but_for_what_it_leaves_to_the_reader() -> None:
    (written,) = examples("toml")
    document = tomllib.loads(written)
    # The example shows each table once; it names two officers more than it describes.
    document["platform"]["officer"] += [{"login": "13", "ext": "13"}, {"login": "24", "ext": "24"}]
    scenario = parse_scenario(document, "quickstart")
    assert scenario.calls[0].every_s == 60


def test_pytest_starts_without_what_the_fixtures_need(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain():\n    pass\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import sys\n\n"
        "def pytest_sessionfinish():\n"
        "    heavy = {'protocol', 'lxml', 'linkage.server', 'linkage.client', 'sqlalchemy'}\n"
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


def test_pytest_starts_in_a_project_that_has_a_package_simulators_of_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "simulators.py").write_text("SPEED = 1\n", encoding="utf-8")
    (tmp_path / "test_plain.py").write_text(
        "import simulators\n\ndef test_plain():\n    assert simulators.SPEED == 1\n",
        encoding="utf-8",
    )
    done = run_pytest(tmp_path, "-p", "pytest_asyncio.plugin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "linkage: its fixtures cannot be had: " in done.stdout
    assert "1 passed" in done.stdout
