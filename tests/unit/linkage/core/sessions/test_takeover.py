"""What an older session answers while a newer one of its peer registers."""

from __future__ import annotations

from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.sessions.takeover import HELD_MAX, Takeover
from protocol.envelope import Response


def answer(type_: int = 100, receiver: str = "desk") -> Acknowledge:
    return Acknowledge(receiver, 1, 1, Response(request_id="1", type=type_, result=0))


def test_only_answers_to_notices_of_the_peer_that_registers_are_held_back() -> None:
    takeover = Takeover()
    takeover.begin_registration("desk")
    assert takeover.holds(answer(100))
    assert not takeover.holds(answer(602)), "a command is not repeated: its answer counts"
    assert not takeover.holds(answer(100, "other"))


def test_of_two_registrations_at_once_the_last_to_be_judged_decides() -> None:
    takeover = Takeover()
    held = answer()
    takeover.begin_registration("desk")
    takeover.begin_registration("desk")
    assert takeover.holds(held)
    assert takeover.end_registration("desk", accepted=False) == [], "the other may be accepted"
    assert takeover.end_registration("desk", accepted=False) == [held]
    assert not takeover.holds(held)


def test_answers_held_back_are_dropped_where_one_of_two_registrations_is_accepted() -> None:
    takeover = Takeover()
    takeover.begin_registration("desk")
    takeover.begin_registration("desk")
    takeover.holds(answer())
    assert takeover.end_registration("desk", accepted=True) == []
    assert takeover.end_registration("desk", accepted=False) == []


def test_a_registration_that_takes_long_does_not_hold_answers_without_end() -> None:
    takeover = Takeover()
    takeover.begin_registration("desk")
    assert all(takeover.holds(answer()) for _ in range(HELD_MAX + 1))
    assert len(takeover.end_registration("desk", accepted=False)) == HELD_MAX
