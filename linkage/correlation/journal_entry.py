"""One accepted message as the journal holds it, and what it changed when it was applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from linkage.store.rows import Event, Operation
from protocol.message import Message


@dataclass(slots=True, kw_only=True)
class Entry:
    """One accepted message as the journal holds it.

    Args:
        seq: its place in the journal; new events take it as their key.
        at: when it happened, microseconds: the source's time where it gave one, else ours.
        source: the peer that sent it.
        message: what it said.
        owner: the application that routing chose for a call nobody owns yet; for an application's
        message itself. command_event: the event (key) of the command that this is the outcome of.
        command_seq: the place of that command in the journal.
        reconstructed: made up by an adapter's resync.
        given_again: it reads like an earlier one, and is no repetition of it.
        lost: the OpId that a made-up notice closes: its platform, asked, does not know it.
        made: OpIds of the operations that this entry made; filled while it is applied.
    """

    seq: int
    at: int
    source: str
    message: Message
    owner: str | None = None
    command_event: int | None = None
    command_seq: int | None = None
    reconstructed: bool = False
    given_again: bool = False
    lost: int | None = None
    made: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation that existed before and has a new event now."""

    operation: Operation
    event: Event
    old: Event | None
    cause: str


@dataclass(slots=True)
class Applied:
    """What an entry concerned and changed.

    `bound` lists operations from before that now belong to another event; `candidates` are the
    events of which one may be meant, where several fit; `is_new`: the operation began with this
    entry.
    """

    operation: Operation | None = None
    event: Event | None = None
    bound: list[Bound] = field(default_factory=list)
    candidates: Sequence[Event] = ()
    is_new: bool = False
