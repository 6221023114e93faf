"""The seams between the parts.

What the core offers to sockets and adapters, and what it wants of them.

```
 gateway session ─┐                ┌─ Link: push, close
                  ├── CorePort ────┤
 adapter host  ───┘                └─ register, adopt, submit, answered, note, closed
```
A *link* is one live conversation with a peer, whatever carries it: a TCP session of the gateway or
an adapter in this process. Everything that crosses the seam is a message of `protocol` or plain
data, so that the parts can live in separate processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.results import Result
from protocol.roles import Role as Role  # noqa: PLC0414 - re-exported

if TYPE_CHECKING:
    from protocol.messages import QueryCall, SnapshotNotice


class EntryKind(StrEnum):
    """What a journal entry tells. Everything but `MESSAGE` is linkage's own observation."""

    MESSAGE = "Message"
    OWN = "OwnMessage"
    MALFORMED = "MalformedMessage"
    REFUSED = "Refused"
    KEEPALIVE_FAILURE = "KeepAliveFailure"
    SESSION_OPENED = "SessionOpened"
    SESSION_CLOSED = "SessionClosed"
    STRANGER = "Stranger"
    GAP = "Gap"
    ALARM = "Alarm"
    ALARM_CLEARED = "AlarmCleared"
    ARCHIVED = "Archived"
    RENUMBERED = "Renumbered"
    STARTED = "Started"
    STOPPED = "Stopped"


def fields_of(request: Request) -> dict[str, Any]:
    """What a line of the log about a request names of it (`extra=`); what it lacks is left out."""
    message = request.message
    fields = {
        "id": request.id,
        "type": request.type,
        "event_id": message.event_id,
        "op_id": message.op_id,
        "call_id": message.call_id,
        "trace": request.trace,
    }
    return {name: value for name, value in fields.items() if value is not None}


class Clock(Protocol):
    """Where the time comes from; tests turn it by hand."""

    def utc(self) -> datetime:
        """The wall clock: aware, UTC."""
        ...

    def now(self) -> float:
        """Monotonic seconds: for timers only."""
        ...


class Link(Protocol):
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
        """End the conversation (a newer session of the peer came, the peer lost its rights.

        Linkage stops).
        """
        ...


