"""What an older session answers while a newer one of its peer registers."""

from __future__ import annotations

from linkage.core.handover import HELD_MAX, Handover
from linkage.core.work import Acknowledge
from protocol.envelope import Response


def answer(type_: int = 100, receiver: str = "desk") -> Acknowledge:
    return Acknowledge(receiver, 1, Response(request_id="1", type=type_, result=0))


def test_only_answers_to_notices_of_the_peer_that_registers_are_held_back() -> None:
    handover = Handover()
    handover.begin("desk")
    assert handover.holds(answer(100))
    assert not handover.holds(answer(602)), "a command is not repeated: its answer counts"
    assert not handover.holds(answer(100, "other"))


def test_of_two_registrations_at_once_the_last_to_be_judged_decides() -> None:
    handover = Handover()
    held = answer()
    handover.begin("desk")
    handover.begin("desk")
    assert handover.holds(held)
    assert handover.end("desk", accepted=False) == [], "the other may be accepted"
    assert handover.end("desk", accepted=False) == [held]
    assert not handover.holds(held)


def test_answers_held_back_are_dropped_where_one_of_two_registrations_is_accepted() -> None:
    handover = Handover()
    handover.begin("desk")
    handover.begin("desk")
    handover.holds(answer())
    assert handover.end("desk", accepted=True) == []
    assert handover.end("desk", accepted=False) == []


def test_a_registration_that_takes_long_does_not_hold_answers_without_end() -> None:
    handover = Handover()
    handover.begin("desk")
    assert all(handover.holds(answer()) for _ in range(HELD_MAX + 1))
    assert len(handover.end("desk", accepted=False)) == HELD_MAX
