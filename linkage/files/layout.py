"""Where files lie: names of FileIds, and each content once.

```
files/ab/ab12cd….<SHA-256>.wav    a name: FileId, what it stands for, a short ending
files/ab/ab12cd….part             one that is being written
files/ab/ab12cd….wav              a name of an older linkage, which knew no SHA-256
files/sha256/4f/4f53cd…           the content: every name of it is a hard link to this
```
A content that no name is linked to any more is nobody's. Where a file system has no hard links,
each name is a file of its own.
"""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_ID: Final = re.compile("[A-Za-z0-9_-]{2,64}", re.ASCII)
SHA256: Final = re.compile("[0-9a-f]{64}", re.ASCII)
UNFINISHED: Final = ".part"
ENDING_MAX: Final = 10
CONTENTS: Final = "sha256"
"""The folder of what names are linked to; no FileId leads there, for names lie in two letters."""


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a finished file; `sha256` is empty where an older linkage gave it."""

    file_id: str
    sha256: str
    ending: str
    path: Path


def new_place(root: Path, name: str) -> tuple[str, Path, str]:
    """A FileId that nobody can guess, where its file is written, and the ending of its name.

    Of `name`, which comes from a platform, nothing is taken but a short ending.
    """
    file_id = secrets.token_hex(10)
    ending = "".join(c for c in Path(name).suffix if c.isalnum() or c == ".")[:ENDING_MAX]
    if ending == UNFINISHED:
        ending = ""
    return file_id, root / file_id[:2] / f"{file_id}{UNFINISHED}", ending


def name_path(folder: Path, file_id: str, sha256: str, ending: str) -> Path:
    """The name of a file that is whole."""
    return folder / f"{file_id}.{sha256}{ending}"


def content_path(root: Path, sha256: str) -> Path:
    """Where a content lies, however many names it has."""
    return root / CONTENTS / sha256[:2] / sha256


def name_of(path: Path) -> Name | None:
    """What a path says, None where it is the name of no finished file."""
    file_id, _, rest = path.name.partition(".")
    sha256, _, ending = rest.partition(".")
    if SHA256.fullmatch(sha256) is None:
        sha256, ending = "", rest
    if path.suffix == UNFINISHED or FILE_ID.fullmatch(file_id) is None:
        return None
    return Name(file_id, sha256, f".{ending}" if ending else "", path)


def find_name(root: Path, file_id: str) -> Name | None:
    """The name of a finished file of ours, None where it is not here.

    A FileId comes from a platform or an application: hostile. What is not a plain file (a link
    that leads out of the folder) is none of ours.
    """
    if FILE_ID.fullmatch(file_id) is None:
        return None
    folder = root / file_id[:2]
    if folder.is_symlink():
        return None
    for path in (folder / file_id, *sorted(folder.glob(f"{file_id}.*"))):
        found = name_of(path)
        if found is not None and is_plain(path):
            return found
    return None


def find_file(root: Path, file_id: str) -> Path | None:
    """Where a finished file of ours lies; see `find_name`."""
    found = find_name(root, file_id)
    return None if found is None else found.path


def is_plain(path: Path) -> bool:
    """Whether it is there, and a file itself."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
