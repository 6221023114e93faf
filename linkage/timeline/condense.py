"""A long ladder made short enough for a page, with nothing left out that counts.

People of whom there are too many for columns of their own share one: those who were convened, the
callers, the called parties. What comes in numbers about those, one after the other, is
one rung with how many and who. And that an operation belongs to the event is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style

TOGETHER_MAX: Final = 16
"""Kinds of rungs among which a repetition is looked for: with more between, it is none."""
AHEAD: Final = 16
"""Rungs in which a kind must come again to count as going on."""
SHOWN_FROM_S: Final = 0.1

Kin = tuple[object, ...]
"""What rungs have in common that may be shown as one."""

# Who shares a column, the least first.
_SHARERS: Final[tuple[Callable[[Participant], bool], ...]] = (
    lambda item: item.called,
    lambda item: item.kind is Kind.CALLER,
    lambda item: item.called or item.kind is Kind.CALLER,
    lambda item: item.kind is Kind.PARTY,
    lambda item: item.kind in {Kind.PARTY, Kind.CALLER},
)
_NAMES: Final = {Kind.PARTY: "called parties 被叫", Kind.CALLER: "callers 主叫"}
MEMBERS: Final = "members 成员"


def condense(ladder: Ladder, columns: int) -> Ladder:
    """The ladder with at most so many columns, as far as people can share them."""
    shared = ladder
    for shares in _SHARERS:
        if len(shared.participants) <= columns:
            break
        shared = _with_shared_columns(ladder, shares)
    return replace(shared, rungs=tuple(_folded(_bound_once(shared.rungs), _shared_keys(shared))))


def _shared_keys(ladder: Ladder) -> frozenset[str]:
    return frozenset(item.key for item in ladder.participants if item.people)


# --- columns -------------------------------------------------------------------------------------
def _with_shared_columns(ladder: Ladder, shares: Callable[[Participant], bool]) -> Ladder:
    columns: list[Participant] = []
    place: dict[str, str] = {}
    for kind in Kind:
        of_kind = [item for item in ladder.participants if item.kind is kind]
        sharing = [item for item in of_kind if shares(item)]
        if len(sharing) < 2:  # noqa: PLR2004 - one person shares nothing
            columns += of_kind
            continue
        columns += [item for item in of_kind if item not in sharing]
        key = f"shared:{kind}"
        place |= {item.key: key for item in sharing}
        columns.append(_column(key, kind, sharing))
    names = {item.key: item.name for item in ladder.participants}
    rungs = tuple(_moved(rung, place, names) for rung in ladder.rungs)
    return replace(ladder, participants=tuple(columns), rungs=rungs)


def _column(key: str, kind: Kind, sharing: Sequence[Participant]) -> Participant:
    convened = all(item.called for item in sharing)
    name = f"{len(sharing)} {MEMBERS if convened else _NAMES[kind]}"
    people = tuple(item.name for item in sharing)
    return Participant(key, name, kind, people=people, head=f"×{len(sharing)}")


def _moved(rung: Rung, place: dict[str, str], names: dict[str, str]) -> Rung:
    """A rung between the new columns; who it was is said beside it."""
    source, target = (place.get(key, key) for key in (rung.source, rung.target))
    about = tuple(place.get(key, key) for key in rung.about)
    who = [names[key] for key in (rung.source, rung.target) if key in place]
    detail = " ".join([*who, rung.detail]).strip()
    return replace(rung, source=source, target=target, about=about, detail=detail)


# --- rungs ---------------------------------------------------------------------------------------
def _bound_once(rungs: Iterable[Rung]) -> Iterator[Rung]:
    """Without the 101 that say of an operation once more that it belongs to the event."""
    bound: set[str] = set()
    for rung in rungs:
        if rung.binds is not None:
            if rung.binds in bound:
                continue
            bound.add(rung.binds)
        yield rung


def _folded(rungs: Iterable[Rung], shared: frozenset[str]) -> Iterator[Rung]:
    """Rungs of one kind that follow each other, or alternate with a few others, as one."""
    all_of_them = list(rungs)
    kinds = [_kind_of(rung, shared) for rung in all_of_them]
    bunch: dict[Kin, list[Rung]] = {}
    for index, (rung, kind) in enumerate(zip(all_of_them, kinds, strict=True)):
        if kind is None:
            yield from _spoken(bunch)
            yield rung
            continue
        if kind not in bunch and not _goes_on(bunch, kinds[index + 1 : index + 1 + AHEAD]):
            yield from _spoken(bunch)
        bunch.setdefault(kind, []).append(rung)
    yield from _spoken(bunch)


def _goes_on(bunch: dict[Kin, list[Rung]], ahead: Sequence[Kin | None]) -> bool:
    """Whether what a bunch has is still to be expected when something else comes."""
    repeated = {kind for kind, same in bunch.items() if len(same) > 1}
    if repeated:
        return bool(repeated & set(ahead))
    return len(bunch) < TOGETHER_MAX


def _kind_of(rung: Rung, shared: frozenset[str]) -> Kin | None:
    """What rungs that may be shown as one have in common; None: it is shown by itself."""
    if rung.binds is None and shared.isdisjoint(rung.about):
        return None
    return rung.source, rung.target, rung.label, rung.theme, rung.style, rung.reconstructed


def _spoken(bunch: dict[Kin, list[Rung]]) -> Iterator[Rung]:
    """The rungs of a bunch, each kind once, and empty it."""
    for same in bunch.values():
        first = same[0]
        if len(same) == 1:
            yield first
            continue
        details = "" if _is_told(first) else _details(same)
        yield replace(first, detail=details, count=len(same), until=same[-1].at)
    bunch.clear()


def _is_told(rung: Rung) -> bool:
    """Whether another rung says already who they are: that of the telephone, before a message."""
    return rung.style is Style.MESSAGE and bool(rung.theme)


def _details(same: Sequence[Rung]) -> str:
    return ", ".join(dict.fromkeys(rung.detail for rung in same if rung.detail))


def counted(rung: Rung) -> str:
    """The label, with how many rungs it stands for and over which time."""
    label = rung.label + (" (reconstructed)" if rung.reconstructed else "")
    if rung.count == 1:
        return label
    seconds = 0.0 if rung.until is None else (rung.until - rung.at).total_seconds()
    return f"{label} ×{rung.count}" + (f" in {seconds:.1f} s" if seconds >= SHOWN_FROM_S else "")
