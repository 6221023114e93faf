"""Requests that linkage sends us.

Each handed out once, answered once, and not forgotten in between (protocol.md#delivery). What has
come before is told by its place in the delivery queue (`Seq`), or, from a sender that does not
number, by `Resend`: whoever it came from may give its Ids again, and then the same words are
another alarm.

```
 session ── take ──► duplicate? ──► queue ── next ──► the user's loop ── settle ──► Response
                        └─ answered before: the same result again
```
Linkage sends at most a window of requests without an answer, so the queue needs no bound of its
own.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from linkage.client.errors import ClosedError
from linkage.client.position import Position
from linkage.client.session import Session
from protocol.codec import encode_body
from protocol.connection import WINDOW
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.results import Result

logger = logging.getLogger("linkage.client")

REMEMBERED_MAX: Final = 4096
"""Answered requests whose repetition is recognised; linkage repeats at most a window after a
reconnect."""

Key = tuple[int | None, str, int, bytes]


class Incoming:
    """A request from linkage, to be answered once; the roles have their own kinds of it.

    `message` is the typed message; `time` when it happened at its source; `seq` its number in the
    delivery queue; `resend` True when it may have been seen before; `repeat` True when linkage
    cannot tell whether its source has told it before.
    """

    def __init__(
        self, inbox: Inbox[Any], key: Key, request: Request, expires: float | None
    ) -> None:
        self._inbox = inbox
        self._key = key
        self.request = request
        self.expires = expires
        """Monotonic seconds after which it must not be executed any more; None: never."""
        self.resend = request.resend
        self.sessions: list[Session] = []
        """To whom an answer is owed; after a reconnect, to the new one as well."""
        self.response: Response | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request.id} {self.message!r}>"

    @property
    def message(self) -> Message:
        """The typed message."""
        return self.request.message

    @property
    def time(self) -> datetime | None:
        """When it happened at its source; None from peers that do not say."""
        return self.request.time

    @property
    def seq(self) -> int | None:
        """Its number in the delivery queue; None from peers that do not number."""
        return self.request.seq

    @property
    def repeat(self) -> bool:
        """The source may have told this before, under another number: decide yourself.

        Linkage delivers what it is not sure of: an alarm too many is seen, a missing one is not.
        """
        return self.request.repeat

    @property
    def settled(self) -> bool:
        """True once it was acknowledged, refused or answered."""
        return self.response is not None

    def settle(
        self,
        result: int,
        detail: str | None = None,
        *,
        call_id: str | None = None,
        conference_id: str | None = None,
        op_id: str | None = None,
    ) -> bool:
        """Answer it; the first answer counts. False when no session is left to hear it.

        It will come again.
        """
        if self.response is not None:
            return False
        self.response = Response(
            request_id=self.request.id,
            type=self.request.type,
            result=int(result),
            detail=detail,
            call_id=call_id,
            conference_id=conference_id,
            op_id=op_id,
        )
        return self._inbox.settle(self, self._key)


K = TypeVar("K", bound=Incoming)


class Inbox(Generic[K]):
    """All requests that were received and are not answered, and a memory of those that were.

    Commands whose time has run out are answered 309 here and not handed out (protocol.md#expiry).
    """

    def __init__(self, kind: type[K], position: Position, now: Callable[[], float]) -> None:
        self._kind = kind
        self._position = position
        self._now = now
        self._waiting: deque[K] = deque()
        self._open: set[K] = set()
        """All that wait for their answer."""
        self._by_key: dict[Key, K] = {}
        """The newest of each key among them."""
        self._answered: OrderedDict[Key, Response] = OrderedDict()
        self._arrived = asyncio.Event()
        self._end: Exception | None = None
        self._in_hand: dict[asyncio.Task[object], K] = {}
        self._awaited = 0  # how many wait in `next`

    @property
    def full(self) -> bool:
        """True when linkage will send no more until one of these is answered."""
        return len(self._open) >= WINDOW

    @property
    def stuck(self) -> bool:
        """True when it is full and stays so: who asks is the one that has to answer."""
        if not self.full or self._awaited:
            return False
        working = [task for task in self._in_hand if not task.done()]
        return not working or _current_task() in working

    def take(self, session: Session, request: Request, expires: float | None) -> bool:
        """A request came; False when it is a repetition of one that is here or was answered."""
        if request.seq is not None:
            self._position.delivered(request.seq)
        key = _key_of(request)
        may_repeat = request.seq is not None or (request.resend and not request.repeat)
        if may_repeat and self._is_known(session, key):
            return False
        received = self._kind(self, key, request, expires)
        received.sessions.append(session)
        self._open.add(received)
        self._by_key[key] = received
        self._waiting.append(received)
        self._arrived.set()
        return True

    def forget_after(self, last_seq: int) -> None:
        """The numbers after that were reset: what comes under one of them is news."""
        known: tuple[dict[Key, Any], ...] = (self._answered, self._by_key)
        for each in known:
            for key in [key for key in each if key[0] is not None and key[0] > last_seq]:
                del each[key]

    def _is_known(self, session: Session, key: Key) -> bool:
        answered = self._answered.get(key)
        if answered is not None:
            if key[0] is not None:
                self._position.settle(key[0])
            session.answer(_again(answered))
            return True
        known = self._by_key.get(key)
        if known is not None:
            known.sessions.append(session)
        return known is not None

    def settle(self, received: K, key: Key) -> bool:
        """Send the answer that `received` holds to whoever is owed it, and remember it."""
        response = received.response
        assert response is not None, "settled by Received.settle only"
        self._open.discard(received)
        if self._by_key.get(key) is received:
            del self._by_key[key]
        self._answered[key] = response
        if len(self._answered) > REMEMBERED_MAX:
            self._answered.popitem(last=False)
        heard = [session.answer(response) for session in received.sessions]
        received.sessions.clear()
        if received.seq is not None:
            self._position.settle(received.seq)
        return any(heard)

    async def next(self) -> K:
        """The next request in the order of arrival; whoever takes it must settle it.

        Raises:
            ClientError: the client was closed, or ended for good.
        """
        while True:
            if self._end is not None:
                raise self._end
            if not self._waiting:
                self._arrived.clear()
                self._awaited += 1
                try:
                    await self._arrived.wait()
                finally:
                    self._awaited -= 1
                continue
            received = self._waiting.popleft()
            if received.expires is None or self._now() < received.expires:
                return received
            received.settle(Result.EXPIRED, "came too late to be executed")

    async def next_for_loop(self) -> K:
        """As `next`, for a loop that answers by coming back.

        What this task had in hand is acknowledged first, and what a task had in hand that has
        failed meanwhile is handed out again.
        """
        self.acknowledge_in_hand()
        received = await self.next()
        self._in_hand[_current_task()] = received
        return received

    def acknowledge_in_hand(self) -> None:
        """The task that asks has come through with what it had in hand.

        So have those that ended without an error, such as the one that `asyncio.wait_for` makes.
        """
        current = _current_task()
        for task in [task for task in self._in_hand if task is current or task.done()]:
            received = self._in_hand.pop(task)
            if received.settled:
                continue
            if task is current or not _has_failed(task):
                received.settle(Result.OK)
            else:
                logger.warning(
                    "%s failed before it answered %r; it is handed out again",
                    task.get_name(),
                    received,
                )
                self.give_back(received)

    def give_back(self, received: K) -> None:
        """Hand it out again, before all others: who had it has failed, and may have done it."""
        received.resend = True
        self._waiting.appendleft(received)
        self._arrived.set()

    def finish(self, error: Exception | None = None) -> None:
        """Nothing more will be handed out: whoever waits gets `error` (None: it was closed)."""
        self._end = self._end or error or ClosedError("the client was closed")
        self._arrived.set()


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None, "called from a coroutine"
    return task


def _has_failed(task: asyncio.Task[object]) -> bool:
    return task.cancelled() or task.exception() is not None


def _key_of(request: Request) -> Key:
    """Its place in the queue, and what stood there.

    A linkage that was restored from a backup numbers anew: then another message has that place.
    """
    body = encode_body(request.message).encode("utf-8", "replace")
    return request.seq, request.id, request.type, hashlib.blake2b(body, digest_size=16).digest()


def _again(answered: Response) -> Response:
    return Response(
        request_id=answered.request_id,
        type=answered.type,
        result=answered.result,
        detail="duplicate",
        call_id=answered.call_id,
        conference_id=answered.conference_id,
        op_id=answered.op_id,
    )
