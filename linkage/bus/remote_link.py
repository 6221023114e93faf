"""A link that lives in another process, as the core sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from linkage.bus.envelope import Kind
from linkage.bus.pack import pack_request
from linkage.ports import CorePort
from protocol.envelope import Request, Response
from protocol.results import Result

logger = logging.getLogger("linkage.bus")


class RemoteLink:
    """A link that lives in another process. A `linkage.ports.LinkPort`."""

    __slots__ = ("_core", "_say", "address", "begun", "end", "number", "taken", "window")

    def __init__(
        self, say: Callable[..., None], core: CorePort, number: int, address: str, window: int
    ) -> None:
        self._say = say
        self._core = core
        self.number = number
        self.address = address
        self.window = window
        self.taken = False
        """The core has it."""
        self.begun = False
        """Deliveries may begin as soon as the core has it."""
        self.end: str | None = None
        """Why it is gone; None while it is not."""

    def push(self, request: Request) -> None:
        """Send a request to the peer; dropped when the link or its part is gone."""
        try:
            self._say(Kind.PUSH, self.number, pack_request(request))
        except (TypeError, ValueError, OverflowError) as error:
            # It will not fit the next time either: answered for the peer, lest it block the queue.
            logger.error("bus: %d %s cannot cross: %s", request.type, request.id, error)  # noqa: TRY400 - a value, no bug
            answer = Response(
                request_id=request.id, type=request.type, result=int(Result.BAD_VALUE),
                detail="cannot be sent to the peer",
            )  # fmt: skip
            asyncio.get_running_loop().call_soon(self._core.answered, self, answer)

    def close(self, reason: str) -> None:
        """End the conversation with the peer."""
        self._say(Kind.CLOSE, self.number, reason)
