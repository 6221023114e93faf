from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from linkage.clock import ManualClock
from linkage.hosting import AdapterHost, AdapterState
from linkage.hosting.commands import CONCURRENT_MAX, WINDOW
from linkage.hosting.contained import contained
from linkage.hosting.host import LinkClosedError
from linkage.hosting.ids import RequestIds
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterRefusedError,
    AdapterUnavailableError,
    Capability,
    CommandError,
    Emit,
    EntryKind,
    Link,
    Outcome,
    StoredFile,
)
from linkage.supervision import Backoff
from protocol.envelope import Request, Response
from protocol.messages import (
    CallDirection,
    CallSnapshot,
    CreateEvent,
    Hangup,
    Hold,
    IncomingCallNotice,
    QueryCall,
    SnapshotNotice,
)
from protocol.messages.call import HoldAction
from protocol.results import Result
from tests.unit.gateway.fake_core import FakeCore


class NoMemory:
    async def load(self) -> dict[str, Any]:
        return {}

    async def put(self, key: str, value: Any) -> None:
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        raise NotImplementedError


class NoFiles:
    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        raise NotImplementedError


class Scripted(Adapter):
    """Does what the test puts into `running` and `executing`."""

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capability] = {
        202: frozenset(),
        206: frozenset({HoldAction.HOLD, HoldAction.RETRIEVE}),
    }

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self.executing: Callable[[Request], Awaitable[Outcome]] = self.accept
        self.runs: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.started = 0
        self.begun: list[str] = []
        self.emit: Emit | None = None
        self.running = asyncio.Event()
        self.alive: SnapshotNotice | None = None

    async def run(self, emit: Emit) -> None:
        self.emit = emit
        self.started += 1
        self.running.set()
        error = await self.runs.get()
        if error is not None:
            raise error

    async def execute(self, request: Request) -> Outcome:
        self.begun.append(request.id)
        return await self.executing(request)

    async def living(self, query: QueryCall) -> SnapshotNotice | None:
        self.begun.append(str(query.call_id))
        return self.alive

    async def accept(self, request: Request) -> Outcome:  # noqa: ARG002 - as `execute` has it
        return Outcome(call_id="call-of-ours", detail="done")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def core() -> FakeCore:
    return FakeCore(peers=("asterisk",))


@pytest.fixture
def adapter(clock: ManualClock) -> Scripted:
    context = AdapterContext(
        peer_id="asterisk", settings={}, clock=clock, memory=NoMemory(), files=NoFiles()
    )
    return Scripted(context)


