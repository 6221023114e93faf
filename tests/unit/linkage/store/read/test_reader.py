from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from linkage.files.layout import find_file
from linkage.store.chain import breaks
from linkage.store.read.history import AmbiguousEventError, EventNotFoundError
from linkage.store.read.reader import StoreReader
from linkage.store.sqlite.database import StoreError, open_for_reading, open_store
from protocol import messages as m
from tests.fakes.embodiments import DESK, PBX, Writer, write_alarm


@pytest.fixture
def reader(alarm_store: Path) -> Iterator[StoreReader]:
    with StoreReader.open(alarm_store, files=alarm_store.parent / "files") as opened:
        yield opened


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "data" / "linkage.db")
    yield made
    made.close()


def test_events_are_listed_the_latest_first_with_the_number_of_their_operations(
    reader: StoreReader,
) -> None:
    events = reader.list_events()

    assert [event.event_id for event in events] == ["1213244", "1213243"]
    assert [event.operations for event in events] == [5, 4]
    assert events[1].title == "化工厂火灾 fire at the plant"
    assert reader.list_events(owner="somebody else") == []
    assert reader.list_events(status="closed") == []
    assert len(reader.list_events(limit=1)) == 1


def test_a_history_holds_the_call_its_legs_and_what_came_of_it(reader: StoreReader) -> None:
    operations = {item.kind: item for item in reader.history("1213243").operations}

    assert set(operations) == {"call", "recording", "transfer", "leg"}
    call = operations["call"]
    assert (call.from_num, call.to_num, call.call_id) == ("139123444444", "2222", "82039239")
    assert call.answered_at is not None
    assert call.ended_at is not None
    assert (call.outcome, call.reason) == ("ended", 100)
    assert {operations[kind].parent for kind in ("recording", "transfer", "leg")} == {call.op_id}


def test_an_operation_tells_why_it_belongs_to_its_event_and_since_when(
    reader: StoreReader,
) -> None:
    history = reader.history("1213243")
    call = history.operations[0]

    first, second = call.bindings
    assert (first.cause, first.author) == ("created", DESK)
    assert (second.cause, second.author, second.valid_to) == ("explicit", PBX, None)
    assert first.valid_to == second.valid_from
    assert first.since is not None
    assert first.until == second.since
    assert (call.cause, call.author) == ("explicit", PBX)


def test_entries_before_the_event_was_created_belong_to_its_history(reader: StoreReader) -> None:
    entries = reader.history("1213243").entries

    assert [entry.type for entry in entries] == [100, 115, 201, 108, 205, 105, 102, 108]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert isinstance(entries[0].message, m.IncomingCallNotice)
    assert entries[0].event_id is None
    assert entries[2].summary.endswith("Title 化工厂火灾 fire at the plant")


def test_a_recording_has_its_file_and_the_path_where_linkage_keeps_it(
    reader: StoreReader, alarm_store: Path
) -> None:
    (file,) = reader.history("1213243").operations[1].files

    assert (file.file_id, file.format, file.size_bytes) == ("F1.wav", "wav", 32_044)
    assert (file.duration_s, file.sha256) == (2, "0" * 64)
    assert file.path is None


def test_a_kept_file_is_found_by_its_id_whatever_its_ending(tmp_path: Path) -> None:
    kept = tmp_path / "ab" / "abcdef0123.wav"
    kept.parent.mkdir()
    kept.write_bytes(b"RIFF")
    (tmp_path / "ab" / "abcdef0199.wav.part").write_bytes(b"RI")

    assert find_file(tmp_path, "abcdef0123") == kept
    assert find_file(tmp_path, "abcdef0199") is None
    assert find_file(tmp_path, "abcdef") is None


@pytest.mark.parametrize(
    "file_id", ["../secret", "..", "/etc/passwd", "ab*", "[a-z]b", "a\0b", "", "a", "é" * 10]
)
def test_a_hostile_file_id_finds_nothing(tmp_path: Path, file_id: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "files" / "ab").mkdir(parents=True)
    (tmp_path / "files" / "ab" / "abc.wav").write_text("x")

    assert find_file(tmp_path / "files", file_id) is None


