"""Registrations with any LastSeq, a slice of each batch: whoever is let in gets all that it lacks.

A store beside a model of what the peer has acknowledged or claimed. Registrations overlap, are
abandoned, die with the process; in between messages come, are acknowledged, replayed, retired.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from linkage.core.delivery import resuming
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.delivery.resuming import Resumption
from linkage.core.retention.dropped_queues import DropQueue
from linkage.core.sessions.registration import Admitted, Register
from linkage.ports import Role
from linkage.store.sql import tables
from protocol import messages as m
from protocol.envelope import Request, Response
from protocol.registration import make_registration
from tests.fakes.core_bench import SECRET, Bench, answer_of
from tests.fakes.core_links import as_sent
from tests.fakes.said import incoming

ROWS = 3
NOTICE, COMMAND = 106, 205
KINDS = (NOTICE, NOTICE, COMMAND, NOTICE)
NONCES = itertools.count(1)


class Site(Bench):
    """One queue, of which several registrations are under way at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.under_way: list[tuple[Register, int | None]] = []
        """With its LastSeq; the latest one is the last."""
        self.claimed: set[int] = set()
        """What the peer has acknowledged, or said that it has."""
        self.done_commands: set[int] = set()
        self.held: list[int] = []
        self.say("pbx", incoming("C1"))

    def rows(self) -> dict[int, tuple[str, int, int]]:
        """State, type and attempts by Seq, of what is kept."""
        table = tables.delivery
        with self.engine.connect() as connection:
            gone_to = self.gone_to()
            rows = connection.execute(
                select(table).where(table.c.receiver == "desk", table.c.seq > gone_to)
            )
            return {row.seq: (row.state, row.type, row.attempts) for row in rows}

    def gone_to(self) -> int:
        with self.engine.connect() as connection:
            found = connection.execute(
                select(tables.peer.c.gone_to).where(tables.peer.c.peer_id == "desk")
            ).scalar()
        return found or 0

    def newest(self) -> int:
        with self.engine.connect() as connection:
            found = connection.execute(
                select(tables.peer.c.next_seq).where(tables.peer.c.peer_id == "desk")
            ).scalar()
        return (found or 1) - 1

    # --- steps -----------------------------------------------------------------------------------
    def messages_come(self, by: int) -> None:
        unit = self.core.context.tx
        with unit.transaction():
            for number in range(by % 7 + 1):
                unit.queues.enqueue("desk", "application", 1, KINDS[(by + number) % len(KINDS)])

    def acknowledge(self, by: int) -> None:
        found = [seq for seq, (state, _, _) in self.rows().items() if state == "open"]
        for seq in found[by % 3 : by % 3 + by]:
            if not self.under_way:
                self.acknowledged(seq)
            else:  # as `linkage.core.sessions.takeover` does
                self.held.append(seq)

    def acknowledged(self, seq: int) -> None:
        self.do(Acknowledge("desk", seq, 1, Response(request_id="1", type=100, result=0)))
        self.claimed.add(seq)

    def settle_held(self) -> None:
        """No registration is under way any more, and the last came to nothing."""
        while self.held and not self.under_way:
            self.acknowledged(self.held.pop())

    def registers(self, by: int) -> None:
        newest = self.newest()
        last_seq = None if by == 0 else newest * (by - 1) // 8
        fields = {} if last_seq is None else {"last_seq": last_seq}
        nonce = f"nonce-{next(NONCES):08d}"
        message = make_registration(
            Role.APPLICATION, "desk", SECRET, self.clock.utc(), nonce, **fields
        )
        self.go_on(Register(as_sent(Request(id="r1", message=message)), "there"), last_seq)

    def one_goes_on(self, by: int) -> None:
        if self.under_way:
            self.go_on(*self.under_way.pop(by % len(self.under_way)))

    def go_on(self, work: Register, last_seq: int | None) -> None:
        before = self.rows()
        fresh = work.under_way is None
        (done,) = self.do(work)
        after = self.rows()
        changed = [seq for seq, row in before.items() if seq in after and after[seq] != row]
        assert len(changed) <= ROWS
        if last_seq is not None:
            self.claimed |= set(range(1, last_seq + 1))
            settled = {seq for seq in changed if after[seq][0] == "done"}
            self.done_commands |= {seq for seq in settled if after[seq][1] == COMMAND}
        if isinstance(done.value, Resumption):
            again = Register(work.request, work.address, done.value)
            self.under_way.append((again, last_seq))
        elif isinstance(done.value, Admitted):
            self.held.clear()
            self.is_let_in(last_seq, after)
        else:
            assert not fresh, "a newer one came"
            response = answer_of(work, done)
            assert (response.result, response.retry_after_s) == (404, 5)
        self.settle_held()

    def is_let_in(self, last_seq: int | None, rows: dict[int, tuple[str, int, int]]) -> None:
        if last_seq is None:
            return
        for seq, (state, type_, _) in rows.items():
            if seq <= last_seq:
                assert state == "done"
            elif type_ == NOTICE:
                assert state == "open", "it lacks that"
        self.claimed -= set(range(last_seq + 1, self.newest() + 1))

    def all_are_abandoned(self, _by: int) -> None:
        self.under_way.clear()
        self.settle_held()

    def the_process_dies(self, _by: int) -> None:
        self.under_way.clear()
        self.held.clear()
        self.restart()

    def replay(self, by: int) -> None:
        if self.newest():
            self.say("desk", m.ReplayRequest(from_seq=max(1, self.newest() - by)))

    def retire(self, by: int) -> None:
        self.do(DropQueue("desk", self.gone_to() + by))

    # --- what must hold --------------------------------------------------------------------------
    def check(self) -> None:
        for seq, (state, type_, _) in self.rows().items():
            if type_ == COMMAND:
                if state == "done":
                    self.done_commands.add(seq)
                assert state == "done" or seq not in self.done_commands, "repeated"
            elif state == "done":
                assert seq in self.claimed, "neither acknowledged nor said to be there"

    def finish(self) -> None:
        """The latest gets in, with what it lacks, however many are under way."""
        self.registers(1)
        for _ in range(2 * self.newest() + 2):
            if not self.under_way:
                break
            self.go_on(*self.under_way.pop())
            self.under_way = self.under_way[-1:]
        assert not self.under_way


Step = Callable[[Site, int], None]
STEPS: tuple[Step, ...] = (
    *[Site.messages_come] * 4,
    *[Site.acknowledge] * 3,
    *[Site.registers] * 3,
    *[Site.one_goes_on] * 8,
    Site.all_are_abandoned,
    Site.the_process_dies,
    Site.replay,
    Site.retire,
)
"""As often as each is to come."""


@pytest.fixture(scope="module", autouse=True)
def _small_slices() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming, "ROWS_MAX", ROWS)
        yield


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), min_size=20))
def test_whoever_is_let_in_gets_all_that_it_lacks(steps: list[tuple[Step, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        for step, by in steps:
            step(site, by)
            site.check()
        site.finish()
        site.check()
        site.close()