class Pauses:
    def __init__(self) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()
        self.over.set()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)
        await self.over.wait()


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def host(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> AsyncIterator[AdapterHost]:
    host = AdapterHost(
        adapter,
        core,
        clock,
        backoff=Backoff(),
        execute_within_s=0.05,
        sleep=pauses.sleep,
        lot=lambda: 1.0,
    )
    await host.start()
    async with asyncio.timeout(30):
        await adapter.running.wait()
    yield host
    await host.stop()


def hang_up(request_id: str, call_id: str | None = "c1", **attributes: Any) -> Request:
    phone = "1" if call_id is None else None
    return Request(id=request_id, message=Hangup(call_id=call_id, phone_num=phone), **attributes)


def incoming() -> IncomingCallNotice:
    return IncomingCallNotice(call_id="c1", direction=CallDirection.IN)


async def answer_to(host: AdapterHost, core: FakeCore, request: Request) -> Response:
    count = len(core.answers)
    host.push(request)
    assert len(core.answers) == count, "answered from within push"
    await core.until(lambda: len(core.answers) > count)
    answer = core.answers[count]
    assert answer.request_id == request.id
    assert answer.type == request.type
    return answer


# --- commands ------------------------------------------------------------------------------------


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
    for number in range(CONCURRENT_MAX):
        host.push(hang_up(f"s{number}", f"c{number}"))
    await core.until(lambda: len(core.answers) == CONCURRENT_MAX)
    adapter.executing = adapter.accept

    assert (await answer_to(host, core, hang_up("next", "c1"))).result == 1
    assert {answer.result for answer in core.answers[:-1]} == {Result.TIMEOUT}
    release.set()


# --- notices -------------------------------------------------------------------------------------


async def test_a_notice_is_submitted_with_its_time(
    host: AdapterHost, core: FakeCore, adapter: Scripted, clock: ManualClock
) -> None:
    assert adapter.emit is not None
    happened = clock.utc() - timedelta(minutes=5)
    await adapter.emit(incoming(), time=happened, reconstructed=True)
    await adapter.emit(incoming())
    assert [item.time for item in core.submitted] == [happened, clock.utc()]
    assert core.reconstructed == [True, False]
    assert len({item.id for item in core.submitted}) == 2


async def test_a_notice_is_offered_again_until_the_overload_has_passed(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    core.refusals = [Result.OVERLOAD, Result.STORAGE_FULL, Result.OVERLOAD]
    assert adapter.emit is not None
    await adapter.emit(incoming())
    assert len({item.id for item in core.submitted}) == 1
    assert len(core.submitted) == 4
    assert pauses.asked == [0.1, 0.2, 0.4]
    assert core.notes == []


async def test_a_notice_waits_as_long_as_the_core_asks_for(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    core.refusals = [Result.OVERLOAD, Result.SWITCHING_OVER]
    core.retry_after_s = 3
    assert adapter.emit is not None
    await adapter.emit(incoming())
    assert pauses.asked == [3, 3]
    assert len(core.submitted) == 3


async def test_a_refused_notice_is_journalled_and_the_adapter_goes_on(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    core.refusals = [Result.NO_CALL]
    assert adapter.emit is not None
    await adapter.emit(incoming())
    assert [(note.kind, note.result) for note in core.notes] == [(EntryKind.REFUSED, 301)]
    await adapter.emit(incoming())
    assert adapter.started == 1


# --- state ---------------------------------------------------------------------------------------


async def test_a_host_is_up_from_the_first_notice(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    assert host.state is AdapterState.CONNECTING
    assert adapter.emit is not None
    await adapter.emit(incoming())
    assert host.state.value == "up"
    assert core.notes == []


async def test_a_host_is_up_from_the_first_command_that_reached_the_platform(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    async def offline(request: Request) -> Outcome:
        raise AdapterUnavailableError

    adapter.executing = offline
    await answer_to(host, core, hang_up("1"))
    assert host.state is AdapterState.CONNECTING
    adapter.executing = adapter.accept
    await answer_to(host, core, hang_up("2"))
    assert host.state.value == "up"


async def test_one_outage_is_one_alarm_however_many_attempts_it_takes(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    for _ in range(3):
        adapter.runs.put_nowait(AdapterUnavailableError("no route"))
    await core.until(lambda: core.notes)
    async with asyncio.timeout(30):
        while adapter.started < 4:  # noqa: ASYNC110 - the adapter has no event for its fourth run
            await asyncio.sleep(0)
    assert [note.detail for note in core.notes] == [
        "asterisk is down: AdapterUnavailableError: no route"
    ]
    assert core.kinds() == [EntryKind.ALARM]
    assert pauses.asked == [1, 2, 4]
    assert adapter.emit is not None
    await adapter.emit(incoming())
    await core.until(lambda: len(core.notes) == 2)
    assert core.notes[1].detail == "asterisk is up again"


async def test_a_command_that_outlived_the_run_says_nothing_about_the_next_one(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    executing, release = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Outcome:
        executing.set()
        await release.wait()
        return await adapter.accept(request)

    adapter.executing = slow
    host._commands._within_s = 30.0
    pauses.over.clear()
    host.push(hang_up("1"))
    async with asyncio.timeout(30):
        await executing.wait()
    adapter.runs.put_nowait(AdapterUnavailableError("no route"))
    await core.until(lambda: core.notes)

    release.set()
    await core.until(lambda: core.answers)
    assert core.answers[0].accepted
    assert host.state is AdapterState.DOWN

    pauses.over.set()
    await ran(adapter, 2)
    assert adapter.emit is not None
    for result in (Result.OK, Result.OK, Result.NO_CALL):
        core.refusals = [result]
        await adapter.emit(incoming())
    assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED, EntryKind.REFUSED]


async def test_a_refusing_platform_is_not_tried_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    adapter.runs.put_nowait(AdapterRefusedError("wrong password"))
    await core.until(lambda: core.notes)
    assert core.notes[0].kind is EntryKind.ALARM
    assert "wrong password" in core.notes[0].detail
    assert host.state is AdapterState.REFUSED
    assert (adapter.started, pauses.asked) == (1, [])


async def test_an_error_of_the_core_runs_the_adapter_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    core.fail = OSError("the disk is gone")
    assert adapter.emit is not None
    with pytest.raises(OSError, match="the disk is gone"):
        await adapter.emit(incoming())


# --- ids -----------------------------------------------------------------------------------------


def test_ids_fit_and_never_meet_across_restarts(clock: ManualClock) -> None:
    first = RequestIds(clock.utc())
    seen = {first.take() for _ in range(100_000)}
    clock.advance(0.001)
    again = RequestIds(clock.utc())
    seen |= {again.take() for _ in range(100_000)}
    assert len(seen) == 200_000
    assert max(map(len, seen)) <= 16


def test_there_is_room_for_more_ids_than_a_process_will_ever_make(clock: ManualClock) -> None:
    ids = RequestIds(clock.utc())
    ids._count = 36**8 - 2
    assert len(ids.take()) == 16


# --- what lives ----------------------------------------------------------------------------------
async def test_linkage_asks_every_adapter_what_lives_whatever_it_serves(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    adapter.alive = SnapshotNotice(calls=(CallSnapshot(call_id="c1"),))
    answer = await answer_to(host, core, Request(id="77", message=QueryCall(call_id="c1")))
    assert answer.result == Result.ACCEPTED
    assert adapter.begun == ["c1"]
    (told,) = core.submitted
    assert told.message == SnapshotNotice(
        request_id="77", page=1, pages=1, calls=(CallSnapshot(call_id="c1"),)
    )


async def test_an_adapter_that_cannot_tell_says_nothing(host: AdapterHost, core: FakeCore) -> None:
    answer = await answer_to(host, core, Request(id="77", message=QueryCall(call_id="c1")))
    assert answer.result == Result.NOT_SUPPORTED
    assert core.submitted == []


# --- what must not end more than the adapter -----------------------------------------------------
@pytest.mark.parametrize("nonsense", [SystemExit(1), asyncio.CancelledError()])
async def test_an_adapter_that_ends_itself_oddly_is_run_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted, nonsense: BaseException
) -> None:
    adapter.runs.put_nowait(nonsense)  # type: ignore[arg-type]  # what no adapter should raise
    await core.until(lambda: core.notes)
    async with asyncio.timeout(30):
        while adapter.started < 2:  # noqa: ASYNC110 - the adapter has no event for its second run
            await asyncio.sleep(0)
    assert host.state is not AdapterState.REFUSED
    assert core.kinds() == [EntryKind.ALARM]


async def test_what_is_cancelled_from_outside_is_cancelled() -> None:
    work = asyncio.get_running_loop().create_task(contained(asyncio.Event().wait()))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


# --- a link that the core closes -----------------------------------------------------------------
async def ran(adapter: Scripted, times: int) -> None:
    async with asyncio.timeout(30):
        while adapter.started < times:  # noqa: ASYNC110 - the adapter has no event for a later run
            await asyncio.sleep(0)


def close_as_the_core_does(core: FakeCore, host: AdapterHost, reason: str) -> None:
    core.closed(host, reason)
    host.close(reason)
    host.close("twice")


async def test_an_adapter_whose_link_the_core_closed_is_adopted_and_run_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    assert adapter.emit is not None
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
    def fail_once(link: Link) -> None:
        core.at_begin = None
        core.closed(link, "internal error")
        link.close("internal error")

    core.at_begin = fail_once
    close_as_the_core_does(core, host, "internal error")
    await ran(adapter, 2)
    assert pauses.asked == [1, 2]
    assert core.live == {"asterisk": host}


async def test_a_link_closed_at_its_first_taking_starts_nevertheless(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> None:
    def fail_once(link: Link) -> None:
        core.at_begin = None
        core.closed(link, "internal error")
        link.close("internal error")

    core.at_begin = fail_once
    host = AdapterHost(adapter, core, clock, sleep=pauses.sleep)
    await host.start()
    await ran(adapter, 1)
    assert core.live == {"asterisk": host}
    await host.stop()


async def test_commands_in_work_are_answered_once_and_before_the_link_is_taken_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    executing = asyncio.Event()
    answered: list[int] = []

    async def slow_to_leave(request: Request) -> Outcome:
        executing.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
        raise AssertionError

    adapter.executing = slow_to_leave
    host.push(hang_up("1", "c1"))
    host.push(hang_up("2", "c1"))
    async with asyncio.timeout(30):
        await executing.wait()
    core.at_begin = lambda _: answered.append(len(core.answers))
    close_as_the_core_does(core, host, "internal error")
    await ran(adapter, 2)

    assert answered == [2]
    assert sorted(answer.request_id for answer in core.answers) == ["1", "2"]
    assert {answer.result for answer in core.answers} == {Result.TIMEOUT}


async def test_a_notice_that_met_a_closed_link_is_an_error_for_the_adapter(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    assert adapter.emit is not None
    close_as_the_core_does(core, host, "internal error")
    with pytest.raises(LinkClosedError, match="internal error"):
        await adapter.emit(incoming())
    assert core.submitted == []
    await ran(adapter, 2)

    core.gate = asyncio.Event()
    core.refusals = [Result.SESSION_EXPIRED]
    refused = asyncio.Event()

    async def tell() -> None:
        assert adapter.emit is not None
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
    assert "a newer link" in caplog.text
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
        async def run(self, emit: Emit) -> None:
            try:
                await super().run(emit)
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
