"""Commands in the queue: refused, expired, lost with their link, and never done twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from protocol import messages as m
from tests.fakes.core_links import FakeLink, Site, accept
from tests.fakes.said import call_out, create, incoming, transfer


async def prepared(site: Site, window: int = 64) -> tuple[FakeLink, FakeLink]:
    """A platform with a call, and the application whose call it is."""
    pbx, desk = await site.connect("pbx", window=window), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)
    desk.answer(desk.pushed[0])
    return pbx, desk


async def test_a_refused_command_is_told_to_its_sender(site: Site) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, transfer(), "t1")
    (command,) = await pbx.heard(1)

    pbx.answer(command, 306, "in the wrong\nstate " + "x" * 2000)
    outcome = (await desk.heard(2))[1].message

    assert (outcome.number, outcome.request_id, outcome.result) == (105, "t1", 306)
    assert str(outcome.detail).startswith("pbx: in the wrong state")
    assert getattr(outcome, "phase") is m.CallPhase.FAILED  # noqa: B009 - of 105


async def test_a_refused_hang_up_does_not_look_like_one(site: Site) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, m.Hangup(call_id="C1"), "h1")
    (command,) = await pbx.heard(1)

    pbx.answer(command, 306)
    outcome = (await desk.heard(2))[1].message

    assert (outcome.number, outcome.request_id, outcome.call_id) == (102, "h1", None)


async def test_a_command_that_expires_in_the_queue_is_told_and_never_sent(site: Site) -> None:
    pbx, desk = await prepared(site, window=1)
    await site.say(desk, create(), "e")
    await site.say(desk, transfer(), "t1", expire_s=10)
    await pbx.heard(1)
    assert pbx.types == [201], "the window is full"

    site.clock.advance(10)
    await site.sweep()
    pbx.answer(pbx.pushed[0])
    await desk.until(lambda: 105 in desk.types)

    outcome = next(r.message for r in desk.pushed if r.type == 105)
    assert (outcome.request_id, outcome.result) == ("t1", 309)
    await site.settled()
    assert pbx.types == [201]


async def test_setting_the_clock_back_lets_no_command_live_longer(site: Site) -> None:
    pbx, desk = await prepared(site, window=1)
    await site.say(desk, create(), "e")
    await site.say(desk, transfer(), "t1", expire_s=10)

    site.clock.jump(site.clock.utc() - timedelta(hours=1))
    site.clock.advance(11)
    pbx.answer(pbx.pushed[0])
    await site.sweep()
    await desk.until(lambda: 105 in desk.types)

    assert pbx.types == [201]


async def test_setting_the_clock_forward_kills_no_command(site: Site) -> None:
    pbx, desk = await prepared(site)

    site.clock.jump(site.clock.utc() + timedelta(hours=1))
    await site.say(desk, transfer(), "t1")
    await site.sweep()

    (command,) = await pbx.heard(1)
    assert command.time == site.clock.utc()
    assert command.expire_s == 30
    assert 105 not in desk.types


async def test_a_command_whose_link_died_is_reported_and_not_repeated(site: Site) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, create(), "e")
    await site.say(desk, transfer(), "t1")
    await pbx.heard(2)

    site.core.closed(pbx, "cut")
    again = await site.connect("pbx")
    await desk.until(lambda: 105 in desk.types)

    outcome = next(r.message for r in desk.pushed if r.type == 105)
    assert (outcome.request_id, outcome.result) == ("t1", 503)
    # That the platform notes the event's number twice does no harm.
    assert again.types == [201]
    assert again.pushed[0].resend


async def test_a_command_whose_link_died_is_not_told_to_be_expired(site: Site) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, transfer(), "t1", expire_s=10)
    await pbx.heard(1)

    site.core.closed(pbx, "cut")
    await desk.until(lambda: 105 in desk.types)
    site.clock.advance(11)
    await site.sweep()

    results = [request.message.result for request in desk.pushed if request.type == 105]
    assert results == [503], "309 would say that it was not done; and it is told once"


async def test_a_command_that_a_killed_process_may_have_sent_is_not_told_to_be_expired(
    site: Site,
) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, transfer(), "t1", expire_s=10)
    await pbx.heard(1)

    await site.kill()
    desk = await site.connect("desk", last_seq=1)
    site.clock.advance(11)
    await site.sweep()
    await desk.until(lambda: 105 in desk.types)

    assert [request.message.result for request in desk.pushed if request.type == 105] == [503]


async def test_a_command_that_a_killed_process_may_have_sent_is_not_repeated(site: Site) -> None:
    pbx, desk = await prepared(site)
    await asyncio.gather(*(site.say(desk, call_out(None, f"139{n}"), f"c{n}") for n in range(70)))
    await pbx.heard(64)

    await site.kill()
    again = await site.connect("pbx")
    desk = await site.connect("desk", last_seq=1)
    desk.answers = accept
    for request in list(desk.pushed):
        desk.answer(request)
    await desk.heard(70)

    assert again.pushed == []
    assert {request.message.request_id for request in desk.pushed} == {f"c{n}" for n in range(70)}
    assert {request.message.result for request in desk.pushed} == {503}


async def test_a_command_that_is_never_answered_is_given_up(site: Site) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, transfer(), "t1", expire_s=10)
    await pbx.heard(1)

    site.clock.advance(39)
    await site.sweep()
    assert 105 not in desk.types
    site.clock.advance(1)
    await site.sweep()
    await desk.until(lambda: 105 in desk.types)

    outcome = next(r.message for r in desk.pushed if r.type == 105)
    assert (outcome.request_id, outcome.result) == ("t1", 503)
    await site.sweep()
    site.core.closed(pbx, "cut")
    await site.settled()
    assert desk.types.count(105) == 1


async def test_a_command_that_was_done_is_not_opened_again_by_an_older_position(
    site: Site,
) -> None:
    pbx, desk = await prepared(site)
    await site.say(desk, transfer(), "t1")
    pbx.answer((await pbx.heard(1))[0])
    await site.settled()

    again = await site.connect("pbx", last_seq=0)
    await site.settled()

    assert again.pushed == []
    assert 105 not in desk.types, "its outcome is no secret"


async def test_a_business_screen_s_command_is_treated_like_any(site: Site) -> None:
    bs = FakeLink(site.core, "bs")
    from protocol.roles import Role

    response = await site.core.register(bs, site.registration("bs", role=Role.BUSINESS_SCREEN))
    assert response.result == 0
    site.core.begin(bs)
    desk = await site.connect("desk")
    action = m.message_class(605)
    assert action is not None
    message = action(call_id="C1", to_login_id="13", mode=m.TransferMode.BLIND)  # type: ignore[call-arg]  # made by the mirror rule
    await site.say(bs, message, "b1")
    (sent,) = await desk.heard(1)
    assert sent.expire_s == 30

    desk.answer(sent, 202, "not you")
    (told,) = await bs.heard(1)
    assert (told.type, told.message.request_id, told.message.result) == (505, "b1", 202)

    await site.say(bs, message, "b2")
    await desk.heard(2)
    site.core.closed(desk, "cut")
    again = await site.connect("desk", last_seq=0)
    await bs.heard(2)

    assert (bs.pushed[1].message.request_id, bs.pushed[1].message.result) == ("b2", 503)
    assert again.pushed == [], "only notices are replayed"
