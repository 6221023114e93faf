"""What waits at an actor for its turn, and what those are told who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.voice.step import Step
from linkage.ports import AdapterError, AdapterUnavailableError, Command, CommandError, Outcome
from protocol.results import Result

LONG_S: Final = 86_400.0
"""No command waits longer, whatever its deadline says."""
Decide = Callable[[Step], None]
"""A step of a call, without I/O."""


@dataclass(slots=True, eq=False)
class PendingCommand:
    """A command that waits for its turn, and who waits for its outcome.

    `begun` once a request for it was sent, or may have been.
    """

    request: Command
    outcome: asyncio.Future[Outcome]
    begun: bool = False
    failed: list[str] = field(default_factory=list)
    """Whose actions the platform refused, as of `Action.owner`."""
    hung_up: list[str] = field(default_factory=list)
    """The channels that the platform has hung up for it."""

    def left_s(self, now: float) -> float:
        """How long it may still be begun, negative where its time is over."""
        return min(self.request.deadline - now, LONG_S)


@dataclass(slots=True, eq=False)
class PendingCheck:
    """A look at what lives of the call at the platform, and who waits for that it was taken."""

    look: Callable[[Step], Awaitable[Decide]]
    done: asyncio.Future[None]


def resolve(outcome: asyncio.Future[Outcome], answer: Outcome) -> None:
    """Tell who waits for a command what came of it, unless he was told."""
    if not outcome.done():
        outcome.set_result(answer)


def fail(waited: asyncio.Future[Any], error: Exception) -> None:
    """Tell who waits that it came to nothing, unless he was told."""
    if not waited.done():
        waited.set_exception(error)


def expired() -> CommandError:
    """Its time is over, and nothing of it was begun."""
    return CommandError(Result.EXPIRED, "the command expired before it could be begun")


def lost(error: BaseException, command: PendingCommand) -> Exception:
    """What the sender of a command is told when the link broke over it."""
    if command.begun:
        return CommandError(Result.TIMEOUT, f"{words(error)}: nobody knows whether it was done")
    return AdapterUnavailableError(f"{words(error)}: it was not begun")


def words(error: BaseException) -> str:
    """Why a link is lost, where it says so."""
    return str(error) if isinstance(error, AdapterError) else "the link to the platform was lost"
