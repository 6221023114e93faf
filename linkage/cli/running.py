"""Running something until it is told to stop: the event loop and signals."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
YOUNG_OBJECTS: Final = 20_000
"""How many objects more than were let go of bring the garbage collector round: those of some
hundred messages. Python's own 700 are meant for programs that make fewer."""


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


def collect_seldom() -> None:
    """Keep the garbage collector from what stays until the end: modules, classes, configuration.

    For a process that serves, once it has started. The collector walks over all that again and
    again while messages come, which took a quarter of the core's time. What becomes garbage from
    now on is found as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


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
