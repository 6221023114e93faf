"""A store that an older linkage made is brought up to date with all that is in it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from linkage.store.chain import breaks
from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import MIGRATIONS, StoreError, open_for_reading, open_store
from protocol import messages as m
from tests.fakes.core_bench import chain
from tests.fakes.embodiments import Writer, write_alarm, write_conference


def migrate(path: Path, revision: str, step: str = "upgrade") -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, step)(config, revision)
    engine.dispose()


@pytest.fixture
def first_store(tmp_path: Path) -> Path:
    """A store as the first linkage made it, with both of the patent's embodiments."""
    path = tmp_path / "linkage.db"
    writer = Writer(path)
    write_alarm(writer)
    write_conference(writer)
    writer.close()
    migrate(path, "0001", "downgrade")
    with sqlite3.connect(path) as plain:
        columns = {row[1] for row in plain.execute("PRAGMA table_info(peer)")}
    plain.close()
    assert columns == {"peer_id", "role", "next_seq", "last_seen"}
    return path


def test_a_store_of_the_first_schema_is_brought_up_to_date(first_store: Path) -> None:
    engine = open_store(first_store)
    assert list(breaks(chain(engine))) == []
    again = rebuild(engine)
    assert differences(engine, again) == []
    again.dispose()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT peer_id, next_seq, gone_to FROM peer").all()
    assert {tuple(row) for row in rows} == {("desk", 13, 0), ("pbx", 4, 0)}
    engine.dispose()


def test_a_new_store_and_one_brought_up_to_date_are_the_tables_that_the_code_knows(
    first_store: Path, tmp_path: Path
) -> None:
    for path in (first_store, tmp_path / "new.db"):
        engine = open_store(path)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, tables.metadata) == []
        engine.dispose()


def test_a_store_that_is_not_up_to_date_is_not_read_but_named(first_store: Path) -> None:
    with pytest.raises(StoreError, match=r"older linkage .*linkage serve"):
        open_for_reading(first_store)


@pytest.mark.parametrize(
    "asked",
    [
        "count(*) FROM delivery WHERE receiver = 'desk' AND state = 'open'",
        "min(seq), max(seq) FROM delivery WHERE receiver = 'desk' AND state = 'open'",
        "* FROM delivery WHERE receiver = 'desk' AND state = 'open' AND seq > 9 ORDER BY seq",
        "seq FROM delivery WHERE receiver = 'desk' AND state = 'open' ORDER BY seq DESC",
    ],
)
def test_what_waits_is_found_without_reading_what_is_done(tmp_path: Path, asked: str) -> None:
    engine = open_store(tmp_path / "new.db")
    with engine.connect() as connection:
        (step, *more) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT {asked}").all()
    engine.dispose()
    assert more == []
    assert "INDEX delivery_open (receiver=? AND state=?" in step[3]


# --- a store that an older linkage wrote ---------------------------------------------------------
WRITTEN: Final = Path(__file__).parents[4] / "fixtures" / "store" / "0003.sql"
"""Both embodiments, written by the linkage of 2026-11-30 with schema 0003: its very rows and
hashes, as `sqlite3 linkage.db .dump` shows them."""


@pytest.fixture
def written_store(tmp_path: Path) -> Path:
    path = tmp_path / "written.db"
    with sqlite3.connect(path) as plain:
        plain.executescript(WRITTEN.read_text())
    plain.close()
    return path


def test_a_store_that_an_older_linkage_wrote_holds_and_is_made_anew_alike(
    written_store: Path,
) -> None:
    engine = open_store(written_store)
    assert list(breaks(chain(engine))) == []
    again = rebuild(engine)
    assert differences(engine, again) == []
    again.dispose()
    engine.dispose()


def test_a_migration_that_is_broken_off_leaves_the_store_as_it_was(written_store: Path) -> None:
    with sqlite3.connect(written_store) as plain:
        plain.execute("CREATE INDEX file_by_id ON file (platform)")  # in the way of a later step
        before = plain.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(StoreError, match="already exists"):
        open_store(written_store)
    with sqlite3.connect(written_store) as plain:
        assert plain.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall() == before
        plain.execute("DROP INDEX file_by_id")
    plain.close()

    open_store(written_store).dispose()


def test_the_chain_of_an_older_linkage_goes_on_where_it_ended(written_store: Path) -> None:
    engine = open_store(written_store)
    *_, (last, _, last_hash) = chain(engine)
    unit = UnitOfWork(engine)
    with unit.transaction():
        assert unit.journal.next_seq == last.seq + 1
        unit.journal.append(replace(last, seq=last.seq + 1))
    assert list(breaks(chain(engine))) == []
    *_, (_, previous, _) = chain(engine)
    assert previous == last_hash
    engine.dispose()


def test_the_same_entries_give_the_hashes_that_an_older_linkage_gave(
    written_store: Path, tmp_path: Path
) -> None:
    old = open_store(written_store)
    fresh = open_store(tmp_path / "fresh.db")
    unit = UnitOfWork(fresh)
    with unit.transaction():
        for row, _, _ in chain(old):
            unit.journal.append(row)
    assert list(chain(fresh)) == list(chain(old))
    fresh.dispose()
    old.dispose()


def test_files_of_before_belong_to_the_fax_or_mail_that_brought_them(tmp_path: Path) -> None:
    path = tmp_path / "linkage.db"
    writer = Writer(path)
    write_alarm(writer, file_id="REC")
    writer.say("fax", m.FaxReceivedNotice(fax_id="7", phone_num="82039239", file_id="FAX"))
    mail = m.MailReceivedNotice(mail_id="8", files=(m.FileRef(file_id="PDF", name="plan.pdf"),))
    writer.say("mail", mail)
    writer.say("fax", m.FaxReceivedNotice(fax_id="9", file_id="REFUSED"), result=203)
    writer.say("fax", m.FaxReceivedNotice(fax_id="10", file_id="FAX"))
    writer.close()
    migrate(path, "0003", "downgrade")
    with sqlite3.connect(path) as plain:
        recording = plain.execute("SELECT * FROM file WHERE file_id = 'REC'").fetchall()
        plain.execute("DELETE FROM file WHERE file_id <> 'REC'")
    plain.close()

    engine = open_store(path)
    unit = UnitOfWork(engine)
    with unit.transaction():
        found = {name: unit.records.files.find_all(name) for name in ("FAX", "PDF", "REFUSED")}
        owners = {
            name: [unit.records.operation(row.op_id or 0) for row in rows]
            for name, rows in found.items()
        }
    engine.dispose()

    assert {name: [each and each.native for each in of] for name, of in owners.items()} == {
        "FAX": ["fax:10"],
        "PDF": ["mail:8"],
        "REFUSED": [],
    }
    assert found["PDF"][0].name == "plan.pdf"
    with sqlite3.connect(path) as plain:
        kept = plain.execute("SELECT * FROM file WHERE file_id = 'REC'").fetchall()
    plain.close()
    assert kept == recording != []