def test_a_merged_event_brings_its_operations_and_entries_along(writer: Writer) -> None:
    write_alarm(writer, "A1", "c1")
    write_alarm(writer, "B1", "c2")
    write_alarm(writer, "C1", "c3")
    writer.say(DESK, m.LinkEvent(event_id="C1", other_event_id="B1", action=m.LinkAction.MERGE))
    writer.say(DESK, m.LinkEvent(event_id="B1", other_event_id="A1", action=m.LinkAction.MERGE))

    with StoreReader.open(writer.path) as reader:
        whole, part = reader.history("A1"), reader.history("B1")

    assert {event.event_id for event in whole.merged} == {"B1", "C1"}
    assert {item.event_id for item in whole.operations} == {"A1", "B1", "C1"}
    assert len(whole.operations) == 12
    assert part.event.merged_into == "A1"
    assert {event.event_id for event in part.merged} == {"C1"}
    assert {(link.event_id, link.other_event_id) for link in whole.links} == {
        ("C1", "B1"),
        ("B1", "A1"),
    }


def test_after_an_unmerge_each_event_has_its_own_again(writer: Writer) -> None:
    write_alarm(writer, "A1", "c1")
    write_alarm(writer, "B1", "c2")
    for action in (m.LinkAction.MERGE, m.LinkAction.UNMERGE):
        writer.say(DESK, m.LinkEvent(event_id="B1", other_event_id="A1", action=action))

    with StoreReader.open(writer.path) as reader:
        history = reader.history("A1")

    assert history.merged == ()
    assert len(history.operations) == 4
    assert history.links[0].valid_to is not None


def test_an_unknown_event_is_said_to_be_unknown(reader: StoreReader) -> None:
    with pytest.raises(EventNotFoundError, match="no event has the EventId 99"):
        reader.history("99")
    with pytest.raises(EventNotFoundError, match="no event of police has the EventId 1213243"):
        reader.history("1213243", "police")


def test_an_event_id_of_two_applications_needs_the_owner(writer: Writer) -> None:
    write_alarm(writer, "E1", "c1")
    writer.say("police", m.CreateEvent(event_id="E1"), owner="police")

    with StoreReader.open(writer.path) as reader:
        with pytest.raises(AmbiguousEventError, match=r"desk, police; say whose by --owner"):
            reader.history("E1")
        assert reader.history("E1", "police").operations == ()
        assert len(reader.history("E1", DESK).operations) == 4


def test_the_journal_is_read_from_seq_to_seq_over_pages(
    reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkage.store.archive.PAGE", 4)

    assert [entry.seq for entry in reader.entries()] == list(range(1, 16))
    assert [entry.seq for entry in reader.entries(3, 9)] == list(range(3, 10))
    assert [entry.seq for entry in reader.last_entries(2)] == [14, 15]
    assert reader.last_seq() == 15


def test_the_chain_holds_as_written_and_breaks_where_it_was_touched(alarm_store: Path) -> None:
    with StoreReader.open(alarm_store) as reader:
        assert list(breaks(reader.chain())) == []
    engine = open_store(alarm_store)
    with engine.begin() as connection:
        connection.execute(text("UPDATE journal SET detail = 'forged' WHERE seq = 7"))
        connection.execute(text("DELETE FROM journal WHERE seq = 9"))
    engine.dispose()

    with StoreReader.open(alarm_store) as reader:
        found = list(breaks(reader.chain()))

    assert found == [
        "seq 7: its content was changed after it was written",
        "seq 9: missing (the next row there is 10)",
    ]


def test_what_cannot_be_decoded_is_shown_as_it_came(writer: Writer) -> None:
    writer.note("MalformedMessage", "10.0.0.9:4711", "XML is not well-formed")

    with StoreReader.open(writer.path) as reader:
        (entry,) = reader.last_entries(1)

    assert (entry.name, entry.message) == ("MalformedMessage", None)
    assert entry.summary == "XML is not well-formed"


def test_peers_tell_their_next_seq_and_what_waits_for_them(reader: StoreReader) -> None:
    peers = {peer.peer_id: peer for peer in reader.peers()}

    assert set(peers) == {DESK, PBX}
    assert peers[DESK].role == "application"
    assert peers[DESK].next_seq == peers[DESK].open_deliveries + 1


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        StoreReader.open(tmp_path / "linkage.db")


def test_everything_of_an_event_is_found_by_an_index(alarm_store: Path) -> None:
    engine = open_for_reading(alarm_store)
    statements = _statements_of(engine)
    reader = StoreReader(engine)

    reader.history("1213243")

    asked = list(statements)
    assert len(asked) >= 6
    with engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            # `archive` has a row for each hundred thousand of the journal.
            scans = [step for step in steps if step.startswith("SCAN") and step != "SCAN archive"]
            assert not scans, (statement, steps)
    reader.close()


def _statements_of(engine: Engine) -> list[tuple[str, Any]]:
    statements: list[tuple[str, Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any
    ) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    return statements
