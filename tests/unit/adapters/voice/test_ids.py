"""CallIds, and names at the platform that are made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.voice.ids import Names, new_call_id

NOW = datetime(2026, 11, 22, 8, 0, 0, 125000, tzinfo=UTC)


def test_call_ids_fit_the_protocol_and_differ() -> None:
    ids = {new_call_id(NOW, ()) for _ in range(1000)}
    assert len(ids) == 1000
    assert max(map(len, ids)) == 13


def test_call_ids_stand_in_order_of_time() -> None:
    moments = [NOW + timedelta(milliseconds=number) for number in range(50)]
    ids = [new_call_id(moment, ()) for moment in moments]
    assert ids == sorted(ids)


def test_a_call_id_that_is_taken_is_not_given_again() -> None:
    lots = iter([7, 7, 8])
    first = new_call_id(NOW, (), lambda _: next(lots))
    second = new_call_id(NOW, {first}, lambda _: next(lots))
    assert first != second


def test_names_at_asterisk_lead_back_to_the_call() -> None:
    names = Names("linkage")
    assert names.call_of(names.channel("abc")) == "abc"
    assert names.call_of(names.part("abc", "r", 1)) == "abc"
    for other in (None, "1795365278.0", "other-abc", "linkage", "linkage-"):
        assert names.call_of(other) is None
