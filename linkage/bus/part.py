"""A part, as the core's side sees it: one process, for the length of one conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linkage.bus.part_names import adapter_of
from linkage.bus.remote_link import RemoteLink
from linkage.bus.stream import Stream
from linkage.bus.uploads import Uploads
from linkage.ports import CorePort


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
        self.adapter = adapter_of(name)
        """The one peer that it may speak for; None: it is a gateway."""
        self.incarnation = incarnation
        self._core = core
        self.stream = Stream(lambda envelope: send(identity, envelope))
        self.links: dict[int, RemoteLink] = {}
        self.uploads = Uploads()
        self.heard_at = self.said_at = 0.0
        self._ended = False

    def link(self, number: int, address: str, window: int) -> RemoteLink:
        """A link that it brings."""
        self.links[number] = RemoteLink(self.say, self._core, number, address, window)
        return self.links[number]

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
            self._core.closed(link, reason)
