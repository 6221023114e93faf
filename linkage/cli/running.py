"""Running something until it is told to stop: the event loop, signals, the log."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from linkage.timeline.cells import harmless

T = TypeVar("T")

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
LEVELS: Final = ("debug", "info", "warning", "error")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where it is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def until_stopped(work: Callable[[], Awaitable[None]]) -> None:
    """Run until it ends or SIGINT or SIGTERM comes, then cancel it and wait for its end.

    A second signal is not caught: it ends the process at once.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopped.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    task = asyncio.ensure_future(work())  # noqa: TID251 - owned here, awaited below
    waiting = loop.create_task(stopped.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (task, waiting):
            one.cancel()
        results = await asyncio.gather(task, waiting, return_exceptions=True)
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
    if isinstance(results[0], Exception):
        raise results[0]


class HarmlessFormatter(logging.Formatter):
    """Log lines for people: what a peer said in them cannot move the cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, tracebacks on lines of their own."""
        return "\n".join(harmless(line) for line in super().format(record).split("\n"))


def set_up_logging(*, level: str, as_json: bool, mask_numbers: bool = False) -> None:
    """Log to stderr: lines for people, or one JSON object to a line; without phone numbers."""
    handler = logging.StreamHandler(sys.stderr)
    formatter: logging.Formatter
    if as_json:
        formatter = _json_formatter(mask_numbers=mask_numbers)
    else:
        formatter = HarmlessFormatter(
            "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"
        )
        if mask_numbers:
            from linkage.masking import MaskingFormatter

            formatter = MaskingFormatter(formatter)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # How a migration library sets itself up is nobody's business but its own.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _json_formatter(*, mask_numbers: bool) -> logging.Formatter:
    import structlog

    from linkage.masking import mask_event

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([mask_event] if mask_numbers else []),
            structlog.processors.JSONRenderer(),
        ],
    )