class CorePort(Protocol):
    """What the core offers to links. All calls are made in the event loop's thread."""

    async def register(self, link: Link, request: Request) -> Response:
        """Judge a registration (190, 290, 490, 690): role, HMAC, time, nonce, version.

        Journalled either way.

        On Result 0 the link is the peer's live one from now on (an older one is told to close,
        "replaced"), the response carries `last_seq`, and deliveries begin after the response was
        written, at `begin(link)`.
        """
        ...

    async def adopt(self, link: Link, peer_id: str) -> None:
        """Take a link whose peer is known without registration.

        Legacy by address, dialled by us, an adapter.

        Raises:
            KeyError: no such peer is configured.
        """
        ...

    async def introduce(self, peer_id: str) -> Request:
        """A fresh, signed 190 by which linkage registers where it dialled that peer (section 4).

        Called once per attempt: time and nonce are new each time. No secret crosses the seam.

        Raises:
            KeyError: no such peer is configured.
        """
        ...

    def begin(self, link: Link) -> None:
        """The registration was answered: start to push what waits for this peer."""
        ...

    async def submit(
        self, link: Link, request: Request, *, reconstructed: bool = False
    ) -> Response:
        """Handle a business request of an adopted or registered link.

        Returns when the outcome is on disk.

        Result 0–9: taken. Everything else: refused, with a journal entry. Never raises for what
        the peer sent. `reconstructed` marks notices that an adapter's resync made up from what it
        found.
        """
        ...

    def post(
        self,
        link: Link,
        request: Request,
        answer: Callable[[Response], None],
        *,
        reconstructed: bool = False,
    ) -> None:
        """As `submit`, where many requests are in work at a time: no task waits for each.

        `answer` is called once, in the event loop's thread, perhaps within this call.
        """
        ...

    def answered(self, link: Link, response: Response) -> None:
        """The peer answered a push."""
        ...

    async def note(
        self,
        link: Link,
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

    def closed(self, link: Link, reason: str) -> None:
        """The link is gone. Its open deliveries stay and go to the next link of the peer.

        Idempotent.
        """
        ...


class CoreService(CorePort, Protocol):
    """What the core offers to parts in other processes beside what links need."""

    async def resume(
        self, link: Link, peer_id: str, told: Sequence[tuple[Request, datetime]]
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

    async def recall(self, adapter: str) -> dict[str, Any]:
        """An adapter's memory, by key. Raises OSError: the store cannot be read."""
        ...

    async def remember_text(self, adapter: str, key: str, value: str | None) -> None:
        """Write a key of it as JSON text; None deletes. Raises OSError: it is not on disk."""
        ...


# --- peers as the gateway must know them
# ------------------------------------------------------------------------------
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `per_s` things a second in the long run, `burst` of them at once."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProfile:
    """What a transport needs to know of a configured peer; no secret crosses this seam.

    `address` (host, no port) knows a legacy peer that connects; `dial` (host, port) is a business
    platform that listens, as the patent has it, and that linkage connects to: over TLS with
    `dial_tls`, whose certificate must be for `dial_name` (None: the host of `dial`).
    """

    id: str
    role: Role
    dialect: Dialect = DEFAULT
    address: str | None = None
    dial: tuple[str, int] | None = None
    dial_tls: bool = False
    dial_name: str | None = None
    allow: tuple[Network, ...] = ()
    """Networks that the peer may come from; none given: from anywhere."""
    require_tls: bool = False
    """Refused (201) where the connection to the listener is not encrypted."""
    require_certificate: bool = False
    """Refused (201) without a client certificate that names the peer's id."""
    requests: Rate | None = None
    """How fast its requests are taken; faster ones are answered 206."""


# --- adapters ------------------------------------------------------------------------------------
# ----------------------
class AdapterError(Exception):
    """Something about a vendor's platform.

    ```
    AdapterError
    ├── AdapterRefusedError       it will not take us (credentials, version): do not retry, raise
    an alarm ├── AdapterUnavailableError   it cannot be reached now: retry with back-off └──
    CommandError              this one command failed; carries the result for its sender
    ```
    """


class AdapterRefusedError(AdapterError):
    """The platform refuses us for good (bad credentials, unsupported version).

    Retrying would not help.
    """


class AdapterUnavailableError(AdapterError):
    """The platform cannot be reached, or the link to it was lost: try again later."""


class CommandError(AdapterError):
    """A command could not be done.

    `result` is the code for its sender, `detail` one line for a person.
    """

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an adapter answers to a command at once.

    What comes of it later is a notice with the command's `request_id`.

    `call_id`, `conference_id` are ids allocated for the command.
    """

    result: Result = Result.ACCEPTED
    detail: str | None = None
    call_id: str | None = None
    conference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that linkage keeps: `sha256` in lower-case hex, `size_bytes`, and where it lies."""

    file_id: str
    path: Path
    size_bytes: int
    sha256: str


class Emit(Protocol):
    """Hands a notice to the core.

    Returns when it is on disk (so a storm of events slows its source, not the core).
    """

    def __call__(
        self, message: Message, *, time: datetime | None = None, reconstructed: bool = False
    ) -> Awaitable[None]:
        """`time`: when it happened at the platform; `reconstructed`: made up by a resync."""
        ...


class Memory(Protocol):
    """An adapter's own small durable table: key → JSON-able value.

    Survives crashes; a `put` that returned is on disk.
    """

    async def load(self) -> dict[str, Any]:
        """Everything, once at the start of `Adapter.run`."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Insert or replace."""
        ...

    async def delete(self, key: str) -> None:
        """Remove; no error where there is nothing."""
        ...


class FileStore(Protocol):
    """Where recordings, faxes and attachments are kept."""

    async def save(self, name: str, content: AsyncIterable[bytes]) -> StoredFile:
        """Write a file durably under a FileId of ours; `name` gives the ending, such as `.wav`.

        Raises:
            OSError: the disk is full or not writable; nothing half-written is left behind.
        """
        ...


Capability = Mapping[int, frozenset[int]]
"""2xx number → the `Action`/`Mode` values served; an empty set: all there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterContext:
    """What an adapter is given.

    Its peer id, its `[adapter.settings]`, and the ports it may use.
    """

    peer_id: str
    settings: Mapping[str, Any]
    clock: Clock
    memory: Memory
    files: FileStore


class Adapter(ABC):
    """One platform behind the protocol. Subclasses live in `adapters.<platform>`.

    `run` connects, resyncs and translates the platform's events into notices; `execute` does one
    2xx command. Both run in one event loop; several `execute` may run at once (the host serialises
    those that name the same call).
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capability]

    def __init__(self, context: AdapterContext) -> None:
        self.context = context

    @abstractmethod
    async def run(self, emit: Emit) -> None:
        """Connect and emit until cancelled; no retry loop in here, the supervisor owns back-off.

        Must first compare what lives on the platform with `context.memory`, close what died
        meanwhile (notices with `reconstructed=True`) and, after a loss, say so by 195 GapNotice.

        Raises:
            AdapterUnavailableError: the link was lost or cannot be made.
            AdapterRefusedError: retrying would not help.
        """

    @abstractmethod
    async def execute(self, request: Request) -> Outcome:
        """Do one command (its class is one of `capabilities`).

        `request.id` goes into the `request_id` of what comes of it.

        Raises:
            CommandError: it cannot be done; the code goes to the sender.
            AdapterUnavailableError: the platform is not connected (result 502).
        """

    async def living(self, query: QueryCall) -> SnapshotNotice | None:  # noqa: ARG002 - for subclasses
        """What lives on the platform of the call or conference that a query names.

        Linkage asks where it has heard nothing of an open operation for hours, and closes what is
        not in the answer (reason 141). So look at the platform, not only at what is remembered;
        where the two differ, emit what was missed before returning. A call is listed by its
        CallId, its legs with `parent_call_id`, a conference with its members; what is over is not
        listed. None: this adapter cannot tell, and nothing is closed.

        Raises:
            AdapterUnavailableError: the platform is not connected.
        """
        return None
