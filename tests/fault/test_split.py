"""Linkage in several processes: each may be killed, in mid-traffic, and started alone.

A platform and an application over TCP that live on, as customers do.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from linkage.store.database import open_for_reading
from protocol import messages as m
from tests.fault.processes import Parts
from tests.scenario.killing import Call, call_of, check_heard, check_store, write_config
from tests.unit.linkage.bench import chain

HOLDS = 300


async def begin(call: Call) -> None:
    await call.pbx.notify(
        m.IncomingCallNotice(
            call_id="C1",
            direction=m.CallDirection.IN,
            login_id="23",
            phone_num="139123444444",
            to_num="2222",
        )
    )
    await call.until(lambda: call.heard)
    reply = await call.desk.send(m.CreateEvent(call_id="C1", event_id="E1"))
    assert reply.response.result == 0


async def end(call: Call) -> None:
    await call.until(lambda: len(call.answered) == HOLDS)
    await call.pbx.notify(m.HangupNotice(call_id="C1", reason=100))
    await call.until(lambda: call.heard[-1].message.number == 102)


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
            await begin(call)
            async with asyncio.TaskGroup() as storm:
                for number in range(HOLDS):
                    storm.create_task(call.hold(number))
                await call.until(lambda: len(call.answered) >= 100)
                for victim in victims:
                    await parts.kill(victim)
                assert len(call.answered) < HOLDS, "it was killed in the middle"
                await parts.start(*victims)
                await end(call)

            check_heard(call)
            living = open_for_reading(tmp_path / "data" / "linkage.db")
            check_store(living, call)
            living.dispose()

    kept = [detail for detail in sessions_in(tmp_path) if "kept over a restart" in detail]
    # A restart of the core is none of the customers' business.
    assert len(kept) == (2 if victims == ("core",) else 0)
    assert len(sessions_in(tmp_path)) == 4


@pytest.mark.campaign
@pytest.mark.parametrize("order", list(itertools.permutations(["core", "gateway"])), ids="-".join)
async def test_parts_find_each_other_in_whatever_order_they_start(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    config, port = write_config(tmp_path)
    async with Parts(config) as parts:
        first, second = order
        await parts.start(first)
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.start(second))
            async with call_of(port) as call:
                await begin(call)
                await call.hold(0)

    assert call.answered
