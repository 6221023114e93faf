"""One receiver's queue between disk and link: the pure part, then with a core and its disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from linkage.core import queues, strain
from linkage.core.handling import REPLAY_MAX
from linkage.core.outbox import (
    FLIGHT_BYTES_MAX,
    LOAD_BELOW,
    PUT_OFF_MAX_S,
    QUEUE_BYTES_MAX,
    QUEUE_MAX,
    TRIES_MAX,
    Outbox,
)
from linkage.core.work import Delivery, Done, LoadQueue, Sweep
from linkage.ports import EntryKind
from linkage.store.rows import DeliveryRow
from protocol import messages as m
from protocol.envelope import Request, Response
from tests.unit.linkage.bench import PEERS, SECRET, peer
from tests.unit.linkage.links import FakeLink, Site, accept
from tests.unit.linkage.said import call_out, create, hangup, incoming, transfer


# --- alone ---------------------------------------------------------------------------------------
class Sink:
    """A link of which only the pushes count."""

    address = "sink"

    def __init__(self, window: int = 64) -> None:
        self.window = window
        self.seqs: list[int | None] = []

    def push(self, request: Request) -> None:
        self.seqs.append(request.seq)

    def close(self, reason: str) -> None:
        raise AssertionError(reason)


class Recorder(Sink):
    """And whether each was said to be sent before."""

    def __init__(self) -> None:
        super().__init__()
        self.resent: list[bool] = []

    def push(self, request: Request) -> None:
        super().push(request)
        self.resent.append(request.resend)


def delivery(
    seq: int, type_: int = 106, expires_at: int | None = None, attempts: int = 0
) -> Delivery:
    row = DeliveryRow(
        receiver="desk",
        seq=seq,
        journal_seq=seq,
        type=type_,
        expires_at=expires_at,
        attempts=attempts,
    )
    return Delivery(row, Request(id=str(seq), message=m.HoldNotice(), seq=seq))


def large(seq: int, size: int) -> Delivery:
    return replace(delivery(seq), size=size)


def answer(seq: int) -> Response:
    return Response(request_id=str(seq), type=106, result=0)


def open_outbox(window: int = 64) -> tuple[Outbox, Sink]:
    outbox, sink = Outbox("desk"), Sink(window)
    outbox.attach(sink)
    outbox.begin(0)
    return outbox, sink


def test_what_was_answered_before_a_replay_is_pushed_again_by_it() -> None:
    outbox, sink = open_outbox()
    outbox.extend([delivery(1)], outbox.generation, 0, complete=False)
    outbox.loading = True  # the rest of it is being read
    outbox.answered(answer(1), 0)
    outbox.restart(0)
    outbox.extend([delivery(1, attempts=1)], outbox.generation, 0, complete=True)
    assert sink.seqs == [1, 1]


def read(outbox: Outbox, *items: Delivery, complete: bool = True) -> list[int]:
    """The disk's answer; the seqs of commands that nobody knows the fate of."""
    outbox.loading = True
    unknown = outbox.extend(items, outbox.generation, 0, complete=complete)
    return [item.row.seq for item in unknown]


