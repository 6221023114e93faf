"""The hash chain: what was changed in a journal is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from linkage.store.chain import GENESIS, breaks, row_hash
from linkage.store.rows import JournalRow

Link = tuple[JournalRow, bytes, bytes]


def make_chain(count: int = 4) -> list[Link]:
    rows: list[Link] = []
    previous = GENESIS
    for seq in range(1, count + 1):
        row = JournalRow(
            seq=seq, recorded_at=seq, kind="Message", source="pbx", body=f"b{seq}".encode()
        )
        own = row_hash(previous, row)
        rows.append((row, previous, own))
        previous = own
    return rows


def test_a_whole_chain_holds() -> None:
    assert list(breaks(make_chain())) == []
    assert list(breaks([])) == []
    assert list(breaks(make_chain()[2:], first_seq=3)) == [], "a part of it holds too"


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"b2 "},
        {"source": "pbx2"},
        {"result": 0},
        {"reconstructed": True},
        {"event_id": "E1"},
        {"recorded_at": 3},
    ],
)
def test_a_changed_row_is_named(change: dict[str, Any]) -> None:
    rows = make_chain()
    row, previous, own = rows[1]
    rows[1] = (replace(row, **change), previous, own)

    assert list(breaks(rows)) == ["seq 2: its content was changed after it was written"]


def test_a_row_changed_with_its_hash_breaks_the_next() -> None:
    rows = make_chain()
    row = replace(rows[1][0], body=b"forged")
    rows[1] = (row, rows[1][1], row_hash(rows[1][1], row))

    (found,) = breaks(rows)
    assert found.startswith("seq 3: does not follow")


def test_a_missing_row_is_named() -> None:
    for gone in (0, 1, 2):
        rows = make_chain()
        del rows[gone]
        assert next(iter(breaks(rows))).startswith(f"seq {gone + 1}: missing")


def test_swapped_contents_are_found() -> None:
    rows = make_chain()
    one, two = rows[1], rows[2]
    rows[1] = (replace(two[0], seq=2), one[1], one[2])
    rows[2] = (replace(one[0], seq=3), two[1], two[2])

    assert len(list(breaks(rows))) == 2


def test_columns_cannot_run_into_each_other() -> None:
    one = JournalRow(seq=1, recorded_at=1, kind="M", source="ab", detail="c")
    other = JournalRow(seq=1, recorded_at=1, kind="M", source="a", detail="bc")
    assert row_hash(GENESIS, one) != row_hash(GENESIS, other)
