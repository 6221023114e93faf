"""Each content once: names are hard links to it, and the last one takes it along.

Nothing here is locked: several processes save, and one removes, at the same time. A link is made
or it is not, and a name is never without its content: it *is* the file. So only names are waited
for until they are on disk; a content that a power cut takes away costs nothing but the saving.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

from linkage.durable import put_in_place, sync_folder
from linkage.files.layout import content_path, name_path

CHUNK: Final = 1024 * 1024
ATTEMPTS: Final = 3
"""How often a content may vanish between two steps, because its last name was just deleted."""


def sha256_of(file: BufferedReader) -> str:
    """Of all of an open file, in lower-case hex; it is at its beginning afterwards."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def give_name(root: Path, written: Path, file_id: str, sha256: str, ending: str) -> Path:
    """Give what was written, and is on disk, its name; on disk on return.

    The same content that is there already is used, if it is still what it should be.
    """
    name = name_path(written.parent, file_id, sha256, ending)
    for _ in range(ATTEMPTS):
        try:
            if _link_content(root, written, sha256):
                break
            os.link(content_path(root, sha256), name)
        except FileNotFoundError:
            continue  # the last name of that content was deleted meanwhile
        except OSError:
            break  # no (more) hard links here: a file of its own
        sync_folder(name.parent)
        written.unlink()
        return name
    put_in_place(written, name)
    return name


def _link_content(root: Path, written: Path, sha256: str) -> bool:
    """Whether the content is what was written; False: it was there before, and is whole."""
    content = content_path(root, sha256)
    content.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(written, content)
    except FileExistsError:
        if _is_whole(content, sha256):
            return False
        # Damaged on disk: what was written just now takes its place, for the names to come and,
        # by the caretaker, for those that there are.
        fresh = content.with_name(f"{written.stem}.new")
        os.link(written, fresh)
        fresh.replace(content)
    return True


def _is_whole(content: Path, sha256: str) -> bool:
    with os.fdopen(os.open(content, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return sha256_of(file) == sha256


def link_name(root: Path, name: Path, sha256: str) -> bool:
    """Make a name that is a file of its own one of its content; False: not to be had.

    A content that is there is taken for the name only where it is whole: it mends a damaged name.
    """
    content = content_path(root, sha256)
    with suppress(OSError):
        content.parent.mkdir(parents=True, exist_ok=True)
        if not content.exists():
            os.link(name, content)
            return True
        if not name.samefile(content) and _is_whole(content, sha256):
            fresh = name.with_name(f"{name.stem}.part")
            fresh.unlink(missing_ok=True)
            os.link(content, fresh)
            put_in_place(fresh, name)
            return True
    return False


def drop_unnamed(root: Path, sha256: str) -> bool:
    """Let a content go that has no name any more; whether it was so.

    A name that is given at the same time keeps the file: it is a link by itself.
    """
    content = content_path(root, sha256)
    try:
        if content.lstat().st_nlink > 1:
            return False
        content.unlink()
    except FileNotFoundError:
        return False
    return True
