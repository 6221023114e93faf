"""Faults on a TCP connection, and by the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linkage.client import Backoff, Platform
from protocol.frames import HEARTBEAT, encode_frame, heartbeat
from protocol.messages import CallDirection, IncomingCallNotice
from simulators.faults import (
    Chances,
    Direction,
    Fault,
    FaultError,
    FaultPlan,
    FaultProxy,
    Occurrence,
    Planned,
)
from tests.fakes.far_end import SECRET, Far, ScriptedLinkage
from tests.fakes.fault_frames import MANY, WITHIN_S, Echo, End, through


async def test_frames_pass_and_are_counted() -> None:
    async with through(FaultPlan()) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one") + heartbeat() + encode_frame(1, b"two"))
        assert [await end.receive() for _ in range(3)] == [b"one", HEARTBEAT, b"two"]
        assert proxy.stats.up.frames == proxy.stats.down.frames == 3
        assert (proxy.stats.connections, proxy.stats.open) == (1, 1)


async def test_each_direction_has_its_own_faults_and_they_are_told() -> None:
    told: list[Occurrence] = []
    plan = FaultPlan(down=Chances(duplicate=1.0))
    async with through(plan, told.append) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one"))
        assert [await end.receive(), await end.receive()] == [b"one", b"one"]
        assert proxy.stats.up.faults == {}
        assert proxy.stats.down.faults == {"duplicate": 1}
    assert [(one.direction, one.frame, one.fault) for one in told[:1]] == [
        (Direction.DOWN, 1, Fault.DUPLICATE)
    ]


async def test_a_cut_resets_both_sides() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.CUT, frame=2, direction=Direction.UP),))
    async with through(plan) as (_, end, echo):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        end.writer.write(encode_frame(1, b"two"))
        await end.ended()
        await asyncio.wait_for(echo.ended.wait(), WITHIN_S)


async def test_a_half_open_connection_stays_and_says_nothing() -> None:
    async with through(FaultPlan()) as (proxy, end, echo):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        proxy.half_open()
        end.writer.write(encode_frame(1, b"two"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await end.reader.read(1)
        end.writer.close()
        await end.writer.wait_closed()
        assert not echo.ended.is_set(), "the far side was not told"
        assert proxy.stats.open == 1


async def test_a_stalled_direction_does_not_hold_up_the_other() -> None:
    plan = FaultPlan(
        script=(Planned(fault=Fault.STALL, frame=1, direction=Direction.UP, seconds=3600),)
    )
    async with through(plan) as (_, end, echo):
        end.writer.write(encode_frame(1, b"stays"))
        async with asyncio.timeout(WITHIN_S):
            while not echo.writers:  # noqa: ASYNC110 - the proxy connects when it does
                await asyncio.sleep(0.01)
        echo.writers[0].write(encode_frame(1, b"comes"))
        assert await end.receive() == b"comes"


async def test_what_is_delayed_keeps_its_order() -> None:
    plan = FaultPlan(up=Chances(), down=Chances(delay=0), delay_s=0.05, jitter_s=0.05)
    async with through(plan) as (_, end, _):
        began = asyncio.get_running_loop().time()
        for index in range(10):
            end.writer.write(encode_frame(1, str(index).encode()))
        assert [await end.receive() for _ in range(10)] == [
            str(index).encode() for index in range(10)
        ]
        assert asyncio.get_running_loop().time() - began >= 0.05


async def test_a_frame_held_for_another_to_overtake_it_does_not_wait_for_ever() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.REORDER, frame=1, direction=Direction.UP),))
    async with through(plan) as (_, end, _):
        end.writer.write(encode_frame(1, b"alone"))
        assert await end.receive() == b"alone"


async def test_a_fault_may_be_scripted_for_a_time() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.CUT, at_s=0.05),))
    async with through(plan) as (proxy, end, _):
        await end.ended()
        assert proxy.stats.up.faults["cut"] == 1


async def test_a_stall_at_a_time_holds_up_both_directions_together() -> None:
    told: asyncio.Queue[Occurrence] = asyncio.Queue()
    plan = FaultPlan(script=(Planned(fault=Fault.STALL, at_s=0, seconds=0.4),))
    began = asyncio.get_running_loop().time()
    async with through(plan, told.put_nowait) as (_, end, _):
        stalled = await asyncio.wait_for(told.get(), WITHIN_S)
        assert (stalled.direction, stalled.frame, stalled.fault) == (None, 0, Fault.STALL)
        end.writer.write(encode_frame(1, b"there and back"))
        assert await end.receive() == b"there and back"
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert told.empty(), "the answer was not held up once more"


async def test_the_plan_may_be_exchanged_while_it_runs() -> None:
    async with through(FaultPlan()) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        proxy.set_plan(FaultPlan(down=Chances(duplicate=1.0)))
        end.writer.write(encode_frame(1, b"two"))
        assert [await end.receive(), await end.receive()] == [b"two", b"two"]


async def test_who_sends_without_reading_is_held_back() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.STALL, frame=1, seconds=3600),))
    async with through(plan) as (proxy, end, _):
        flood = encode_frame(1, b"x" * 60_000) * 1000
        end.writer.write(flood)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(end.writer.drain(), 1.0)
        assert proxy.stats.up.bytes < 2 * 1024 * 1024, "the proxy read on"


async def test_a_target_that_is_not_there_closes_the_connection() -> None:
    async with FaultProxy(("127.0.0.1", 9)) as proxy:
        end = End(*await asyncio.open_connection(*proxy.address))
        assert await end.ended() == b""
        assert proxy.stats.unreachable == 1
        end.writer.transport.abort()


async def test_an_address_in_use_is_refused_with_a_remedy() -> None:
    async with FaultProxy(("127.0.0.1", 9)) as proxy:
        with pytest.raises(FaultError, match="name another address"):
            async with FaultProxy(("127.0.0.1", 9), listen=proxy.address):
                pass


async def answer_all(linkage: ScriptedLinkage, heard: set[str]) -> None:
    """Answer every notice on every connection, until cancelled."""

    async def answer(far: Far) -> None:
        await far.register()
        while True:
            request = await far.requests.get()
            heard.add(str(request.message.call_id))
            if not far.connection.closed:
                far.answer(request)

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(answer(await linkage.far()))


async def test_the_client_library_gets_every_notice_through_a_bad_network() -> None:
    """Cut again and again; each notice is answered in the end."""
    linkage = ScriptedLinkage()
    plan = FaultPlan(seed=11, up=Chances(cut=0.05), jitter_s=0.002)
    heard: set[str] = set()
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        linkage.listening(),
        FaultProxy(("127.0.0.1", linkage.port), plan) as proxy,
    ):
        answering = group.create_task(answer_all(linkage, heard))
        host, port = proxy.address
        async with Platform(
            host, port, "p", secret=SECRET, backoff=Backoff(first_s=0.01, most_s=0.05)
        ) as platform:
            for index in range(MANY):
                call = IncomingCallNotice(call_id=f"c{index}", direction=CallDirection.IN)
                assert (await platform.notify(call)).accepted
        answering.cancel()
        assert proxy.stats.connections > 1
    assert heard == {f"c{index}" for index in range(MANY)}


ROOT = Path(__file__).resolve().parents[4]


async def test_the_command_plays_a_bad_network_until_it_is_stopped() -> None:
    async with Echo().open() as echo:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "linkage", "simulate", "fault", "--listen", "127.0.0.1:0"),
            *("--to", f"127.0.0.1:{echo.port}", "--duplicate", "down=1", "--seed", "7", "--json"),
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            began = json.loads(await process.stdout.readline())
            host, port = began["address"].split(":")
            end = End(*await asyncio.open_connection(host, int(port)))
            end.writer.write(encode_frame(1, b"one"))
            assert [await end.receive(), await end.receive()] == [b"one", b"one"]
            end.writer.transport.abort()
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
        told = [json.loads(line) for line in output.splitlines()]
    assert (began["event"], began["seed"]) == ("listening", 7)
    assert told[0]["fault"] == "duplicate"
    assert told[-1]["event"] == "stats"
    assert told[-1]["down"]["faults"] == {"duplicate": 1}
    assert process.returncode == 0


@pytest.mark.parametrize("chance", ["2", "up=x", "left=0.1"])
async def test_a_chance_that_is_none_is_misuse(chance: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkage", "simulate", "fault", "--listen", "127.0.0.1:0"),
        *("--to", "127.0.0.1:9", "--cut", chance),
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert b"a probability from 0 to 1" in errors
