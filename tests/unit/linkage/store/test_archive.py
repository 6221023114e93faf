"""The older part of the journal in files: nothing is lost, doubled or changed on the way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from linkage.config.core import RetentionSettings
from linkage.core.retention.trimming import DeleteRows, Rows, SealSegment
from linkage.core.scope import Done
from linkage.store import archive
from linkage.store.archive import (
    ArchiveError,
    Segment,
    read_segment,
    segment_breaks,
)
from linkage.store.read.reader import StoreReader
from linkage.store.sql import retention, tables
from linkage.store.sql.journal_rows import all_rows, anchor_of, newest_of
from linkage.store.sql.maintenance import archive_rows
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.retention import find_archivable
from linkage.store.verify import Verdict, verify
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, hangup, incoming

DAY_S = 24 * 3600.0
WEEK = RetentionSettings(journal_days=7)


class Keeping(Bench):
    """A bench whose journal can be archived, step by step."""

    @property
    def folder(self) -> Path:
        return self.config.archive_path

    def due(self, limits: RetentionSettings = WEEK) -> tuple[archive.Anchor, int] | None:
        return find_archivable(self.engine, limits, self.now().utc_us)

    def write(self, limits: RetentionSettings = WEEK) -> Segment | None:
        found = self.due(limits)
        if found is None:
            return None
        return archive_rows(self.engine, self.folder, *found, pace=lambda: None)

    def trim(self, limit: int = 100) -> Any:
        (done,) = self.do(DeleteRows(Rows.JOURNAL, limit))
        return done.value

    def archive_all(self) -> list[Segment]:
        found = []
        while (segment := self.write()) is not None:
            assert self.do(SealSegment(segment)) == [Done()]
            while self.trim():
                pass
            found.append(segment)
        return found

    def fetched(self) -> None:
        """Everybody has had everything long ago."""
        with self.engine.begin() as connection:
            connection.execute(delete(tables.delivery))

    def verdict(self) -> Verdict:
        with self.engine.connect() as connection:
            head = newest_of(connection)
        with StoreReader.open(self.config.database_path) as reader:
            for _, found in verify(reader, self.folder, head):
                verdict = found
        return verdict

    def check(self) -> None:
        assert self.verdict().breaks == []
        again = rebuild(self.engine, self.folder)
        assert differences(self.engine, again) == []
        again.dispose()


@pytest.fixture
def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeping]:
    monkeypatch.setattr(retention, "SEGMENT_MIN", 2)
    monkeypatch.setattr(archive, "PAGE", 3)
    made = Keeping(tmp_path)
    yield made
    made.check()
    made.close()


def call(keeping: Keeping, number: int) -> None:
    keeping.say("pbx", incoming(f"C{number}"))
    keeping.say("desk", create(f"E{number}", f"C{number}", title="火灾"))
    keeping.say("pbx", hangup(f"C{number}"))


def test_what_is_old_goes_to_a_segment_and_everything_is_still_found(keeping: Keeping) -> None:
    call(keeping, 1)
    keeping.fetched()
    before = keeping.journal()
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 2)
    keeping.fetched()

    (segment,) = keeping.archive_all()

    assert (segment.first_seq, segment.last_seq) == (1, len(before))
    assert keeping.journal()[0].seq == segment.last_seq + 1
    assert [row for row, _, _ in read_segment(keeping.folder / segment.name)] == before
    assert (keeping.folder / segment.name).stat().st_mode & 0o077 == 0
    verdict = keeping.verdict()
    assert (verdict.archived, verdict.absent) == (len(before), [])
    with StoreReader.open(keeping.config.database_path) as reader:
        assert [entry.seq for entry in reader.history("E1").entries] == [
            row.seq for row in before if row.event_id == "E1" or row.call_id == "C1"
        ]
        assert [entry.seq for entry in reader.entries()][: len(before)] == [
            row.seq for row in before
        ]
        assert reader.history("E2").absent == ()


def test_who_reads_the_journal_while_it_is_archived_misses_nothing(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "PAGE", 2)
    for number in (1, 2, 3):
        call(keeping, number)
    keeping.fetched()
    seqs = [row.seq for row in keeping.journal()]
    keeping.clock.advance(8 * DAY_S)
    with StoreReader.open(keeping.config.database_path) as reader:
        entries = reader.entries()
        read = [next(entries).seq, next(entries).seq]
        keeping.archive_all()
        call(keeping, 4)
        read += [entry.seq for entry in entries]
    assert read == [row.seq for row, _, _ in all_rows(keeping.engine, keeping.folder)]
    assert read[: len(seqs)] == seqs


def test_segments_follow_each_other(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SEGMENT_ROWS", 5)
    for number in range(4):
        call(keeping, number)
    keeping.fetched()
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 9)
    keeping.fetched()

    segments = keeping.archive_all()

    assert len(segments) > 2
    assert [segment.prev_hash for segment in segments[1:]] == [
        segment.hash for segment in segments[:-1]
    ]
    keeping.restart()
    call(keeping, 10)


def test_what_is_young_or_waits_for_somebody_stays(keeping: Keeping) -> None:
    call(keeping, 1)
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 2)
    assert keeping.due() is None, "C1 waits for the desk"
    keeping.fetched()
    assert keeping.due(RetentionSettings(journal_days=1 / archive.DAY_US)) is not None
    assert keeping.due(RetentionSettings()) is None
    keeping.clock.advance(-0.0)
    anchor_and_last = keeping.due(RetentionSettings(journal_days=1 / archive.DAY_US))
    assert anchor_and_last is not None
    with keeping.engine.connect() as connection:
        young = connection.execute(
            select(func.min(tables.journal.c.seq)).where(
                tables.journal.c.recorded_at > keeping.now().utc_us - 2 * archive.DAY_US
            )
        ).scalar_one()
    assert anchor_and_last[1] == young - 1, "the duplicate window stays whatever is configured"


def test_a_command_stays_as_long_as_its_outcome_waits(keeping: Keeping) -> None:
    keeping.say("pbx", incoming())
    keeping.say("desk", create())
    command = m.Hangup(call_id="C1")
    assert keeping.say("desk", command).result == 1
    sent = keeping.journal()[-1].seq
    keeping.fetched()
    keeping.clock.advance(4 * DAY_S)
    keeping.say("pbx", hangup(request_id=str(sent)))
    keeping.clock.advance(8 * DAY_S)
    found = keeping.due(RetentionSettings(journal_days=1 / archive.DAY_US))
    assert found is not None
    assert found[1] == sent - 1
    keeping.fetched()
    call(keeping, 5)


def test_a_database_that_is_too_large_gives_of_its_oldest(keeping: Keeping) -> None:
    for number in range(40):
        call(keeping, number)
    keeping.fetched()
    keeping.clock.advance(3 * DAY_S)
    call(keeping, 99)
    keeping.fetched()
    total = len(keeping.journal())
    used = keeping.config.database_path.stat().st_size
    found = keeping.due(RetentionSettings(journal_bytes=used // 2))
    assert found is not None
    assert 1 < found[1] < total
    assert keeping.due(RetentionSettings(journal_bytes=10 * used)) is None


@pytest.mark.parametrize("stage", ["part", "unsealed", "sealed", "half trimmed"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(keeping: Keeping, stage: str) -> None:
    for number in range(5):
        call(keeping, number)
    keeping.fetched()
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 9)
    keeping.fetched()
    before = keeping.journal()

    if stage == "part":
        keeping.folder.mkdir()
        (keeping.folder / "journal.part").write_bytes(b"half of it")
    else:
        segment = keeping.write()
        assert segment is not None
        if stage != "unsealed":
            keeping.do(SealSegment(segment))
        if stage == "half trimmed":
            assert keeping.trim(4) == 4
    keeping.restart()
    keeping.check()
    while keeping.trim():
        pass
    keeping.archive_all()

    assert [row for row, _, _ in all_rows(keeping.engine, keeping.folder)][: len(before)] == before
    assert not list(keeping.folder.glob("*.part"))
    assert len(list(keeping.folder.iterdir())) == 1


def test_writing_gives_up_when_it_is_told_to(keeping: Keeping) -> None:
    for number in range(5):
        call(keeping, number)
    keeping.fetched()
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 9)
    keeping.fetched()
    found = keeping.due()
    assert found is not None

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        archive_rows(keeping.engine, keeping.folder, *found, pace=stop)
    with keeping.engine.connect() as connection:
        assert anchor_of(connection).seq == 0


def test_the_space_that_archived_entries_leave_is_used_again(keeping: Keeping) -> None:
    def pages(name: str) -> int:
        with keeping.engine.connect() as connection:
            return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    for number in range(100):
        call(keeping, number)
    keeping.fetched()
    before = pages("page_count")
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 100)
    keeping.fetched()
    keeping.archive_all()
    free = pages("freelist_count")
    for number in range(101, 140):
        call(keeping, number)
    keeping.fetched()
    assert pages("freelist_count") < free
    assert pages("page_count") <= before + 2


# --- what is wrong with an archive is said -------------------------------------------------------
@pytest.fixture
def archived(keeping: Keeping) -> tuple[Keeping, Path]:
    for number in range(5):
        call(keeping, number)
    keeping.fetched()
    keeping.clock.advance(8 * DAY_S)
    call(keeping, 9)
    keeping.fetched()
    (segment,) = keeping.archive_all()
    return keeping, keeping.folder / segment.name


def rewrite(path: Path, change: Any) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(change(lines))))


def changed_row(lines: list[bytes]) -> list[bytes]:
    row = json.loads(lines[3])
    row["source"] = "somebody"
    return [*lines[:3], json.dumps(row).encode() + b"\n", *lines[4:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed_row, "seq 3: its content was changed"),
        (lambda lines: [*lines[:3], *lines[4:]], "seq 3: missing"),
        (lambda lines: lines[:-1], "is cut off"),
        (lambda lines: lines[:1], "is cut off after 0"),
        (lambda lines: [b'{"format":"other"}\n', *lines[1:]], "is no archive"),
        (lambda lines: [*lines[:2], b"[1]\n", *lines[2:]], "is damaged"),
        (lambda lines: [lines[0], lines[-1]], "does not end"),
    ],
)
def test_a_damaged_segment_is_found_and_named(
    archived: tuple[Keeping, Path], change: Any, said: str
) -> None:
    keeping, path = archived
    whole = path.read_bytes()
    rewrite(path, change)
    found = keeping.verdict().breaks
    assert any(said in problem for problem in found), found
    assert any("SHA-256" in problem for problem in found)
    assert any(said in problem for problem in segment_breaks(path))
    path.write_bytes(whole[: len(whole) // 2])
    assert any("is damaged" in problem for problem in segment_breaks(path))
    path.write_bytes(whole)


def test_a_segment_that_is_not_here_is_named_and_the_rest_checked(
    archived: tuple[Keeping, Path],
) -> None:
    keeping, path = archived
    away = path.rename(path.with_suffix(".away"))
    verdict = keeping.verdict()
    assert verdict.absent == [path.name]
    assert verdict.breaks == []
    with pytest.raises(ArchiveError, match=path.name):
        rebuild(keeping.engine, keeping.folder)
    with StoreReader.open(keeping.config.database_path) as reader:
        assert reader.history("E1").absent == (path.name,)
        with pytest.raises(ArchiveError, match=path.name):
            list(reader.entries())
    away.rename(path)


def test_a_beginning_that_was_cut_off_is_found(archived: tuple[Keeping, Path]) -> None:
    keeping, _ = archived
    with keeping.engine.connect() as connection:
        first = connection.execute(select(func.min(tables.journal.c.seq))).scalar_one()
    with StoreReader.open(keeping.config.database_path) as reader:
        whole = list(reader.chain())
        anchor = reader.anchor()
    from linkage.store.chain import breaks

    assert list(breaks(whole, anchor.seq + 1, anchor.hash)) == []
    assert list(breaks(whole[1:], anchor.seq + 1, anchor.hash)) == [
        f"seq {first}: missing (the next row there is {first + 1})"
    ]


def test_an_end_that_was_cut_off_is_found_by_the_head(keeping: Keeping) -> None:
    call(keeping, 1)
    with keeping.engine.connect() as connection:
        head = newest_of(connection)
    assert head is not None
    with StoreReader.open(keeping.config.database_path) as reader:
        assert reader.head_problem(head) is None
        with keeping.engine.begin() as connection:
            row = connection.execute(
                select(tables.journal).where(tables.journal.c.seq == head.seq)
            ).one()
            connection.execute(delete(tables.journal).where(tables.journal.c.seq == head.seq))
        assert "cut off after seq" in str(reader.head_problem(head))
        with keeping.engine.begin() as connection:
            values = dict(row._mapping) | {"hash": bytes(32)}
            connection.execute(tables.journal.insert().values(values))
        assert "is another entry" in str(reader.head_problem(head))
        with keeping.engine.begin() as connection:
            connection.execute(
                tables.journal.update()
                .where(tables.journal.c.seq == head.seq)
                .values(hash=head.hash)
            )