def test_large_messages_are_out_one_after_the_other() -> None:
    outbox, sink = open_outbox()
    read(outbox, *(large(seq, FLIGHT_BYTES_MAX // 2) for seq in (1, 2)), large(3, 4 << 20))
    assert sink.seqs == [1, 2]

    outbox.answered(answer(1), 0)
    assert sink.seqs == [1, 2], "as much is out as may be"
    outbox.answered(answer(2), 0)
    assert sink.seqs == [1, 2, 3], "alone, the largest goes too"


def test_what_is_held_in_memory_is_bounded_in_bytes() -> None:
    outbox, sink = open_outbox(window=1)
    read(outbox)
    for seq in range(1, 20):
        outbox.offer(large(seq, QUEUE_BYTES_MAX // 4), 0)
    assert outbox.held_bytes == QUEUE_BYTES_MAX + QUEUE_BYTES_MAX // 4
    wants = [outbox.wants]
    for seq in range(1, 5):
        outbox.answered(answer(seq), 0)
        wants.append(outbox.wants)
    assert wants == [False, False, False, False, True], "there is enough for a while"
    read(outbox, large(6, 7))
    assert sink.seqs == [1, 2, 3, 4, 5]
    outbox.detach()
    assert outbox.held_bytes == 0


def overload(seq: int, result: int = 404, retry_after_s: int | None = 2) -> Response:
    return Response(request_id=str(seq), type=106, result=result, retry_after_s=retry_after_s)


SECOND = 1_000_000


@pytest.mark.parametrize("result", [404, 206, 403])
def test_a_notice_that_the_receiver_could_not_take_is_pushed_again_after_a_pause(
    result: int,
) -> None:
    outbox, sink = open_outbox(window=2)
    read(outbox, *(delivery(seq) for seq in range(1, 6)))
    assert outbox.answered(overload(1, result), 0) is None, "it is not settled"
    assert outbox.answered(answer(2), 0) == 2
    assert sink.seqs == [1, 2], "nothing more for now"
    outbox.pump(2 * SECOND - 1)
    assert sink.seqs == [1, 2]
    outbox.pump(2 * SECOND)
    assert sink.seqs == [1, 2, 1, 3], "and then in order"
    assert outbox.answered(answer(1), 2 * SECOND) == 1


def test_notices_put_off_together_keep_their_order() -> None:
    outbox, sink = open_outbox(window=3)
    read(outbox, *(delivery(seq) for seq in range(1, 6)))
    for seq in (2, 3, 1):
        outbox.answered(overload(seq), 0)
    outbox.pump(2 * SECOND)
    assert sink.seqs == [1, 2, 3, 1, 2, 3]


def test_a_pause_has_bounds_and_so_have_the_tries() -> None:
    outbox, sink = open_outbox(window=1)
    read(outbox, delivery(1), delivery(2))
    now = 0
    outbox.answered(overload(1, retry_after_s=86_400), now)
    outbox.pump(now := now + PUT_OFF_MAX_S * SECOND)
    assert sink.seqs == [1, 1]
    for _ in range(TRIES_MAX - 1):
        assert outbox.answered(overload(1, retry_after_s=None), now) is None
        outbox.pump(now := now + PUT_OFF_MAX_S * SECOND)
    assert outbox.answered(overload(1), now) == 1, "at last it counts as refused"
    assert sink.seqs[-1] == 2
    outbox.restart(0)
    read(outbox, delivery(1))
    outbox.answered(answer(2), now)
    assert outbox.answered(overload(1), now) is None, "asked for once more, it has new tries"


def test_a_command_is_not_put_off_for_it_must_not_be_executed_later() -> None:
    outbox, _ = open_outbox()
    read(outbox)
    outbox.offer(delivery(1, type_=202), 0)
    assert outbox.answered(overload(1), 0) == 1


def test_of_two_pauses_the_longer_counts() -> None:
    outbox, sink = open_outbox(window=2)
    read(outbox, delivery(1), delivery(2))
    outbox.answered(overload(1, retry_after_s=9), 0)
    outbox.answered(overload(2, retry_after_s=2), 0)
    outbox.pump(9 * SECOND - 1)
    assert sink.seqs == [1, 2]
    outbox.pump(9 * SECOND)
    assert sink.seqs == [1, 2, 1, 2]


def test_a_new_link_is_owed_no_pause_and_has_all_its_tries() -> None:
    outbox, sink = open_outbox(window=1)
    read(outbox, delivery(1))
    for _ in range(TRIES_MAX):
        assert outbox.answered(overload(1), 0) is None
        outbox.pump(2 * SECOND)
    outbox.attach(sink)
    outbox.begin(0)
    read(outbox, delivery(1))
    assert sink.seqs[-1] == 1
    assert len(sink.seqs) == TRIES_MAX + 2
    assert outbox.answered(overload(1), 0) is None


def test_what_was_put_off_makes_nothing_behind_it_look_new_to_the_next_link() -> None:
    outbox, sink = open_outbox(window=2)
    read(outbox)
    for seq in (1, 2):
        outbox.offer(delivery(seq), 0)
    outbox.answered(overload(1), 0)
    outbox.pump(2 * SECOND)
    assert sink.seqs == [1, 2, 1]
    again = Recorder()
    outbox.attach(again)
    outbox.begin(0)
    read(outbox, delivery(1), delivery(2))
    assert again.resent == [True, True]


def test_a_place_that_is_out_is_not_given_to_anything_else() -> None:
    outbox, _ = open_outbox()
    read(outbox, delivery(1), delivery(2))
    assert not outbox.hold(2), "the answer to it would be taken for the other's"
    assert outbox.hold(3)


def test_a_link_that_is_gone_leaves_commands_of_which_nobody_knows() -> None:
    outbox, _ = open_outbox(window=3)
    read(outbox)
    for seq, type_ in enumerate((202, 106, 201, 205), start=1):
        outbox.offer(delivery(seq, type_), 0)

    assert [item.row.seq for item in outbox.detach()] == [1], "4 waits, 201 may be repeated"
    assert outbox.detach() == []


def test_nothing_is_pushed_before_the_disk_was_read() -> None:
    outbox, sink = open_outbox()
    assert outbox.wants

    outbox.offer(delivery(7), 0)
    assert sink.seqs == []
    read(outbox, delivery(6), delivery(7))

    assert sink.seqs == [6, 7]
    assert not outbox.wants


def test_the_window_is_kept() -> None:
    outbox, sink = open_outbox(window=2)
    read(outbox, *(delivery(seq) for seq in range(1, 6)))
    assert sink.seqs == [1, 2]

    assert outbox.answered(answer(2), 0) == 2
    assert outbox.answered(answer(2), 0) is None
    assert sink.seqs == [1, 2, 3]


def test_more_than_fits_waits_on_disk() -> None:
    outbox, _ = open_outbox(window=1)
    read(outbox)
    for seq in range(1, QUEUE_MAX + 10):
        outbox.offer(delivery(seq), 0)

    assert outbox.behind
    enough = [outbox.wants]
    for seq in range(1, QUEUE_MAX - LOAD_BELOW + 2):
        enough.append(outbox.wants)
        outbox.answered(answer(seq), 0)
    assert not any(enough)
    assert outbox.wants
    assert outbox.loaded == QUEUE_MAX + 1


def test_data_answers_go_first_and_are_bounded() -> None:
    outbox, sink = open_outbox(window=1)
    read(outbox, delivery(1), delivery(2))
    for number in range(1000):
        outbox.answer(Request(id=f"q{number}", message=m.SnapshotNotice()), 0)

    for request_id in ("1", *(f"q{number}" for number in range(300))):
        outbox.answered(Response(request_id=request_id, type=0, result=0), 0)

    assert sink.seqs == [1, *([None] * 256), 2]


def test_what_is_read_for_an_older_session_is_not_for_this_one() -> None:
    outbox, _ = open_outbox()
    stale = outbox.generation
    newer = Sink()
    outbox.attach(newer)
    outbox.begin(3)
    outbox.loading = True

    assert outbox.extend([delivery(1)], stale, 0, complete=True) == []

    assert newer.seqs == []
    assert outbox.loading


def test_what_is_answered_while_the_queue_is_read_anew_is_not_sent_again() -> None:
    outbox, sink = open_outbox(window=2)
    read(outbox, *(delivery(seq) for seq in range(1, 4)))

    outbox.restart(0)
    outbox.loading = True
    outbox.answered(answer(1), 0)
    # The disk was read before the answer was written down.
    outbox.extend([delivery(seq) for seq in range(1, 4)], outbox.generation, 0, complete=True)

    assert sink.seqs == [1, 2, 3]


def test_an_expired_command_is_not_pushed() -> None:
    outbox, sink = open_outbox()
    read(outbox)
    outbox.offer(delivery(1, 205, expires_at=100), 100)
    outbox.offer(delivery(2, 205, expires_at=101), 100)

    assert sink.seqs == [2]


def test_a_command_of_an_earlier_process_is_never_pushed() -> None:
    outbox, sink = open_outbox()

    unknown = read(outbox, *(delivery(seq, 205) for seq in range(1, 100)), delivery(100, 201))

    assert unknown == list(range(1, 100))
    assert sink.seqs == [100]


def test_a_command_of_this_process_that_waited_for_its_link_is_pushed() -> None:
    outbox = Outbox("pbx")
    outbox.offer(delivery(5, 205), 0)
    sink = Sink()
    outbox.attach(sink)
    outbox.begin(0)

    assert read(outbox, delivery(4, 205), delivery(5, 205)) == [4]

    assert sink.seqs == [5]


# --- with a core ---------------------------------------------------------------------------------
@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    peers = (*PEERS, peer("bs", "business-screen", application="desk", login="23"))
    async with Site(tmp_path, peers) as made:
        yield made


async def many(site: Site, pbx: FakeLink, count: int) -> None:
    """That many notices of one call."""
    for start in range(0, count, 200):
        await asyncio.gather(
            *(
                site.say(pbx, m.HoldNotice(call_id="C1", login_id=str(number)))
                for number in range(start, min(start + 200, count))
            )
        )


async def test_a_slow_reader_misses_nothing_and_gets_nothing_twice(site: Site) -> None:
    pbx, desk, other = [await site.connect(name) for name in ("pbx", "desk", "other")]
    await site.say(pbx, incoming())
    await many(site, pbx, 1499)
    await site.settled()
    assert desk.seqs == list(range(1, 65))
    await site.say(pbx, m.PlatformStatusNotice(load=1))
    await other.heard(1)  # who reads is not held up by who does not

    desk.answers = accept
    for request in list(desk.pushed):
        desk.answer(request)
    await desk.heard(1501)
    await site.settled()

    assert desk.seqs == list(range(1, 1502))
    assert [request.message.login_id for request in desk.pushed[1:1500]] == [
        str(number) for number in range(1499)
    ]
    assert not any(request.resend for request in desk.pushed)


async def test_delivery_goes_on_after_what_was_acknowledged(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await many(site, pbx, 9)
    await desk.heard(10)
    for request in desk.pushed[:4]:
        desk.answer(request)
    await site.settled()

    await site.kill()
    again = FakeLink(site.core, "desk")
    response = await site.core.register(again, site.registration("desk"))
    assert response.last_seq == 4
    assert again.pushed == [], "nothing before the registration was answered"
    site.core.begin(again)
    await again.heard(6)

    assert again.seqs == list(range(5, 11))
    assert all(request.resend for request in again.pushed)
    first = {request.seq: request for request in desk.pushed}
    assert all(first[r.seq].message == r.message and first[r.seq].id == r.id for r in again.pushed)


async def test_delivery_goes_on_after_what_the_receiver_says_it_has(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await many(site, pbx, 9)
    await desk.heard(10)
    for request in desk.pushed:
        desk.answer(request)
    await site.settled()

    again = await site.connect("desk", last_seq=7)
    await again.heard(3)
    assert again.seqs == [8, 9, 10]
    assert all(request.resend for request in again.pushed)

    later = await site.connect("desk", last_seq=10)
    await site.say(pbx, hangup())
    await later.heard(1)
    assert later.seqs == [11]


async def test_a_session_that_is_being_replaced_settles_nothing_that_the_newer_one_lacks(
    site: Site,
) -> None:
    pbx, older = await site.connect("pbx"), await site.connect("desk")
    for number in range(3):
        await site.say(pbx, incoming(f"C{number}"))
    pushed = await older.heard(3)
    older.answer(pushed[0])

    newer = FakeLink(site.core, "desk")
    async with asyncio.TaskGroup() as group:
        group.create_task(site.core.register(newer, site.registration("desk", last_seq=1)))
        await asyncio.sleep(0)
        older.answer(pushed[1])  # while the registration waits for the disk
    site.core.begin(newer)

    assert [request.seq for request in await newer.heard(2)] == [2, 3]


async def test_a_link_that_is_taken_over_from_an_earlier_core_gives_way_to_one_that_is_anew(
    site: Site,
) -> None:
    kept, newer = FakeLink(site.core, "desk"), FakeLink(site.core, "desk")

    response, taken = await asyncio.gather(
        site.core.register(newer, site.registration("desk")),
        site.core.resume(kept, "desk", ()),
    )

    assert response.result == 0
    assert not taken
    assert newer.reasons == []


async def answered_on_a_full_disk(site: Site) -> None:
    """Two notices that a session has answered, which is not on disk yet."""
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    for call in ("C1", "C2"):
        await site.say(pbx, incoming(call))
    await desk.heard(2)
    await site.write_protect()
    assert (await site.say(pbx, hangup())).result == 404
    for request in desk.pushed[:2]:
        desk.answer(request)
    await site.settled()
    await site.write_protect(on=False)


async def test_a_registration_in_the_turn_of_the_next_attempt_at_the_disk_misses_nothing(
    site: Site,
) -> None:
    await answered_on_a_full_disk(site)

    link = FakeLink(site.core, "desk")
    async with asyncio.TaskGroup() as group:
        early = group.create_task(site.core.register(link, site.registration("desk", last_seq=0)))
        await asyncio.sleep(0)
        await site.sweep()
    again = link
    if early.result().accepted:
        site.core.begin(link)
    else:
        again = await site.connect("desk", last_seq=0)

    await again.until(lambda: {1, 2} <= set(again.seqs))


@pytest.mark.parametrize("accepted", [True, False])
async def test_answers_that_wait_for_the_disk_settle_nothing_that_a_newer_session_lacks(
    site: Site, accepted: bool
) -> None:
    await answered_on_a_full_disk(site)
    site.core._commits.put(Sweep(frozenset(), site.core._steady_us()))
    await site.settled()
    assert not site.core.store_failing

    again = FakeLink(site.core, "desk")
    secret = SECRET if accepted else "a guess"
    asked = site.registration("desk", last_seq=0, secret=secret)
    assert (await site.core.register(again, asked)).accepted is accepted
    await site.sweep()

    open_ = "SELECT count(*) FROM delivery WHERE receiver = 'desk' AND state = 'open' AND seq < 3"
    assert await site.sql(open_) == (2 if accepted else 0)


async def test_a_registration_that_is_refused_costs_no_answer_of_the_session_that_stays(
    site: Site,
) -> None:
    pbx, older = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    (pushed,) = await older.heard(1)

    stranger = site.registration("desk", secret="a guess of nobody", last_seq=0)
    async with asyncio.TaskGroup() as group:
        group.create_task(site.core.register(FakeLink(site.core, "desk"), stranger))
        await asyncio.sleep(0)
        older.answer(pushed)
    await site.settled()

    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "done"


async def test_who_has_everything_is_told_how_far_that_is(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 2)
    await desk.heard(3)
    await site.settled()

    again = FakeLink(site.core, "desk")
    welcome = await site.core.register(again, site.registration("desk"))
    assert welcome.last_seq == 3


async def test_a_queue_that_could_not_be_read_is_read_again_but_not_for_an_older_session(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LOAD_AGAIN_S", 0.0)
    await site.connect("desk")
    outbox = site.core._queues.of("desk")
    outbox.restart(0)
    outbox.loading = True
    failed = Done(value=OSError("disk I/O error"))
    older = LoadQueue("desk", 0, QUEUE_MAX, outbox.generation - 1)
    site.core._queues.settle(older, failed, 0)
    await site.settled()
    assert (outbox.loading, outbox.behind) == (True, True), "its own is under way"

    site.core._queues.settle(replace(older, generation=outbox.generation), failed, 0)
    async with asyncio.timeout(30):
        while outbox.behind:  # noqa: ASYNC110 - a queue has no event
            await asyncio.sleep(0.01)


async def test_while_too_much_waits_for_the_disk_no_more_is_read_from_queues(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming())
    monkeypatch.setattr(strain, "KEPT_MAX", 0)
    desk = await site.connect("desk")
    await site.settled()
    assert desk.pushed == []
    monkeypatch.setattr(strain, "KEPT_MAX", 1)
    site.core._queues.load_all()
    await desk.heard(1)


async def test_who_knows_another_store_is_told_of_the_gap(site: Site) -> None:
    pbx = await site.connect("pbx")
    await site.say(pbx, incoming())

    desk = await site.connect("desk", last_seq=900)
    await desk.heard(2)

    assert desk.types == [100, 195]
    gap = desk.pushed[1].message
    assert isinstance(gap, m.GapNotice)
    assert (gap.from_seq, gap.to_seq, gap.cause) == (2, 900, m.GapCause.RESTART)


async def test_a_replay_brings_the_originals_and_then_its_end(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 5)
    await desk.heard(6)
    await site.settled()

    asked = m.ReplayRequest(from_seq=2, to_seq=4)
    assert (await site.say(desk, asked, "again")).result == 1
    await desk.heard(10)

    assert desk.seqs[6:] == [2, 3, 4, 7]
    assert [request.resend for request in desk.pushed[6:]] == [True, True, True, False]
    assert [r.message for r in desk.pushed[6:9]] == [r.message for r in desk.pushed[1:4]]
    end = desk.pushed[9].message
    assert isinstance(end, m.ReplayEndNotice)
    assert (end.request_id, end.from_seq, end.to_seq, end.count) == ("again", 2, 4, 3)


async def test_a_replay_may_be_of_some_types_only(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 3)
    await site.say(pbx, hangup())
    await desk.heard(5)
    await site.settled()

    await site.say(desk, m.ReplayRequest(from_seq=1, numbers=("100", "102")))
    await desk.heard(8)

    assert desk.types[5:] == [100, 102, 194]
    end = desk.pushed[-1].message
    assert isinstance(end, m.ReplayEndNotice)
    assert end.count == 2


async def test_a_replay_of_nothing_ends_at_once(site: Site) -> None:
    desk = await site.connect("desk")

    await site.say(desk, m.ReplayRequest(from_seq=5))
    (end,) = await desk.heard(1)

    assert isinstance(end.message, m.ReplayEndNotice)
    assert end.message.count == 0


async def test_a_replay_has_bounds(site: Site) -> None:
    await site.connect("desk")
    await site.sql("UPDATE peer SET next_seq = 30000 WHERE peer_id = 'desk'")
    await site.restart()
    desk = await site.connect("desk")

    for from_seq, to_seq, result in (
        (0, 3, 103),
        (5, 4, 103),
        (5, 5, 1),
        (1, REPLAY_MAX, 1),
        (1, REPLAY_MAX + 1, 103),
    ):
        asked = m.ReplayRequest(from_seq=from_seq, to_seq=to_seq)
        assert (await site.say(desk, asked)).result == result, asked


# --- commands ------------------------------------------------------------------------------------
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


async def test_an_acknowledgement_of_a_notice_is_on_disk_before_the_next_session(
    site: Site,
) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)

    desk.answer(desk.pushed[0])
    again = await site.connect("desk")
    await site.say(pbx, hangup())
    await again.heard(1)

    assert again.types == [102]
    assert EntryKind.SESSION_CLOSED in {row.kind for row in site.journal()}


async def test_what_a_receiver_could_not_take_stays_due_on_disk_and_comes_again(
    site: Site,
) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await desk.heard(1)
    desk.answer(desk.pushed[0], 404)
    await site.settled()
    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "open"
    await site.sweep()
    assert desk.types == [100]
    site.clock.advance(6)
    await site.sweep()
    await desk.heard(2)
    assert desk.pushed[1].resend
    desk.answer(desk.pushed[1])
    await site.settled()
    assert await site.sql("SELECT state FROM delivery WHERE receiver = 'desk'") == "done"
