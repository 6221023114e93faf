"""A part and its links, as the core's side sees them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from typing import Any, Final

from linkage.bus.envelope import Kind
from linkage.bus.files import Uploads
from linkage.bus.pack import pack_request
from linkage.bus.stream import Stream
from linkage.ports import CorePort
from protocol.envelope import Request, Response
from protocol.results import Result

logger = logging.getLogger("linkage.bus")

GATEWAY: Final = "gateway"
ADAPTER: Final = "adapter"
_NAME: Final = re.compile(r"(gateway|gateway:[A-Za-z0-9._-]{1,64}|adapter:[A-Za-z0-9._-]{1,64})")
_HELLO_FIELDS: Final = 4


def part_problem(
    hello: tuple[Any, ...], user: str | None, adapters: Collection[str]
) -> str | None:
    """Why a hello is not welcome, with the remedy; None: it is.

    Args:
        hello: the item as it came.
        user: the part whose key opened the connection; None: it came by no key.
        adapters: the ids of the configured adapters.
    """
    if len(hello) != _HELLO_FIELDS or not all(type(word) is str for word in hello[1:3]):
        return "the hello is damaged"
    name = hello[1]
    if not _NAME.fullmatch(name):
        return f"{name[:80]!r} is no part: gateway, gateway:NAME or adapter:NAME"
    if user is not None and user != name:
        return f"the key is that of {user}, not of {name}: give each part its own (`linkage keys`)"
    kind, _, rest = name.partition(":")
    if kind == ADAPTER and rest not in adapters:
        return f"the core's configuration has no [[adapter]] {rest!r}"
    return None


class RemoteLink:
    """A link that lives in another process. A `linkage.ports.Link`."""

    __slots__ = ("_part", "address", "begun", "end", "number", "taken", "window")

    def __init__(self, part: Part, number: int, address: str, window: int) -> None:
        self._part = part
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
            self._part.say(Kind.PUSH, self.number, pack_request(request))
        except (TypeError, ValueError, OverflowError) as error:
            # It will not fit the next time either: answered for the peer, lest it block the queue.
            logger.error("bus: %d %s cannot cross: %s", request.type, request.id, error)  # noqa: TRY400 - a value, no bug
            answer = Response(
                request_id=request.id, type=request.type, result=int(Result.BAD_VALUE),
                detail="cannot be sent to the peer",
            )  # fmt: skip
            asyncio.get_running_loop().call_soon(self._part.core.answered, self, answer)

    def close(self, reason: str) -> None:
        """End the conversation with the peer."""
        self._part.say(Kind.CLOSE, self.number, reason)


class Part:
    """One process at the bus, for the length of one conversation."""

    def __init__(
        self,
        identity: bytes,
        name: str,
        incarnation: str,
        send: Callable[[bytes, bytes], bool],
        core: CorePort,
    ) -> None:
        self.identity = identity
        self.name = name
        self.incarnation = incarnation
        self.core = core
        self.stream = Stream(lambda envelope: send(identity, envelope))
        self.links: dict[int, RemoteLink] = {}
        self.uploads = Uploads()
        self.heard_at = self.said_at = 0.0
        self._ended = False

    @property
    def adapter(self) -> str | None:
        """The one peer that an adapter's part may speak for; None: it is a gateway."""
        kind, _, rest = self.name.partition(":")
        return rest if kind == ADAPTER else None

    def say(self, *item: Any) -> None:
        """Tell the part, if it is there still."""
        if not self._ended:
            self.stream.say(*item)

    def end(self, reason: str) -> None:
        """It is gone; the core learns what that means for its links."""
        self._ended = True
        self.stream.end()
        self.uploads.abort()
        links, self.links = self.links, {}
        for link in links.values():
            link.end = reason
            self.core.closed(link, reason)
