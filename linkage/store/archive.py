"""The oldest part of the journal, moved out of the database into files that stand for themselves.

A segment is a gzip of JSON Lines: a head (`format`, `first_seq`, `prev_hash`), every row with its
columns as in the table (`body` as text, or `body_base64` where it is no UTF-8) and its `hash`,
and a foot (`last_seq`, `hash`, `entries`). Its chain of hashes can be checked with nothing but
the file; it begins with the hash that the segment before it ends with. Segments follow each other
without a gap; the table `archive` lists them, and its last one is the anchor of the rows in the
database.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from linkage.durable import put_in_place, sync_file
from linkage.store.chain import COLUMNS, GENESIS, breaks
from linkage.store.rows import JournalRow

FORMAT: Final = "linkage-journal/1"
PAGE: Final = 200
"""Rows read, or checked, before `pace` is called: some milliseconds of work."""
DAY_US: Final = 24 * 3600 * 1_000_000
LINE_MAX: Final = 64 * 1024 * 1024
"""Bytes of one line: a body is 4 MiB at most; more is no segment of ours."""

Chained = tuple[JournalRow, bytes, bytes]
"""A row, the hash before it, its own hash."""


class ArchiveError(Exception):
    """A segment is missing or damaged; the text names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A row of `tables.archive`. Times are those of recording, in microseconds."""

    first_seq: int
    last_seq: int
    prev_hash: bytes
    hash: bytes
    first_at: int
    last_at: int
    entries: int
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the rows in the database begin: after this seq, following this hash."""

    seq: int = 0
    hash: bytes = GENESIS


# --- writing -------------------------------------------------------------------------------------
def write_segment(
    rows: Iterator[Chained], folder: Path, anchor: Anchor, pace: Callable[[], None]
) -> Segment:
    """Copy rows that follow the anchor, at least one, into a segment that is on disk on return.

    It is read again and checked before it counts. `pace` is called now and then, to rest or to
    give up (by raising).
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in folder.glob("*.part"):
        leftover.unlink()
    partial = folder / "journal.part"
    with partial.open("xb") as raw:
        partial.chmod(0o600)
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as out:
            first, final, entries = _write_rows(out, rows, anchor, pace)
        sync_file(raw)
    name = f"journal-{first.seq:012}-{final[0].seq:012}.jsonl.gz"
    problems = list(segment_breaks(partial, pace))
    if problems:
        raise ArchiveError(f"{partial}: was not written as it should: {problems[0]}")
    with partial.open("rb") as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    size_bytes = partial.stat().st_size
    put_in_place(partial, folder / name)
    return Segment(
        first_seq=first.seq, last_seq=final[0].seq, prev_hash=anchor.hash, hash=final[2],
        first_at=first.recorded_at, last_at=final[0].recorded_at, entries=entries,
        name=name, size_bytes=size_bytes, sha256=sha256,
    )  # fmt: skip


def _write_rows(
    out: gzip.GzipFile, rows: Iterator[Chained], anchor: Anchor, pace: Callable[[], None]
) -> tuple[JournalRow, Chained, int]:
    final = next(rows)
    first = final[0]
    head = {"format": FORMAT, "first_seq": first.seq, "prev_hash": anchor.hash.hex()}
    out.write(_line(head))
    out.write(_row_line(final))
    entries = 1
    for final in rows:
        out.write(_row_line(final))
        entries += 1
        if entries % PAGE == 0:
            pace()
    foot = {"last_seq": final[0].seq, "hash": final[2].hex(), "entries": entries}
    out.write(_line(foot))
    return first, final, entries


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _row_line(item: Chained) -> bytes:
    row, _, own_hash = item
    value: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
    try:
        value["body"] = row.body.decode()
    except UnicodeDecodeError:
        value["body_base64"] = base64.b64encode(row.body).decode()
    value["hash"] = own_hash.hex()
    return _line(value)


# --- reading -------------------------------------------------------------------------------------
def read_segment(path: Path) -> Iterator[Chained]:
    """The rows of a segment.

    Raises:
        ArchiveError: it is missing, damaged or cut off.
    """
    lines = _lines(path)
    try:
        head = json.loads(next(lines, b"{}"))
        if head.get("format") != FORMAT:
            raise ArchiveError(f"{path}: is no archive of a journal ({FORMAT})")
        previous = bytes.fromhex(head["prev_hash"])
        entries = 0
        for line in lines:
            value = json.loads(line)
            if "entries" in value:
                if (value["entries"], value["hash"]) != (entries, previous.hex()):
                    raise ArchiveError(f"{path}: does not end as its last line says")
                return
            item = _chained(value, previous)
            yield item
            previous = item[2]
            entries += 1
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(f"{path}: is damaged: {error}") from None
    raise ArchiveError(f"{path}: is cut off after {entries} entries")


def _chained(value: dict[str, Any], previous: bytes) -> Chained:
    own_hash = bytes.fromhex(value.pop("hash"))
    if "body_base64" in value:
        value["body"] = base64.b64decode(value.pop("body_base64"), validate=True)
    else:
        value["body"] = value["body"].encode()
    return JournalRow(**value), previous, own_hash


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(LINE_MAX):
                yield line
    except FileNotFoundError:
        raise ArchiveError(
            f"{path}: is missing; put it back from where the archive was moved to"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"{path}: is damaged: {error}") from None


def find_rows(
    path: Path, event_pks: Collection[int], op_ids: Collection[int]
) -> Iterator[JournalRow]:
    """The rows of a segment that are about these events or operations.

    Raises:
        ArchiveError: it is missing, damaged or cut off.
    """
    wanted = [
        f'"{name}":(?:{"|".join(map(str, sorted(keys)))}),'
        for name, keys in (("event_pk", event_pks), ("op_id", op_ids))
        if keys
    ]
    pattern = re.compile("|".join(wanted).encode())
    for line in _lines(path):
        if pattern.search(line) is None:
            continue  # most are others': they need not be parsed
        row = _chained(json.loads(line), b"")[0]
        if row.event_pk in event_pks or row.op_id in op_ids:
            yield row


# --- checking ------------------------------------------------------------------------------------
def segment_breaks(path: Path, pace: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Every place where a segment on its own does not hold, in words that name the file."""
    rows = read_segment(path)
    try:
        first = next(rows, None)
        if first is None:
            yield f"{path.name}: is empty"
            return
        everything = _paced(itertools.chain((first,), rows), pace)
        for problem in breaks(everything, first[0].seq, first[1]):
            yield f"{path.name}: {problem}"
    except ArchiveError as error:
        yield str(error)


def _paced(rows: Iterable[Chained], pace: Callable[[], None]) -> Iterator[Chained]:
    for number, item in enumerate(rows, start=1):
        yield item
        if number % PAGE == 0:
            pace()


def link_breaks(segments: Iterable[Segment]) -> Iterator[str]:
    """Where the list of segments has a hole or does not follow itself."""
    expected = Anchor()
    for segment in segments:
        if segment.prev_hash != expected.hash:
            yield (
                f"archive: {segment.name} does not follow what was archived before it "
                f"(up to seq {expected.seq})"
            )
        expected = Anchor(segment.last_seq, segment.hash)


def listed_breaks(segment: Segment, folder: Path) -> Iterator[str]:
    """Where a segment's file is not what the list says of it; it must be there."""
    path = folder / segment.name
    with path.open("rb") as raw:
        if hashlib.file_digest(raw, "sha256").hexdigest() == segment.sha256:
            yield from segment_breaks(path)
            return
    problems = list(segment_breaks(path))
    yield f"{segment.name}: is not the file that was archived (SHA-256)"
    yield from problems
