"""Running something until it is told to stop: the event loop and signals."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

GC_THRESHOLDS: Final = (20_000, 20, 20)
"""How many objects more than were let go of bring the collector round: those of some hundred
messages, Python's own 700 are meant for programs that make fewer; and how often for the older."""
SWITCH_EVERY_S: Final = 0.001
"""How long a thread that computes keeps another waiting."""
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


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


@contextmanager
def settled_in() -> Iterator[None]:
    """Within it the interpreter is tuned for serving; enter it when everything is set up.

    What is there then stays, so that the collector need never look at it, and it looks at the rest
    seldom: messages leave no cycles behind, and looking for them had cost a quarter of all
    processor time. And a thread that computes gives way sooner: whatever the event loop sends, it
    lets the core's thread run, and had to wait 5 ms to go on.
    """
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_EVERY_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def hung_up() -> Iterator[asyncio.Event]:
    """Set at each SIGHUP, which else would end the process; where there is none, never."""
    event = asyncio.Event()
    number = getattr(signal, "SIGHUP", None)
    loop = asyncio.get_running_loop()
    if number is not None:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        if number is not None:
            loop.remove_signal_handler(number)


class Stop(asyncio.Event):
    """Set by a signal; `interrupted` when it was the user's Ctrl-C."""

    interrupted = False


@contextmanager
def told_to_stop() -> Iterator[Stop]:
    """Set at the first SIGINT or SIGTERM; a second is not caught: it ends the process at once."""
    stopped = Stop()
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    def stop(number: int) -> None:
        stopped.interrupted = number == signal.SIGINT
        stopped.set()
        let_go()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    finally:
        let_go()


async def until_stopped(work: Callable[[], Awaitable[None]]) -> None:
    """Run until it ends or SIGINT or SIGTERM comes, then cancel it and wait for its end.

    A second signal is not caught: it ends the process at once.
    """
    with told_to_stop() as stopped:
        task = asyncio.ensure_future(work())  # noqa: TID251 - owned here, awaited below
        waiting = asyncio.get_running_loop().create_task(stopped.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (task, waiting):
                one.cancel()
            results = await asyncio.gather(task, waiting, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]
