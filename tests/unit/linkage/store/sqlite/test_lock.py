from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linkage.ports.lease import LeaseLostError
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import StoreError, open_store
from linkage.store.sqlite.lock import hold_store

HOLDER = """
import sys, time
from pathlib import Path
from linkage.store.sqlite.lock import hold_store
with hold_store(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_store_is_held_by_one_only(tmp_path: Path) -> None:
    database = tmp_path / "data" / "linkage.db"
    with (
        hold_store(database),
        pytest.raises(StoreError, match=f"another linkage .process {os.getpid()}. serves"),
        hold_store(database),
    ):
        pass


def test_a_store_that_was_let_go_can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_store(tmp_path / "linkage.db"):
            pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    database = tmp_path / "linkage.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=f"process {holder.pid}"), hold_store(database):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with hold_store(database):
            pass


def test_a_place_that_is_no_directory_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with (
        pytest.raises(StoreError, match="choose another `data`"),
        hold_store(tmp_path / "data" / "linkage.db"),
    ):
        pass


def test_each_holding_has_a_greater_epoch(tmp_path: Path) -> None:
    epochs = []
    for _ in range(3):
        with hold_store(tmp_path / "linkage.db") as lease:
            epochs.append(lease.epoch)
            lease.check()
    assert epochs == [1, 2, 3]


def test_the_lock_of_an_older_linkage_has_no_epoch(tmp_path: Path) -> None:
    (tmp_path / "linkage.lock").write_text("4711\n")
    with hold_store(tmp_path / "linkage.db") as lease:
        assert lease.epoch == 1


def test_nothing_is_committed_once_another_holds_the_store(tmp_path: Path) -> None:
    database = tmp_path / "linkage.db"
    engine = open_store(database)
    with hold_store(database) as lease:
        unit = UnitOfWork(engine, lease)
        with unit.transaction():
            unit.memory.save("pbx", "key", "one")
        (tmp_path / "linkage.lock").unlink()
        with unit.transaction():  # removed, and taken by nobody
            unit.memory.save("pbx", "key", "two")
        with hold_store(database) as other:
            other.check()
            with pytest.raises(LeaseLostError, match=f"process {os.getpid()} writes"):
                lose(unit)
            with UnitOfWork(engine, other).transaction():
                pass
    unit = UnitOfWork(engine)
    with unit.transaction():
        assert unit.memory.load("pbx") == {"key": "two"}
    engine.dispose()


def lose(unit: UnitOfWork) -> None:
    with unit.transaction():
        unit.memory.save("pbx", "key", "three")
