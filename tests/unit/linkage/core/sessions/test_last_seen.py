"""When a peer was here last: as it came, and as it went; not what others say of it."""

from __future__ import annotations

from sqlalchemy import select

from linkage.core.own_entries import Observe
from linkage.ports import EntryKind
from linkage.store.rows import from_us
from linkage.store.sql import tables
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, incoming


def test_a_peer_is_seen_as_it_comes_and_as_it_goes(bench: Bench) -> None:
    def seen(peer_id: str) -> tuple[object, int]:
        with bench.engine.connect() as connection:
            statement = select(tables.peer).where(tables.peer.c.peer_id == peer_id)
            row = connection.execute(statement).one()
        return (None if row.last_seen is None else from_us(row.last_seen)), row.next_seq

    bench.do(Observe("desk", EntryKind.SESSION_OPENED, "from 10.0.0.1"))
    came = bench.clock.utc()
    assert seen("desk") == (came, 1)

    bench.say("pbx", incoming())
    assert seen("desk") == (came, 2)

    bench.clock.advance(60)
    bench.do(Observe("desk", EntryKind.SESSION_CLOSED, "gone"))
    assert seen("desk") == (bench.clock.utc(), 2)

    bench.restart()
    bench.say("desk", create())
    assert [item.seq for item in bench.heard("desk")] == [1, 2]
