"""Where the journal ended, noted outside the database.

A chain of hashes shows what was changed, removed or moved, but not that its last rows were cut
off: what is left holds. So the seq and hash of the newest row are written to a small file every
few seconds (mode 600, replaced as a whole, synced). A copy of it elsewhere is a witness too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkage.durable import replace_file


class HeadError(Exception):
    """The file is no head of a journal; the text names it."""


@dataclass(frozen=True, slots=True)
class Head:
    """A row of the journal: its seq, its hash, and when it was recorded, in microseconds."""

    seq: int
    hash: bytes
    at: int


def write_head(path: Path, head: Head) -> None:
    """Replace what is noted; on disk when this returns.

    Raises:
        OSError: disk full, not writable.
    """
    path.with_name(path.name + ".new").unlink(missing_ok=True)  # of one that was cut off
    text = json.dumps({"seq": head.seq, "hash": head.hash.hex(), "at": head.at})
    replace_file(path, text + "\n")


def read_head(path: Path) -> Head | None:
    """What is noted; None where nothing was yet.

    Raises:
        HeadError: it cannot be read as one.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        return Head(int(value["seq"]), bytes.fromhex(value["hash"]), int(value["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeadError(f"{path}: is no head of a journal: {error!r}; move it away") from None
