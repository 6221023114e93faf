"""Where a file lies: `<first two of the FileId>/<FileId>.<ending>`, unfinished ones in `.part`."""

from __future__ import annotations

import re
import secrets
import stat
from pathlib import Path
from typing import Final

FILE_ID: Final = re.compile("[A-Za-z0-9_-]{2,64}", re.ASCII)
UNFINISHED: Final = ".part"
ENDING_MAX: Final = 10


def new_place(root: Path, name: str) -> tuple[str, Path]:
    """A FileId that nobody can guess, and where its file will lie.

    Of `name`, which comes from a platform, nothing is taken but a short ending.
    """
    file_id = secrets.token_hex(10)
    ending = "".join(c for c in Path(name).suffix if c.isalnum() or c == ".")[:ENDING_MAX]
    if ending == UNFINISHED:
        ending = ""
    return file_id, root / file_id[:2] / f"{file_id}{ending}"


def find_file(root: Path, file_id: str) -> Path | None:
    """Where a finished file of ours lies, None where it is not here.

    A FileId comes from a platform or an application: hostile. What is not a plain file (a link
    that leads out of the folder) is none of ours.
    """
    if FILE_ID.fullmatch(file_id) is None:
        return None
    folder = root / file_id[:2]
    if folder.is_symlink():
        return None
    for path in (folder / file_id, *sorted(folder.glob(f"{file_id}.*"))):
        if path.suffix != UNFINISHED and _is_plain(path):
            return path
    return None


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
