"""A backup while linkage serves: the database as of one moment, and every file that it names.

```
DIR/20261122T080000Z/            a whole backup: only whole ones have such a name
    manifest.json                what is in it, with sizes and SHA-256; the end of the journal
    linkage.db                   the database as of one commit
    files/…  archive/…           recordings, archived parts of the journal
DIR/20261122T090000Z.part/       one that is being made, or was not finished
```
Files that an earlier backup in DIR has are linked to it: each backup is whole by itself, may be
deleted by itself, and costs only what is new.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from linkage.durable import put_in_place, sync_file, sync_folder
from linkage.files.layout import CONTENTS, find_file, name_of
from linkage.store.archive import link_breaks, listed_breaks
from linkage.store.chain import breaks
from linkage.store.journal_head import Head
from linkage.store.read.reader import StoreReader
from linkage.store.sql import tables
from linkage.store.sql.journal_rows import newest_of
from linkage.store.sqlite.database import HEAD, open_for_reading, uri_of
from linkage.store.sqlite.lock import hold_file

FORMAT: Final = "linkage-backup/1"
MANIFEST: Final = "manifest.json"
DATABASE: Final = "linkage.db"
FOLDERS: Final = ("files", "archive")
PAGES: Final = 256
"""Database pages copied at a time: a mebibyte, between which others have the disk."""
CHUNK: Final = 1024 * 1024

Advance = Callable[[int], None]
"""Called with bytes that were done."""


class BackupError(Exception):
    """A backup cannot be made, read or put in place; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup; `mtime_ns` tells whether the original is still that one."""

    size_bytes: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes a backup: linkage's own id, and its version."""

    id: str
    version: str


@dataclass(slots=True, kw_only=True)
class Manifest:
    """What is in a backup. `files` by their path within it, the database among them.

    `last_seq`, `last_hash` and `last_at` (microseconds) are the end of its journal. `problems` are
    what was wrong with the store when it was copied, in words: the copy has them too. `absent` are
    archived parts of the journal that were moved away from the store, and are not in it.
    """

    made_at: str
    id: str
    linkage: str
    schema: str = HEAD
    last_seq: int = 0
    last_hash: str = ""
    last_at: int = 0
    files: dict[str, Kept] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Of everything."""
        return sum(kept.size_bytes for kept in self.files.values())


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is whole; `copied_bytes` of it are new, the rest is linked."""

    folder: Path
    manifest: Manifest
    copied_bytes: int


# --- what there is -------------------------------------------------------------------------------
def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupError: it is none, or one of another linkage.
    """
    path = folder / MANIFEST
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        if value.pop("format") != FORMAT:
            raise BackupError(f"{path}: is of another format than {FORMAT}; upgrade linkage")
        files = {_within(name): Kept(**kept) for name, kept in value.pop("files").items()}
        return Manifest(**value, files=files)
    except FileNotFoundError:
        raise BackupError(f"{folder}: holds no whole backup (no {MANIFEST})") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupError(f"{path}: is damaged: {error}; take another backup") from None


def _within(name: str) -> str:
    """A path of a manifest, which must not lead out of the backup, nor to what is never in one."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name} leads out of the backup")
    if "\0" in name or (name != DATABASE and path.parts[:1] not in {(one,) for one in FOLDERS}):
        raise ValueError(f"{name!r} is nothing that a backup holds")
    return name


def whole_backups(into: Path) -> list[Path]:
    """The whole backups of a directory, the oldest first."""
    return sorted(path.parent for path in into.glob(f"[0-9]*Z/{MANIFEST}"))


# --- making one ----------------------------------------------------------------------------------
def files_of(data: Path) -> Iterator[Path]:
    """The files of a data directory that are backed up beside the database; no half-written."""
    for folder in FOLDERS:
        contents = data / folder / CONTENTS
        for path in sorted((data / folder).rglob("*")):
            # Contents come by their names: each is the whole file, and links are made again.
            is_name = contents not in path.parents
            if is_name and path.is_file() and path.suffix not in {".part", ".new"}:
                yield path


def bytes_to_do(data: Path) -> int:
    """How much a backup goes through, for a progress bar."""
    return (data / DATABASE).stat().st_size + sum(path.stat().st_size for path in files_of(data))


def make_backup(
    data: Path, into: Path, made_by: Maker, now: datetime, advance: Advance, *, full: bool = False
) -> Made:
    """Copy a store that may be in use; it is whole, checked and on disk on return.

    Args:
        data: the data directory.
        into: the directory that holds the backups.
        made_by: who makes it, for the manifest.
        now: names the backup.
        advance: told the progress.
        full: also read again what is linked to an earlier backup.

    Raises:
        BackupError: one of this second is there already, or the copy is not what was read.
        StoreError: there is no store, or it cannot be read; another backup is being made there.
        OSError: disk full, not readable.
    """
    open_for_reading(data / DATABASE).dispose()  # says what is wrong before anything is made
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_file(into / "backup.lock", "makes a backup there: wait for its end"):
        for leftover in into.glob("[0-9]*Z.part"):
            shutil.rmtree(leftover)
        name = f"{now:%Y%m%dT%H%M%SZ}"
        final, partial = into / name, into / f"{name}.part"
        if final.exists():
            raise BackupError(f"{final}: is there already")
        earlier = whole_backups(into)
        partial.mkdir(mode=0o700)
        copier = _Copier(data, partial, earlier[-1] if earlier else None, advance)
        manifest = Manifest(made_at=now.isoformat(), id=made_by.id, linkage=made_by.version)
        copier.make(manifest, full=full)
        _write_manifest(partial, manifest)
        put_in_place(partial, final)
    return Made(final, manifest, copier.copied_bytes)


