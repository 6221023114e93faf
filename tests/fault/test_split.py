"""Linkage in several processes: each may be killed, in mid-traffic, and started alone.

A platform and an application over TCP that live on, as customers do.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from pathlib import Path

import pytest

from benchmarks.process import free_port
from linkage.bus.keys import make_keys
from linkage.store.sqlite.database import open_for_reading
from protocol import messages as m
from tests.fakes.core_bench import chain
from tests.fault.processes import Parts
from tests.scenario.killing import HOLDS, Call, call_of, check_heard, check_store, write_config


def sessions_in(folder: Path) -> list[str]:
    """How the links of both peers began, in the journal's words."""
    reading = open_for_reading(folder / "data" / "linkage.db")
    rows = [row for row, _, _ in chain(reading)]
    reading.dispose()
    return [str(row.detail) for row in rows if row.kind == "SessionOpened"]


@pytest.mark.parametrize(
    "victims",
    [
        ("core",),
        pytest.param(("gateway",), marks=pytest.mark.campaign),
        pytest.param(("core", "gateway"), marks=pytest.mark.campaign),
    ],
    ids="-".join,
)
async def test_a_part_killed_in_mid_traffic_loses_and_doubles_nothing(
    tmp_path: Path, victims: tuple[str, ...]
) -> None:
    config, port = write_config(tmp_path)
    async with Parts(config) as parts:
        await parts.start("core", "gateway")
        async with call_of(port) as call:
            await call.begin()
            async with asyncio.TaskGroup() as storm:
                for number in range(HOLDS):
                    storm.create_task(call.hold(number))
                await call.until(lambda: len(call.answered) >= 100)
                for victim in victims:
                    await parts.kill(victim)
                assert len(call.answered) < HOLDS, "it was killed in the middle"
                await parts.start(*victims)
                await call.end()

            check_heard(call)
            living = open_for_reading(tmp_path / "data" / "linkage.db")
            check_store(living, call)
            living.dispose()

    kept = [detail for detail in sessions_in(tmp_path) if "kept over a restart" in detail]
    # A restart of the core is none of the customers' business.
    assert len(kept) == (2 if victims == ("core",) else 0)
    assert len(sessions_in(tmp_path)) == 4


@pytest.mark.campaign
@pytest.mark.parametrize("part", ["core", "gateway"])
async def test_a_part_that_stands_still_and_goes_on_loses_and_doubles_nothing(
    tmp_path: Path, part: str
) -> None:
    config, port = write_config(tmp_path)
    with config.open("a", encoding="utf-8") as file:
        file.write("\n[messaging]\nheartbeat_s = 0.2\ndead_after_s = 1.5\nhold_s = 1\n")
    async with Parts(config) as parts:
        await parts.start("core", "gateway")
        async with call_of(port) as call:
            await call.begin()
            async with asyncio.TaskGroup() as storm:
                for number in range(HOLDS):
                    storm.create_task(call.hold(number))
                await call.until(lambda: len(call.answered) >= 100)
                parts.send(part, signal.SIGSTOP)
                await asyncio.sleep(4)  # longer than either side waits for the other
                parts.send(part, signal.SIGCONT)
                await call.end()

            check_heard(call)
            living = open_for_reading(tmp_path / "data" / "linkage.db")
            check_store(living, call)
            living.dispose()


ADAPTER = """
[[adapter]]
id = "sim"
kind = "fault"
[adapter.settings]
calls = {calls}
"""


def add_adapter(config: Path, calls: int) -> None:
    config.write_text(config.read_text(encoding="utf-8") + ADAPTER.format(calls=calls))


def calls_heard(call: Call) -> list[str]:
    """The adapter's, each once."""
    told = [notice.message.call_id for notice in call.heard]
    return list(dict.fromkeys(id_ for id_ in told if id_ is not None and id_.startswith("A")))


@pytest.mark.campaign
async def test_an_adapter_killed_again_and_again_loses_no_call(tmp_path: Path) -> None:
    calls = 120
    config, port = write_config(tmp_path)
    add_adapter(config, calls)
    async with Parts(config) as parts:
        await parts.start("core", "gateway")
        async with call_of(port) as call:
            await parts.start("adapter:sim")
            for kills in range(1, 4):
                await call.until(lambda: len(calls_heard(call)) >= 25 * kills)  # noqa: B023 - awaited here
                await parts.kill("adapter:sim")
                if kills == 2:
                    await parts.kill("core")  # the same for both at once
                    await parts.start("core")
                await parts.start("adapter:sim")
            await call.until(lambda: len(calls_heard(call)) == calls)

            # And a command that it had in work is told to have an unknown end.
            reply = await call.desk.send(m.Hangup(call_id="A1"))
            assert reply.accepted
            await parts.kill("adapter:sim")
            await parts.start("adapter:sim")
            await call.until(lambda: any(heard.message.result == 503 for heard in call.heard))

    assert calls_heard(call) == [f"A{number}" for number in range(calls)]


@pytest.mark.campaign
@pytest.mark.parametrize(
    "order", list(itertools.permutations(["core", "gateway", "adapter:sim"])), ids="-".join
)
async def test_parts_find_each_other_in_whatever_order_they_start(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    config, port = write_config(tmp_path)
    add_adapter(config, 1)
    async with Parts(config) as parts:
        for name in order:
            await parts.start(name)
        async with call_of(port) as call:
            await call.begin()
            await call.hold(0)
            await call.until(lambda: calls_heard(call))
            await call.until(call.holds_heard)


@pytest.mark.campaign
async def test_parts_on_several_hosts_have_keys_of_their_own(tmp_path: Path) -> None:
    config, port = write_config(tmp_path)
    add_adapter(config, 1)
    with config.open("a", encoding="utf-8") as file:
        file.write(f'\n[messaging]\naddress = "tcp://127.0.0.1:{free_port()}"\n')
    async with Parts(config) as parts:
        process = await parts.launch("gateway")
        assert await process.wait() == 1, "no keys, no TCP"
        made = make_keys(tmp_path / "keys", ["core", "gateway", "adapter:sim"])
        assert len(made) == 3
        await parts.start("core", "gateway", "adapter:sim")
        async with call_of(port) as call:
            await call.begin()
            await call.until(lambda: calls_heard(call))
            await parts.kill("core")
            await parts.start("core")
            await call.hold(0)
            await call.until(call.holds_heard)
        for name in ("gateway", "adapter:sim", "core"):
            assert await parts.stop(name) == 0
