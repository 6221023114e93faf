"""Commands: their answers, their outcomes, and what a lost connection does to them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, cast

import pytest

from linkage.client import (
    Application,
    BusinessScreen,
    ClosedError,
    CommandExpiredError,
    CommandFailedError,
    CommandRefusedError,
    CommunicationScreen,
    Reply,
    State,
    WindowFullError,
)
from linkage.client.replies import is_last, outcome_numbers
from protocol.connection import WINDOW
from protocol.errors import LocalProtocolError
from protocol.messages import (
    CallDirection,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallPhase,
    CreateEvent,
    EventRecordNotice,
    HangupNotice,
    IncomingCallNotice,
    QueryEventRecord,
    Transfer,
    TransferMode,
    TransferNotice,
    message_class,
)
from protocol.results import Result
from tests.fakes.far_end import SECRET, WITHIN_S, Far, ScriptedLinkage
from tests.unit.linkage.client.conftest import Spawn
from tests.unit.linkage.client.test_applications import SOON, desk, opened

CREATE = CreateEvent(call_id="c1", event_id="1213243")
TRANSFER = Transfer(call_id="c1", to_login_id="14", mode=TransferMode.BLIND)


def done(request_id: str) -> TransferNotice:
    return TransferNotice(call_id="c1", to_login_id="14", request_id=request_id)


async def answered(app: Application, far: Far, spawn: Spawn[Reply], result: int = 0) -> Reply:
    sending = spawn(app.send(TRANSFER, check=False))
    far.answer(await far.request(), result)
    return await asyncio.wait_for(sending, WITHIN_S)


async def test_a_command_returns_its_response(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(CREATE, expire_s=20))
    request = await far.request()
    assert request.message == CREATE
    assert request.expire_s == 20
    assert request.time is not None
    far.answer(request, Result.ACCEPTED, op_id="op1")
    reply = await sending
    assert (reply.request_id, reply.result, reply.response.op_id) == (request.id, 1, "op1")
    await app.close()


async def test_a_refusal_raises_unless_it_is_asked_for(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(CREATE))
    far.answer(await far.request(), Result.NO_CALL, detail="c1 is gone")
    with pytest.raises(CommandRefusedError, match=r"301 no such CallId.*c1 is gone") as caught:
        await sending
    assert caught.value.response.result == Result.NO_CALL
    unchecked = await answered(app, far, spawn, Result.NO_CALL)
    assert not unchecked.accepted
    await app.close()


async def test_an_outcome_is_found_before_the_notices_that_wait_in_front_of_it(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", IncomingCallNotice(call_id="c1", direction=CallDirection.IN))
    notices = app.notices()
    await anext(notices)
    far.notify("b", HangupNotice(call_id="c9"))
    reply = await answered(app, far, spawn)
    far.notify("c", done(reply.request_id))
    # In the middle of the loop over notices, "a" in hand and "b" waiting.
    assert await reply.outcome() == done(reply.request_id)
    assert (await anext(notices)).message == HangupNotice(call_id="c9")
    assert (await anext(notices)).message == done(reply.request_id), "and it is delivered as well"
    await app.close()


async def test_an_outcome_that_overtakes_the_response_is_kept(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(TRANSFER))
    request = await far.request()
    far.notify("a", done(request.id))
    far.answer(request)
    assert await (await sending).outcome(TransferNotice) == done(request.id)
    await app.close()


async def test_a_failure_is_an_outcome_of_any_type(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    failed = HangupNotice(call_id="c1", request_id="x", result=Result.UNREACHABLE)
    first = await answered(app, far, spawn)
    far.notify("a", HangupNotice(call_id="c1", request_id=first.request_id, result=502))
    outcome = await first.outcome()
    assert (outcome.number, outcome.result) == (failed.number, 502)
    second = await answered(app, far, spawn)
    far.notify("b", HangupNotice(call_id="c1", request_id=second.request_id, result=502))
    with pytest.raises(CommandFailedError, match="502"):
        await second.outcome(TransferNotice)
    await app.close()


async def test_a_transfer_that_only_rings_has_no_outcome_yet(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    reply = await answered(app, far, spawn)
    for number, phase in enumerate((CallPhase.START, CallPhase.RINGING, CallPhase.DONE)):
        far.notify(f"n{number}", TransferNotice(request_id=reply.request_id, phase=phase))
    outcome = await reply.outcome(TransferNotice)
    assert outcome.phase is CallPhase.DONE
    await app.close()


async def test_waiting_for_an_outcome_ends_after_its_time(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    reply = await answered(app, far, spawn)
    with pytest.raises(TimeoutError):
        await reply.outcome(timeout_s=0.01)
    await app.close()


async def test_progress_is_iterated_up_to_the_last(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(QueryEventRecord(event_id="1213243")))
    request = await far.request()
    far.answer(request, Result.ACCEPTED)
    pages = [
        EventRecordNotice(event_id="1213243", request_id=request.id, page=page, pages=3)
        for page in (1, 2, 3)
    ]
    for page in pages:
        far.notify(f"p{page.page}", page)
    reply = await sending
    assert [notice async for notice in reply.outcomes()] == pages
    await app.close()


async def test_a_loop_that_blocks_the_outcome_it_awaits_is_told_so(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    async def work() -> None:
        async with desk(linkage) as app:
            async for _ in app.notices():
                reply = await app.send(TRANSFER)
                await reply.outcome(timeout_s=WITHIN_S)

    working = spawn(work())
    far = await linkage.registered()
    far.notify("n0", HangupNotice(call_id="c0"))
    far.answer(await far.request())
    for number in range(1, WINDOW):
        far.notify(f"n{number}", HangupNotice(call_id=f"c{number}"))
    with pytest.raises(WindowFullError):
        await asyncio.wait_for(working, WITHIN_S)


async def test_a_swallowed_answer_makes_the_command_go_again_under_its_id(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(CREATE))
    first = await far.request()
    assert not first.resend
    far.drop()
    again = await linkage.registered()
    second = await again.request()
    assert (second.id, second.message, second.resend) == (first.id, CREATE, True)
    again.answer(second, Result.OK, detail="duplicate")
    assert (await sending).accepted
    await app.close()


async def test_a_command_is_not_sent_again_after_it_expired(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(CREATE, expire_s=1))
    await far.request()
    with pytest.raises(CommandExpiredError, match="outcome unknown") as caught:
        await asyncio.wait_for(sending, WITHIN_S)
    assert caught.value.sent
    far.drop()
    again = await linkage.registered()
    following = spawn(app.send(TRANSFER))
    assert (await again.request()).message == TRANSFER
    following.cancel()
    await app.close()


async def test_a_command_of_the_wrong_direction_never_leaves(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    await opened(app, linkage)
    with pytest.raises(LocalProtocolError, match="102"):
        await app.send(HangupNotice(call_id="c1"))
    assert app.state is State.READY
    await app.close()


async def test_more_commands_than_the_window_wait_their_turn(
    linkage: ScriptedLinkage, spawn: Spawn[Reply]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = [spawn(app.send(TRANSFER)) for _ in range(WINDOW + 3)]
    first = [await far.request() for _ in range(WINDOW)]
    assert far.requests.empty()
    for request in first:
        far.answer(request)
    for _ in range(3):
        far.answer(await far.request())
    assert all(reply.accepted for reply in await asyncio.gather(*sending))
    await app.close()


async def test_closing_ends_all_waits(linkage: ScriptedLinkage, spawn: Spawn[Any]) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    sending = spawn(app.send(CREATE))
    await far.request()
    reply = await answered(app, far, spawn)
    waiting = spawn(reply.outcome())
    await app.close()
    for task in (sending, waiting):
        with pytest.raises(ClosedError):
            await asyncio.wait_for(task, WITHIN_S)
    with pytest.raises(ClosedError):
        await app.send(CREATE)
    assert reply.accepted


async def test_a_forgotten_reply_collects_nothing(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    async def ask() -> None:
        await app.send(TRANSFER)

    app = desk(linkage)
    far = await opened(app, linkage)
    asking = spawn(ask())
    request = await far.request()
    assert len(app._outcomes._by_id) == 1
    far.answer(request)
    await asyncio.wait_for(asking, WITHIN_S)
    gc.collect()
    assert len(app._outcomes._by_id) == 0
    await app.close()


@pytest.mark.parametrize(
    ("screen", "register", "command", "push"),
    [(CommunicationScreen, 490, 405, 305), (BusinessScreen, 690, 605, 505)],
)
async def test_screens_log_in_act_and_are_pushed_to(
    linkage: ScriptedLinkage,
    spawn: Spawn[Reply],
    screen: type[CommunicationScreen | BusinessScreen],
    register: int,
    command: int,
    push: int,
) -> None:
    client = screen(
        "127.0.0.1", linkage.port, "screen1", secret=SECRET, backoff=SOON, login_id="13"
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(client.__aenter__())
        far = await linkage.far()
        registration = await far.register()
    assert (registration.type, registration.message.login_id) == (register, "13")
    act, show = message_class(command), message_class(push)
    assert act is not None
    assert show is not None
    sending = spawn(client.send(cast("Any", act)(call_id="c1", mode=TransferMode.BLIND)))
    request = await far.request()
    assert request.type == command
    far.answer(request)
    pushed = show(call_id="c1", request_id=request.id)
    far.notify("a", pushed)
    assert await (await sending).outcome() == pushed
    assert (await anext(client.notices())).message == pushed
    await client.close()


def test_every_command_has_its_notice_also_from_the_screens() -> None:
    for number in range(200, 300):
        if message_class(number) is not None:
            assert any(message_class(found) for found in outcome_numbers(number)), number
    assert outcome_numbers(215) == {193}
    assert outcome_numbers(415) == {393}
    assert outcome_numbers(605) == {505}
    assert outcome_numbers(200) == {100, 115}


def test_a_callout_is_through_when_its_progress_says_finished() -> None:
    result = CallOutResultNotice(request_id="x", phone_num="139")
    assert not is_last(210, result)
    assert not is_last(210, CallOutProgressNotice(request_id="x", finished=False))
    assert is_last(210, CallOutProgressNotice(request_id="x", finished=True))
    assert is_last(210, CallOutResultNotice(request_id="x", phone_num="139", result=502))