class _Copier:
    def __init__(self, data: Path, partial: Path, earlier: Path | None, advance: Advance) -> None:
        self._data = data
        self._partial = partial
        self._earlier = earlier
        self._known = {} if earlier is None else read_manifest(earlier).files
        self._advance = advance
        self._fresh: set[str] = set()
        self.copied_bytes = 0

    def make(self, manifest: Manifest, *, full: bool) -> None:
        # The database first: every file that it names was whole before its row was written.
        manifest.files[DATABASE] = self._copy_database()
        for path in files_of(self._data):
            name = path.relative_to(self._data).as_posix()
            with suppress(FileNotFoundError):  # taken away meanwhile
                manifest.files[name] = self._keep(path, name)
        manifest.problems += self._check(manifest, full=full)
        for folder, _, _ in os.walk(self._partial, topdown=False):
            sync_folder(Path(folder))

    def _copy_database(self) -> Kept:
        """The state of one commit, held by a read transaction; the writer goes on beside it."""
        target = self._partial / DATABASE
        size = (self._data / DATABASE).stat().st_size
        done = 0

        def progress(_status: int, remaining: int, total: int) -> None:
            nonlocal done
            share = size * (total - remaining) // max(1, total)
            self._advance(share - done)
            done = share

        source = uri_of(self._data / DATABASE, "ro")
        with (
            closing(sqlite3.connect(source, uri=True, isolation_level=None)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM journal WHERE seq < 0").fetchone()
            reading.backup(writing, pages=PAGES, progress=progress)
            writing.execute("PRAGMA journal_mode=DELETE").fetchone()
        target.chmod(0o600)
        with target.open("rb") as raw:
            sync_file(raw)
        kept = Kept(target.stat().st_size, sha256_of(target))
        self.copied_bytes += kept.size_bytes
        return kept

    def _keep(self, path: Path, name: str) -> Kept:
        status = path.stat()
        target = self._partial / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = name if name in self._known else _older_name(name)
        known = self._known.get(before)
        if known is not None and self._earlier is not None:
            same = (known.size_bytes, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
            if same and _link(self._earlier / before, target):
                self._advance(status.st_size)
                return known
        sha256 = copy_file(path, target, self._advance)
        os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        self._fresh.add(name)
        self.copied_bytes += status.st_size
        return Kept(target.stat().st_size, sha256, status.st_mtime_ns)

    # --- checking --------------------------------------------------------------------------------
    def _check(self, manifest: Manifest, *, full: bool) -> Iterator[str]:
        for name, kept in manifest.files.items():
            again = full or name in self._fresh
            if again and sha256_of(self._partial / name) != kept.sha256:
                raise BackupError(f"{self._partial / name}: is not what was written: bad disk?")
        engine = open_for_reading(self._partial / DATABASE)
        try:
            with engine.connect() as connection:
                end = newest_of(connection) or Head(0, b"", 0)
                manifest.last_seq, manifest.last_at = end.seq, end.at
                manifest.last_hash = end.hash.hex()
                named = connection.execute(
                    select(tables.file.c.file_id, tables.file.c.sha256)
                ).all()
            yield from self._check_journal(StoreReader(engine), manifest, full=full)
        finally:
            engine.dispose()
        for file_id, sha256 in named:
            path = find_file(self._partial / "files", file_id)
            if path is not None and sha256 is not None:
                found = manifest.files[path.relative_to(self._partial).as_posix()].sha256
                if found != sha256.lower():
                    yield f"{path.name}: is not the file that was recorded (SHA-256)"

    def _check_journal(
        self, reader: StoreReader, manifest: Manifest, *, full: bool
    ) -> Iterator[str]:
        segments = reader.segments()
        yield from link_breaks(segments)
        for segment in segments:
            name = f"archive/{segment.name}"
            if name not in manifest.files:
                manifest.absent.append(segment.name)
            elif full or name in self._fresh:
                yield from listed_breaks(segment, self._partial / "archive")
        anchor = reader.anchor()
        yield from breaks(reader.chain(), anchor.seq + 1, anchor.hash)


def _older_name(name: str) -> str:
    """What a file was called before its SHA-256 was put into its name."""
    path = Path(name)
    named = name_of(path)
    if named is None or not named.sha256:
        return name
    return path.with_name(f"{named.file_id}{named.ending}").as_posix()


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, ensure_ascii=False, indent=1)
    with (folder / MANIFEST).open("x", encoding="utf-8") as out:
        out.write(text + "\n")
        sync_file(out)
    sync_folder(folder)


# --- files ---------------------------------------------------------------------------------------
def _link(source: Path, target: Path) -> bool:
    """Whether a file could be linked: not everywhere, and not for ever."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def copy_file(source: Path, target: Path, advance: Advance) -> str:
    """Copy a file; on disk on return. Returns the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        target.chmod(0o600)
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            writing.write(chunk)
            advance(len(chunk))
        sync_file(writing)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Of a file, in lower-case hex."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()
