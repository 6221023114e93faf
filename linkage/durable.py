"""Files that are on disk, under their names, when a call returns: content first, then the name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def sync_file(file: IO[Any]) -> None:
    """What was written to an open file is on disk when this returns."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Names in a folder are on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(part: Path, path: Path) -> None:
    """Give a file that is on disk its name, in place of what has it, on disk on return."""
    part.replace(path)
    sync_folder(path.parent)


def replace_file(path: Path, text: str, prepare: Callable[[int], None] = lambda _: None) -> None:
    """Put a file in place of another as a whole: whoever reads finds the old or the new one.

    It is written beside, as `NAME.new`, which its owner alone can read; `prepare` is called with
    its descriptor before anything is written, to give it another owner or mode.

    Raises:
        FileExistsError: that file is there: somebody else writes it now, or was cut off.
        OSError: disk full, not writable.
    """
    part = path.with_name(path.name + ".new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            prepare(descriptor)
            file.write(text)
            sync_file(file)
        put_in_place(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
