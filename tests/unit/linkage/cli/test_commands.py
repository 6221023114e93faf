"""What holds for every command: help, misuse, errors in one line, interruption, speed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from linkage.cli.commands import COMMANDS, EVENT, JOURNAL, SIMULATE, cli
from linkage.config.problems import ConfigError
from tests.unit.linkage.cli.conftest import Run

EVERY = [
    *[(name,) for name in COMMANDS],
    *[("event", name) for name in EVENT],
    *[("journal", name) for name in JOURNAL],
    *[("simulate", name) for name in SIMULATE],
]
HEAVY = ("sqlalchemy", "pydantic", "lxml", "rich", "asyncio", "aiohttp", "linkage.server")


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_that_is_listed_exists_and_has_help(
    run: Run, words: tuple[str, ...]
) -> None:
    result = run(*words, "--help")

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: linkage {' '.join(words)}")
    assert max(len(line) for line in result.output.splitlines()) <= 80


def test_help_lists_the_commands_in_the_order_of_a_newcomers_walk(run: Run) -> None:
    result = run("--help")

    places = [result.output.index(f"  {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from linkage.cli import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_store_is_declared_without_the_dialect_of_another_database() -> None:
    code = (
        "import sys\n"
        "import linkage.store.sql.tables\n"
        "print([name for name in sys.modules if name.endswith('dialects.postgresql')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("event",),
        ("event", "show"),
        ("event", "timeline", "1", "--format", "png"),
        ("journal", "tail", "-n", "many"),
        ("demo", "--scenario", "flood"),
        ("demo", "-c", "linkage.toml"),
        ("init",),
    ],
    ids=" ".join,
)
def test_misuse_ends_with_status_2(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_a_missing_configuration_is_one_line_with_a_remedy(run: Run, tmp_path: Path) -> None:
    result = run("event", "list", "-c", tmp_path / "nowhere.toml")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        (
            f"linkage: {tmp_path}/nowhere.toml: no such file; "
            "make one with `linkage init DIR`, or name yours with -c FILE"
        )
    ]


def test_every_problem_of_a_configuration_is_a_line_of_its_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('colour = "red"\nlisten = ["everywhere"]\n')

    result = run("peers", "-c", path)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert "colour: is not a setting" in result.stderr


def test_the_configuration_comes_from_the_environment_or_this_directory(
    run: Run, alarm_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("event", "list", env={"LINKAGE_CONFIG": str(alarm_config)}).exit_code == 0
    monkeypatch.chdir(alarm_config.parent)
    assert run("event", "list").exit_code == 0


def test_a_store_that_is_not_there_yet_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text("")

    result = run("event", "list", "-c", path)

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "no store yet; it is made by `linkage serve`" in result.stderr


def test_an_interruption_is_no_error_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "get_command", lambda *_: interrupted)

    result = run("interrupted")

    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_hostile_text_in_an_error_cannot_steer_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> None:
        raise ConfigError(["\x1b[2Jgone"])

    monkeypatch.setattr(cli, "get_command", lambda *_: failing)

    assert run("failing").stderr == "linkage: \\e[2Jgone\n"


def test_an_error_of_ours_is_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "get_command", lambda *_: broken)

    assert isinstance(run("broken").exception, ZeroDivisionError)


def test_a_reader_that_has_seen_enough_ends_the_output_quietly(alarm_config: Path) -> None:
    command = f"{sys.executable} -m linkage journal export -c {alarm_config} | true"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""


def test_a_package_that_shadows_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "protocol.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import linkage"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[4]}"},
    )  # fmt: skip

    assert done.returncode == 1
    assert f"but Python finds {tmp_path}/protocol.py first: rename" in done.stderr
