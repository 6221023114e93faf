"""What is a repetition, what is not, and what may be one (protocol.md#repetitions)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from linkage.ports import EntryKind
from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_links import FakeLink, Site, accept
from tests.fakes.said import call_out, create, hangup, incoming

WHEN = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
HOURS = 3 * 3600


async def once(site: Site, link: FakeLink, message: Message, id_: str, **attrs: Any) -> bool:
    """Whether a request was taken for a repetition."""
    answer = await site.say(link, message, id_, **attrs)
    assert answer.result in {0, 1, 2}, answer
    return answer.detail == "duplicate"


async def come_back(
    site: Site, link: FakeLink | None = None, peer: str = "pbx", after_s: float = 0, **further: Any
) -> FakeLink:
    """A peer loses its connection, or linkage dies where none is given, and comes again."""
    if link is None:
        await site.kill()
    else:
        site.core.closed(link, "gone")
        await site.settled()
    site.clock.advance(after_s)
    return await site.connect(peer, **further)


async def desk_of(site: Site) -> FakeLink:
    desk = await site.connect("desk")
    desk.answers = accept
    return desk


def told(desk: FakeLink, number: int = 100) -> list[bool]:
    """For each notice of a type that arrived whether it is marked."""
    return [request.repeat for request in desk.pushed if request.type == number]


def reused(site: Site) -> list[Any]:
    return [row for row in site.journal() if row.kind == EntryKind.ID_REUSED]


# --- signs ---------------------------------------------------------------------------------------
async def test_a_second_alarm_with_the_bytes_of_the_first_is_told_hours_later(site: Site) -> None:
    """The platform was started anew and counts from 1 again; nobody told how the first ended."""
    desk, pbx = await desk_of(site), await site.connect("pbx")
    first = await site.say(pbx, incoming(), "1")
    await site.say(desk, create("E1"), "a")
    pbx = await come_back(site, pbx, after_s=HOURS)

    second = await site.say(pbx, incoming(), "1")
    await site.settled()

    assert (second.result, second.detail) == (0, None)
    assert second.op_id != first.op_id
    assert told(desk) == [False, True]
    (again,) = [request.message for request in desk.pushed if request.repeat]
    assert again.event_id is None, "it is not filed under what the first was about"
    (over,) = [request.message for request in desk.pushed if request.type == 102]
    assert (over.op_id, over.event_id) == (first.op_id, "E1")
    assert getattr(over, "reason", None) == 141


async def test_the_mark_outlives_a_crash(site: Site) -> None:
    desk, pbx = await site.connect("desk"), await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    pbx = await come_back(site, pbx, after_s=HOURS)
    await site.say(pbx, incoming(), "1")
    await site.settled()
    before = [(request.seq, request.repeat) for request in desk.pushed]

    await site.kill()
    desk = await site.connect("desk", last_seq=0)
    await desk.heard(len(before))

    assert [(request.seq, request.repeat) for request in desk.pushed] == before


async def test_an_order_given_again_the_next_morning_is_carried_out(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    pbx.answers = accept
    await site.say(desk, call_out(), "1")
    desk = await come_back(site, desk, "desk", after_s=16 * 3600)
    pbx = await come_back(site, pbx)
    pbx.answers = accept

    assert not await once(site, desk, call_out(), "1")
    await site.settled()

    assert [request.type for request in pbx.pushed] == [210]
    assert not pbx.pushed[0].repeat, "a command is carried out, and that is all"


async def test_what_comes_again_on_its_connection_is_a_repetition(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    await site.say(pbx, m.HoldNotice(call_id="C1"), "2")
    site.clock.advance(HOURS)

    assert await once(site, pbx, incoming(), "1")


async def test_what_was_answered_just_before_the_loss_is_a_repetition(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    site.clock.advance(59)
    pbx = await come_back(site, pbx, after_s=20)

    assert await once(site, pbx, incoming(), "1")


async def test_what_was_answered_a_minute_before_the_loss_is_none(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    site.clock.advance(61)
    pbx = await come_back(site, pbx)

    assert not await once(site, pbx, incoming(), "1")


async def test_who_went_on_after_an_answer_has_read_it(site: Site) -> None:
    desk, pbx = await desk_of(site), await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    await site.say(pbx, m.HoldNotice(call_id="C1"), "2")
    pbx = await come_back(site, pbx)

    assert not await once(site, pbx, incoming(), "1")
    assert await once(site, pbx, m.HoldNotice(call_id="C1"), "2") is False, "of another call now"
    await site.settled()
    assert told(desk) == [False, True]


async def test_what_came_together_may_lack_each_of_its_answers(site: Site) -> None:
    import asyncio

    pbx = await site.connect("pbx")
    together = [incoming(), m.HoldNotice(call_id="C1"), m.MuteNotice(call_id="C1")]
    await asyncio.gather(*(site.say(pbx, one, str(at)) for at, one in enumerate(together)))
    pbx = await come_back(site, pbx)

    assert [await once(site, pbx, one, str(at)) for at, one in enumerate(together)] == [True] * 3


async def test_what_was_journalled_but_not_answered_is_a_repetition_however_late(
    site: Site,
) -> None:
    """The link dies while the message waits for the disk."""
    import asyncio

    pbx = await site.connect("pbx")
    waiting = asyncio.get_running_loop().create_task(site.say(pbx, incoming(), "1"))
    await asyncio.sleep(0)
    site.core.closed(pbx, "gone")
    await waiting
    pbx = await site.connect("pbx")
    site.core.closed(pbx, "gone again, without a word")
    site.clock.advance(300)
    pbx = await site.connect("pbx")

    assert await once(site, pbx, incoming(), "1")


async def test_after_a_crash_the_last_word_of_each_sender_may_come_again(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    site.clock.advance(1)
    await site.say(pbx, m.HoldNotice(call_id="C1"), "2")
    pbx = await come_back(site, None, after_s=120)

    assert await once(site, pbx, m.HoldNotice(call_id="C1"), "2")
    assert not await once(site, pbx, incoming(), "1"), "it had read the answer to that"


async def test_a_connection_before_the_last_is_no_sign(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    pbx = await come_back(site, pbx)
    await site.say(pbx, m.MuteNotice(call_id="C1"), "2")
    pbx = await come_back(site, pbx)

    assert not await once(site, pbx, incoming(), "1")


# --- the sender's word ---------------------------------------------------------------------------
async def test_resend_is_the_senders_word_for_it_at_any_time(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1")
    await site.say(pbx, hangup(), "2")
    pbx = await come_back(site, pbx, after_s=72 * 3600)

    assert await once(site, pbx, incoming(), "1", resend=True)


async def test_what_happened_at_the_same_time_happened_once(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming(), "1", time=WHEN)
    await site.say(pbx, hangup(), "2", time=WHEN)
    pbx = await come_back(site, pbx, after_s=HOURS)

    assert await once(site, pbx, incoming(), "1", time=WHEN)


async def test_what_happened_at_another_time_is_another_and_not_marked(site: Site) -> None:
    desk, pbx = await desk_of(site), await site.connect("pbx")
    await site.say(pbx, incoming(), "1", time=WHEN)
    pbx = await come_back(site, pbx, after_s=HOURS)

    assert not await once(site, pbx, incoming(), "1", time=WHEN + timedelta(hours=3))
    await site.settled()
    assert told(desk) == [False, False]


async def test_within_another_boot_nothing_is_a_repetition_but_by_resend(site: Site) -> None:
    desk, pbx = await desk_of(site), await site.connect("pbx", boot="monday")
    await site.say(pbx, incoming(), "1")
    pbx = await come_back(site, pbx, boot="tuesday")

    assert not await once(site, pbx, incoming(), "1")
    await site.settled()
    assert told(desk) == [False, False], "there is no doubt"
    assert 197 not in desk.types, "and nobody to be called"
    assert await once(site, pbx, incoming(), "1", resend=True)


async def test_within_one_boot_the_signs_count(site: Site) -> None:
    pbx = await site.connect("pbx", boot="monday")
    await site.say(pbx, incoming(), "1")
    pbx = await come_back(site, pbx, boot="monday")
    assert await once(site, pbx, incoming(), "1")

    pbx = await come_back(site, None, boot="monday")
    assert await once(site, pbx, incoming(), "1")


# --- what the state says -------------------------------------------------------------------------
async def test_a_call_that_has_ended_cannot_come_in_again(site: Site) -> None:
    """Its CallId, its Id and its caller are those of a second call on the same connection."""
    desk, pbx = await desk_of(site), await site.connect("pbx")
    first = await site.say(pbx, incoming(), "1")
    await site.say(pbx, hangup(), "2")

    second = await site.say(pbx, incoming(), "1")
    over = await site.say(pbx, hangup(), "2")
    await site.settled()

    assert second.detail is None
    assert second.op_id != first.op_id
    assert (over.detail, over.op_id) == (None, second.op_id)
    assert told(desk) == told(desk, 102) == [False, False]


async def test_a_command_for_the_call_that_has_the_id_now_is_another(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    pbx.answers = accept
    await site.say(pbx, incoming())
    await site.say(desk, m.Hangup(call_id="C1"), "7")
    await site.say(pbx, hangup())
    await site.say(pbx, incoming())

    assert not await once(site, desk, m.Hangup(call_id="C1"), "7")
    await site.settled()
    assert [request.type for request in pbx.pushed] == [202, 202]


async def test_a_call_of_another_caller_is_another_call(site: Site) -> None:
    """The first one's end was never told: its caller, its event and its number stay with it."""
    desk, pbx = await desk_of(site), await site.connect("pbx")
    first = await site.say(pbx, incoming(phone_num="13911111111"))
    await site.say(desk, create("E1"), "a")
    await site.say(
        pbx, m.CallStateNotice(call_id="L1", parent_call_id="C1", state=m.CallState.ALERTING)
    )

    second = await site.say(pbx, incoming(phone_num="13922222222"))
    await site.settled()

    assert second.op_id != first.op_id
    calls = [request.message for request in desk.pushed if request.type == 100]
    assert [call.event_id for call in calls] == [None, None]
    ends = [request.message for request in desk.pushed if request.type == 102]
    assert getattr(ends[-1], "phone_num", None) == "13911111111", "not that of the new call"
    assert [(end.call_id, getattr(end, "reason", None)) for end in ends] == [
        ("L1", 141),
        ("C1", 141),
    ]
    number = await site.sql(f"SELECT from_num FROM operation WHERE op_id = {first.op_id}")
    assert number == "13911111111"


