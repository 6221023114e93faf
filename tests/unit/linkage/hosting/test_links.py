"""A link that the core closes: the adapter is adopted and run again, unless it was replaced."""

from __future__ import annotations

import asyncio

import pytest

from linkage.clock import ManualClock
from linkage.hosting import AdapterHost, AdapterState, LinkClosedError
from linkage.ports import (
    AdapterPort,
    EntryKind,
    LinkPort,
    Outcome,
)
from protocol.envelope import Request
from protocol.results import Result
from tests.fakes.core import FakeCore
from tests.fakes.hosted_adapter import (
    Pauses,
    Scripted,
    answer_to,
    hang_up,
    incoming,
    ran,
)


def close_as_the_core_does(core: FakeCore, host: AdapterHost, reason: str) -> None:
    core.closed(host, reason)
    host.close(reason)
    host.close("twice")


def close_at_the_next_taking(core: FakeCore) -> None:
    """The core closes a link while it is being taken; once."""

    def fail_once(link: LinkPort) -> None:
        core.at_begin = None
        core.closed(link, "internal error")
        link.close("internal error")

    core.at_begin = fail_once


async def test_an_adapter_whose_link_the_core_closed_is_adopted_and_run_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    await adapter.emit(incoming())
    close_as_the_core_does(core, host, "internal error")
    assert host.state.value == "down"
    host.push(hang_up("1"))

    await ran(adapter, 2)

    assert adapter.begun == []
    assert core.live == {"asterisk": host}
    assert core.begun == [host, host]
    assert pauses.asked == [1]
    assert host.state is AdapterState.CONNECTING
    await adapter.emit(incoming())
    assert (await answer_to(host, core, hang_up("2"))).accepted
    await core.until(lambda: len(core.notes) == 2)
    assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]
    assert [note.source for note in core.notes] == ["asterisk", "asterisk"]
    assert core.notes[0].detail == "asterisk is down: the core closed its link: internal error"


async def test_the_core_may_close_the_link_again_and_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    for times in (2, 3, 4):
        close_as_the_core_does(core, host, "internal error")
        await ran(adapter, times)
    assert pauses.asked == [1, 2, 4]
    assert core.kinds() == [EntryKind.ALARM]
    assert len(host._tasks) == 1  # one supervisor


async def test_a_link_closed_while_it_is_taken_is_tried_again_after_a_longer_pause(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    close_at_the_next_taking(core)
    close_as_the_core_does(core, host, "internal error")
    await ran(adapter, 2)
    assert pauses.asked == [1, 2]
    assert core.live == {"asterisk": host}


async def test_a_link_closed_at_its_first_taking_starts_nevertheless(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> None:
    close_at_the_next_taking(core)
    host = AdapterHost(adapter, core, clock, sleep=pauses.sleep)
    await host.start()
    await ran(adapter, 1)
    assert core.live == {"asterisk": host}
    await host.stop()


async def test_commands_in_work_are_answered_once_and_before_the_link_is_taken_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    executing = asyncio.Event()
    answered: list[tuple[int, bool]] = []
    left = asyncio.Event()

    async def slow_to_leave(request: Request) -> Outcome:
        executing.set()
        try:
            await asyncio.Event().wait()
        finally:
            try:
                for _ in range(20):
                    await asyncio.sleep(0)
            finally:
                left.set()
        raise AssertionError

    adapter.executing = slow_to_leave
    host.push(hang_up("1", "c1"))
    host.push(hang_up("2", "c1"))
    async with asyncio.timeout(30):
        await executing.wait()
    core.at_begin = lambda _: answered.append((len(core.answers), left.is_set()))
    close_as_the_core_does(core, host, "internal error")
    await ran(adapter, 2)

    assert answered == [(2, True)], "nor is anything of the adapter's under way any more"
    assert sorted(answer.request_id for answer in core.answers) == ["1", "2"]
    assert {answer.result for answer in core.answers} == {Result.TIMEOUT}


async def test_a_notice_that_met_a_closed_link_is_an_error_for_the_adapter(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    close_as_the_core_does(core, host, "internal error")
    with pytest.raises(LinkClosedError, match="internal error"):
        await adapter.emit(incoming())
    assert core.submitted == []
    await ran(adapter, 2)

    core.gate = asyncio.Event()
    core.refusals = [Result.SESSION_EXPIRED]
    refused = asyncio.Event()

    async def tell() -> None:
        with pytest.raises(LinkClosedError):
            await adapter.emit(incoming())
        refused.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        await core.until(lambda: core.started)
        close_as_the_core_does(core, host, "internal error")
        core.gate.set()
    assert refused.is_set()
    await ran(adapter, 3)
    assert EntryKind.REFUSED not in core.kinds()


async def test_an_adapter_that_a_newer_link_replaced_stays_ended_and_says_so(
    host: AdapterHost,
    core: FakeCore,
    adapter: Scripted,
    clock: ManualClock,
    pauses: Pauses,
    caplog: pytest.LogCaptureFixture,
) -> None:
    newer = AdapterHost(Scripted(adapter.context), core, clock, sleep=pauses.sleep)
    await newer.start()
    await all_tasks_of(host)

    assert host.state.value == "replaced"
    assert "replaced by another instance; stopping" in caplog.text
    assert core.live == {"asterisk": newer}
    assert (adapter.started, pauses.asked, core.notes) == (1, [], [])
    host.push(hang_up("1"))
    assert len(host._tasks) == 0
    await newer.stop()


async def all_tasks_of(host: AdapterHost) -> None:
    async with asyncio.timeout(30):
        while len(host._tasks):  # noqa: ASYNC110 - tasks that end set no event
            await asyncio.sleep(0)


async def test_a_stopped_host_does_not_come_back(
    adapter: Scripted, core: FakeCore, clock: ManualClock
) -> None:
    paused = asyncio.Event()

    async def pause(_: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    host = AdapterHost(adapter, core, clock, sleep=pause)
    await host.start()
    await ran(adapter, 1)
    close_as_the_core_does(core, host, "internal error")
    async with asyncio.timeout(30):
        await paused.wait()
    await host.stop()
    host.close("internal error")

    assert len(host._tasks) == 0
    assert core.live == {}
    assert (core.begun, adapter.started) == ([host], 1)


async def test_an_adapter_that_lets_go_of_its_cancellation_is_not_run_after_the_stop(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> None:
    class Deaf(Scripted):
        async def run(self, port: AdapterPort) -> None:
            try:
                await super().run(port)
            except asyncio.CancelledError:
                return

    deaf = Deaf(adapter.context)
    host = AdapterHost(deaf, core, clock, sleep=pauses.sleep)
    await host.start()
    await ran(deaf, 1)
    close_as_the_core_does(core, host, "internal error")
    await ran(deaf, 2)
    await host.stop()

    assert len(host._tasks) == 0
    assert (deaf.started, core.live) == (2, {})
