"""When a transfer that the platform made by itself becomes one of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.voice import paired_channels
from adapters.voice.paired_channels import PairedChannels
from adapters.voice.platform_events import Channel, Event, EventKind

PAIR = "Local/_attended@transfer-00000000"


class Bench:
    """Pairs with who waits for them, and the transfers that came of them."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.transfers: list[Event] = []
        self.pairs = PairedChannels(lambda _: None, self.transfers.append)
        self.tasks = tasks

    def half(self, number: str) -> None:
        channel = Channel(id=f"L{number}", pair=PAIR, half=number, stand_in=True)
        event = Event(kind=EventKind.ENTERED, channel=channel, replaces="P")
        self.pairs.stands_in(event, self.tasks)

    def transferred(self) -> None:
        self.pairs.transferred(PAIR)

    async def settles(self) -> list[tuple[str, str | None]]:
        for _ in range(10):
            await asyncio.sleep(0)
        return [("" if e.channel is None else e.channel.id, e.other) for e in self.transfers]


@pytest.fixture
def patience() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        yield Bench(tasks)


@pytest.mark.parametrize("order", ["12", "21"])
async def test_nothing_is_taken_away_before_the_platform_says_that_it_has_transferred(
    bench: Bench, order: str
) -> None:
    for half in order:
        bench.half(half)
    assert await bench.settles() == []
    bench.transferred()
    assert await bench.settles() == [("L1", "L2")]


async def test_the_platform_may_say_so_before_the_halves_have_come(bench: Bench) -> None:
    bench.transferred()
    bench.half("1")
    assert await bench.settles() == []
    bench.half("2")
    assert await bench.settles() == [("L1", "L2")]


async def test_halves_that_are_told_twice_are_one_transfer(bench: Bench) -> None:
    for half in "1122":
        bench.half(half)
    bench.transferred()
    bench.transferred()
    assert await bench.settles() == [("L1", "L2")]


async def test_a_platform_that_says_nothing_is_not_waited_for_without_end(
    bench: Bench, patience: pytest.MonkeyPatch
) -> None:
    patience.setattr(paired_channels, "TRANSFERRED_S", 0.0)
    bench.half("1")
    bench.half("2")
    assert await bench.settles() == [("L1", "L2")]
