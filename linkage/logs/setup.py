"""The log goes to stderr: lines for people, or one JSON object to a line.

Files, their rotation and their way to elsewhere are the work of whoever runs linkage: systemd's
journal, a container's runtime, a shell. Where stderr is the journal, each line carries its level
(`<4>`, sd-daemon(3)), so that `journalctl -p warning` finds it, and a line for people leaves the
time to the journal.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import structlog

from linkage.config.file import Config
from linkage.logs.context import add_subject
from linkage.logs.masking import mask_event
from linkage.logs.redaction import Redactor, SecretsOf
from linkage.logs.writer import BackgroundHandler
from linkage.timeline.terminal_text import harmless
from linkage.times import full_time

Event = MutableMapping[str, Any]
Secrets = Callable[[], Iterable[str]]

FIRST: Final = ("timestamp", "level", "logger", "event")
"""How a line begins."""
PRIORITIES: Final[Mapping[str, int]] = {
    "critical": 2,
    "error": 3,
    "warning": 4,
    "info": 6,
    "debug": 7,
}


def log_as_configured(
    config: Config, *, level: str | None = None, as_json: bool = False
) -> SecretsOf:
    """Log as `[log]` says; the command line's `level` and `as_json` go before it.

    Returns what is hidden in it, to be told of a configuration that is read again.
    """
    log = config.log
    hidden = SecretsOf(config)
    set_up_logging(
        level=level or log.level,
        as_json=as_json or log.format == "json",
        levels=log.levels,
        messages=log.messages,
        mask_numbers=log.mask_numbers,
        secrets=hidden,
        background=True,
    )
    return hidden


def set_up_logging(
    *,
    level: str = "info",
    as_json: bool = False,
    levels: Mapping[str, str] | None = None,
    messages: bool = False,
    mask_numbers: bool = False,
    secrets: Secrets = tuple,
    stream: TextIO | None = None,
    background: bool = False,
) -> None:
    """Log to stderr, and nowhere else.

    Args:
        level: the least that is told.
        as_json: one JSON object to a line.
        levels: other least levels, by logger.
        messages: also a line for every message that was accepted or delivered.
        mask_numbers: show phone numbers by their last two digits only.
        secrets: texts that must never show, asked for now and then.
        stream: instead of stderr.
        background: write in a thread of its own, so that nobody waits for who reads the log.
    """
    stream = sys.stderr if stream is None else stream
    handler: logging.Handler = (
        BackgroundHandler(stream) if background else logging.StreamHandler(stream)
    )
    handler.setFormatter(
        make_formatter(
            as_json=as_json,
            mask_numbers=mask_numbers,
            secrets=secrets,
            colours=stream.isatty(),
            journal=_is_journal(stream),
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # How a migration library sets itself up is nobody's business but its own.
    chosen = {"alembic": "warning", **(levels or {})}
    if messages:
        chosen.setdefault("linkage.messages", "debug")
    for name, least in chosen.items():
        logging.getLogger(name).setLevel(least.upper())


def make_formatter(
    *,
    as_json: bool,
    mask_numbers: bool = False,
    secrets: Secrets = tuple,
    colours: bool = False,
    journal: bool = False,
) -> logging.Formatter:
    """Formats records of the standard library's loggers, with the fields of their context."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True) if as_json else _stamp
    gather: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_subject,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        *([stamp] if as_json or not journal else []),
        structlog.processors.format_exc_info,
        Redactor(secrets),
    ]
    finish: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([mask_event] if mask_numbers else []),
        _in_order,
    ]
    if as_json:
        finish.append(structlog.processors.JSONRenderer())
    else:
        finish += [_harmless, _console(colours=colours)]
    if journal:
        finish[-1] = _WithPriority(finish[-1])
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=gather, processors=finish)


def _console(*, colours: bool) -> Any:
    return structlog.dev.ConsoleRenderer(
        0,
        colors=colours,
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,
    )


def _in_order(_logger: Any, _name: str, event: Event) -> Event:
    ordered = {name: event[name] for name in FIRST if name in event}
    return ordered | dict(event)


def _stamp(_logger: Any, _name: str, event: Event) -> Event:
    """As the commands print times, so that both can be laid side by side."""
    record: logging.LogRecord = event["_record"]
    event["timestamp"] = full_time(datetime.fromtimestamp(record.created, UTC))
    return event


def _harmless(_logger: Any, _name: str, event: Event) -> Event:
    """What a peer said cannot move the cursor; tracebacks keep their lines."""
    for name, value in event.items():
        if name in {"exception", "stack"} and isinstance(value, str):
            event[name] = "\n".join(harmless(line) for line in value.split("\n"))
        elif isinstance(value, str):
            event[name] = harmless(value)
        elif value is not None and not isinstance(value, bool | int | float):
            event[name] = harmless(repr(value))
    return event


class _WithPriority:
    """Another renderer's lines, each with the level by which the journal files it."""

    def __init__(self, render: Any) -> None:
        self._render = render

    def __call__(self, logger: Any, name: str, event: Event) -> str:
        prefix = f"<{PRIORITIES.get(str(event.get('level')), 6)}>"
        text: str = self._render(logger, name, event)
        return "\n".join(prefix + line for line in text.split("\n"))


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd's journal reads the stream: JOURNAL_STREAM names its device and inode."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False  # such as a stream of a test that is no file
    return named == f"{found.st_dev}:{found.st_ino}"
