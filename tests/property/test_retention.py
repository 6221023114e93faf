"""Retention at any moment: the journal verifies, a rebuild is equal, no loss goes untold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from linkage.config.core import RetentionSettings
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.retention.dropped_queues import DropQueue
from linkage.core.retention.trimming import DeleteRows, Rows, SealSegment
from linkage.store import archive
from linkage.store.read.reader import StoreReader
from linkage.store.sql import retention, tables
from linkage.store.sql.journal_rows import newest_of
from linkage.store.sql.maintenance import archive_rows
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.retention import find_archivable, find_overdue
from linkage.store.verify import verify
from protocol import messages as m
from protocol.codec import decode
from protocol.envelope import Request, Response
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

HOUR_S = 3600.0
LIMITS = RetentionSettings(
    queue_days=2, queue_messages=8, queue_bytes=2**20, replay_days=1, replay_messages=5
)


class Site(Bench):
    """A desk that fetches now and then, and a house that is kept now and then."""

    fetched = 0
    calls = 0

    def talk(self, by: int) -> None:
        self.calls += 1
        call = f"C{self.calls - by % 3}"
        self.say("pbx", incoming(call))
        if by % 2:
            self.say("desk", create(f"E{self.calls}", call))
        self.say("pbx", hangup(call))

    def fetch(self, by: int) -> None:
        """The desk reads what is next, and answers it."""
        with self.engine.connect() as connection:
            gone_to = self._gone_to()
            found = connection.execute(
                select(tables.delivery.c.seq, tables.delivery.c.journal_seq)
                .where(
                    tables.delivery.c.receiver == "desk",
                    tables.delivery.c.state == "open",
                    tables.delivery.c.seq >= gone_to,
                )
                .order_by(tables.delivery.c.seq)
                .limit(by)
            ).all()
        for seq, journal_seq in found:
            answer = Response(request_id=str(journal_seq), type=100, result=0)
            self.do(Acknowledge("desk", seq, journal_seq, answer))
            self.fetched = max(self.fetched, seq)

    def ask_again(self, by: int) -> None:
        newest = self._newest()
        if newest:
            self.say("desk", m.ReplayRequest(from_seq=max(1, newest - by)))

    def wait(self, by: int) -> None:
        self.clock.advance(by * by * HOUR_S)

    def keep_queues(self, by: int) -> None:
        for overdue in find_overdue(self.engine, LIMITS, self.now().utc_us):
            self.do(DropQueue(overdue.receiver, overdue.to_seq, overdue.why))
            self.do(DeleteRows(Rows.QUEUE, by + 1, overdue.receiver))

    def write_archive(self, by: int) -> None:
        limits = RetentionSettings(journal_days=by)
        found = find_archivable(self.engine, limits, self.now().utc_us)
        if found is not None:
            folder = self.config.archive_path
            segment = archive_rows(self.engine, folder, *found, pace=lambda: None)
            if by % 3:  # else the process died before it was sealed
                self.do(SealSegment(segment))

    def trim_journal(self, by: int) -> None:
        self.do(DeleteRows(Rows.JOURNAL, by + 1))

    def start_again(self, _by: int) -> None:
        self.restart()

    # --- what must hold --------------------------------------------------------------------------
    def _newest(self) -> int:
        with self.engine.connect() as connection:
            found = connection.execute(
                select(tables.peer.c.next_seq).where(tables.peer.c.peer_id == "desk")
            ).scalar()
        return (found or 1) - 1

    def _gone_to(self) -> int:
        with self.engine.connect() as connection:
            found = connection.execute(
                select(tables.peer.c.gone_to).where(tables.peer.c.peer_id == "desk")
            ).scalar()
        return found or 0

    def check(self) -> None:
        with self.engine.connect() as connection:
            head = newest_of(connection)
            kept = set(
                connection.execute(
                    select(tables.delivery.c.seq).where(tables.delivery.c.receiver == "desk")
                ).scalars()
            )
        with StoreReader.open(self.config.database_path) as reader:
            for problem, _ in verify(reader, self.config.archive_path, head):
                assert problem == ""
            told = set()
            seqs = []
            for entry in reader.entries():
                seqs.append(entry.seq)
                item = decode(entry.body.encode()) if entry.type == 195 else None
                if isinstance(item, Request) and isinstance(item.message, m.GapNotice):
                    gap = item.message
                    told |= set(range(gap.from_seq or 0, (gap.to_seq or 0) + 1))
        assert seqs == list(range(1, len(seqs) + 1))
        silent = set(range(1, self._newest() + 1)) - kept - told
        assert all(seq <= self.fetched for seq in silent), "lost, and nobody was told"
        again = rebuild(self.engine, self.config.archive_path)
        assert differences(self.engine, again) == []
        again.dispose()


Step = Callable[[Site, int], None]
STEPS: tuple[Step, ...] = (
    *[Site.talk] * 5,
    *[Site.fetch] * 3,
    Site.ask_again,
    *[Site.wait] * 2,
    *[Site.keep_queues] * 2,
    *[Site.write_archive] * 2,
    *[Site.trim_journal] * 2,
    Site.start_again,
)
"""As often as each is to come."""


@pytest.fixture(scope="module", autouse=True)
def _small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "SEGMENT_MIN", 1)
        patch.setattr(retention, "SEGMENT_ROWS", 7)
        patch.setattr(archive, "PAGE", 3)
        yield


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), min_size=15))
def test_house_is_kept_at_any_moment(steps: list[tuple[Step, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        for step, by in steps:
            step(site, by)
        site.check()
        site.close()
