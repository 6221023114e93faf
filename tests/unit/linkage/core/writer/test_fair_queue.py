"""What waits for the disk is taken in fair turns, and in order for each who waits."""

from __future__ import annotations

import itertools
from collections import Counter
from operator import itemgetter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkage.core.job import Job
from linkage.core.own_entries import Observe
from linkage.core.requests.submit import Submit
from linkage.core.writer.fair_queue import FairQueue, Item
from linkage.ports import EntryKind
from protocol import messages as m
from protocol.envelope import Request

ARRIVALS = itertools.count(1)
NOTE = Observe("linkage", EntryKind.STRANGER, "somebody knocked")


def submit(source: str, number: int = 0) -> Submit:
    return Submit(source, Request(id=str(number), message=m.HoldNotice()))


def fill(inbox: FairQueue, *works: Job[Any]) -> None:
    inbox.add([(next(ARRIVALS), work, None) for work in works])


def name_of(work: Job[Any]) -> str:
    return f"{work.source}{work.request.id}" if isinstance(work, Submit) else "note"


def names(batch: list[Item]) -> list[str]:
    return [name_of(work) for _, work, _ in batch]


def test_what_fits_into_a_batch_is_taken_as_it_came() -> None:
    inbox = FairQueue()
    fill(inbox, submit("b"), NOTE, submit("a"), submit("b", 1))

    assert names(inbox.take(4)) == ["b0", "note", "a0", "b1"]
    assert len(inbox) == 0


def test_a_storm_waits_behind_itself_and_nobody_else_does() -> None:
    inbox = FairQueue()
    fill(inbox, *(submit("storm", n) for n in range(100)), submit("calm"), submit("still"))

    assert names(inbox.take(6)) == ["storm0", "storm1", "storm2", "storm3", "calm0", "still0"]
    assert names(inbox.take(2)) == ["storm4", "storm5"]


def test_turns_go_on_where_the_last_batch_ended() -> None:
    inbox = FairQueue()
    fill(inbox, *(submit(name, n) for n in range(3) for name in "abc"))

    taken = [sorted(names(inbox.take(2))) for _ in range(3)]

    assert taken == [["a0", "b0"], ["a1", "c0"], ["b1", "c1"]]


def test_linkage_s_own_work_neither_starves_nor_starves_others() -> None:
    inbox = FairQueue()
    fill(inbox, *(submit("a", n) for n in range(100)), *([NOTE] * 100))

    assert Counter(name[:1] for name in names(inbox.take(10))) == {"n": 5, "a": 5}
    alone = FairQueue()
    fill(alone, *([NOTE] * 100))
    assert names(alone.take(10)) == ["note"] * 10


@given(
    arrivals=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=60),
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=80),
)
def test_nothing_is_lost_and_nobody_is_overtaken_by_his_own(
    arrivals: list[str | None], sizes: list[int]
) -> None:
    inbox = FairQueue()
    fill(
        inbox,
        *(NOTE if name is None else submit(name, n) for n, name in enumerate(arrivals)),
    )
    taken: list[Item] = []
    for size in sizes:
        batch = inbox.take(size)
        assert len(batch) <= size
        assert batch == sorted(batch, key=itemgetter(0))
        taken += batch
    taken += inbox.take(len(inbox))

    assert len({number for number, _, _ in taken}) == len(taken) == len(arrivals)
    for name in ("a", "b", "c", "n"):
        mine = [number for number, work, _ in taken if name_of(work).startswith(name)]
        assert mine == sorted(mine)
