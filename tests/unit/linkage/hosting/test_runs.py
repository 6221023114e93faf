"""Notices and state of an adapter that is run: up, down, refused, left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from linkage.clock import ManualClock
from linkage.hosting import AdapterHost, AdapterState
from linkage.hosting.contained import contained
from linkage.hosting.ids import RequestIds
from linkage.ports import (
    AdapterRefusedError,
    AdapterReplacedError,
    AdapterUnavailableError,
    EntryKind,
    Outcome,
)
from protocol.envelope import Request
from protocol.messages import (
    CallSnapshot,
    QueryCall,
    SnapshotNotice,
)
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


async def test_a_notice_is_submitted_with_its_time(
    host: AdapterHost, core: FakeCore, adapter: Scripted, clock: ManualClock
) -> None:
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
    await adapter.emit(incoming())
    assert pauses.asked == [3, 3]
    assert len(core.submitted) == 3


async def test_a_refused_notice_is_journalled_and_the_adapter_goes_on(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    core.refusals = [Result.NO_CALL]
    await adapter.emit(incoming())
    assert [(note.kind, note.result) for note in core.notes] == [(EntryKind.REFUSED, 301)]
    await adapter.emit(incoming())
    assert adapter.started == 1


async def test_a_host_is_up_from_the_first_notice(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    assert host.state is AdapterState.CONNECTING
    await adapter.emit(incoming())
    assert host.state.value == "up"
    assert core.notes == []


async def test_an_alarm_that_an_earlier_process_raised_is_over_when_the_platform_is_heard_of(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    await core.note(host, EntryKind.ALARM, "asterisk is down: told before linkage was killed")
    await adapter.emit(incoming())
    await core.until(lambda: len(core.notes) == 2)
    assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED]


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
    host._commands.execution.within_s = 30.0
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
    for result in (Result.OK, Result.OK, Result.NO_CALL):
        core.refusals = [result]
        await adapter.emit(incoming())
    assert core.kinds() == [EntryKind.ALARM, EntryKind.ALARM_CLEARED, EntryKind.REFUSED]


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (AdapterRefusedError("wrong password"), AdapterState.REFUSED, "refuses us"),
        (AdapterReplacedError("the old machine"), AdapterState.REPLACED, "another program"),
    ],
)
async def test_what_does_not_pass_by_itself_is_alarmed_once_and_tried_until_it_has(
    host: AdapterHost,
    core: FakeCore,
    adapter: Scripted,
    pauses: Pauses,
    error: Exception,
    state: AdapterState,
    words: str,
) -> None:
    for _ in range(3):
        adapter.runs.put_nowait(error)
    await core.until(lambda: core.notes)
    assert host.state is state
    await ran(adapter, 4)
    (alarm,) = core.notes
    assert alarm.kind is EntryKind.ALARM
    assert words in alarm.detail
    assert str(error) in alarm.detail
    assert pauses.asked == [60, 60, 60]
    await adapter.emit(incoming())
    await core.until(lambda: len(core.notes) == 2)
    assert core.notes[1].kind is EntryKind.ALARM_CLEARED


async def test_a_refusal_in_an_outage_is_an_alarm_of_its_own(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    adapter.runs.put_nowait(AdapterUnavailableError("no route"))
    adapter.runs.put_nowait(AdapterRefusedError("wrong password"))
    adapter.runs.put_nowait(AdapterUnavailableError("no route"))
    await ran(adapter, 4)
    assert [(note.kind, "password" in note.detail) for note in core.notes] == [
        (EntryKind.ALARM, False),
        (EntryKind.ALARM_CLEARED, False),
        (EntryKind.ALARM, True),
    ]


async def test_a_platform_for_which_callers_wait_is_tried_at_the_pauses_that_it_allows(
    adapter: Scripted, core: FakeCore, clock: ManualClock, pauses: Pauses
) -> None:
    class Telephones(Scripted):
        longest_pause_s = 5.0

    telephones = Telephones(adapter.context)
    host = AdapterHost(telephones, core, clock, sleep=pauses.sleep, jitter=lambda: 1.0)
    for _ in range(5):
        telephones.runs.put_nowait(AdapterUnavailableError("no route"))
    telephones.runs.put_nowait(AdapterRefusedError("wrong password"))
    await host.start()
    await ran(telephones, 7)
    await host.stop()
    assert pauses.asked == [1, 2, 4, 5, 5, 5]


async def test_an_error_of_the_core_runs_the_adapter_again(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    core.fail = OSError("the disk is gone")
    with pytest.raises(OSError, match="the disk is gone"):
        await adapter.emit(incoming())


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
