"""What the core offers to links, and what it wants of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from linkage.ports.adapter import Capability
from protocol.envelope import Request, Response
from protocol.results import Result


class EntryKind(StrEnum):
    """What a journal entry tells. Everything but `MESSAGE` is linkage's own observation."""

    MESSAGE = "Message"
    OWN = "OwnMessage"
    MALFORMED = "MalformedMessage"
    REFUSED = "Refused"
    ID_REUSED = "IdReused"
    KEEPALIVE_FAILURE = "KeepAliveFailure"
    SESSION_OPENED = "SessionOpened"
    SESSION_CLOSED = "SessionClosed"
    STRANGER = "Stranger"
    GAP = "Gap"
    UNROUTED = "Unrouted"
    ALARM = "Alarm"
    ALARM_CLEARED = "AlarmCleared"
    FILE_FETCHED = "FileFetched"
    ARCHIVED = "Archived"
    RENUMBERED = "Renumbered"
    CLOCK_SET = "ClockSet"
    STARTED = "Started"
    STOPPED = "Stopped"


REPLACED: Final = "replaced"
"""Why a link is closed in whose place a newer one of its peer has come."""
EXPIRED: Final = "the secret that opened it is not valid any more: register again"
"""Why a session is closed that outlived its secret."""
SHUT_OUT: Final = "the peer is not in the configuration any more"
"""Why a session is closed whose peer was taken out while linkage served."""


class LinkPort(Protocol):
    """One live conversation with a peer, as the core sees it."""

    @property
    def address(self) -> str:
        """Where the peer speaks from, for the journal: `10.1.2.3:40112`, `adapter`."""
        ...

    @property
    def window(self) -> int:
        """How many requests may be unanswered at a time (64 for a session)."""
        ...

    def push(self, request: Request) -> None:
        """Send a request to the peer; never blocks. Its answer comes back by `CorePort.answered`.

        The core keeps to `window`. A push on a dead link is dropped: the delivery stays open and
        is repeated on the next link.
        """
        ...

    def close(self, reason: str) -> None:
        """End the conversation: a newer one came, the peer lost its rights, linkage stops."""
        ...


class Absent:
    """Whom an entry names as its source that has no link: a `LinkPort` with nobody behind it."""

    window = 0

    def __init__(self, address: str) -> None:
        self.address = address

    def push(self, request: Request) -> None:
        """There is nobody to be told."""

    def close(self, reason: str) -> None:
        """It is closed already."""


class CorePort(Protocol):
    """What the core offers to links. All calls are made in the event loop's thread."""

    async def register(self, link: LinkPort, request: Request) -> Response:
        """Judge a registration (190, 290, 490, 690): role, HMAC, time, nonce, version.

        Journalled either way.

        On Result 0 the link is the peer's live one from now on (an older one is told to close,
        "replaced"), the response carries `last_seq`, and deliveries begin after the response was
        written, at `begin(link)`.
        """
        ...

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        """Take a link whose peer is known without registration.

        Legacy by address, dialled by us, an adapter.

        Raises:
            KeyError: no such peer is configured.
        """
        ...

    async def introduce(self, peer_id: str) -> Request:
        """A fresh, signed 190 to register where linkage dialled (protocol.md#registration).

        Called once per attempt: time and nonce are new each time. No secret crosses the seam.

        Raises:
            KeyError: no such peer is configured.
        """
        ...

    def begin(self, link: LinkPort) -> None:
        """The registration was answered: start to push what waits for this peer."""
        ...

    async def submit(self, link: LinkPort, request: Request) -> Response:
        """Handle a business request of an adopted or registered link.

        Returns when the outcome is on disk.

        Result 0–9: taken. Everything else: refused, with a journal entry. Never raises for what
        the peer sent.
        """
        ...

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        """As `submit`, where many requests are in work at a time: no task waits for each.

        `answer` is called once, in the event loop's thread, perhaps within this call.
        """
        ...

    def answered(self, link: LinkPort, response: Response) -> None:
        """The peer answered a push."""
        ...

    async def note(
        self,
        link: LinkPort,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """Write an observation of a link into the journal (malformed frame, keep-alive failure).

        `ALARM` and `ALARM_CLEARED` are told to applications and screens too (197), once each: a
        peer's alarm that is raised already, or not raised, is not news.
        """
        ...

    def closed(self, link: LinkPort, reason: str) -> None:
        """The link is gone. Its open deliveries stay and go to the next link of the peer.

        Idempotent.
        """
        ...


@dataclass(frozen=True, slots=True)
class NoticeRequest:
    """A notice of an adapter as a request: by Id and Time it is known when it comes twice."""

    request: Request
    reconstructed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a record.

    With `result` 0 all of it is on disk, and `responses` are those to its notices, in order: a
    notice may be refused by itself. With any other result nothing was taken: 204 because the link
    is gone, else try the same again after `retry_after_s`.
    """

    result: int = Result.OK
    responses: tuple[Response, ...] = ()
    retry_after_s: int | None = None


class AdapterCorePort(CorePort, Protocol):
    """What the core offers to hosts of adapters beside what every link needs."""

    async def record(
        self, link: LinkPort, notices: Sequence[NoticeRequest], memory: Mapping[str, str | None]
    ) -> Recorded:
        """Commit notices of an adapter and changes of its memory in one transaction.

        Args:
            link: the adapter's.
            notices: handled in this order, each as by `submit`. One that meets a bug is answered
                500 and journalled as refused; it costs neither the others nor the memory. Where
                the same record comes twice (its answer was lost), each is found again.
            memory: key → JSON text; None deletes the key. Written after the notices.

        Raises:
            Exception: a bug was met at the memory; nothing of the record was taken.
        """
        ...

    async def recall(self, adapter: str) -> dict[str, Any]:
        """An adapter's memory, by key. Raises OSError: the store cannot be read."""
        ...


class CoreServicePort(AdapterCorePort, Protocol):
    """What the core offers to parts in other processes beside what links need."""

    async def resume(
        self, link: LinkPort, peer_id: str, told: Sequence[tuple[Request, datetime]]
    ) -> bool:
        """Take over a link that an earlier core took, and that has outlived it.

        Args:
            link: to be treated as adopted; `begin` follows.
            peer_id: whose it is, as the earlier core found.
            told: what the peer said of itself, and when: its registration, its capabilities.

        Returns:
            False: the peer has a link already, which must be newer.

        Raises:
            KeyError: no such peer is configured any more.
        """
        ...

    def announce(self, peer_id: str, capability: Capability) -> None:
        """What an adapter can do, told by the process that runs it."""
        ...
