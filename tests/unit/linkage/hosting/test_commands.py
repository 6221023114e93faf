"""Commands that an adapter's host carries out, one at a time for each call."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from linkage.clock import ManualClock
from linkage.hosting import AdapterHost
from linkage.hosting.commands import WINDOW
from linkage.ports import (
    AdapterUnavailableError,
    Command,
    CommandError,
    Outcome,
)
from protocol.envelope import Request
from protocol.messages import (
    CreateEvent,
    Hold,
)
from protocol.messages.call import HoldAction
from protocol.results import Result
from tests.fakes.core import FakeCore
from tests.fakes.hosted_adapter import (
    Scripted,
    answer_to,
    hang_up,
)


async def test_the_host_adopts_and_begins_before_anything_else(
    host: AdapterHost, core: FakeCore
) -> None:
    assert core.live == {"asterisk": host}
    assert core.begun == [host]
    assert (host.address, host.window, host.peer_id) == ("adapter", 64, "asterisk")


async def test_a_peer_that_is_not_configured_is_an_error(
    adapter: Scripted, clock: ManualClock
) -> None:
    with pytest.raises(KeyError):
        await AdapterHost(adapter, FakeCore(peers=()), clock).start()


async def test_an_outcome_becomes_the_answer(host: AdapterHost, core: FakeCore) -> None:
    answer = await answer_to(host, core, hang_up("1"))
    assert (answer.result, answer.call_id, answer.detail) == (1, "call-of-ours", "done")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (CommandError(Result.NO_CALL, "no such call"), Result.NO_CALL),
        (AdapterUnavailableError("link down"), Result.UNREACHABLE),
        (AdapterUnavailableError(), Result.UNREACHABLE),
        (TimeoutError(), Result.TIMEOUT),
        (ZeroDivisionError("a bug\nin two lines" + "x" * 5000), Result.INTERNAL),
    ],
)
async def test_an_error_becomes_the_answer(
    host: AdapterHost, core: FakeCore, adapter: Scripted, error: Exception, result: Result
) -> None:
    async def fail(request: Request) -> Outcome:
        raise error

    adapter.executing = fail
    answer = await answer_to(host, core, hang_up("1"))
    assert answer.result == result
    assert answer.detail
    assert "\n" not in answer.detail
    assert len(answer.detail) <= 1000
    adapter.executing = adapter.accept
    assert (await answer_to(host, core, hang_up("2"))).accepted


async def test_what_is_no_outcome_is_an_error_of_the_adapter(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    async def nonsense(request: Request) -> Outcome:
        return "fine"  # type: ignore[return-value]  # the nonsense is the point

    adapter.executing = nonsense
    assert (await answer_to(host, core, hang_up("1"))).result == Result.INTERNAL


async def test_a_hanging_platform_is_answered_for(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    async def hang(request: Request) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    adapter.executing = hang
    assert (await answer_to(host, core, hang_up("1"))).result == Result.TIMEOUT


async def test_an_unknown_command_is_not_supported(host: AdapterHost, core: FakeCore) -> None:
    answer = await answer_to(host, core, Request(id="1", message=CreateEvent(event_id="e1")))
    assert answer.result == Result.NOT_SUPPORTED
    assert "201 CreateEvent" in (answer.detail or "")


async def test_an_action_outside_the_capabilities_is_not_supported(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    hold = Request(id="1", message=Hold(call_id="c1", action=HoldAction.HOLD))
    swap = Request(id="2", message=Hold(call_id="c1", action=HoldAction.ALTERNATE))
    assert (await answer_to(host, core, hold)).accepted
    assert (await answer_to(host, core, swap)).result == Result.NOT_SUPPORTED
    assert adapter.begun == ["1"]


@pytest.mark.parametrize(
    ("expire_s", "age_s", "result"),
    [
        (None, 29, Result.ACCEPTED),
        (None, 31, Result.EXPIRED),
        (600, 599, Result.ACCEPTED),
        (0, 0, Result.EXPIRED),
        (5, -1000, Result.ACCEPTED),
    ],
)
async def test_an_expired_command_is_never_executed(
    host: AdapterHost,
    core: FakeCore,
    adapter: Scripted,
    clock: ManualClock,
    expire_s: int | None,
    age_s: int,
    result: Result,
) -> None:
    time = clock.utc() - timedelta(seconds=age_s)
    answer = await answer_to(host, core, hang_up("1", time=time, expire_s=expire_s))
    assert answer.result == result
    assert adapter.begun == (["1"] if answer.accepted else [])


async def test_commands_for_one_call_wait_their_turn_and_others_do_not(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    release = asyncio.Event()
    both = asyncio.Event()

    async def wait(request: Request) -> Outcome:
        if len(adapter.begun) == 3:
            both.set()
        await release.wait()
        return Outcome()

    adapter.executing = wait
    for request in (
        hang_up("a1", "a"),
        hang_up("a2", "a"),
        hang_up("b1", "b"),
        hang_up("none", None),
        hang_up("a3", "a"),
    ):
        host.push(request)
    async with asyncio.timeout(30):
        await both.wait()
    assert sorted(adapter.begun) == ["a1", "b1", "none"]
    release.set()
    await core.until(lambda: len(core.answers) == 5)
    assert [name for name in adapter.begun if name.startswith("a")] == ["a1", "a2", "a3"]


async def test_a_command_that_expires_while_it_waits_its_turn_is_not_executed(
    host: AdapterHost, core: FakeCore, adapter: Scripted, clock: ManualClock
) -> None:
    release = asyncio.Event()
    executing = asyncio.Event()

    async def wait(request: Request) -> Outcome:
        executing.set()
        await release.wait()
        return Outcome()

    adapter.executing = wait
    host.push(hang_up("1"))
    host.push(hang_up("2"))
    async with asyncio.timeout(30):
        await executing.wait()
    clock.advance(31)
    release.set()
    await core.until(lambda: len(core.answers) == 2)
    assert [answer.result for answer in core.answers] == [Result.ACCEPTED, Result.EXPIRED]
    assert adapter.begun == ["1"]


async def test_more_than_a_window_of_commands_is_an_overload(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    release = asyncio.Event()

    async def wait(request: Request) -> Outcome:
        await release.wait()
        return Outcome()

    adapter.executing = wait
    for number in range(WINDOW + 1):
        host.push(hang_up(str(number), f"c{number}"))
    await core.until(lambda: core.answers)
    assert (core.answers[0].request_id, core.answers[0].result) == (str(WINDOW), Result.OVERLOAD)
    release.set()
    await core.until(lambda: len(core.answers) == WINDOW + 1)
    assert sum(answer.accepted for answer in core.answers) == WINDOW


async def test_an_adapter_says_how_many_commands_it_works_on_at_a_time(
    core: FakeCore, adapter: Scripted, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, most = asyncio.Event(), 3 * WINDOW

    async def wait(request: Request) -> Outcome:
        await release.wait()
        return Outcome()

    adapter.executing = wait
    monkeypatch.setattr(Scripted, "concurrent_max", most)
    host = AdapterHost(adapter, core, clock)
    await host.start()
    try:
        assert host.window == most
        for number in range(most):
            host.push(hang_up(str(number), f"c{number}"))
        async with asyncio.timeout(30):
            while len(adapter.begun) < most:  # noqa: ASYNC110 - the adapter has no event for it
                await asyncio.sleep(0)
        release.set()
        await core.until(lambda: len(core.answers) == most)
        assert all(answer.accepted for answer in core.answers)
    finally:
        await host.stop()


async def test_stopping_answers_what_is_in_work_and_tells_the_core(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    executing = asyncio.Event()

    async def wait(request: Request) -> Outcome:
        executing.set()
        await asyncio.Event().wait()
        raise AssertionError

    adapter.executing = wait
    host.push(hang_up("1"))
    async with asyncio.timeout(30):
        await executing.wait()
    await host.stop("going home")
    assert [answer.result for answer in core.answers] == [Result.TIMEOUT]
    assert core.ends == [(host, "going home")]
    host.push(hang_up("2"))
    await asyncio.sleep(0)
    assert adapter.begun == ["1"]


async def test_an_adapter_that_will_not_end_is_left_behind(
    adapter: Scripted, core: FakeCore, clock: ManualClock
) -> None:
    release = asyncio.Event()
    ended = asyncio.Event()

    async def stubborn(request: Request) -> Outcome:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        return Outcome()

    adapter.executing = stubborn
    host = AdapterHost(adapter, core, clock, leave_within_s=0.02)
    await host.start()
    host.push(hang_up("1"))
    while not adapter.begun:  # noqa: ASYNC110 - the adapter has no event for it
        await asyncio.sleep(0)
    await host.stop()
    assert core.ends == [(host, "linkage stops")]
    release.set()
    async with asyncio.timeout(30):
        await ended.wait()


async def test_commands_that_are_not_to_be_stopped_do_not_keep_the_places_of_others(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    release = asyncio.Event()

    async def stubborn(_request: Request) -> Outcome:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        return Outcome()

    adapter.executing = stubborn
    for number in range(adapter.concurrent_max):
        host.push(hang_up(f"s{number}", f"c{number}"))
    await core.until(lambda: len(core.answers) == adapter.concurrent_max)
    adapter.executing = adapter.accept

    assert (await answer_to(host, core, hang_up("next", "c1"))).result == 1
    assert {answer.result for answer in core.answers[:-1]} == {Result.TIMEOUT}
    release.set()


async def test_an_adapter_is_told_until_when_a_command_may_be_begun(
    host: AdapterHost, core: FakeCore, adapter: Scripted, clock: ManualClock
) -> None:
    deadlines: list[float] = []

    async def note(request: Command) -> Outcome:
        deadlines.append(request.deadline)
        return Outcome()

    adapter.executing = note
    now = clock.now()
    sent = clock.utc() - timedelta(seconds=2)
    await answer_to(host, core, hang_up("1", expire_s=5))
    await answer_to(host, core, hang_up("2", expire_s=5, time=sent))
    await answer_to(host, core, hang_up("3"))
    assert deadlines == [now + 5, now + 3, now + 30]


async def test_a_command_that_waits_for_its_turn_is_told_as_expired_when_it_does(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    release = asyncio.Event()

    async def wait(request: Command) -> Outcome:
        await release.wait()
        return Outcome()

    adapter.executing = wait
    host._commands.execution.within_s = 30.0
    host.push(hang_up("1"))
    answer = await answer_to(host, core, hang_up("2", expire_s=0))
    assert answer.result == Result.EXPIRED
    release.set()
    await core.until(lambda: len(core.answers) == 2)
    assert adapter.begun == ["1"]
