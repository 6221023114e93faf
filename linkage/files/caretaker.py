"""Looks after the directory of files: one walk a day through all of them, a little each minute.

What a killed process left half-written goes; names of an older linkage get their SHA-256, once;
every file is read again, so that what the disk lost is told while a backup still has it; equal
contents become one, and a damaged name is mended where a whole content of it is there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Final

from linkage.durable import put_in_place
from linkage.files.contents import drop_unnamed, link_name, sha256_of
from linkage.files.directory import DirectoryFiles
from linkage.files.layout import CONTENTS, SHA256, Name, is_plain, name_of, name_path
from linkage.ports import Clock
from linkage.ports.files import DamagedFileError

logger = logging.getLogger("linkage.files")

BUDGET_S: Final = 5.0
"""Of a minute: reading must not take the disk from those who serve."""
WALK_EVERY_S: Final = 24 * 3600.0


class Caretaker:
    """Does a part of its walk at each call, in a thread of whoever calls.

    Args:
        files: the directory.
        clock: for the budget.
        recorded: the SHA-256 that the store has of a FileId; None: none.
    """

    def __init__(
        self,
        files: DirectoryFiles,
        clock: Clock,
        recorded: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._files = files
        self._clock = clock
        self._recorded = recorded
        self._walk: Iterator[None] | None = None
        self._next_walk = clock.now()

    def work(self, now: datetime) -> bool:
        """Go on for a few seconds; whether there is more to do in this walk.

        Raises:
            OSError: the directory cannot be read.
        """
        self._files.remove_abandoned(now)
        began = self._clock.now()
        if self._walk is None and began >= self._next_walk:
            self._walk, self._next_walk = self._walk_through(), began + WALK_EVERY_S
        while self._walk is not None:
            try:
                next(self._walk)
            except StopIteration:
                self._walk = None
            except BaseException:
                self._walk = None  # a generator that raised is over; the next day begins anew
                raise
            if self._clock.now() - began >= BUDGET_S:
                break
        return self._walk is not None

    def _walk_through(self) -> Iterator[None]:
        """A step is one file."""
        for folder in _folders(self._files.root):
            for path in sorted(folder.iterdir()):
                name = name_of(path)
                if name is not None and name.file_id[:2] == folder.name and is_plain(path):
                    self._look_at(name)
                    yield
        for folder in _folders(self._files.root / CONTENTS):
            for path in folder.iterdir():
                if SHA256.fullmatch(path.name) is not None:
                    drop_unnamed(self._files.root, path.name)
                    yield

    def _look_at(self, name: Name) -> None:
        try:
            name = name if name.sha256 else self._adopt(name)
            with _opened(name.path) as file:
                alone = os.fstat(file.fileno()).st_nlink == 1
                self._files.check(name, file, again=True)
        except FileNotFoundError:
            return  # deleted meanwhile
        except DamagedFileError as error:
            if not link_name(self._files.root, name.path, name.sha256):
                logger.error("%s", error)  # noqa: TRY400 - the reason is in the error's text
                return
            logger.warning("FileId %s was damaged on disk, and is mended", name.file_id)
            self._files.tell(name.file_id, None)
        except OSError as error:
            problem = f"FileId {name.file_id}: {name.path} cannot be read: {error.strerror}"
            self._files.tell(name.file_id, problem)
            logger.error("%s", problem)  # noqa: TRY400 - the reason is in the error's text
        else:
            if alone:
                link_name(self._files.root, name.path, name.sha256)

    def _adopt(self, name: Name) -> Name:
        """Give a name of an older linkage its SHA-256.

        That which was told when it was saved, where the store has it: what the disk lost before
        today is found out so.
        """
        sha256 = (self._recorded(name.file_id) or "").lower()
        if SHA256.fullmatch(sha256) is None:
            with _opened(name.path) as file:
                sha256 = sha256_of(file)
        path = name_path(name.path.parent, name.file_id, sha256, name.ending)
        put_in_place(name.path, path)
        return Name(name.file_id, sha256, name.ending, path)


def _folders(root: Path) -> Iterator[Path]:
    """Those of two letters; links that lead out are none of ours."""
    with suppress(FileNotFoundError):
        for folder in sorted(root.iterdir()):
            if len(folder.name) == 2 and folder.is_dir() and not folder.is_symlink():  # noqa: PLR2004
                yield folder


def _opened(path: Path) -> BufferedReader:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
