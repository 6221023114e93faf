from __future__ import annotations

import asyncio

import pytest

from adapters.messaging.recorder import Recorder, UnsureError
from linkage.clock import ManualClock
from linkage.ports import AdapterUnavailableError
from protocol.messages import SmsReceivedNotice
from pytest_linkage.contract.disk import Disk, KilledError


async def test_what_comes_while_a_record_is_written_is_the_next_one() -> None:
    disk = Disk()
    recorder, clock = Recorder(disk), ManualClock()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.run())
        disk.open.clear()
        recorder.draft.memory["key"] = 0
        first = tasks.create_task(recorder.commit())
        await asyncio.sleep(0.01)
        waiting = []
        for number in range(1, 100):
            recorder.draft.tell(SmsReceivedNotice(content=str(number)), at=clock.utc())
            recorder.draft.memory["key"] = number
            waiting.append(tasks.create_task(recorder.commit()))
        await asyncio.sleep(0.01)
        disk.open.set()
        await asyncio.gather(first, *waiting)
        running.cancel()
    assert disk.records == 2
    assert disk.memory == {"key": "99"}
    assert len(disk.notices) == 99


async def test_a_record_that_fails_fails_for_all_who_wait_and_ends_the_run() -> None:
    disk = Disk()
    recorder = Recorder(disk)
    disk.kill_at(0)
    running = asyncio.get_running_loop().create_task(recorder.run())
    with pytest.raises(KilledError):
        await recorder.commit()
    with pytest.raises(KilledError):
        await running
    with pytest.raises(AdapterUnavailableError):
        await recorder.commit()


async def test_who_waits_when_the_run_ends_is_told_that_nobody_knows() -> None:
    disk = Disk()
    recorder = Recorder(disk)
    disk.open.clear()
    running = asyncio.get_running_loop().create_task(recorder.run())
    waiting = asyncio.get_running_loop().create_task(recorder.commit())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(UnsureError):
        await waiting
