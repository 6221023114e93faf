"""Lines of the log: their form, and that no secret and no trick gets through."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkage.config.file import read_config
from linkage.config.problems import ConfigError
from linkage.logs.redaction import SecretsOf, secrets_of
from linkage.logs.setup import make_formatter
from linkage.times import full_time
from tests.fakes.logged import Log, logging_to

logger = logging.getLogger("tests.lines")

TOML = """
[log]
level = "warning"
format = "json"
messages = true
levels = { "linkage.gateway" = "debug" }

[[peer]]
id = "desk"
role = "application"
secret = "a secret of the tests"

[[adapter]]
id = "asterisk1"
kind = "asterisk"

[adapter.settings]
user = "linkage"
password = "hunter22"

[adapter.settings.trunk]
token = "tok-abcdef"
"""


def test_json_has_one_object_to_a_line_with_time_level_and_logger_first() -> None:
    with logging_to(Log()) as log:
        logger.info("call of %s\nforged", "desk", extra={"peer": "desk", "event_id": "E1"})
    (line,) = log.lines
    assert list(line)[:4] == ["timestamp", "level", "logger", "event"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"]) == ("info", "tests.lines")
    assert line["event"] == "call of desk\nforged"
    assert (line["peer"], line["event_id"]) == ("desk", "E1")


@pytest.mark.parametrize("zone", ["CST-8", "UTC0", "XXX+3:30"])
def test_a_line_for_people_says_when_it_was_and_in_which_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with logging_to(Log(), as_json=False) as log:
            record = logging.LogRecord("tests", logging.INFO, __file__, 0, "now", (), None)
            record.created = 1_795_000_000.25
            logging.getLogger().handle(record)
        written = log.getvalue()
        shown = full_time(datetime.fromtimestamp(record.created, UTC))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert written.startswith(f"{shown} [info")
    offsets = {"CST-8": "+08:00", "UTC0": "+00:00", "XXX+3:30": "-03:30"}
    assert shown.endswith(f".250{offsets[zone]}")


def test_lines_for_people_cannot_be_forged_by_what_peers_say() -> None:
    with logging_to(Log(), as_json=False) as log:
        logger.info("call of %s", "x\n\x1b[2Jforged", extra={"peer": "p\r\u202e", "odd": [b"\n"]})
    text = log.getvalue()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\\e[2Jforged" in text
    assert "peer=" in text


def test_tracebacks_for_people_keep_their_lines() -> None:
    with logging_to(Log(), as_json=False) as log:
        try:
            raise ValueError("a\x1b[31m")  # noqa: TRY301 - to be logged
        except ValueError:
            logger.exception("failed")
    lines = log.getvalue().splitlines()
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "ValueError: a\\e[31m"


class Terminal(Log):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_only() -> None:
    with logging_to(Terminal(), as_json=False) as terminal:
        logger.warning("x")
    with logging_to(Log(), as_json=False) as pipe:
        logger.warning("x")
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in pipe.getvalue()


def test_least_levels_are_per_logger_and_messages_have_their_own() -> None:
    with logging_to(Log(), level="warning", levels={"tests.lines": "debug"}, messages=True) as log:
        logger.debug("one")
        logging.getLogger("tests.other").info("two")
        logging.getLogger("linkage.messages").debug("three")
    assert [line["event"] for line in log.lines] == ["one", "three"]


def test_the_journal_is_told_each_line_s_level_and_knows_the_time_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stderr"
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        with logging_to(stream, as_json=False):  # type: ignore[arg-type]  # a file instead
            try:
                raise ValueError("a")  # noqa: TRY301 - to be logged
            except ValueError:
                logger.exception("failed")
            logger.info("fine")
    lines = path.read_text().splitlines()
    assert all(line.startswith("<3>") for line in lines[:-1])
    assert lines[-1].startswith("<6>[info")


def test_a_terminal_is_not_taken_for_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    with logging_to(Log(), as_json=False) as log:
        logger.info("x")
    assert not log.getvalue().startswith("<")


def test_secrets_do_not_get_through_wherever_they_stand() -> None:
    secrets = ["hunter22", "hunter22-and-more"]
    formatter = make_formatter(as_json=True, secrets=lambda: secrets)
    try:
        raise ValueError("401 for hunter22-and-more")  # noqa: TRY301 - to be logged
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("tests", logging.ERROR, "", 1, "at %s", ("hunter22",), info)
    record.__dict__["settings"] = {"password": ["hunter22"]}
    record.__dict__["url"] = "amqp://user:p4ss@host/x"
    line = formatter.format(record)
    assert "hunter22" not in line
    assert "and-more" not in line
    shown = json.loads(line)
    assert shown["settings"] == {"password": ["[secret]"]}
    assert shown["url"] == "amqp://user:[secret]@host/x"


class Disk:
    """Where secrets lie. It hangs until it is let go, but for the first time."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = list(secrets)
        self.free = threading.Event()
        self.readers: list[threading.Thread] = []

    def __call__(self) -> list[str]:
        reader = threading.current_thread()
        self.readers.append(reader)
        if len(self.readers) > 1:
            assert reader is not threading.main_thread(), "who writes a line waits for the disk"
            assert self.free.wait(20)
        return list(self.secrets)


@pytest.mark.parametrize("after_s", [31, -7 * 86_400], ids=["later", "clock-set-back"])
def test_a_secret_that_is_rotated_is_soon_known_and_nobody_waits_for_it(after_s: float) -> None:
    disk = Disk("old-secret")
    formatter = make_formatter(as_json=True, secrets=disk)
    record = logging.LogRecord("tests", logging.INFO, "", 1, "old-secret new-secret", (), None)
    assert "[secret] new-secret" in formatter.format(record)
    disk.secrets.append("new-secret")
    record.created += after_s
    for _ in range(3):
        assert "[secret] new-secret" in formatter.format(record), "it is being read"
    record.created += after_s
    formatter.format(record)
    assert len(disk.readers) == 2, "one at a time"
    disk.free.set()
    disk.readers[1].join(20)
    assert "[secret] [secret]" in formatter.format(record)


def test_what_a_configuration_says_that_is_read_again_is_hidden_too(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(TOML)
    hidden = SecretsOf(read_config(path))
    path.write_text(TOML.replace("hunter22", "hunter23"))
    hidden.add(read_config(path))
    assert {"hunter22", "hunter23"} <= set(hidden())
    for _ in range(100):
        hidden.add(read_config(path))
    assert len(list(hidden())) < 100


def test_the_secrets_of_a_configuration_are_those_of_peers_and_adapters(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(TOML)
    config = read_config(path)
    assert set(secrets_of(config)) == {"a secret of the tests", "hunter22", "tok-abcdef"}
    assert config.log.levels == {"linkage.gateway": "debug"}
    assert (config.log.level, config.log.format, config.log.messages) == ("warning", "json", True)


def test_a_level_that_is_none_is_told_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('[log]\nlevel = "loud"\n')
    with pytest.raises(ConfigError, match=r"log\.level: .*'debug', 'info', 'warning' or 'error'"):
        read_config(path)
