"""What the event loop hands to the core's thread: one class for each kind of job.

```
 Writer.put(job, on_done) ──▶ [thread] job.run(context) -> T ──▶ commit ──▶ [loop] on_done(Done[T])
```
A new kind is a class with its `run`, beside who puts it; what follows from it in the event loop is
the `on_done` given with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from linkage.core.context import Context
from linkage.core.measures import Measures, Times
from linkage.core.requests.incoming import Incoming
from linkage.core.scope import Done
from linkage.logs.request_fields import fields_of
from protocol.envelope import Request

T = TypeVar("T")


class BrokenJobError(Exception):
    """A bug of ours cost the job."""


class Job(ABC, Generic[T]):
    """One piece of work, done in the open transaction of its batch."""

    __slots__ = ()

    probes: ClassVar[bool] = False
    """Tries a store that failed: what such a job writes shows whether it can be written again."""
    only_reads: ClassVar[bool] = False
    """Is done also while the store cannot be written."""
    is_kept: ClassVar[bool] = False
    """Nobody will say it again: it waits in memory while the store cannot be written."""

    @property
    def lane(self) -> str | None:
        """The peer whose requests share a fair queue with it; None: it is linkage's own."""
        return None

    @property
    def incoming(self) -> Sequence[Incoming]:
        """The requests of peers that it consists of, where it is not one itself."""
        return ()

    @abstractmethod
    def run(self, context: Context) -> T:
        """Do it. Done again by itself where the batch that it was in met a bug."""

    def try_again(self) -> bool:
        """Whether to run it once more, by itself, after it met a bug: it goes around that."""
        return False

    def broken(self, context: Context) -> T:  # noqa: ARG002 - for subclasses
        """What stands in for it, in a transaction of its own, where `run` met a bug.

        Raises:
            BrokenJobError: nothing does.
        """
        raise BrokenJobError("internal error")

    def measure(self, measures: Measures, done: Done[T], times: Times) -> None:
        """Count it and trace it, in the event loop, after the commit."""
        if done.deliveries:
            measures.own_messages(done.deliveries, times)


def about(work: Job[Any]) -> dict[str, Any]:
    """What a line of the log about a piece of work tells of it."""
    request: Request | None = getattr(work, "request", None)
    fields = {} if request is None else fields_of(request)
    for name in ("source", "receiver", "adapter"):
        peer = getattr(work, name, None)
        if peer is not None:
            fields["peer"] = peer
    for name in ("address", "seq", "journal_seq"):
        found = getattr(work, name, None)
        if found is not None:
            fields[name] = found
    return fields
