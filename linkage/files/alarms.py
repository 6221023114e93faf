"""Tells of damaged files: an alarm for each (197), which ends when the file is whole again."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection
from functools import partial
from typing import Final

from linkage.ports import Absent, CorePort, EntryKind
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.files")

PREFIX: Final = "file."
"""What the AlarmId of a damaged file begins with; its FileId follows."""


class FileAlarms:
    """Takes what each check of a file brought (`DirectoryFiles.tell`), from any thread.

    Args:
        core: journals the alarms. Made in its event loop.
        notes: the tasks that do.
    """

    def __init__(self, core: CorePort, notes: TaskSet) -> None:
        self._core = core
        self._notes = notes
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._damaged: set[str] = set()

    def know(self, alarm_ids: Collection[str]) -> None:
        """What an earlier process has raised: a file that is whole again ends it."""
        with self._lock:
            self._damaged.update(each.removeprefix(PREFIX) for each in alarm_ids)

    def tell(self, file_id: str, problem: str | None) -> None:
        """A file was read: what is wrong with it, or None. Nothing is told twice."""
        with self._lock:
            if (problem is not None) == (file_id in self._damaged):
                return
            (self._damaged.add if problem else self._damaged.discard)(file_id)
        try:
            self._loop.call_soon_threadsafe(partial(self._note, file_id, problem))
        except RuntimeError:
            logger.warning("FileId %s: told to nobody, linkage stops: %s", file_id, problem)

    def gone(self, file_id: str) -> None:
        """A file was deleted: nothing is wrong with it any more."""
        self.tell(file_id, None)

    def _note(self, file_id: str, problem: str | None) -> None:
        kind = EntryKind.ALARM if problem else EntryKind.ALARM_CLEARED
        text = problem or f"FileId {file_id} is not damaged on disk any more"
        self._notes.start(self._core.note(Absent(PREFIX + file_id), kind, text), "file")
