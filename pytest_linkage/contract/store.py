"""What every store owes the core: transactions, all or nothing, and what is read in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from linkage.ports.store import StorePort
from linkage.store.rows import DeliveryRow, JournalRow, Operation

NOW_US = 1_800_000_000_000_000


class KilledError(Exception):
    """Ends a transaction before its commit."""


class StoreContract(ABC):
    """Subclass it as `Test…` and say how the store is opened."""

    @abstractmethod
    def opened(self, folder: Path) -> AbstractContextManager[StorePort]:
        """The store below `folder`; what was committed there is there again."""

    def test_what_was_committed_is_found_by_the_next_process(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store, store.transaction():
            _write_all(store)
        with self.opened(tmp_path) as store, store.transaction():
            assert _read_all(store) == WRITTEN
            assert store.journal.next_seq == 2
            assert store.queues.next_seq("desk") == 2

    def test_a_transaction_that_ends_with_an_error_has_not_been(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                before = _read_all(store), store.journal.next_seq, store.queues.next_seq("desk")
            _die_after(store, _write_all)
            with store.transaction():
                after = _read_all(store), store.journal.next_seq, store.queues.next_seq("desk")
                _write_all(store)
        with self.opened(tmp_path) as store, store.transaction():
            assert _read_all(store) == WRITTEN

        assert after == before
        assert before[0] == NOTHING

    def test_what_was_written_is_found_in_the_same_transaction(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store, store.transaction():
            _write_all(store)
            assert _read_all(store) == WRITTEN

    def test_a_change_of_a_record_is_kept(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                _write_all(store)
            _die_after(store, partial(_end, ended_at=NOW_US + 1))
            with store.transaction():
                undone = store.records.find_operation("pbx", "C1")
                assert undone is not None
                assert undone.ended_at is None
                _end(store, NOW_US + 2)
        with self.opened(tmp_path) as store, store.transaction():
            found = store.records.find_operation("pbx", "C1")
            assert found is not None
            assert found.ended_at == NOW_US + 2

    def test_requests_are_known_by_sender_and_id(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                _append(store, "pbx", "1")
                _append(store, "pbx", "1")
                _append(store, "other", "1")
            with store.transaction():
                _append(store, "pbx", "2")
                keys = [("pbx", "1"), ("pbx", "2"), ("nobody", "1")]
                found = store.journal.find_requests(keys)
                with_new = store.journal.find_requests(keys, also_new=True)

        assert {row.seq for row in found} == {1, 2}
        assert {row.seq for row in with_new} == {1, 2, 4}

    def test_an_answer_settles_only_what_it_was_given_to(self, tmp_path: Path) -> None:
        """A 195 may take the place of another entry that is at its receiver already."""
        with self.opened(tmp_path) as store:
            with store.transaction():
                for _ in range(3):
                    seq = _append(store, "pbx", "1")
                    store.queues.enqueue("desk", "application", seq, 100)
                instead = DeliveryRow(receiver="desk", seq=2, journal_seq=seq, type=195)
                store.queues.put(instead)
            with store.transaction():
                for seq in (1, 2, 3):
                    store.queues.settle("desk", seq, seq, "done", 0)
                left = store.queues.open("desk", 0, 10)

        assert left == [instead]

    def test_a_queue_keeps_its_order_until_it_is_settled(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                for _ in range(5):
                    seq = _append(store, "pbx", "1")
                    store.queues.enqueue("desk", "application", seq, 100)
                store.queues.enqueue("other", "application", seq, 100)
                store.queues.settle("desk", 2, 2, "done", 0)
            with store.transaction():
                waiting = [row.seq for row in store.queues.open("desk", 0, 10)]
                some = [row.seq for row in store.queues.open("desk", 1, 2)]
                settled = store.queues.find("desk", 2)
                others = [row.seq for row in store.queues.open("other", 0, 10)]

        assert waiting == [1, 3, 4, 5]
        assert some == [3, 4]
        assert settled is not None
        assert (settled.state, settled.result) == ("done", 0)
        assert others == [1]

    def test_what_expires_is_found_when_it_has(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                seq = _append(store, "desk", "1")
                for expires_at in (NOW_US + 5, None, NOW_US + 9):
                    store.queues.enqueue("pbx", "platform", seq, 202, expires_at)
            with store.transaction():
                found = [
                    [row.seq for row in store.queues.expired(NOW_US + late, 10)]
                    for late in (4, 6, 99)
                ]
                most = store.queues.expired(NOW_US + 99, 1)

        assert [sorted(seqs) for seqs in found] == [[], [1], [1, 3]]
        assert len(most) == 1

    def test_a_nonce_is_used_once_by_each(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store, store.transaction():
            assert store.nonces.use("desk", "n1", NOW_US)
            assert not store.nonces.use("desk", "n1", NOW_US)
            assert store.nonces.use("other", "n1", NOW_US)
        with self.opened(tmp_path) as store, store.transaction():
            assert not store.nonces.use("desk", "n1", NOW_US)

    def test_a_memory_is_its_owners(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            with store.transaction():
                store.memory.save("pbx", "a", '"名"')
                store.memory.save("pbx", "gone", "1")
                store.memory.save("other", "a", "2")
            with store.transaction():
                store.memory.save("pbx", "gone", None)
                store.memory.save("pbx", "never", None)
                store.memory.save_all("pbx", {"b": "1", "b2": "1"})
                store.memory.save_all("pbx", {"b": "2", "b2": None, "never": None})
        with self.opened(tmp_path) as store, store.transaction():
            found = {owner: store.memory.load(owner) for owner in ("pbx", "other", "nobody")}

        kept = {"a": '"名"', "b": "2"}
        assert found == {"pbx": kept, "other": {"a": "2"}, "nobody": {}}


NOTHING: tuple[object, ...] = (None, None, {}, [])
WRITTEN = ((1, b"<request/>"), ("C1", NOW_US), {"k": "1"}, [(1, 1)])


def _die_after(store: StorePort, write: Callable[[StorePort], None]) -> None:
    """Write something in a transaction that is never committed."""
    with suppress(KilledError), store.transaction():
        write(store)
        raise KilledError


def _append(store: StorePort, source: str, request_id: str) -> int:
    seq = store.journal.next_seq
    row = JournalRow(
        seq=seq, recorded_at=NOW_US, kind="Message", source=source, type=100,
        request_id=request_id, body=b"<request/>",
    )  # fmt: skip
    store.journal.append(row)
    return seq


def _write_all(store: StorePort) -> None:
    seq = _append(store, "pbx", "1")
    op_id = store.records.next_op_id()
    store.records.add_operation(
        Operation(
            op_id=op_id, kind="call", platform="pbx", native="C1", root=op_id,
            started_at=NOW_US, call_id="C1",
        )
    )  # fmt: skip
    store.queues.enqueue("desk", "application", seq, 100)
    store.memory.save("pbx", "k", "1")


def _read_all(store: StorePort) -> tuple[object, ...]:
    row = store.journal.find(1)
    call = store.records.find_operation("pbx", "C1")
    return (
        None if row is None else (row.seq, row.body),
        None if call is None else (call.call_id, call.started_at),
        store.memory.load("pbx"),
        [(each.seq, each.journal_seq) for each in store.queues.open("desk", 0, 10)],
    )


def _end(store: StorePort, ended_at: int) -> None:
    call = store.records.find_operation("pbx", "C1")
    assert call is not None
    call.ended_at = ended_at
    store.records.change_operation(call)
