"""Who may write to a store: one core at a time, and each commit asks.

A lock alone is not enough. A holder may stand still without knowing it (SIGSTOP, a virtual machine
that is moved), its lock may be given to another, and then it wakes up in the middle of a commit.
So each holding has a number, the epoch, which only grows; whoever takes the store over raises it,
and the commit of an earlier epoch fails.
"""

from __future__ import annotations

from typing import Protocol

from linkage.ports.store import StoreFailedError


class LeaseLostError(StoreFailedError):
    """Another process writes to the store now; nothing of this one's is taken any more."""


class LeasePort(Protocol):
    """The right to write, from when it was taken until it is let go or lost."""

    @property
    def epoch(self) -> int:
        """The number of this holding, greater than that of every one before."""
        ...

    def check(self) -> None:
        """Whether it still holds; called within each transaction, as the last thing before commit.

        What asks a server does so by the connection of that transaction, so that nothing comes
        between answer and commit. It must cost little beside a commit.

        Raises:
            LeaseLostError: it does not.
        """
        ...
