"""Nobody waits for who reads the log."""

from __future__ import annotations

import io
import json
import logging
import threading

import pytest

from linkage.logs.setup import make_formatter
from linkage.logs.writer import WAITING_MAX, BackgroundHandler


class Stalled(io.StringIO):
    """A pipe that nobody empties, until somebody does."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = threading.Event()
        self.emptied = threading.Event()

    def write(self, text: str) -> int:
        self.stuck.set()
        assert self.emptied.wait(30)
        return super().write(text)


class Gone(io.StringIO):
    def write(self, text: str) -> int:  # noqa: ARG002 - as the base class has it
        raise BrokenPipeError


def handler_to(stream: io.StringIO) -> BackgroundHandler:
    handler = BackgroundHandler(stream)
    handler.setFormatter(make_formatter(as_json=True))
    return handler


def record(number: int = 0) -> logging.LogRecord:
    return logging.LogRecord("tests", logging.INFO, "", 1, "line %d", (number,), None)


def test_lines_come_in_order_and_the_last_before_the_end() -> None:
    stream = io.StringIO()
    handler = handler_to(stream)
    for number in range(1000):
        handler.handle(record(number))
    handler.close()
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == [f"line {number}" for number in range(1000)]
    assert handler.lines == {"info": 1000}


def test_a_log_that_is_not_read_drops_lines_and_says_so_when_it_is() -> None:
    stream = Stalled()
    handler = handler_to(stream)
    handler.handle(record())
    assert stream.stuck.wait(10)
    for number in range(WAITING_MAX + 3):
        handler.handle(record(number))
    assert handler.dropped == 3
    stream.emptied.set()
    handler.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1 + WAITING_MAX + 1
    assert lines[-1]["event"] == "3 lines of the log were dropped here: they could not be written"
    assert lines[-1]["level"] == "warning"


def test_a_log_that_nobody_reads_any_more_is_nobody_s_failure() -> None:
    handler = handler_to(Gone())
    handler.handle(record())
    handler.close()
    assert handler.dropped == 1


def test_a_line_that_cannot_be_formatted_costs_that_line_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # it would write to stderr
    stream = io.StringIO()
    handler = handler_to(stream)
    handler.handle(logging.LogRecord("tests", logging.INFO, "", 1, "%d", ("x",), None))
    handler.handle(record(7))
    handler.close()
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["line 7"]


class Sulking(logging.Formatter):
    """Fails at the line that says how many were dropped."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == "linkage.logs":
            raise RuntimeError("a bug of a processor")
        return super().format(record)


def test_a_bug_at_a_line_of_its_own_does_not_end_the_log() -> None:
    stream = Stalled()
    handler = handler_to(stream)
    handler.setFormatter(Sulking())
    handler.handle(record())
    assert stream.stuck.wait(10)
    for number in range(WAITING_MAX + 1):
        handler.handle(record(number))
    stream.emptied.set()
    handler.flush()
    handler.handle(record(7))
    handler.close()
    assert stream.getvalue().splitlines()[-1] == "line 7"