async def test_a_number_that_only_gains_a_prefix_is_the_same_caller(site: Site) -> None:
    pbx = await site.connect("pbx")
    first = await site.say(pbx, incoming(phone_num="13911111111"))

    again = await site.say(pbx, incoming(phone_num="+86 139 1111 1111"))
    withheld = await site.say(pbx, incoming(phone_num=None))

    assert first.op_id == again.op_id == withheld.op_id


async def test_an_sms_that_is_given_an_earlier_ones_id_is_an_operation_of_its_own(
    site: Site,
) -> None:
    pbx = await site.connect("pbx")
    first = m.SmsReceivedNotice(sms_id="1", phone_num="139", to_num="2222", content="着火了")
    other = m.SmsReceivedNotice(sms_id="1", phone_num="138", to_num="2222", content="救命")
    ops = [(await site.say(pbx, each)).op_id for each in (first, other, other)]

    assert ops[0] != ops[1] == ops[2]


# --- who is told ---------------------------------------------------------------------------------
async def test_somebody_is_called_once_about_a_sender_that_gives_ids_again(site: Site) -> None:
    desk, pbx = await desk_of(site), await site.connect("pbx")
    for _ in range(3):
        await site.say(pbx, incoming(), "1")
        await site.say(pbx, hangup(), "2")
    await site.settled()

    (alarm,) = [request.message for request in desk.pushed if request.type == 197]
    assert "pbx gives request Ids again" in str(getattr(alarm, "text", ""))
    assert len(reused(site)) == 4
    assert "taken for new" in reused(site)[0].detail


async def test_the_alarm_is_over_when_the_sender_gives_a_boot(site: Site) -> None:
    desk, pbx = await desk_of(site), await site.connect("pbx")
    for _ in range(2):
        await site.say(pbx, incoming(), "1")
        await site.say(pbx, hangup(), "2")
    await come_back(site, pbx, boot="monday")
    await site.settled()

    alarms = [request.message for request in desk.pushed if request.type == 197]
    assert [getattr(alarm, "action", None) for alarm in alarms] == [1, 2]
