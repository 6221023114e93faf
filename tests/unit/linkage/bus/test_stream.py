"""What one side says leaves in order, in batches, and nothing is missed for want of looking."""

from __future__ import annotations

import asyncio

from linkage.bus.envelope import Kind, pack_item, unseal
from linkage.bus.stream import BATCH_BYTES, BATCH_ITEMS, Pace, Stream


class Wire:
    """Takes envelopes, or does not."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.closed = False

    def send(self, envelope: bytes) -> bool:
        if not self.closed:
            self.taken.append(envelope)
        return not self.closed

    @property
    def numbers(self) -> list[int]:
        return [unseal(data).number for data in self.taken]

    @property
    def said(self) -> list[int]:
        return [item[1] for data in self.taken for item in unseal(data).items]


async def test_what_is_said_in_one_turn_leaves_as_one_envelope() -> None:
    wire = Wire()
    stream = Stream(wire.send)
    stream.begin(7)
    for number in range(3):
        stream.say(Kind.BEGIN, number)
    assert wire.taken == []
    await asyncio.sleep(0)
    stream.say(Kind.BEGIN, 3)
    await asyncio.sleep(0)

    assert (wire.numbers, wire.said) == ([1, 2], [0, 1, 2, 3])
    assert unseal(wire.taken[0]).conversation == 7


async def test_an_envelope_is_bounded_in_items_and_in_bytes() -> None:
    wire = Wire()
    stream = Stream(wire.send)
    stream.begin(1)
    for number in range(BATCH_ITEMS + 1):
        stream.say(Kind.BEGIN, number)
    for _ in range(3):
        stream.say(Kind.FILE_CHUNK, 1, b"x" * (BATCH_BYTES // 2))
    stream.flush()

    assert [len(unseal(data).items) for data in wire.taken] == [BATCH_ITEMS, 2, 1, 1]
    assert max(map(len, wire.taken)) < 2 * BATCH_BYTES


async def test_what_is_not_taken_waits_in_order_and_ends_with_its_conversation() -> None:
    wire = Wire()
    stream = Stream(wire.send)
    stream.begin(1)
    wire.closed = True
    stream.say(Kind.BEGIN, 1)
    stream.flush()
    stream.say(Kind.BEGIN, 2)
    wire.closed = False
    stream.flush()
    assert (wire.numbers, wire.said) == ([1], [1, 2])

    wire.closed = True
    stream.say(Kind.BEGIN, 3)
    stream.flush()
    stream.begin(2)
    wire.closed = False
    stream.say(Kind.BEGIN, 4)
    stream.flush()

    assert (wire.numbers, wire.said) == ([1, 1], [1, 2, 4])


async def test_a_gap_in_the_numbers_is_seen() -> None:
    wire = Wire()
    sender, receiver = Stream(wire.send), Stream(wire.send)
    sender.begin(1)
    receiver.begin(1)
    for number in range(3):
        sender.add(pack_item(Kind.BEGIN, number))
        sender.flush()
    first, _, third = (unseal(data) for data in wire.taken)

    assert receiver.take(first)
    assert not receiver.take(third)


def test_a_look_that_comes_late_is_nobodys_silence() -> None:
    pace = Pace(0.25, now=100.0)

    assert pace.late_s(100.25) == 0
    assert pace.late_s(100.375) == 0
    assert pace.late_s(130.625) == 30
    assert pace.late_s(130.875) == 0
