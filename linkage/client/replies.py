"""What comes of a command.

Its response at once, and later the notices that carry its Id
(protocol.md#requests-and-responses, #outcomes).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar, overload
from weakref import WeakValueDictionary

from linkage.client.errors import CommandFailedError, WindowFullError
from protocol.envelope import Response
from protocol.message import Message
from protocol.messages import CallPhase
from protocol.messages.outcome import OUTCOME
from protocol.results import is_accepted
from protocol.suggest import suggesting

logger = logging.getLogger("linkage.client")

OUTCOME_TIMEOUT_S: Final = 30.0
OUTCOMES_MAX: Final = 1024
"""Outcomes of one command that wait unread; beyond that the oldest are dropped here (`notices()`
has them all)."""

ALSO: Final[dict[int, int]] = {0: 15}
"""Last two digits of a command → of one more notice that ends the wait for its outcome.

That a call was answered (200) is told by 115, that it was not by 100."""
PROGRESS: Final = frozenset({CallPhase.START, CallPhase.RINGING})
"""Phases of a transfer (105) or a supervision (107) that are not yet what came of it."""
MANY: Final = frozenset({10, 24})
"""Commands with a notice per number called or message sent; a progress notice says when they are
through."""

M = TypeVar("M", bound=Message)


def outcome_numbers(command: int) -> frozenset[int]:
    """The types of the notices that tell what came of a command.

    1NN for 2NN, 3NN for 4NN, 5NN for 6NN, but for the few that the catalogue says (`→ 193`).
    """
    digit, row = divmod(command, 100)
    named = OUTCOME.get(200 + row, row) % 100
    rows = {named, ALSO.get(row, named)}
    return frozenset((digit - 1) * 100 + each for each in rows)


def is_failure(notice: Message) -> bool:
    """True when a notice says that the command it belongs to has failed."""
    return notice.result is not None and not is_accepted(notice.result)


def is_progress(notice: Message) -> bool:
    """True when a notice only tells how far a command has come."""
    return getattr(notice, "phase", None) in PROGRESS


def is_last(command: int, notice: Message) -> bool:
    """True when no further notice is to be expected for a command."""
    if is_failure(notice):
        return True
    finished = getattr(notice, "finished", None)
    if finished is not None:
        return bool(finished)
    numbers = outcome_numbers(command)
    if notice.number not in numbers or command % 100 in MANY or is_progress(notice):
        return False
    page, pages = getattr(notice, "page", None), getattr(notice, "pages", None)
    return page is None or pages is None or page >= pages


class Outcomes:
    """The notices of one command, collected for as long as somebody holds its `Reply`."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque(maxlen=OUTCOMES_MAX)
        self._woken = asyncio.Event()
        self._end: Exception | None = None

    def take(self, notice: Message) -> None:
        """A notice with the command's Id came."""
        if len(self._waiting) == OUTCOMES_MAX:
            logger.warning(
                "outcomes of command %s are not read; the oldest is dropped", notice.request_id
            )
        self._waiting.append(notice)
        self._woken.set()

    def wake(self) -> None:
        """Something changed that a waiter should look at."""
        self._woken.set()

    def finish(self, error: Exception) -> None:
        """Nothing will come any more."""
        self._end = error
        self._woken.set()

    async def next(self, is_stuck: Callable[[], bool]) -> Message:
        """The next notice.

        Raises:
            WindowFullError: `is_stuck`: it cannot come.
            ClientError: the client was closed, or refused for good.
        """
        while not self._waiting:
            if self._end is not None:
                raise self._end
            if is_stuck():
                raise WindowFullError(
                    "the outcome cannot arrive: as many notices as linkage sends without an "
                    "answer wait before it; iterate notices(), and await outcomes in another task "
                    "than its loop"
                )
            self._woken.clear()
            await self._woken.wait()
        return self._waiting.popleft()


class OutcomeRouter:
    """Who waits for the outcome of which command.

    Replies that nobody holds are forgotten by themselves.
    """

    def __init__(self) -> None:
        self._by_id: WeakValueDictionary[str, Outcomes] = WeakValueDictionary()

    def open(self, request_id: str) -> Outcomes:
        """Begin to collect; to be called before the command is sent."""
        outcomes = self._by_id[request_id] = Outcomes()
        return outcomes

    def take(self, notice: Message) -> None:
        """Correlate a notice, before it queues behind others."""
        if notice.request_id is None:
            return
        outcomes = self._by_id.get(notice.request_id)
        if outcomes is not None:
            outcomes.take(notice)

    def wake_all(self) -> None:
        """The window has filled up."""
        for outcomes in list(self._by_id.values()):
            outcomes.wake()

    def finish(self, error: Exception) -> None:
        """Nothing will come any more."""
        for outcomes in list(self._by_id.values()):
            outcomes.finish(error)


class Reply:
    """The answer to a command, and access to what comes of it."""

    def __init__(
        self,
        command: Message,
        response: Response,
        outcomes: Outcomes,
        is_stuck: Callable[[], bool],
    ) -> None:
        self.command = command
        self.response = response
        self._outcomes = outcomes
        self._is_stuck = is_stuck

    def __repr__(self) -> str:
        return f"<Reply {self.response}>"

    @property
    def request_id(self) -> str:
        """The command's Id, which its outcomes carry as `request_id`."""
        return self.response.request_id

    @property
    def result(self) -> int:
        """Section 7: 0–9 taken, else refused."""
        return self.response.result

    @property
    def accepted(self) -> bool:
        """True for the results 0–9."""
        return self.response.accepted

    @overload
    async def outcome(self, *, timeout_s: float = ...) -> Message: ...

    @overload
    async def outcome(self, kind: type[M], *, timeout_s: float = ...) -> M: ...

    @suggesting
    async def outcome(
        self, kind: type[Message] | None = None, *, timeout_s: float = OUTCOME_TIMEOUT_S
    ) -> Message:
        """The notice that tells what came of the command.

        Of `kind`, else of the paired number (1NN for 2NN).

        A notice that reports a failure (`result` of 10 or more) ends the wait whatever its type;
        with `kind` it must still be of that type to be returned, and raises otherwise.

        Raises:
            TimeoutError: nothing came within `timeout_s` seconds.
            CommandFailedError: a failure was reported by a notice of another type than `kind`.
            WindowFullError: it cannot come while this task does not answer the notices before it.
        """
        numbers = outcome_numbers(self.command.number)
        async with asyncio.timeout(timeout_s):
            while True:
                notice = await self._outcomes.next(self._is_stuck)
                wanted = notice.number in numbers if kind is None else isinstance(notice, kind)
                if is_progress(notice) and not is_failure(notice):
                    continue
                if wanted or (kind is None and is_failure(notice)):
                    return notice
                if is_failure(notice):
                    raise CommandFailedError(notice)

    @suggesting
    async def outcomes(self, *, timeout_s: float = OUTCOME_TIMEOUT_S) -> AsyncIterator[Message]:
        """All notices of the command, progress included, up to the last.

        The last is a failure, the last page, or one that says `Finished`.

        Raises:
            TimeoutError: none came within `timeout_s` seconds after the one before.
        """
        while True:
            async with asyncio.timeout(timeout_s):
                notice = await self._outcomes.next(self._is_stuck)
            yield notice
            if is_last(self.command.number, notice):
                return
