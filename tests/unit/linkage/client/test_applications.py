"""Applications and screens: what they are delivered, and how it is acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from linkage.client import Application, Backoff, Received, ReplacedError, State
from protocol.messages import CallDirection, HangupNotice, IncomingCallNotice, PlatformLeave
from protocol.results import Result
from tests.fakes.far_end import SECRET, WITHIN_S, Far, ScriptedLinkage
from tests.unit.linkage.client.conftest import Spawn

SOON = Backoff(first_s=0.001, most_s=0.001)


def call(number: int = 1) -> IncomingCallNotice:
    return IncomingCallNotice(call_id=f"c{number}", direction=CallDirection.IN)


def desk(linkage: ScriptedLinkage, **options: Any) -> Application:
    return Application("127.0.0.1", linkage.port, "desk", secret=SECRET, backoff=SOON, **options)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def collect(app: Application, into: list[Received], count: int) -> None:
    async for notice in app.notices():
        into.append(notice)
        if len(into) == count:
            return


async def opened(app: Application, linkage: ScriptedLinkage) -> Far:
    """Enter the client while the far end takes its registration."""
    async with asyncio.TaskGroup() as group:
        registering = group.create_task(linkage.registered())
        group.create_task(app.__aenter__())
    return registering.result()


async def test_a_notice_is_acknowledged_when_the_loop_comes_back_for_the_next(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", call(1), seq=1)
    far.notify("b", call(2), seq=2)
    notices = app.notices()
    first = await anext(notices)
    assert first.message == call(1)
    assert far.responses.empty()
    second = await anext(notices)
    answer = await far.response()
    assert (answer.request_id, answer.result) == ("a", 0)
    assert second.message == call(2)
    assert app.last_seq == 1
    await app.close()


async def test_leaving_the_block_acknowledges_what_the_loop_broke_off_with(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    async def work() -> None:
        async with desk(linkage) as app:
            async for notice in app.notices():
                if isinstance(notice.message, HangupNotice):
                    break

    working = spawn(work())
    far = await linkage.registered()
    far.notify("a", call())
    far.notify("b", HangupNotice(call_id="c1"))
    assert [(await far.response()).request_id for _ in range(2)] == ["a", "b"]
    await asyncio.wait_for(working, WITHIN_S)


async def test_a_crash_in_the_handler_leaves_the_notice_unanswered(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    async def work() -> None:
        async with desk(linkage) as app:
            async for _ in app.notices():
                raise RuntimeError("the handler is broken")

    working = spawn(work())
    far = await linkage.registered()
    far.notify("a", call())
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(working, WITHIN_S)
    await asyncio.wait_for(far.closed.wait(), WITHIN_S)
    assert far.responses.empty()


async def test_what_a_dead_task_had_in_hand_is_handed_out_again(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", call())

    async def crash() -> None:
        async for _ in app.notices():
            raise RuntimeError("the handler is broken")

    with pytest.raises(RuntimeError):
        await spawn(crash())
    again = await anext(app.notices())
    assert again.message == call()
    assert again.resend
    assert await again.acknowledge()
    assert (await far.response()).result == 0
    await app.close()


async def test_notices_can_be_awaited_one_by_one_with_a_limit(linkage: ScriptedLinkage) -> None:
    async with asyncio.timeout(WITHIN_S):
        app = desk(linkage)
        far = await opened(app, linkage)
        notices = app.notices()
        for number in (1, 2, 3):
            far.notify(f"n{number}", call(number))
            # The task that wait_for makes has ended when the notice is here, and has not failed.
            notice = await asyncio.wait_for(anext(notices), WITHIN_S)
            assert notice.message == call(number)
        assert [(await far.response()).request_id for _ in range(2)] == ["n1", "n2"]
        await app.__aexit__(None, None, None)
        assert (await far.response()).request_id == "n3"


async def test_a_notice_can_be_refused(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", call())
    notices = app.notices()
    notice = await anext(notices)
    assert await notice.refuse(Result.NO_LOGIN, "nobody here")
    assert not await notice.acknowledge(), "the first answer counts"
    answer = await far.response()
    assert (answer.result, answer.detail) == (303, "nobody here")
    await app.close()


async def test_two_messages_with_one_id_both_count(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    for number in (1, 2):
        far.notify("20009", call(number))
        notice = await anext(notices)
        assert notice.message == call(number)
        await notice.acknowledge()
        assert (await far.response()).detail is None
    await app.close()


async def test_a_duplicate_is_answered_like_the_first_and_not_handed_out(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", call(1))
    notices = app.notices()
    await (await anext(notices)).refuse(Result.NO_LOGIN)
    assert (await far.response()).result == 303
    far.notify("a", call(1), resend=True)
    duplicate = await far.response()
    assert (duplicate.request_id, duplicate.result, duplicate.detail) == ("a", 303, "duplicate")
    far.notify("b", call(2))
    assert (await anext(notices)).message == call(2)
    await app.close()


async def test_the_same_words_at_another_place_of_the_queue_are_another_alarm(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    for seq in (1, 2):
        far.notify("20009", call(1), seq=seq)
        notice = await anext(notices)
        assert (notice.message, notice.seq) == (call(1), seq)
        await notice.acknowledge()
        assert (await far.response()).detail is None
    await app.close()


async def test_the_same_words_from_a_sender_that_does_not_number_are_another_alarm(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    for _ in range(2):
        far.notify("20009", call(1))
        notice = await anext(notices)
        assert notice.message == call(1)
        await notice.acknowledge()
        assert (await far.response()).detail is None
    await app.close()


async def test_what_linkage_is_not_sure_of_is_handed_out_marked(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    ways: list[dict[str, Any]] = [
        {"seq": 1}, {"seq": 2, "repeat": True}, {"repeat": True, "resend": True},
        {"repeat": True, "resend": True},
    ]  # fmt: skip
    for way in ways:
        far.notify("1", call(1), **way)
        notice = await anext(notices)
        assert notice.repeat is way.get("repeat", False)
        await notice.acknowledge()
        assert (await far.response()).detail is None
    await app.close()


async def test_what_comes_again_from_the_queue_is_dropped_marked_or_not(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    far.notify("1", call(1), seq=1, repeat=True)
    await (await anext(notices)).acknowledge()
    await far.response()
    far.notify("1", call(1), seq=1, repeat=True, resend=True)
    assert (await far.response()).detail == "duplicate"
    await app.close()


async def test_a_restored_linkage_that_numbers_anew_is_heard(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    notices = app.notices()
    for seq in (1, 2, 3):
        far.notify(f"n{seq}", call(1), seq=seq)
        await (await anext(notices)).acknowledge()
        await far.response()
    far.drop()
    again = await linkage.far()
    await again.register(last_seq=1)  # of a backup: what came after is lost there
    again.notify("n2", call(1), seq=2)
    assert (await anext(notices)).seq == 2
    await app.close()


async def test_a_notice_in_work_over_a_reconnect_is_answered_on_the_new_session(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", call(1), seq=7)
    notices = app.notices()
    notice = await anext(notices)
    far.drop()
    again = await linkage.far()
    registration = await again.register()
    assert getattr(registration.message, "last_seq", None) == 6
    again.notify("a", call(1), seq=7, resend=True)
    again.notify("b", call(2), seq=8)
    # The second comes behind the repetition of the first: once it is here, so is the other.
    second = await app._inbox.next()
    assert second.message == call(2)
    assert await notice.acknowledge()
    answer = await again.response()
    assert (answer.request_id, answer.result) == ("a", 0)
    assert app.last_seq == 7
    await app.close()


async def test_a_reconnect_resumes_after_the_last_acknowledged(linkage: ScriptedLinkage) -> None:
    states: list[State] = []
    app = desk(linkage, on_state=lambda state, _: states.append(state))
    far = await opened(app, linkage)
    for seq in (41, 42, 43):
        far.notify(f"n{seq}", call(seq), seq=seq)
    taken: list[Received] = []
    await collect(app, taken, 3)
    assert [(await far.response()).request_id for _ in range(2)] == ["n41", "n42"]
    far.drop()
    again = await linkage.far()
    registration = await again.register()
    assert getattr(registration.message, "last_seq", None) == 42
    await app.wait_ready()
    assert states == [
        State.CONNECTING,
        State.READY,
        State.WAITING,
        State.CONNECTING,
        State.READY,
    ]
    await app.close()
    assert app.state is State.CLOSED


async def test_answers_out_of_order_do_not_move_the_position_over_an_open_one(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    for seq in (1, 2, 3):
        far.notify(f"n{seq}", call(seq), seq=seq)
    received = [await app._inbox.next() for _ in range(3)]
    await received[2].acknowledge()
    await received[1].acknowledge()
    assert app.last_seq == 0
    await received[0].acknowledge()
    assert app.last_seq == 3
    await app.close()


async def test_the_position_survives_the_process(linkage: ScriptedLinkage, tmp_path: Path) -> None:
    state_file = tmp_path / "desk.state"
    app = desk(linkage, state_file=state_file)
    far = await opened(app, linkage)
    far.notify("a", call(), seq=5)
    await (await anext(app.notices())).acknowledge()
    await far.response()
    await app.close()

    later = desk(linkage, state_file=state_file)
    async with asyncio.TaskGroup() as group:
        group.create_task(later.__aenter__())
        registration = await (await linkage.far()).register()
    assert getattr(registration.message, "last_seq", None) == 5
    await later.close()
    assert names_in(tmp_path) == ["desk.state"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"peer": "other", "last_seq": 9}', '{"peer": "desk", "last_seq": "x"}'],
)
async def test_a_state_file_that_cannot_be_trusted_is_not_used(
    linkage: ScriptedLinkage, tmp_path: Path, content: str
) -> None:
    state_file = tmp_path / "desk.state"
    state_file.write_text(content)
    assert desk(linkage, state_file=state_file).last_seq is None


async def test_a_state_file_in_no_folder_is_an_error_at_once(
    linkage: ScriptedLinkage, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        desk(linkage, state_file=tmp_path / "missing" / "desk.state")


async def test_linkage_with_a_reset_queue_moves_the_position_back(
    linkage: ScriptedLinkage, tmp_path: Path
) -> None:
    state_file = tmp_path / "desk.state"
    state_file.write_text('{"peer": "desk", "last_seq": 900}')
    app = desk(linkage, state_file=state_file)
    async with asyncio.TaskGroup() as group:
        group.create_task(app.__aenter__())
        far = await linkage.far()
        await far.register(last_seq=3)
    assert app.last_seq == 3
    await app.close()


async def test_a_replaced_session_does_not_come_back(
    linkage: ScriptedLinkage, spawn: Spawn[None]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("leave", PlatformLeave(reason="replaced"))
    with pytest.raises(ReplacedError):
        await anext(app.notices())
    assert app.state is State.CLOSED
    await app.close()


async def test_a_platform_that_leaves_is_a_notice_like_any_other(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.notify("a", PlatformLeave(reason="maintenance", restart_in=60))
    assert (await anext(app.notices())).message == PlatformLeave(
        reason="maintenance", restart_in=60
    )
    assert app.state is State.READY
    await app.close()


async def test_closing_ends_the_loops_over_notices(
    linkage: ScriptedLinkage, spawn: Spawn[list[Received]]
) -> None:
    async def loop() -> list[Received]:
        return [notice async for notice in app.notices()]

    app = desk(linkage)
    await opened(app, linkage)
    looping = spawn(loop())
    await app.close()
    assert await asyncio.wait_for(looping, WITHIN_S) == []
