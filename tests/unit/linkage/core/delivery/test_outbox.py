"""One receiver's queue between disk and link, alone: what is pushed, and what waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linkage.core.delivery.outbox import (
    FLIGHT_BYTES_MAX,
    LOAD_BELOW,
    PUT_OFF_MAX_S,
    QUEUE_BYTES_MAX,
    QUEUE_MAX,
    TRIES_MAX,
    Outbox,
)
from linkage.core.scope import Delivery
from linkage.store.rows import DeliveryRow
from protocol import messages as m
from protocol.envelope import Request, Response


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


def settled(outbox: Outbox, response: Response, now_us: int) -> int | None:
    """The Seq that a response settles."""
    row = outbox.answered(response, now_us)
    return None if row is None else row.seq


def open_outbox(window: int = 64) -> tuple[Outbox, Sink]:
    outbox, sink = Outbox("desk"), Sink(window)
    outbox.attach(sink)
    outbox.begin_pushing(0)
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
    assert settled(outbox, answer(2), 0) == 2
    assert sink.seqs == [1, 2], "nothing more for now"
    outbox.pump(2 * SECOND - 1)
    assert sink.seqs == [1, 2]
    outbox.pump(2 * SECOND)
    assert sink.seqs == [1, 2, 1, 3], "and then in order"
    assert settled(outbox, answer(1), 2 * SECOND) == 1


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
    assert settled(outbox, overload(1), now) == 1, "at last it counts as refused"
    assert sink.seqs[-1] == 2
    outbox.restart(0)
    read(outbox, delivery(1))
    outbox.answered(answer(2), now)
    assert outbox.answered(overload(1), now) is None, "asked for once more, it has new tries"


def test_a_command_is_not_put_off_for_it_must_not_be_executed_later() -> None:
    outbox, _ = open_outbox()
    read(outbox)
    outbox.offer(delivery(1, type_=202), 0)
    assert settled(outbox, overload(1), 0) == 1


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
    outbox.begin_pushing(0)
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
    outbox.begin_pushing(0)
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

    assert settled(outbox, answer(2), 0) == 2
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
    outbox.begin_pushing(3)
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
    outbox.begin_pushing(0)

    assert read(outbox, delivery(4, 205), delivery(5, 205)) == [4]

    assert sink.seqs == [5]
