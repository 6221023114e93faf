"""What all roles of the blocking client have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from linkage.blocking.loop import LoopThread, StoppedError, refuse_in_loop
from linkage.client import ClosedError, State
from linkage.client.inbox import Incoming
from linkage.client.peer import Peer
from protocol.results import Result
from protocol.suggest import suggesting

A = TypeVar("A", bound=Peer[Any])
T = TypeVar("T")


@dataclass(slots=True)
class _Hand:
    """What one thread has got from a client."""

    held: Incoming | None = None
    """Handed out, and perhaps not answered yet."""
    fetched: Incoming | None = None
    """Taken from the queue by a call that was interrupted: the next one hands it out."""

    def acknowledge(self) -> None:
        """In the loop's thread: it writes to the session."""
        held, self.held = self.held, None
        if held is not None and not held.settled:
            held.settle(Result.OK)


class Client(Generic[A]):
    """What all roles have in common. Use as `with`: entered once registered."""

    def __init__(self, client: A) -> None:
        self._client = client
        self._thread: LoopThread | None = None
        self._hands: dict[threading.Thread, _Hand] = {}

    def __repr__(self) -> str:
        return f"<blocking {self._client!r}>"

    @property
    def peer_id(self) -> str:
        """Our id, as in linkage's configuration."""
        return self._client.peer_id

    @property
    def state(self) -> State:
        """Where the client stands."""
        return self._client.state

    @property
    def reason(self) -> str:
        """Why `state` is what it is: one line for a person."""
        return self._client.reason

    @property
    def last_seq(self) -> int | None:
        """Up to where all deliveries were answered; None where none was numbered."""
        return self._client.last_seq

    @suggesting
    def wait_ready(self, *, timeout_s: float | None = None) -> None:
        """Wait until a session is registered (at once, when one is).

        Raises:
            TimeoutError: none was within `timeout_s`.
            ClientError: there will be none any more.
        """
        self.call(self._client.wait_ready(), timeout_s)

    # --- open and close --------------------------------------------------------------------------
    def __enter__(self) -> Self:
        """Connect and register; raises what `linkage.client` does."""
        if self._thread is not None:
            raise ClosedError("a client is opened once: make a new one")
        refuse_in_loop()
        self._thread = LoopThread(self.peer_id)
        try:
            self.call(self._client.__aenter__())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(done=error is None)

    def close(self) -> None:
        """End the session, the answers given so far being written out; idempotent.

        What was handed out and not answered is not acknowledged: linkage delivers it again.
        """
        self._end(done=False)

    def _end(self, *, done: bool) -> None:
        thread = self._thread
        if thread is None or thread.stopped:
            return
        try:
            self.call(self._leave(self.hand() if done else None))
        finally:
            thread.stop()

    async def _leave(self, hand: _Hand | None) -> None:
        if hand is not None:
            hand.acknowledge()
        await self._client.close()

    # --- for the roles ---------------------------------------------------------------------------
    def hand(self) -> _Hand:
        """Of the thread that asks."""
        return self._hands.setdefault(threading.current_thread(), _Hand())

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run a coroutine of `linkage.client` in the client's thread, and wait for its end."""
        try:
            thread = self._open_thread()
        except BaseException:
            work.close()
            raise
        try:
            return thread.call(work, timeout_s)
        except StoppedError:
            raise ClosedError(f"{self.peer_id!r} was closed") from None

    def _open_thread(self) -> LoopThread:
        refuse_in_loop()
        if self._thread is None:
            raise ClosedError(f"{self.peer_id!r} is not open: use it inside its `with`")
        return self._thread

    def next(self, timeout_s: float | None) -> Incoming:
        """What comes next; what this thread had before is done with."""
        hand = self.hand()
        self.call(self._fetch(hand), timeout_s)
        hand.held, hand.fetched = hand.fetched, None
        assert hand.held is not None, "fetched, or an error"
        return hand.held

    async def _fetch(self, hand: _Hand) -> None:
        hand.acknowledge()
        self._take_from_the_dead()
        if hand.fetched is None:
            # Nothing is awaited after it is taken: an interrupted call has it, or it is in the
            # queue.
            hand.fetched = await self._client._inbox.next()  # noqa: SLF001 - the same client

    def _take_from_the_dead(self) -> None:
        """What a thread had in hand when it ended, other threads are given: it may have failed."""
        for thread in [each for each in list(self._hands) if not each.is_alive()]:
            hand = self._hands.pop(thread)
            for taken in (hand.held, hand.fetched):
                if taken is not None and not taken.settled:
                    self._client._inbox.give_back(taken)  # noqa: SLF001 - the same client

    def each(self, step: Callable[[float | None], T], timeout_s: float | None) -> Iterator[T]:
        """Steps until nothing comes in time, or the client is closed."""
        while True:
            try:
                found = step(timeout_s)
            except (TimeoutError, ClosedError):
                return
            yield found
