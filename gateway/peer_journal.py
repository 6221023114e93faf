"""What is written down of one peer: entries of the journal, within bounds, and log lines."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.connection_io import ConnectionIO
from gateway.context import GatewayContext
from gateway.hosts import neighbourhood
from linkage.logs.request_fields import fields_of
from linkage.ports import EntryKind, LinkPort
from protocol.envelope import Request

logger = logging.getLogger("linkage.gateway")

RAW_MAX: Final = 4096
"""Bytes of an offending message that the journal keeps."""
STRANGER_EACH: Final = 3
"""Entries of one kind about the strangers of one address that are journalled within a minute
before the rest is counted."""
PEER_EACH: Final = 1000
"""The same of one peer: all of what a wrong setting brings on, and an end to what a fault does."""
STRANGER: Final = "stranger"


class PeerJournal:
    """Writes for one session.

    `peer` and `known` are for the session to set: the id of its peer, and whether it is one that
    was let in, or that is known by its address.
    """

    __slots__ = ("_context", "_io", "_link", "_source", "address", "known", "peer")

    def __init__(
        self, context: GatewayContext, io: ConnectionIO, link: LinkPort, peer: str | None
    ) -> None:
        self._context = context
        self._io = io
        self._link = link
        self._source = ""
        self.address = "unknown"
        self.peer = peer or STRANGER
        self.known = peer is not None

    def came_from(self, host: str, address: str) -> None:
        """Where the peer speaks from, known when it is connected."""
        self._source = neighbourhood(host)
        self.address = address

    def note(
        self, kind: EntryKind, detail: str, raw: bytes = b"", result: int | None = None
    ) -> None:
        """Journal it; of strangers only the first few of a kind, the rest is summed up."""
        news = self._context.refusals.is_news
        if self.known or news(self._source, kind, detail, result=result, each=STRANGER_EACH):
            self._write(kind, detail, raw, result)

    def note_some(
        self, kind: EntryKind, detail: str, raw: bytes, result: int, each: int = PEER_EACH
    ) -> None:
        """Journal it of a registered peer: the first `each` of a kind, the rest is summed up."""
        if self._context.refusals.is_news(self.peer, kind, detail, result=result, each=each):
            self._write(kind, detail, raw, result)

    def log(
        self,
        level: int,
        text: str,
        *args: object,
        error: BaseException | None = None,
        request: Request | None = None,
    ) -> None:
        """A line with the fields of the session, and of the request that it concerns."""
        if logger.isEnabledFor(level):
            fields: dict[str, object] = {"peer": self.peer, "address": self.address}
            if request is not None:
                fields |= fields_of(request)
            line = text % args
            told = "%s at %s: %s"
            logger.log(level, told, self.peer, self.address, line, exc_info=error, extra=fields)

    def _write(self, kind: EntryKind, detail: str, raw: bytes, result: int | None) -> None:
        self.log(logging.WARNING, "%s: %s", kind, detail)
        note = self._context.core.note(self._link, kind, detail, raw=raw[:RAW_MAX], result=result)
        self._io.do(note, self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log(logging.ERROR, "an entry was not journalled", error=error)
