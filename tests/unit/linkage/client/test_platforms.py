"""Platforms: what they tell, and what they are told to do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from linkage.client import ClosedError, CommandExpiredError, CommandRefusedError, Platform
from linkage.client.outbox import Outbox
from linkage.clock import ManualClock, SystemClock
from protocol.connection import WINDOW
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.messages import AppLeave, CallDirection, Hangup, HangupNotice, IncomingCallNotice
from protocol.results import Result
from tests.fakes.far_end import SECRET, WITHIN_S, Far, ScriptedLinkage
from tests.unit.linkage.client.conftest import Spawn
from tests.unit.linkage.client.test_applications import SOON

CALL = IncomingCallNotice(call_id="c1", direction=CallDirection.IN)
HANGUP = Hangup(call_id="c1")


def exchange(linkage: ScriptedLinkage, **options: Any) -> Platform:
    return Platform("127.0.0.1", linkage.port, "pbx", secret=SECRET, backoff=SOON, **options)


async def opened(platform: Platform, linkage: ScriptedLinkage) -> Far:
    async with asyncio.TaskGroup() as group:
        registering = group.create_task(linkage.registered())
        group.create_task(platform.__aenter__())
    return registering.result()


async def test_a_notice_returns_the_answer_and_carries_its_time(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage, further={"vendor": "simulator"})
    far = await opened(platform, linkage)
    before = SystemClock().utc() - timedelta(milliseconds=1)
    telling = spawn(platform.notify(CALL))
    request = await far.request()
    assert request.message == CALL
    assert request.expire_s is None
    assert request.time is not None
    assert request.time >= before
    far.answer(request, detail="on disk")
    assert (await telling).detail == "on disk"
    await platform.close()


async def test_a_refused_notice_is_returned_or_raised_as_wanted(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = spawn(platform.notify(CALL))
    far.answer(await far.request(), Result.BAD_VALUE)
    assert (await telling).result == Result.BAD_VALUE
    telling = spawn(platform.notify(CALL, check=True))
    far.answer(await far.request(), Result.BAD_VALUE)
    with pytest.raises(CommandRefusedError):
        await telling
    await platform.close()


async def test_unanswered_notices_go_again_in_order_before_newer_ones(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = [spawn(platform.notify(HangupNotice(call_id=f"c{n}"))) for n in range(3)]
    first = [await far.request() for _ in range(3)]
    far.answer(first[0])
    await asyncio.wait_for(telling[0], WITHIN_S)
    far.drop()
    again = await linkage.far()
    telling.append(spawn(platform.notify(HangupNotice(call_id="c3"))))
    await again.register()
    second = [await again.request() for _ in range(3)]
    assert [request.id for request in second[:2]] == [request.id for request in first[1:]]
    assert [request.message.call_id for request in second] == ["c1", "c2", "c3"]
    assert [request.resend for request in second] == [True, True, False]
    for request in second:
        again.answer(request)
    assert all(response.accepted for response in await asyncio.gather(*telling))
    await platform.close()


async def test_a_notice_outlives_the_one_who_gave_it(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = spawn(platform.notify(CALL))
    request = await far.request()
    telling.cancel()
    far.drop()
    again = await linkage.registered()
    assert (await again.request()).id == request.id
    again.answer(request)
    await platform.close()


async def test_an_overloaded_linkage_is_offered_the_notice_again(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = spawn(platform.notify(CALL))
    request = await far.request()
    far.answer(request, Result.OVERLOAD, retry_after_s=1)
    again = await far.request()
    assert (again.id, again.resend) == (request.id, True)
    far.answer(again)
    assert (await telling).accepted
    await platform.close()


async def test_notices_refused_for_now_are_offered_again_in_their_order(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = [spawn(platform.notify(HangupNotice(call_id=f"c{n}"))) for n in range(6)]
    first = [await far.request() for _ in range(6)]
    for request in first[1:5]:
        far.answer(request, Result.OVERLOAD, retry_after_s=1)
    again = [await far.request() for _ in range(4)]
    assert [request.message.call_id for request in again] == ["c1", "c2", "c3", "c4"]

    far.answer(again[1], Result.OVERLOAD, retry_after_s=60)
    far.answer(again[0])
    await asyncio.wait_for(telling[1], WITHIN_S)
    far.drop()
    second = await linkage.registered()
    telling.append(spawn(platform.notify(HangupNotice(call_id="c6"))))
    platform._outbox._go_on()  # as it does when the 60 s are over
    last = [await second.request() for _ in range(6)]

    assert [request.message.call_id for request in last] == ["c0", "c2", "c3", "c4", "c5", "c6"]
    for request in last:
        second.answer(request)
    assert all(response.accepted for response in await asyncio.gather(*telling))
    await platform.close()


async def test_commands_are_answered_in_any_order_with_the_ids_allocated(
    linkage: ScriptedLinkage,
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    far.notify("a", HANGUP)
    far.notify("b", Hangup(call_id="c2"))
    commands = platform.commands()
    first, second = await anext(commands), await anext(commands)
    assert (first.id, first.message) == ("a", HANGUP)
    assert await second.answer(Result.ACCEPTED, call_id="c9", detail="ringing")
    assert not await second.answer(Result.OK), "the first answer counts"
    await first.answer(Result.NOT_SUPPORTED)
    answers = [await far.response() for _ in range(2)]
    assert [(item.request_id, item.result) for item in answers] == [("b", 1), ("a", 501)]
    assert (answers[0].call_id, answers[0].detail) == ("c9", "ringing")
    await platform.close()


async def test_a_command_past_its_time_is_answered_309_and_never_seen(
    linkage: ScriptedLinkage,
) -> None:
    clock = ManualClock()
    platform = exchange(linkage, clock=clock)
    asyncio.get_running_loop().call_soon(clock.jump, SystemClock().utc())
    far = await opened(platform, linkage)
    far.notify("old", HANGUP, time=clock.utc() - timedelta(seconds=31))
    far.notify("older", HANGUP, time=clock.utc() - timedelta(seconds=6), expire_s=5)
    far.notify("fresh", HANGUP, time=clock.utc() - timedelta(seconds=29))
    command = await anext(platform.commands())
    assert command.id == "fresh"
    answers = [await far.response() for _ in range(2)]
    assert [(item.request_id, item.result) for item in answers] == [("old", 309), ("older", 309)]
    await platform.close()


async def test_a_command_can_grow_too_old_while_it_waits_here(linkage: ScriptedLinkage) -> None:
    clock = ManualClock()
    platform = exchange(linkage, clock=clock)
    far = await opened(platform, linkage)
    far.notify("a", HANGUP, expire_s=5)
    far.notify("b", HANGUP, expire_s=60)
    commands = platform.commands()
    # Both are here once the first came out; it goes back in front to grow old.
    first = await anext(commands)
    platform._inbox._waiting.appendleft(first)
    clock.advance(6)
    assert (await anext(commands)).id == "b"
    assert (await far.response()).result == 309
    await platform.close()


async def test_an_answer_after_the_session_ended_is_said_again_when_asked(
    linkage: ScriptedLinkage,
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    far.notify("a", HANGUP)
    command = await anext(platform.commands())
    far.drop()
    again = await linkage.registered()
    await platform.wait_ready()
    assert not await command.answer(Result.ACCEPTED, call_id="c1")
    again.notify("a", HANGUP, resend=True)
    answer = await again.response()
    assert (answer.result, answer.call_id, answer.detail) == (1, "c1", "duplicate")
    await platform.close()


async def test_a_platform_does_not_send_commands(linkage: ScriptedLinkage) -> None:
    platform = exchange(linkage)
    await opened(platform, linkage)
    with pytest.raises(LocalProtocolError):
        await platform.notify(HANGUP)
    await platform.close()


async def test_closing_ends_the_loop_over_commands(
    linkage: ScriptedLinkage, spawn: Spawn[list[object]]
) -> None:
    async def loop() -> list[object]:
        return [command async for command in platform.commands()]

    platform = exchange(linkage)
    await opened(platform, linkage)
    looping = spawn(loop())
    await platform.close()
    assert await asyncio.wait_for(looping, WITHIN_S) == []


async def test_a_replaced_platform_is_told_by_299(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    far.notify("leave", AppLeave(reason="replaced"))
    assert (await far.response()).result == 0
    await asyncio.wait_for(far.closed.wait(), WITHIN_S)
    await platform.close()


async def test_the_outbox_makes_those_wait_who_are_too_many(spawn: Spawn[Response]) -> None:
    outbox = Outbox(size=2)
    sending = [
        spawn(outbox.send(Request(id=f"r{n}", message=CALL), within_s=None)) for n in range(3)
    ]
    started = asyncio.Event()
    asyncio.get_running_loop().call_soon(started.set)
    await started.wait()
    assert len(outbox) == 2
    outbox.finish(ClosedError("over"))
    for task in sending:
        with pytest.raises(ClosedError):
            await asyncio.wait_for(task, WITHIN_S)
    assert len(outbox) == 0


async def test_what_waits_for_room_in_the_outbox_expires_from_when_it_was_given(
    spawn: Spawn[Response],
) -> None:
    outbox = Outbox(size=1)
    first = spawn(outbox.send(Request(id="r1", message=CALL), within_s=0.05))
    spawn(outbox.send(Request(id="r2", message=CALL), within_s=60.0))
    await asyncio.sleep(0)
    given = asyncio.get_running_loop().time()
    with pytest.raises(CommandExpiredError):
        await asyncio.wait_for(first, WITHIN_S)
    await asyncio.sleep(0)
    (entry,) = outbox._waiting
    assert entry.expiry is not None
    assert entry.expiry.when() <= given + 60.0


async def test_no_more_than_a_window_of_notices_is_under_way(
    linkage: ScriptedLinkage, spawn: Spawn[Response]
) -> None:
    platform = exchange(linkage)
    far = await opened(platform, linkage)
    telling = [spawn(platform.notify(CALL)) for _ in range(WINDOW + 1)]
    under_way = [await far.request() for _ in range(WINDOW)]
    assert far.requests.empty()
    far.answer(under_way[0])
    last = await far.request()
    for request in (*under_way[1:], last):
        far.answer(request)
    await asyncio.wait_for(asyncio.gather(*telling), WITHIN_S)
    await platform.close()
