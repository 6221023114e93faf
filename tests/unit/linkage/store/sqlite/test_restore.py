"""A backup put in place: no number is given twice, no secret that was overheard comes in."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from linkage.core.retention.dropped_queues import AnnounceGaps
from linkage.core.sessions.registration import Register
from linkage.ports import EntryKind, Role
from linkage.store.journal_head import read_head
from linkage.store.sql import tables
from linkage.store.sqlite.backup import (
    BackupError,
)
from linkage.store.sqlite.database import StoreError, open_store
from linkage.store.sqlite.lock import hold_store
from protocol import messages as m
from protocol.envelope import Request, Response
from protocol.registration import make_registration
from tests.fakes.backed_store import Backed, put_back
from tests.fakes.core_bench import SECRET, Bench, answer_of
from tests.fakes.core_links import as_sent
from tests.fakes.said import create, hangup, incoming


def test_a_restored_store_is_the_same_and_says_so(backed: Backed, into: Path) -> None:
    made = backed.backup(into)
    journal = backed.journal()
    restored = put_back(into, into / "data", backed.clock.utc())

    assert restored.backup == made.folder
    assert (into / "data/files/ab/ab12.wav").read_bytes() == b"RIFF"
    engine = open_store(into / "data/linkage.db")
    with engine.connect() as connection:
        rows = connection.execute(
            select(tables.journal.c.seq, tables.journal.c.kind).order_by(tables.journal.c.seq)
        ).all()
    engine.dispose()
    assert [row.seq for row in rows][:-1] == [row.seq for row in journal]
    assert rows[-1].kind == EntryKind.RENUMBERED
    head = read_head(into / "data/linkage.head")
    assert head is not None
    assert head.seq == rows[-1].seq == journal[-1].seq + restored.skipped + 1


def test_a_store_in_use_is_not_replaced_even_by_force(backed: Backed, into: Path) -> None:
    made = backed.backup(into)
    with (
        hold_store(backed.config.database_path),
        pytest.raises(StoreError, match="serves this data"),
    ):
        put_back(made.folder, backed.data, backed.clock.utc(), force=True)


def test_a_directory_that_is_not_empty_is_moved_aside_only_by_force(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    with pytest.raises(BackupError, match="is not empty"):
        put_back(made.folder, backed.data, backed.clock.utc())
    backed.close()
    restored = put_back(made.folder, backed.data, backed.clock.utc(), force=True)
    assert restored.aside is not None
    assert (restored.aside / "linkage.db").exists()
    assert (restored.aside / "files/ab/ab12.wav").exists()
    backed.open()
    backed.say("pbx", hangup())


@pytest.mark.parametrize("damaged", ["linkage.db", "files/ab/ab12.wav"])
def test_a_damaged_backup_is_refused_and_nothing_changed(
    backed: Backed, into: Path, damaged: str
) -> None:
    made = backed.backup(into)
    path = made.folder / damaged
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(BackupError, match=r"is damaged \(SHA-256\)"):
        put_back(made.folder, into / "data", backed.clock.utc())
    path.unlink()
    with pytest.raises(BackupError, match="is missing"):
        put_back(made.folder, into / "data", backed.clock.utc())
    assert not (into / "data").exists()
    assert not list(into.glob(".*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "another format"),
        ({"schema": "9999"}, "newer linkage"),
        ({"files": {"../../out": {"size_bytes": 1, "sha256": ""}}}, "leads out"),
        ({"files": {"linkage.lock": {"size_bytes": 1, "sha256": ""}}}, "nothing that a backup"),
        ({"files": {"files/a\0b": {"size_bytes": 1, "sha256": ""}}}, "nothing that a backup"),
        ({"files": []}, "is damaged"),
        ({"more": 1}, "is damaged"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(
    backed: Backed, into: Path, change: dict[str, Any], said: str
) -> None:
    path = backed.backup(into).folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BackupError, match=said):
        put_back(path.parent, into / "data", backed.clock.utc())


def test_a_manifest_as_deep_as_a_bomb_is_damaged(backed: Backed, into: Path) -> None:
    path = backed.backup(into).folder / "manifest.json"
    path.write_text("[" * 200_000)
    with pytest.raises(BackupError, match="is damaged"):
        put_back(path.parent, into / "data", backed.clock.utc())


@pytest.mark.parametrize("kind", ["link", "linked directory", "pipe"])
def test_what_leads_out_of_a_backup_is_none_of_it(
    backed: Backed, into: Path, tmp_path: Path, kind: str
) -> None:
    made = backed.backup(into)
    recording = made.folder / "files/ab/ab12.wav"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    recording.rename(elsewhere / recording.name)
    if kind == "pipe":
        os.mkfifo(recording)
    elif kind == "link":
        recording.symlink_to(elsewhere / recording.name)
    else:
        recording.parent.rmdir()
        recording.parent.symlink_to(elsewhere)
    with pytest.raises(BackupError, match="is no file of the backup"):
        put_back(made.folder, into / "data", backed.clock.utc())
    assert not (into / "data").exists()


def numbers(bench: Bench) -> set[tuple[str, int]]:
    """Every number that peers have seen of a store: Ids, OpIds, and Seqs of the desk."""
    with bench.engine.connect() as connection:
        seqs = connection.execute(
            select(tables.delivery.c.seq).where(tables.delivery.c.receiver == "desk")
        ).scalars()
        found = {("Seq", seq) for seq in seqs}
    found |= {("Id", row.seq) for row in bench.journal() if row.kind != EntryKind.RENUMBERED}
    return found | {("OpId", row.op_id) for row in bench.operations()}


def replace_by(bench: Backed, backup: Path) -> None:
    bench.close()
    put_back(backup, bench.data, bench.clock.utc(), force=True)
    bench.open()
    bench.do(AnnounceGaps())


def test_no_number_is_given_twice_however_often_a_backup_is_restored(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    common = numbers(backed)
    seen = set(common)
    for again in range(3):
        for number in range(20):
            backed.say("pbx", incoming(f"L{again}-{number}"))
            backed.say("desk", create(f"L{again}-{number}", f"L{again}-{number}"))
        fresh = numbers(backed) - common
        assert fresh
        assert not fresh & (seen - common)
        seen |= fresh
        backed.check()
        backed.clock.advance(1)
        replace_by(backed, made.folder)


def test_nor_when_it_is_restored_twice_within_moments(backed: Backed, into: Path) -> None:
    made = backed.backup(into)
    backed.clock.jump(backed.clock.utc() - timedelta(seconds=60))  # as if it had been just now
    common = numbers(backed)
    replace_by(backed, made.folder)
    for number in range(20):
        backed.say("pbx", incoming(f"L{number}"))
    first = numbers(backed) - common
    (backed.data / "linkage.head").unlink()  # the time alone must be enough
    replace_by(backed, made.folder)
    for number in range(20):
        backed.say("pbx", incoming(f"M{number}"))
    assert not first & (numbers(backed) - common)


def test_peers_hear_of_the_gap_wherever_they_were(backed: Backed, into: Path) -> None:
    """One that is ahead of the backup, one that is behind it: both resume, and get the 195."""
    desk = "desk"
    made = backed.backup(into)
    old = [row.seq for row in backed.journal()]
    backed.heard(desk)
    for number in range(5):
        backed.say("pbx", incoming(f"L{number}"))
    ahead = backed.heard(desk)[-1].seq
    backed.say("pbx", hangup())
    backed.heard(desk)
    replace_by(backed, made.folder)

    (gap,) = backed.heard(desk)
    assert isinstance(gap.message, m.GapNotice)
    assert gap.message.cause is m.GapCause.RESTART
    assert gap.message.from_seq is not None
    assert gap.message.to_seq is not None
    assert gap.message.from_seq <= ahead <= gap.message.to_seq == gap.seq - 1
    assert int(gap.request.id) > max(old)
    assert register(backed, desk, ahead).last_seq == ahead
    backed.restart()
    backed.do(AnnounceGaps())
    assert backed.heard(desk) == [], "it is told once"


def test_a_peer_that_came_after_the_backup_gets_no_number_twice_either(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    for _ in range(2):
        backed.say("pbx", incoming("N1", to_num="3333"))
        first = [item.seq for item in backed.heard("other")]
        backed.clock.advance(1)
        replace_by(backed, made.folder)
    backed.say("pbx", incoming("N2", to_num="3333"))

    gap, notice = backed.heard("other")
    assert isinstance(gap.message, m.GapNotice)
    assert gap.message.from_seq == 1
    assert gap.message.to_seq == gap.seq - 1 >= max(first)
    assert notice.seq == gap.seq + 1
    assert register(backed, "other", notice.seq).last_seq == notice.seq
    backed.restart()
    backed.do(AnnounceGaps())
    assert backed.heard("other") == [], "it is told once"


def register(bench: Bench, peer: str, last_seq: int) -> Response:
    message = make_registration(
        Role.APPLICATION, peer, SECRET, bench.clock.utc(), "nonce-00000001", last_seq=last_seq
    )
    work = Register(as_sent(Request(id="r1", message=message)), "10.0.0.1:1")
    response = answer_of(work, bench.do(work)[0])
    assert response.result == 0
    return response


def test_a_clock_that_went_back_leaves_numbers_out_all_the_same(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    earlier = backed.clock.utc() - timedelta(days=400)
    assert put_back(made.folder, into / "data", earlier).skipped >= 1_000_000


def registration(bench: Bench, nonce: str, ahead_s: float = 0.0) -> Register:
    made_at = bench.clock.utc() + timedelta(seconds=ahead_s)
    message = make_registration(Role.APPLICATION, "desk", SECRET, made_at, nonce)
    return Register(as_sent(Request(id="r1", message=message)), "10.0.0.1:1")


def judged(bench: Bench, work: Register) -> tuple[int, int | None]:
    response = answer_of(work, bench.do(work)[0])
    return response.result, response.retry_after_s


def test_a_registration_that_was_overheard_after_the_backup_opens_nothing_after_its_restore(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    overheard = registration(backed, "nonce-overheard")
    assert judged(backed, overheard) == (0, None)
    backed.close()
    shutil.rmtree(backed.data)  # the disk has died
    backed.clock.advance(2)
    put_back(made.folder, backed.data, backed.clock.utc())
    backed.clock.advance(20)  # others may have served from elsewhere until here
    late = registration(backed, "nonce-of-a-moment-ago", ahead_s=-0.5)
    backed.open()
    backed.do(AnnounceGaps())
    assert judged(backed, overheard) == (404, 22)
    assert judged(backed, late) == (404, 1)
    assert judged(backed, registration(backed, "nonce-of-now")) == (0, None)
    assert backed.journal()[-2].result == 404
    backed.restart()
    assert judged(backed, overheard) == (404, 22), "the next start knows it too"
    backed.clock.advance(290)
    assert judged(backed, overheard)[0] in {201, 404}


def test_a_peer_whose_clock_is_behind_registers_as_soon_as_that_is_past_the_restore(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    replace_by(backed, made.folder)
    assert judged(backed, registration(backed, "nonce-0001", ahead_s=-60)) == (404, 60)
    backed.clock.advance(60)
    assert judged(backed, registration(backed, "nonce-0002", ahead_s=-60)) == (0, None)


def test_what_the_store_of_before_knew_of_peers_with_a_clock_ahead_is_brought_along(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    overheard = registration(backed, "nonce-overheard", ahead_s=100)
    assert judged(backed, overheard) == (0, None)
    replace_by(backed, made.folder)
    assert judged(backed, overheard) == (201, None)


def test_a_store_of_before_that_is_damaged_holds_up_no_restore(backed: Backed, into: Path) -> None:
    made = backed.backup(into)
    backed.close()
    backed.config.database_path.write_bytes(b"no database at all" * 1000)
    put_back(made.folder, backed.data, backed.clock.utc(), force=True)
    backed.open()
    backed.do(AnnounceGaps())


def test_only_the_first_start_asks_for_newer_registrations(backed: Backed, into: Path) -> None:
    made = backed.backup(into)
    replace_by(backed, made.folder)
    backed.clock.advance(10)
    before = registration(backed, "nonce-before-a-restart")
    backed.clock.advance(10)
    backed.restart()
    backed.do(AnnounceGaps())
    assert judged(backed, before) == (0, None)


def test_a_restore_under_a_clock_that_was_ahead_does_not_lock_everybody_out(
    backed: Backed, into: Path
) -> None:
    made = backed.backup(into)
    right = backed.clock.utc()
    backed.clock.jump(right + timedelta(days=7))
    replace_by(backed, made.folder)
    backed.clock.jump(right + timedelta(seconds=5))
    assert judged(backed, registration(backed, "nonce-of-now")) == (0, None)
