from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linkage.store.sqlite.database import StoreError
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
