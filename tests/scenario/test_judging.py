"""`linkage simulate run`: scenarios judged from the command line, and the story at the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lxml import etree

from linkage.blocking import Application
from linkage.blocking.loop import LoopThread
from linkage.config.load import load_config
from linkage.server.server import Server
from protocol.messages import CreateEvent, IncomingCallNotice

WITHIN_S = 60.0
BASE = """
name = "mine"
title = "One call, filed"
limit_s = 20
[platform]
id = "dispatch"
[[platform.hotline]]
number = "2222"
officers = ["23"]
[[platform.officer]]
login = "23"
ext = "3021"
after_s = 1
[[platform.party]]
number = "139"
talks_s = 3
[[platform.call]]
at_s = 1
from = "139"
to = "2222"
"""
DESK = """
[application]
id = "duty-desk"
[[application.rule]]
on = 100
send = 201
with = { CallId = "$CallId", EventId = "E-1" }
[[expect]]
type = 100
within_s = 2
[[expect]]
type = 102
where = { EventId = "E-1", Reason = "*" }
"""


def linkage(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linkage", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_that_goes_as_expected_passes_and_tells_its_story(tmp_path: Path) -> None:
    junit = tmp_path / "verdict.xml"
    done = linkage("simulate", "run", written(tmp_path, BASE + DESK), "--junit", junit)
    assert done.returncode == 0, done.stderr
    assert "   1.0 s  dispatch → duty-desk  100 IncomingCallNotice 呼入通知" in done.stdout
    assert "What happened:" in done.stdout
    assert "139 → 2222; answered by 23; ended after" in done.stdout
    assert "✓ 102 at the application with EventId=E-1, Reason=*" in done.stdout
    assert "mine: passed: 2 of 2 came" in done.stdout
    suite = etree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")


def test_one_that_goes_otherwise_fails_and_says_what_came_instead(tmp_path: Path) -> None:
    wrong = BASE + DESK.replace('E-1", Reason', 'E-2", Reason')
    wrong += '[[never]]\nat = "platform"\ntype = 201\n'
    junit = tmp_path / "verdict.xml"
    done = linkage("simulate", "run", written(tmp_path, wrong), "--junit", junit)
    assert done.returncode == 1, done.stderr
    assert "✗ 102 at the application with EventId=E-2, Reason=*" in done.stdout
    assert "expect[1]: did not come; a 102 came with EventId=E-1" in done.stdout
    assert "✗ never 201 at the platform" in done.stdout
    assert "mine: FAILED: 1 of 2 came, 1 came that must not" in done.stdout
    suite = etree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")


def test_programs_get_one_object_with_everything(tmp_path: Path) -> None:
    done = linkage("simulate", "run", written(tmp_path, BASE + DESK), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"], told["scenario"]) == (0, True, "mine")
    assert [one["at_s"] for one in told["expect"]] == [1.0, 5.0]
    assert told["messages"][0]["type"] == 100
    assert any("139 → 2222" in line for line in told["story"])


def test_what_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    nothing = linkage("simulate", "run", "playground")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "there is nothing to judge; add an [[expect]]" in nothing.stderr
    mistaken = linkage("simulate", "run", written(tmp_path, BASE + "[[expect]]\ntyp = 100\n"))
    assert mistaken.returncode == 1
    assert "mine.toml: line 22: expect[0].typ: is no key of a scenario; did you mean 'type'?" in (
        mistaken.stderr
    )
    alone = written(tmp_path, BASE + '[[expect]]\nat = "platform"\ntype = 201\n')
    own = linkage("simulate", "run", alone)
    assert own.returncode == 1
    assert "the scenario does not play the application" in own.stderr
    where = linkage("simulate", "run", "alarm", "--port", "7700")
    assert where.returncode == 2


@contextmanager
def serving(tmp_path: Path, platform: str, application: str) -> Iterator[Path]:
    """A linkage that serves these two, at a port that its configuration names."""
    peers = ("--peer", f"platform:{platform}", "--peer", f"application:{application}")
    assert linkage("init", tmp_path / "site", *peers).returncode == 0
    path = tmp_path / "site" / "linkage.toml"
    path.write_text(path.read_text().replace("127.0.0.1:7700", "127.0.0.1:0"))
    server = Server(load_config(path))
    thread = LoopThread("server")
    thread.call(server.__aenter__())
    port = server.addresses[0][1]
    path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    yield path
    thread.call(server.__aexit__(None, None, None))
    thread.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """One whose peers have the names that the scenarios give them."""
    with serving(tmp_path, "dispatch", "duty-desk") as path:
        yield path


def test_a_scenario_is_played_under_the_names_that_the_peers_have_there(tmp_path: Path) -> None:
    with serving(tmp_path, "pbx", "desk") as site:
        done = linkage("simulate", "run", "alarm", "-c", site, "--speed", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "alarm: passed" in done.stdout


def test_a_serving_linkage_is_judged_as_well(site: Path) -> None:
    done = linkage("simulate", "run", "abandoned", "-c", site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "abandoned: passed: 1 of 1 came" in done.stdout


def test_ones_own_program_is_judged_against_the_simulated_platform(
    site: Path, tmp_path: Path
) -> None:
    """The scenario plays no application: the program below is it."""
    config = load_config(site)
    peer = config.find_peer("duty-desk")
    assert peer is not None

    def program() -> None:
        with Application(*config.listen[0], "duty-desk", secret=peer.secret) as app:
            for notice in app.notices(timeout_s=WITHIN_S):
                if isinstance(notice.message, IncomingCallNotice):
                    app.send(CreateEvent(call_id=notice.message.call_id, event_id="E-9"))
                    return

    thread = threading.Thread(target=program)
    thread.start()
    expect = '[[expect]]\nat = "platform"\ntype = 201\nwhere = { EventId = "E-9" }\n'
    done = linkage("simulate", "run", written(tmp_path, BASE + expect), "-c", site, "--speed", "5")
    thread.join(WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dispatch ← 201 CreateEvent" in done.stdout
    assert "mine: passed: 1 of 1 came" in done.stdout


def test_an_interrupted_run_tells_what_it_saw(site: Path, tmp_path: Path) -> None:
    expect = '[[expect]]\nat = "platform"\ntype = 201\n'
    process = subprocess.Popen(
        [sys.executable, "-m", "linkage", "simulate", "run",
         str(written(tmp_path, BASE + expect)), "-c", str(site)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        line = ""
        while "100 IncomingCallNotice" not in line:
            line = process.stdout.readline()
            assert line
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 130, errors
    assert "139 → 2222" in out
    assert "mine: stopped: 0 of 1 came" in out
