"""Requests of ours on their way.

Kept until they are answered, sent again after a reconnect under the same Id.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from operator import attrgetter
from typing import Final

from linkage.client.errors import CommandExpiredError
from linkage.client.session import Session
from protocol.connection import WINDOW
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.results import Result

OUTBOX_MAX: Final = 1000
"""Requests that may wait here; who adds more waits for room. Enough for minutes of a busy
platform, little enough for memory."""

PASSING: Final = frozenset({Result.RATE_LIMITED, Result.OVERLOAD, Result.SWITCHING_OVER})
"""Refusals after which a notice is offered again; a command's sender decides that itself."""
RETRY_AFTER_S: Final = 1


class _Entry:
    """One request, and who waits for its answer."""

    __slots__ = ("answer", "expiry", "request", "sent", "turn")

    def __init__(self, request: Request, answer: asyncio.Future[Response]) -> None:
        self.turn = 0
        """Its place in the order of sending, which it keeps however often it is offered."""
        self.request = request
        self.answer = answer
        self.sent = False
        self.expiry: asyncio.TimerHandle | None = None


_TURN: Final = attrgetter("turn")


class Outbox:
    """Sends in order, at most a window at a time.

    What a lost connection left unanswered goes first on the next one.

    A notice has no `expire_s` and stays until it is answered, also when its sender no longer
    waits. A command is forgotten when it expires: no reconnect may fire an old call.
    """

    def __init__(self, size: int = OUTBOX_MAX) -> None:
        self._room = asyncio.Semaphore(size)
        self._turns = 0
        self._waiting: deque[_Entry] = deque()
        self._under_way: dict[str, _Entry] = {}
        self._session: Session | None = None
        self._pausing: asyncio.TimerHandle | None = None
        self._end: Exception | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    async def send(self, request: Request, *, within_s: float | None) -> Response:
        """Put a request on its way and wait for the answer.

        Args:
            request: with an Id of its own.
            within_s: seconds until it is given up; None: never.

        Raises:
            CommandExpiredError: not answered within `within_s`.
            LocalProtocolError: it cannot be sent to this peer (direction, size, encoding).
            ClientError: the client was closed, or refused for good.
        """
        loop = asyncio.get_running_loop()
        entry = _Entry(request, loop.create_future())
        due = None if within_s is None else loop.time() + within_s
        await self._make_room(entry, within_s)
        if self._end is not None:
            self._room.release()
            raise self._end
        if due is not None and within_s is not None:
            # From when it was given: what it waited for room counts as well.
            entry.expiry = loop.call_at(due, self._expire, entry, within_s)
        self._turns += 1
        entry.turn = self._turns
        self._waiting.append(entry)
        self._pump()
        # Shielded: when the sender is cancelled the entry stays, and an answer finds a future to
        # go to.
        return await asyncio.shield(entry.answer)

    async def _make_room(self, entry: _Entry, within_s: float | None) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._room.acquire()
        except TimeoutError:
            assert within_s is not None
            raise CommandExpiredError(entry.request.type, within_s, sent=False) from None

    def attach(self, session: Session) -> None:
        """A registered session is there: go on with it."""
        self._session = session
        self._pump()

    def detach(self) -> None:
        """The session has ended.

        What it left unanswered waits in front again, marked as sent before.
        """
        self._session = None
        for entry in self._under_way.values():
            entry.request = replace(entry.request, resend=True)
        # Sorted: some of those that wait may have been refused for now before these were.
        self._waiting = deque(sorted([*self._under_way.values(), *self._waiting], key=_TURN))
        self._under_way.clear()

    def take_response(self, response: Response) -> None:
        """Linkage answered one of ours; answers to what has expired meanwhile are ignored."""
        entry = self._under_way.pop(response.request_id, None)
        if entry is None:
            pass
        elif entry.expiry is None and response.result in PASSING:
            entry.request = replace(entry.request, resend=True)
            self._take_back(entry)
            self._pause(response.retry_after_s or RETRY_AFTER_S)
        else:
            self._settle(entry, response)
        self._pump()

    def _take_back(self, entry: _Entry) -> None:
        """In its old place: what went before it may have been refused before it."""
        later = (at for at, other in enumerate(self._waiting) if other.turn > entry.turn)
        self._waiting.insert(next(later, len(self._waiting)), entry)

    def _pause(self, seconds: float) -> None:
        if self._pausing is None:
            self._pausing = asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pausing = None
        self._pump()

    def finish(self, error: Exception) -> None:
        """Nothing will be sent any more: all who wait get `error`."""
        self.detach()
        self._end = error
        if self._pausing is not None:
            self._pausing.cancel()
        waiting, self._waiting = self._waiting, deque()
        for entry in waiting:
            self._settle(entry, error)

    def _pump(self) -> None:
        session = self._session
        while self._waiting and session is not None and self._pausing is None:
            if session.closed or session.unanswered >= WINDOW:
                return
            entry = self._waiting.popleft()
            # In the books first: the answer cannot come before, but a failing socket may detach
            # us.
            self._under_way[entry.request.id] = entry
            try:
                session.send(entry.request)
            except LocalProtocolError as error:
                del self._under_way[entry.request.id]
                self._settle(entry, error)
            else:
                entry.sent = True

    def _expire(self, entry: _Entry, within_s: float) -> None:
        if self._under_way.pop(entry.request.id, None) is None:
            self._waiting.remove(entry)
        self._settle(entry, CommandExpiredError(entry.request.type, within_s, sent=entry.sent))

    def _settle(self, entry: _Entry, outcome: Response | Exception) -> None:
        self._room.release()
        if entry.expiry is not None:
            entry.expiry.cancel()
        if entry.answer.done():
            return
        if isinstance(outcome, Response):
            entry.answer.set_result(outcome)
        else:
            entry.answer.set_exception(outcome)
            # Marked as seen: the sender may have been cancelled, and then nobody asks.
            entry.answer.exception()
