"""`linkage.open_store`: what linkage knows, as plain data, beside a linkage that serves."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import linkage
from linkage.client import Application, Platform
from linkage.config.file import Config
from linkage.config.problems import ConfigError
from linkage.reader import StoreError
from linkage.store.read.history import AmbiguousEventError, EventNotFoundError
from protocol.messages import CreateEvent
from tests.fakes.core_bench import SECRET, peer
from tests.fakes.said import incoming


@pytest.fixture
def store(alarm_store: Path) -> Iterator[linkage.Store]:
    with linkage.open_store(alarm_store) as opened:
        yield opened


@pytest.mark.parametrize("named", ["configuration", "its folder", "data", "database", "as text"])
def test_a_store_is_opened_by_whatever_names_it(
    alarm_config: Path, alarm_store: Path, named: str
) -> None:
    places: dict[str, str | Path] = {
        "configuration": alarm_config,
        "its folder": alarm_config.parent,
        "data": alarm_store.parent,
        "database": alarm_store,
        "as text": str(alarm_config),
    }
    with linkage.open_store(places[named]) as store:
        assert [event.event_id for event in store.events()] == ["1213244", "1213243"]


def test_what_belongs_to_an_event_is_found(store: linkage.Store) -> None:
    (event,) = store.events(owner="desk", limit=1)
    assert event.title is None or isinstance(event.title, str)
    operations = store.operations("1213243")
    assert operations[0].kind == "call"
    assert {operation.event_id for operation in operations} == {"1213243"}
    timeline = store.timeline("1213243")
    assert [entry.at for entry in timeline] == sorted(entry.at for entry in timeline)
    assert store.history("1213243").operations == tuple(operations)
    assert list(store.history("1213243").entries) == timeline


def test_operations_are_paged_from_the_last_one_back(store: linkage.Store) -> None:
    everything = store.operations()
    ids = [operation.op_id for operation in everything]
    assert ids == sorted(ids, reverse=True)
    assert {operation.event_id for operation in everything} >= {"1213243", "1213244"}
    first = store.operations(limit=3)
    assert first == everything[:3]
    assert store.operations(before=first[-1].op_id) == everything[3:]
    with pytest.raises(TypeError, match="events have owners"):
        store.operations(owner="desk")


def test_the_journal_peers_and_alarms_are_read(store: linkage.Store) -> None:
    assert [entry.seq for entry in store.journal()] == list(range(1, store.last_seq + 1))
    assert [entry.seq for entry in store.journal(2, 3)] == [2, 3]
    assert [peer.peer_id for peer in store.peers()] == ["desk", "pbx"]
    assert store.alarms() == {}


def test_what_is_handed_out_is_plain_and_cannot_be_changed(store: linkage.Store) -> None:
    history = store.history("1213243")
    for view in (history, history.event, history.operations[0], history.entries[0]):
        assert dataclasses.is_dataclass(view)
        with pytest.raises(dataclasses.FrozenInstanceError):
            view.__setattr__(dataclasses.fields(view)[0].name, None)
        assert type(view).__doc__


def test_what_is_not_there_is_told(store: linkage.Store, tmp_path: Path) -> None:
    with pytest.raises(EventNotFoundError, match="nothing"):
        store.timeline("nothing")
    with pytest.raises(StoreError, match=r"no linkage\.toml and no linkage\.db"):
        linkage.open_store(tmp_path / "..")
    with pytest.raises(StoreError, match="no store yet; it is made by `linkage serve`"):
        linkage.open_store(tmp_path / "other.db")
    with pytest.raises(ConfigError, match="no such file"):
        linkage.open_store(tmp_path / "other.toml")
    wrong: Any = store
    with pytest.raises(TypeError, match=r"'stat': did you mean 'status'\?"):
        wrong.events(stat="open")


def test_two_owners_of_a_number_are_told(store: linkage.Store) -> None:
    assert issubclass(AmbiguousEventError, Exception)
    with pytest.raises(EventNotFoundError, match="of police"):
        store.history("1213243", owner="police")


def test_nothing_can_be_written_and_nothing_is(alarm_store: Path) -> None:
    before = alarm_store.read_bytes()
    with linkage.open_store(alarm_store) as store:
        list(store.journal())
        store.history("1213243")
        cursor = store._reader._engine.raw_connection().cursor()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            cursor.execute("DELETE FROM journal")
    assert alarm_store.read_bytes() == before


def test_it_may_be_used_from_several_threads(store: linkage.Store) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(store.timeline("1213243"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


async def test_it_reads_beside_a_linkage_that_serves(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "data": tmp_path / "data",
            "listen": ("127.0.0.1:0",),
            "peer": [peer("desk", "application"), peer("pbx", "platform")],
        }
    )
    async with (
        linkage.Server(config) as server,
        Application(*server.addresses[0], "desk", secret=SECRET) as desk,
        Platform(*server.addresses[0], "pbx", secret=SECRET) as pbx,
    ):
        with linkage.open_store(config.data_path) as store:
            journal = store.journal()
            next(journal)  # a reader that stands still
            await pbx.notify(incoming("C1"))
            await desk.send(CreateEvent(call_id="C1", event_id="E1"))
            (event,) = store.events()
            assert event.event_id == "E1"
            assert store.operations("E1")[0].call_id == "C1"
            assert [entry.seq for entry in store.journal()][-1] == store.last_seq
            journal.close()  # type: ignore[attr-defined]  # it is a generator
    shutil.rmtree(config.data_path)
