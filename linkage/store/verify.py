"""Whether the journal is whole: archive, database, and the noted end of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from linkage.store.archive import Chained, link_breaks, listed_breaks
from linkage.store.chain import breaks
from linkage.store.journal_head import Head
from linkage.store.read.reader import StoreReader

Through = Callable[[Iterable[Chained]], Iterable[Chained]]


@dataclass(slots=True)
class Verdict:
    """What was found.

    `entries` were checked in the database, `archived` in segments; `absent` segments are not
    where they were written, so that nothing can be said of them. `breaks` are in words.
    """

    entries: int = 0
    archived: int = 0
    breaks: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    head: Head | None = None


def verify(
    reader: StoreReader, archive: Path, head: Head | None, through: Through = iter
) -> Iterator[tuple[str, Verdict]]:
    """Each break in words as it is found, with the verdict so far; at last an empty one.

    Args:
        reader: the store.
        archive: where its segments lie.
        head: an end of the journal that was noted once; None: none is known.
        through: what the rows of the database go through, such as a progress bar.
    """
    verdict = Verdict(head=head)
    for problem in _all(reader, archive, verdict, through):
        verdict.breaks.append(problem)
        yield problem, verdict
    yield "", verdict


def _all(reader: StoreReader, archive: Path, verdict: Verdict, through: Through) -> Iterator[str]:
    segments = reader.segments()
    yield from link_breaks(segments)
    for segment in segments:
        if not (archive / segment.name).is_file():
            verdict.absent.append(segment.name)
            continue
        yield from listed_breaks(segment, archive)
        verdict.archived += segment.entries
    # After the segments: what is sealed meanwhile is still in the database until it is trimmed.
    anchor = reader.anchor()
    rows = _counted(through(reader.chain()), verdict)
    yield from breaks(rows, anchor.seq + 1, anchor.hash)
    if verdict.head is not None:
        problem = reader.head_problem(verdict.head)
        if problem is not None:
            yield problem


def _counted(rows: Iterable[Chained], verdict: Verdict) -> Iterator[Chained]:
    for row in rows:
        verdict.entries += 1
        yield row
