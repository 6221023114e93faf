"""Who was told to wait is refused until then, at the door and in the queue."""

from __future__ import annotations

from linkage.core.overload.holds import Holds


def test_who_was_told_to_wait_is_held_to_it_and_not_longer() -> None:
    holds = Holds()
    assert holds.wait_s("pbx", 0.0) == 0
    holds.hold("pbx", 5, 0.0)
    holds.hold("pbx", 5, 3.0)

    waits = [holds.wait_s("pbx", now) for now in (0.0, 0.5, 4.9, 5.0)]

    assert waits == [5, 5, 1, 0], "a later refusal does not prolong it"
    assert holds.wait_s("pbx2", 1.0) == 0
    holds.hold("pbx", 5, 6.0)
    assert holds.wait_s("pbx", 10.9) == 1


def test_what_is_queued_of_a_peer_is_refused_only_where_the_store_refused_it() -> None:
    holds = Holds()
    holds.hold("pbx", 1, 0.0)
    assert holds.queued(0.5) == frozenset(), "what was taken before is done"
    holds.hold_queued("pbx2", 1.0)
    holds.hold_queued("pbx2", 3.0)
    assert [holds.queued(now) for now in (1.0, 5.9)] == [{"pbx2"}, {"pbx2"}]
    assert holds.wait_s("pbx2", 3.0) == 3, "nor is more of it taken"
    assert holds.queued(6.0) == frozenset()
    assert holds.wait_s("pbx2", 6.0) == 0
    holds.hold_queued("pbx2", 7.0)
    assert holds.queued(11.9) == {"pbx2"}
