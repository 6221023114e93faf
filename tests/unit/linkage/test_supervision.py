from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from linkage.clock import ManualClock
from linkage.ports import (
    AdapterError,
    AdapterRefusedError,
    AdapterReplacedError,
    AdapterUnavailableError,
)
from linkage.supervision import Backoff, Supervisor, TaskSet, describe, find_refusal


class Script:
    """A job that does one step of a list per run, then hangs; records the pauses between."""

    def __init__(self, clock: ManualClock, steps: list[Exception | float | None]) -> None:
        self.clock = clock
        self.steps: Iterator[Exception | float | None] = iter(steps)
        self.pauses: list[float] = []
        self.ends: list[tuple[Exception | None, float]] = []
        self.exhausted = asyncio.Event()

    async def job(self) -> None:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if step is not None:
                self.clock.advance(step)
            return
        self.exhausted.set()
        await asyncio.Event().wait()

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def ended(self, error: Exception | None, pause_s: float) -> None:
        self.ends.append((error, pause_s))

    def supervisor(self, backoff: Backoff | None = None, jitter: float = 1.0) -> Supervisor:
        return Supervisor(
            "job",
            self.job,
            clock=self.clock,
            backoff=backoff,
            ended=self.ended,
            sleep=self.sleep,
            jitter=lambda: jitter,
        )


async def run_to_the_end_of(script: Script, supervisor: Supervisor) -> None:
    task = asyncio.get_running_loop().create_task(supervisor.run())
    async with asyncio.timeout(30):
        await script.exhausted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_pause_doubles_up_to_a_minute() -> None:
    script = Script(ManualClock(), [AdapterUnavailableError("gone")] * 9)
    await run_to_the_end_of(script, script.supervisor())
    assert script.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_the_pause_is_drawn_by_lot() -> None:
    script = Script(ManualClock(), [OSError("gone")] * 3)
    await run_to_the_end_of(script, script.supervisor(jitter=0.25))
    assert script.pauses == [0.25, 0.5, 1.0]


async def test_a_job_that_ran_long_starts_again_at_the_shortest_pause() -> None:
    script = Script(ManualClock(), [OSError(), OSError(), OSError(), 61.0, OSError()])
    await run_to_the_end_of(script, script.supervisor())
    assert script.pauses == [1, 2, 4, 1, 2]


async def test_a_job_that_returns_is_run_again() -> None:
    script = Script(ManualClock(), [None, None])
    await run_to_the_end_of(script, script.supervisor())
    assert script.ends == [(None, 1.0), (None, 2.0)]


@pytest.mark.parametrize("kind", [AdapterRefusedError, AdapterReplacedError])
async def test_what_does_not_pass_by_itself_is_tried_again_at_the_longest_pause(
    kind: type[AdapterError],
) -> None:
    script = Script(ManualClock(), [OSError("first"), kind("wrong password"), kind("still")])
    await run_to_the_end_of(script, script.supervisor(Backoff(most_s=5.0)))
    assert script.pauses == [1.0, 5.0, 5.0]


async def test_so_is_what_a_task_group_has_wrapped() -> None:
    group = ExceptionGroup("tasks", [OSError(), ExceptionGroup("", [AdapterRefusedError("no")])])
    script = Script(ManualClock(), [group])
    await run_to_the_end_of(script, script.supervisor())
    assert script.ends == [(group, 60.0)]


async def test_one_reason_is_logged_once_however_often_it_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    script = Script(ManualClock(), [*[OSError("gone")] * 4, OSError("busy"), OSError("gone")])
    await run_to_the_end_of(script, script.supervisor())
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "job: OSError: gone",
        "job: OSError: busy",
        "job: OSError: gone",
    ]


async def test_a_failing_listener_does_not_end_the_supervision() -> None:
    script = Script(ManualClock(), [OSError(), OSError()])

    async def fail(error: Exception | None, pause_s: float) -> None:
        raise RuntimeError("the journal is full")

    supervisor = Supervisor(
        "job",
        script.job,
        clock=script.clock,
        ended=fail,
        sleep=script.sleep,
        jitter=lambda: 1.0,
    )
    await run_to_the_end_of(script, supervisor)
    assert script.pauses == [1, 2]


def test_a_week_of_failures_does_not_overflow() -> None:
    assert Backoff().pause(1_000_000, 1.0) == 60.0


def test_errors_are_told_in_one_line() -> None:
    assert describe(OSError("two\nlines")) == "OSError: two lines"
    assert describe(ExceptionGroup("g", [ValueError("inner")])) == "ValueError: inner"
    assert describe(TimeoutError()) == "TimeoutError"
    assert find_refusal(OSError()) is None
    assert find_refusal(ExceptionGroup("g", [OSError()])) is None


async def test_a_task_set_waits_then_cancels() -> None:
    tasks = TaskSet("test")
    release = asyncio.Event()
    done: list[str] = []

    async def quick() -> None:
        await release.wait()
        done.append("quick")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("cancelled")

    tasks.start(quick(), "quick")
    tasks.start(endless(), "endless")
    assert len(tasks) == 2
    await asyncio.sleep(0)
    release.set()
    await tasks.close(grace_s=0.05)
    assert done == ["quick", "cancelled"]
    assert len(tasks) == 0


async def test_a_failed_task_is_logged_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet("test")

    async def fail() -> None:
        raise RuntimeError("boom")

    with caplog.at_level(logging.ERROR, "linkage.supervision"):
        tasks.start(fail(), "failing")
        await tasks.close(grace_s=5)
    assert "test:failing failed: boom" in caplog.text
