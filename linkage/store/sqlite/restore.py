"""A backup put in the place of a data directory, checked before, and nothing deleted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from linkage.durable import put_in_place, sync_folder
from linkage.store.archive import link_breaks, listed_breaks
from linkage.store.chain import breaks
from linkage.store.journal_head import read_head, write_head
from linkage.store.read.reader import StoreReader
from linkage.store.rows import to_us
from linkage.store.sql.journal_rows import newest_of
from linkage.store.sql.renumber import renumber
from linkage.store.sqlite.backup import (
    DATABASE,
    MANIFEST,
    Advance,
    BackupError,
    Manifest,
    copy_file,
    read_manifest,
    whole_backups,
)
from linkage.store.sqlite.database import HEAD, open_store
from linkage.store.sqlite.lock import hold_store


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place.

    `aside` is where the directory that was there before is now; `skipped` how many numbers are
    left out (`linkage.store.sql.renumber`).
    """

    backup: Path
    manifest: Manifest
    data: Path
    aside: Path | None
    skipped: int


def find_backup(place: Path) -> Path:
    """A backup itself, or the newest whole one of a directory that holds them.

    Raises:
        BackupError: there is none.
    """
    if (place / MANIFEST).is_file():
        return place
    found = whole_backups(place)
    if not found:
        raise BackupError(f"{place}: holds no whole backup")
    return found[-1]


def restore(
    backup: Path, data: Path, now: datetime, advance: Advance, *, force: bool = False
) -> Restored:
    """Put a backup, or the newest of a directory of backups, in the place of a data directory.

    Copied beside it and checked first; then the names are changed. With `force` a directory that
    is not empty is moved aside.

    Raises:
        BackupError: the backup is damaged, or the directory is not empty.
        StoreError: a linkage serves the data there.
        OSError: disk full, not writable, or `data` is a mount point.
    """
    backup = find_backup(backup)
    manifest = read_manifest(backup)
    if manifest.schema > HEAD:
        raise BackupError(f"{backup}: was made by a newer linkage ({manifest.linkage}); upgrade")
    data = data.resolve()
    with ExitStack() as stack:
        # Held until the names are changed: nobody begins to serve what is about to be moved.
        if any((data / name).exists() for name in (DATABASE, "linkage.lock")):
            stack.enter_context(hold_store(data / DATABASE))
        full = data.exists() and any(data.iterdir())
        if full and not force:
            raise BackupError(
                f"{data}: is not empty; name another directory by --to, "
                "or have it moved aside by --force"
            )
        fresh = data.with_name(f".{data.name}.restoring")
        if fresh.exists():
            shutil.rmtree(fresh)  # of a restore that was not finished
        try:
            _copy(backup, manifest, fresh, advance)
            skipped = _make_ready(fresh, manifest, data, now)
            _bring_nonces(data / DATABASE, fresh / DATABASE)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        aside = None
        if full:
            aside = data.with_name(f"{data.name}.before-{now:%Y%m%dT%H%M%SZ}")
            data.rename(aside)
        elif data.exists():
            data.rmdir()
        put_in_place(fresh, data)
    return Restored(backup, manifest, data, aside, skipped)


def _copy(backup: Path, manifest: Manifest, fresh: Path, advance: Advance) -> None:
    fresh.mkdir(mode=0o700, parents=True)
    within = backup.resolve()
    for name, kept in manifest.files.items():
        source, target = backup / name, fresh / name
        # A backup may come from elsewhere: what a link in it leads to is none of it, and a pipe
        # would never end.
        if source.exists() and not (source.is_file() and source.resolve() == within / name):
            raise BackupError(f"{source}: is no file of the backup; take another backup")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            found = copy_file(source, target, advance)
        except FileNotFoundError:
            raise BackupError(f"{source}: is missing; take another backup") from None
        if found != kept.sha256:
            raise BackupError(f"{source}: is damaged (SHA-256); take another backup")
    for folder in {path.parent for path in fresh.rglob("*")} | {fresh}:
        sync_folder(folder)


def _make_ready(fresh: Path, manifest: Manifest, data: Path, now: datetime) -> int:
    """Check the journal of the copy, bring it up to date, and let it go on with new numbers."""
    engine = open_store(fresh / DATABASE)
    try:
        _check(StoreReader(engine), fresh / "archive", manifest)
        before = read_head(data / "linkage.head")
        why = f"restored from the backup of {manifest.made_at}"
        beyond = 0 if before is None else before.seq
        with engine.begin() as connection:
            skipped = renumber(connection, to_us(now), why, manifest.id, beyond=beyond)
            end = newest_of(connection)
    finally:
        engine.dispose()
    if end is not None:
        write_head(fresh / "linkage.head", end)
    return skipped


def _bring_nonces(before: Path, fresh: Path) -> None:
    """The nonces that were used since the backup, as far as the store of before can be read.

    Registrations from before are refused in any case (`check_repeatable`); these are for those of
    peers whose clocks are ahead of ours.
    """
    if not before.exists():
        return
    with (
        closing(sqlite3.connect(fresh, isolation_level=None)) as connection,
        suppress(sqlite3.Error),  # a store that is damaged is why one restores
    ):
        connection.execute("ATTACH ? AS before", (f"{before}",))
        connection.execute(
            "INSERT OR IGNORE INTO main.nonce (peer_id, nonce, used_at) "
            "SELECT peer_id, nonce, used_at FROM before.nonce"
        )


def _check(reader: StoreReader, archive: Path, manifest: Manifest) -> None:
    """The journal must be what it was when it was copied, problems included."""
    segments = reader.segments()
    anchor = reader.anchor()
    problems = list(link_breaks(segments))
    for segment in segments:
        if (archive / segment.name).is_file():
            problems += listed_breaks(segment, archive)
    problems += breaks(reader.chain(), anchor.seq + 1, anchor.hash)
    fresh = [problem for problem in problems if problem not in manifest.problems]
    if fresh:
        raise BackupError(f"the journal of the backup does not hold: {fresh[0]}")
