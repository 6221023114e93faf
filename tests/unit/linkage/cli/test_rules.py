"""What holds for every command: one rule of exit codes, one place for -c, any terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkage.reference.command_line import HEAD
from linkage.timeline.terminal_text import cells
from protocol import messages as m
from tests.fakes.embodiments import DESK, Writer
from tests.unit.linkage.cli.conftest import Run

ROOT = Path(__file__).parents[4]
LINKAGE = (sys.executable, "-m", "linkage")
TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?(?!.?\d)")
ZONED = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?[+-]\d\d:\d\d")


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHON", "LINKAGE", "COLUMNS"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "TZ": "Asia/Shanghai", **more}


def linkage(*words: object, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*LINKAGE, *map(str, words)],
        capture_output=True, timeout=120, check=False, env=environment(**more),
    )  # fmt: skip


# Each command in a process of its own, which need not begin with importing everything.
FORKED = """
import os, sys
from pathlib import Path
import linkage.cli, linkage.doctor_checks, linkage.reader, linkage.server, simulators.runner
from linkage.config.file import read_config
read_config(os.environ["LINKAGE_CONFIG"])
folder = Path(sys.argv[1])
for number, line in enumerate((folder / "commands").read_text("utf-8").splitlines()):
    child = os.fork()
    if not child:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / f"{number}.{name}", os.O_CREAT | os.O_WRONLY), descriptor)
        sys.argv = ["linkage", *line.split("\\t")]
        linkage.cli.main()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    (folder / f"{number}.status").write_text(str(status))
