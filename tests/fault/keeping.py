"""What a process does that keeps the house of a store, a line on stdout at every step.

    python -m tests.fault.keeping archive|backup FOLDER [INTO]

To be killed after any of the lines.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

from linkage.clock import MANUAL_START
from linkage.config.core import RetentionSettings
from linkage.core.context import Context
from linkage.core.peers import Peers
from linkage.core.retention.trimming import DeleteRows, Rows, SealSegment
from linkage.core.scope import Now
from linkage.core.writer.group_commit import GroupCommit
from linkage.store import archive
from linkage.store.rows import to_us
from linkage.store.sql import retention
from linkage.store.sql.maintenance import archive_rows
from linkage.store.sql.retention import find_archivable
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.backup import Maker, make_backup
from linkage.store.sqlite.database import open_store
from tests.fakes.core_bench import config

LATER = MANUAL_START + timedelta(days=30)
WEEK = RetentionSettings(journal_days=7)


def step(name: str) -> None:
    """Say it, and let the other process act on it before going on."""
    say(name)
    sys.stdin.readline()


def say(name: str) -> None:
    """One line."""
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()


def keep_journal(folder: Path) -> None:
    """Archive whatever is due, in small pieces."""
    retention.SEGMENT_ROWS, retention.SEGMENT_MIN, archive.PAGE = 40, 1, 10  # type: ignore[misc]  # smaller here
    settings = config(folder)
    engine = open_store(settings.database_path)
    core = GroupCommit(Context(UnitOfWork(engine), Peers.of(settings, {}), 30), time.monotonic)
    now = Now(LATER, to_us(LATER))
    while True:
        while core.process([DeleteRows(Rows.JOURNAL, 7)], now)[0].value:
            step("trimmed")
        found = find_archivable(engine, WEEK, to_us(LATER))
        if found is None:
            return
        segment = archive_rows(engine, settings.archive_path, *found, pace=lambda: step("writing"))
        step("written")
        core.process([SealSegment(segment)], now)
        step("sealed")


def main() -> None:
    """The command line."""
    what, folder, *into = sys.argv[1:]
    if what == "archive":
        keep_journal(Path(folder))
    else:
        data = config(Path(folder)).data_path
        made_by = Maker("linkage", "0.1.0")
        make_backup(data, Path(*into), made_by, LATER, lambda _: step("copying"))
    say("done")


if __name__ == "__main__":
    main()