"""


def linkage_each(
    folder: Path, commands: Sequence[tuple[str, ...]], **more: str
) -> list[subprocess.CompletedProcess[bytes]]:
    """What `linkage` says to each of the commands, in one environment."""
    folder.mkdir()
    (folder / "commands").write_text("\n".join(map("\t".join, commands)), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", FORKED, folder], timeout=120, check=True, env=environment(**more)
    )
    return [
        subprocess.CompletedProcess(
            words,
            int((folder / f"{number}.status").read_text()),
            (folder / f"{number}.stdout").read_bytes(),
            (folder / f"{number}.stderr").read_bytes(),
        )
        for number, words in enumerate(commands)
    ]


# --- exit codes ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--version",), 0),
        (("event", "list"), 0),
        (("event", "show", "1213243"), 0),
        (("event", "timeline", "1213243"), 0),
        (("journal", "tail"), 0),
        (("journal", "verify"), 0),
        (("peers",), 0),
        (("peer", "show", "desk"), 0),
        (("event", "show", "99"), 1),
        (("event", "close", "1213243"), 1),
        (("event", "create", "99"), 1),
        (("peer", "show", "nobody"), 1),
        (("peer", "remove", "nobody"), 1),
        (("peer", "rotate", "nobody"), 1),
        (("top", "--once"), 1),
        (("simulate", "platform", "--id", "nobody"), 1),
        (("simulate", "load", "--id", "nobody"), 1),
        (("simulate", "platform", "--scenario", "none.toml"), 1),
        (("serve", "--only", "nothing"), 1),
        ((), 2),
        (("evnt",), 2),
        (("event", "lst"), 2),
        (("event", "list", "--stauts", "open"), 2),
        (("event", "create"), 2),
        (("event", "create", "x" * 30), 2),
        (("event", "bind", "1213243", "call"), 2),
        (("peer", "add", "x"), 2),
        (("peer", "add", "x", "--role", "boss"), 2),
        (("serve", "--listen", "nowhere"), 2),
        (("simulate", "platform", "--port", "0"), 2),
        (("conformance", "--role", "application"), 2),
    ],
    ids=str,
)
def test_exit_codes_follow_one_rule(
    run: Run, alarm_config: Path, words: tuple[str, ...], status: int
) -> None:
    result = run(*words, env={"LINKAGE_CONFIG": str(alarm_config)})
    assert result.exit_code == status, result.output
    assert bool(result.stderr) or status == 0
    assert "Traceback" not in result.output


def test_the_rule_is_on_the_page() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    assert page.startswith(HEAD)
    for status in ("0", "1", "2", "130"):
        assert f"\n| {status} | " in page
    assert "_LINKAGE_COMPLETE=bash_source" in page


# --- -c in both places, and what was meant -------------------------------------------------------
@pytest.mark.parametrize(
    "words",
    [
        ("-c", "FILE", "event", "list"),
        ("event", "-c", "FILE", "list"),
        ("event", "list", "-c", "FILE"),
        ("-c", "other.toml", "event", "list", "-c", "FILE"),
        ("--config", "FILE", "peers"),
        ("-c", "FILE", "journal", "verify"),
        ("-c", "FILE", "doctor"),
    ],
    ids=" ".join,
)
def test_the_configuration_may_be_named_before_the_command_and_behind_it(
    run: Run, alarm_config: Path, words: tuple[str, ...]
) -> None:
    result = run(
        *(alarm_config if word == "FILE" else word for word in words),
        env={"LINKAGE_CONFIG": "nowhere.toml"},
    )
    assert result.exit_code == 0, result.output


def test_a_configuration_that_a_command_does_not_read_is_misuse(run: Run, tmp_path: Path) -> None:
    result = run("-c", "linkage.toml", "init", tmp_path / "site")
    assert (result.exit_code, "-c has no effect for 'init'" in result.stderr) == (2, True)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("pears",), "peers"),
        (("jurnal",), "journal"),
        (("event", "lits"), "list"),
        (("event", "timelien", "1"), "timeline"),
        (("simulate", "aplication"), "application"),
        (("peer", "rotat", "desk"), "rotate"),
        (("event", "list", "--stauts", "open"), "--status"),
        (("serve", "--log-levle", "info"), "--log-level"),
        (("event", "show", "1213249"), "1213243"),
        (("event", "timeline", "1213249"), "1213243"),
        (("peer", "rotate", "dsek"), "desk"),
        (("event", "create", "7", "--owner", "dsek"), "desk"),
        (("simulate", "application", "--id", "dsek"), "desk"),
        (("simulate", "load", "--id", "pxb"), "pbx"),
    ],
    ids=str,
)
def test_a_slip_is_told_what_it_may_have_meant(
    run: Run, alarm_config: Path, words: tuple[str, ...], meant: str
) -> None:
    result = run(*words, env={"LINKAGE_CONFIG": str(alarm_config)})
    assert result.exit_code in {1, 2}
    assert re.search(rf"[Dd]id you mean.*{re.escape(meant)}", result.stderr), result.stderr


def test_an_owner_that_is_meant_otherwise_is_told(run: Run, alarm_config: Path) -> None:
    listed = run("event", "list", "--owner", "dsek", "-c", alarm_config)
    shown = run("event", "show", "1213243", "--owner", "dsek", "-c", alarm_config)
    assert listed.stdout == "no such events; did you mean desk?\n"
    assert shown.stderr.endswith("1213243; it is of desk\n")


# --- secrets -------------------------------------------------------------------------------------
def test_a_secret_of_the_environment_does_not_beat_a_configuration_that_is_named(
    alarm_config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from linkage.cli.simulate.play import find_target, platform

    where = ["--id", "pbx", "--host", "127.0.0.1", "--port", "9"]
    names = ("host", "port", "peer_id", "secret", "config_file")

    def target(*options: str, **environment: str) -> tuple[str | None, bool]:
        for name in ("LINKAGE_SECRET", "LINKAGE_CONFIG"):
            monkeypatch.setenv(name, environment.get(name, ""))
        with platform.make_context("platform", [*where, *options]) as context:
            given = {name: context.params[name] for name in names}
            found = find_target("platform", None, **given)
        return found.secret, "the secret is that of" in capsys.readouterr().err

    theirs, ours, named = "theirs-of-the-environment", "for-tests-only-pbx", str(alarm_config)
    assert target("-c", named, LINKAGE_SECRET=theirs) == (ours, True)
    assert target(LINKAGE_SECRET=theirs, LINKAGE_CONFIG=named) == (ours, True)
    assert target("-c", named) == (ours, False)
    assert target(LINKAGE_SECRET=theirs) == (theirs, False)
    assert target("-c", named, "--secret", "told", LINKAGE_SECRET=theirs) == ("told", False)


# --- terminals -----------------------------------------------------------------------------------
EVERYWHERE = [
    ("--help",),
    ("event", "list"),
    ("event", "list", "--json"),
    ("event", "show", "1213243"),
    ("event", "show", "1213243", "--json"),
    ("event", "timeline", "1213243"),
    ("event", "timeline", "1213244", "--format", "svg"),
    ("event", "timeline", "1213244", "--format", "mermaid"),
    ("journal", "tail"),
    ("journal", "tail", "--json"),
    ("journal", "export"),
    ("journal", "export", "--format", "csv"),
    ("journal", "verify"),
    ("peers",),
    ("doctor",),
    ("event", "show", "化工厂"),
    ("evnt",),
    ("demo", "--scenario", "alarm"),
]


@pytest.mark.parametrize("encoding", ["gbk", "ascii"])
def test_a_terminal_that_lacks_a_character_shows_a_question_mark(
    tmp_path: Path, alarm_config: Path, encoding: str
) -> None:
    config = str(alarm_config)
    all_done = linkage_each(
        tmp_path / "run", EVERYWHERE, PYTHONIOENCODING=encoding, LINKAGE_CONFIG=config
    )
    for words, done in zip(EVERYWHERE, all_done, strict=True):
        assert b"Traceback" not in done.stderr, (words, done.stderr.decode(encoding))
        assert done.returncode == (1 if "化工厂" in words else 2 if "evnt" in words else 0), words
        if not {"svg", "mermaid", "csv"} & set(words):
            done.stdout.decode(encoding)
        done.stderr.decode(encoding)
    shown = all_done[EVERYWHERE.index(("event", "list"))]
    title = "化工厂火灾" if encoding == "gbk" else "?????"
    assert title in shown.stdout.decode(encoding)


def test_an_argument_that_is_no_text_here_is_misuse(alarm_config: Path) -> None:
    for words in (("event", "show", "化工厂"), ("event", "timeline", "化工厂")):
        done = linkage(
            *words, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0",
            LINKAGE_CONFIG=str(alarm_config),
        )  # fmt: skip
        assert done.returncode == 2
        assert b"set LANG to its locale" in done.stderr
        assert b"Traceback" not in done.stderr


def test_what_is_a_file_by_nature_is_utf_8_whatever_the_terminal_is(
    tmp_path: Path, alarm_config: Path
) -> None:
    commands = (
        ("event", "timeline", "1213243", "--format", "svg"),
        ("event", "timeline", "1213243", "--format", "mermaid"),
        ("journal", "export", "--format", "csv"),
        ("event", "list", "--json"),
    )
    config = str(alarm_config)
    shown = [
        linkage_each(
            tmp_path / encoding, commands, PYTHONIOENCODING=encoding, LINKAGE_CONFIG=config
        )
        for encoding in ("utf-8", "gbk")
    ]
    for words, *both in zip(commands, *shown, strict=True):
        plain, strange = (done.stdout for done in both)
        if "--json" in words:
            import json

            assert json.loads(plain) == json.loads(strange)
            assert strange.isascii()
        else:
            assert plain == strange
            assert "化工厂火灾" in plain.decode() or "csv" in words


def test_every_time_that_people_are_shown_names_its_zone(
    tmp_path: Path, alarm_config: Path
) -> None:
    commands: list[tuple[str, ...]] = [
        ("event", "list"),
        ("event", "show", "1213243"),
        ("journal", "tail"),
        ("peers",),
        ("peer", "show", "desk"),
        ("peer", "rotate", "desk"),
        ("event", "timeline", "1213243"),
    ]
    *all_done, timeline = linkage_each(
        tmp_path / "run", commands, LINKAGE_CONFIG=str(alarm_config)
    )
    for words, done in zip(commands, all_done, strict=False):
        shown = done.stdout.decode()
        found = [match.end() for match in TIME.finditer(shown)]
        assert all(shown[end : end + 6] == "+08:00" for end in found), shown
        assert ZONED.search(shown) or words in {("peers",), ("peer", "show", "desk")}
    assert timeline.stdout.decode().splitlines()[1].startswith("2026-11-22 16:00:00+08:00 ")


# --- lists ---------------------------------------------------------------------------------------
@pytest.fixture
def long_events(tmp_path: Path) -> Path:
    from tests.conftest import CONFIG

    path = tmp_path / "linkage.toml"
    path.write_text(CONFIG)
    writer = Writer(tmp_path / "data" / "linkage.db")
    for event_id, title in LONG.items():
        writer.say(DESK, m.CreateEvent(event_id=event_id, title=title))
    writer.close()
    return path


LONG = {
    "20261122-FIRE-000001": "化工厂火灾，三号储罐泄漏，请求增援，附近居民正在疏散，消防已到场" * 2,
    "20261122-FIRE-000002": "a title of words that goes on and on for longer than terminals",
    "事件二〇二六年十一月二十二日第一号甲乙丙": "全宽编号",
    "1": "",
}


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_event_ids_are_whole_and_titles_are_cut(long_events: Path, width: int) -> None:
    done = linkage("event", "list", COLUMNS=str(width), LINKAGE_CONFIG=str(long_events))
    lines = done.stdout.decode().splitlines()
    text = "\n".join(lines)
    assert max(map(cells, lines)) <= width
    for event_id, title in LONG.items():
        assert any(line.split()[0] == event_id for line in lines)
        assert title[:2] in text
    assert "…" in text
    assert len(lines) <= 5 or width < 120


def test_an_event_keeps_to_one_line_where_its_owner_need_not_be_said(alarm_config: Path) -> None:
    done = linkage("event", "list", COLUMNS="60", LINKAGE_CONFIG=str(alarm_config))
    heads, *lines = done.stdout.decode().splitlines()
    assert heads.split() == ["EventId", "status", "opened", "ops", "title"]
    assert [line.split()[0] for line in lines] == ["1213244", "1213243"]
    assert max(map(cells, lines)) <= 60
    assert "…" in lines[1]


def test_a_list_that_is_piped_is_eighty_wide(long_events: Path) -> None:
    lines = linkage("event", "list", LINKAGE_CONFIG=str(long_events)).stdout.decode().splitlines()
    assert max(map(cells, lines)) <= 80
    assert all(any(line.split()[0] == event_id for line in lines) for event_id in LONG)


# --- Ctrl-C --------------------------------------------------------------------------------------
@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*LINKAGE, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_ctrl_c_ends_what_runs_until_it_is_stopped_with_status_0(alarm_config: Path) -> None:
    with running("journal", "tail", "-f", "-c", alarm_config) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_ctrl_c_leaves_what_a_conformance_run_has_found(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    words = ("--role", "platform", "127.0.0.1:0", "--secret", "x" * 20, "--junit", report)
    with running("conformance", *words) as kit:
        assert kit.stdout is not None
        assert "the kit waits" in kit.stdout.readline()
        kit.send_signal(signal.SIGINT)
        output, errors = kit.communicate(timeout=60)
    assert (kit.returncode, errors) == (130, "")
    assert "stopped before its end" in output
    assert "not run: the kit was stopped" in report.read_text()


def test_ctrl_c_leaves_what_a_load_has_measured(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path, "--listen", "127.0.0.1:0", "--peer", "platform:pbx")
    config = tmp_path / "linkage.toml"
    with running("serve", "--json", "-c", config) as server:
        assert server.stdout is not None
        port = server.stdout.readline().rpartition(":")[2].strip(' "]}\n')
        words = ("--port", port, "--rate", "50", "--seconds", "3600", "--warm-up", "0")
        with running("simulate", "load", *words, "-c", config) as load:
            while not _journalled(run, config):
                time.sleep(0.05)
            load.send_signal(signal.SIGINT)
            output, errors = load.communicate(timeout=60)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert load.returncode == 130, errors
    assert "stopped after" in output
    assert re.search(r"[1-9]\d* answered", output)
    assert "to the answer" in output


def _journalled(run: Run, config: Path) -> bool:
    return " 100 IncomingCallNotice" in run("journal", "tail", "-c", config).stdout
