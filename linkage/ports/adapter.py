"""What an adapter is to the rest, what it is given, and what may go wrong with its platform."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from linkage.ports.clock import Clock
from linkage.ports.files import FilesPort
from linkage.ports.probe import Finding
from protocol.envelope import Request
from protocol.message import Message
from protocol.results import Result

if TYPE_CHECKING:
    from protocol.messages import QueryCall, SnapshotNotice

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
"""No change of a memory."""


class AdapterError(Exception):
    """Something about a vendor's platform.

    ```
    AdapterError
    ├── AdapterRefusedError        it will not take us (credentials, version): somebody must act
    ├── AdapterUnavailableError    it cannot be reached now: retry with back-off
    │   └── AdapterReplacedError   another program has our place at it: wait until that is free
    └── CommandError               this one command failed; carries the result for its sender
    ```
    """


class AdapterRefusedError(AdapterError):
    """The platform as a whole refuses us (bad credentials, unsupported version).

    Somebody has to mend that, here or there, and may do so without a word to us: an alarm, and it
    is tried again at the longest pause.
    """


class AdapterUnavailableError(AdapterError):
    """The platform cannot be reached, or the link to it was lost: try again later."""


class AdapterReplacedError(AdapterUnavailableError):
    """Another program has taken our place at the platform, and we do not take it back.

    An alarm; `Adapter.run` is called again at the longest pause, and raises this again for as
    long as that program may be alive.
    """


class CommandError(AdapterError):
    """A command could not be done.

    `result` is the code for its sender, `detail` one line for a person.
    """

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


@dataclass(frozen=True, init=False)
class Command(Request):
    """A command on its way to a platform.

    What it does there is begun before `deadline` (monotonic seconds of the context's clock) or
    never, whatever hung, was refused or restarted in between (protocol.md#expiry).
    """

    deadline: float = math.inf

    def __init__(self, *, deadline: float, **fields: Any) -> None:
        super().__init__(**fields)
        object.__setattr__(self, "deadline", deadline)

    @classmethod
    def of(cls, request: Request, deadline: float) -> Command:
        """A request that was received, with its deadline."""
        given = {field.name: getattr(request, field.name) for field in fields(request)}
        return cls(**given, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an adapter answers to a command at once.

    What comes of it later is a notice with the command's `request_id`.

    `ids` were allocated for the command, by the field that they have in messages: `call_id`,
    `record_id`, `sms_id`, … (None: there is none). Those that a response has no attribute for
    stand in its `Detail` (protocol.md#attributes).
    """

    result: Result = Result.ACCEPTED
    detail: str | None = None
    ids: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of an adapter.

    `time`: when it happened at the platform, aware (None: now). `reconstructed`: a resync has made
    it up from what it found.
    """

    message: Message
    time: datetime | None = None
    reconstructed: bool = False


class AdapterPort(Protocol):
    """What an adapter tells the core and keeps at it, while it runs.

    Its memory is a small durable table of its own: key → JSON-able value.
    """

    async def load(self) -> dict[str, Any]:
        """The whole memory, as the last record left it.

        Raises:
            OSError: the store, or the core, cannot be reached.
        """
        ...

    async def record(
        self, notices: Sequence[Notice] = (), memory: Mapping[str, Any | None] = NOTHING
    ) -> None:
        """Commit notices and changes of the memory (None deletes a key) in one transaction.

        Returns when it is on disk. After a kill at whatever moment either all of it is there or
        nothing. It waits as long as the core takes nothing (a full disk, an overload, a core that
        is being started again), so a storm of events slows its source.

        The notices are told in the order given; nobody can see the memory between two of them.
        Records of one task keep their order. Two tasks that write the same key at the same time
        leave it to chance whose value stays.

        A notice that the core refuses (a wrong value, no right to it), or that meets a bug of
        linkage, is journalled and logged as refused; the others and the memory are committed
        without it.

        Raises:
            TypeError, ValueError: a value of `memory` is not JSON-able; nothing was committed.
            Exception: the link to the core was closed, and nobody knows whether it was committed:
                let it end `Adapter.run`, which is called again.
        """
        ...


Capability = Mapping[int, frozenset[int]]
"""2xx number → the `Action`/`Mode` values served; an empty set: all there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterContext:
    """What an adapter is made with: its peer id, its `[adapter.settings]`, and what it may use."""

    peer_id: str
    settings: Any
    """An instance of the adapter's `settings_class`."""
    clock: Clock
    files: FilesPort


class Adapter(ABC):
    """One platform behind the protocol. Subclasses live in `adapters.<platform>`.

    `run` connects, resyncs and translates the platform's events into notices; `execute` does one
    2xx command. Both run in one event loop; several `execute` may run at once, but for those with
    the same `serial_key`. One that can tell what lives on its platform is a `Snapshots` too.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capability]
    settings_class: ClassVar[type[Any]] = dict
    """What `[adapter.settings]` may hold: a dataclass, whose annotations are checked with the
    whole file (pydantic's constraints may stand in `Annotated`). What is a `Secret` in it may be
    given in a file of its own, a `Path` is relative to the configuration; the text below a field
    is its line in the reference. `dict`: anything, unchecked."""
    concurrent_max: ClassVar[int] = 16
    """Commands that it works on at a time. What is more waits for its turn; of one that takes
    more than 64 none waits."""
    longest_pause_s: ClassVar[float] = 60.0
    """Between two runs that fail. Where callers wait for the platform, it is a few seconds."""

    def __init__(self, context: AdapterContext) -> None:
        self.context = context

    @classmethod
    def place_of(cls, settings: Any) -> str | None:  # noqa: ARG003 - for subclasses
        """What one adapter alone can have at the platform, in words; None: nothing.

        Two adapters of one configuration that would take it from each other are refused.
        """
        return None

    @classmethod
    async def probe(cls, name: str, settings: Any) -> Sequence[Finding]:  # noqa: ARG003
        """Look at the platform for `linkage doctor`, and say what to do about what is wrong.

        Whether it is reached, lets us in, which version it is, what it can do. A linkage may be
        serving with it meanwhile: nothing is changed, subscribed to or taken over. What the
        platform does wrong is a finding, no error. None: nothing can be said.

        Args:
            name: what the findings are about, such as `adapter pbx`.
            settings: an instance of `settings_class`.
        """
        return ()

    def take_up(self, settings: Any) -> bool:  # noqa: ARG002 - for subclasses
        """Go on with new settings, of `settings_class`, where that needs no new start.

        Returns whether it does. Otherwise this adapter is stopped and another one made.
        """
        return False

    @abstractmethod
    async def run(self, port: AdapterPort) -> None:
        """Connect and tell until cancelled; no retry loop in here, the supervisor owns back-off.

        Must first compare what lives on the platform with the memory, close what died meanwhile
        (notices with `reconstructed=True`) and, after a loss, say so by 195 GapNotice; then
        take commands, and tell that by 191. The port is good for this run only.

        Raises:
            AdapterUnavailableError: the link was lost or cannot be made.
            AdapterReplacedError: another program has our place at the platform.
            AdapterRefusedError: the platform as a whole refuses us. What is wrong with one call,
                one file or one record is no reason for this.
        """

    @abstractmethod
    async def execute(self, request: Command) -> Outcome:
        """Do one command (its class is one of `capabilities`).

        `request.id` goes into the `request_id` of what comes of it. Nothing is begun at the
        platform after `request.deadline`, nor in a later run: who has sent it was told by then
        that it failed, or that nobody knows. Not so what was accepted, is on disk and is to be
        done later: a 224, and a text with `SendTime`, are begun at their time, in any run.

        Raises:
            CommandError: it cannot be done; the code goes to the sender. `TIMEOUT` (503) where
                nobody knows whether it was begun; `EXPIRED` (309) where it never was.
            AdapterUnavailableError: the platform is not connected, and nothing was begun (502).
        """

    def serial_key(self, message: Message) -> str | None:  # noqa: ARG002 - for subclasses
        """What a command is about: those with the same key are done one after the other.

        A call's id, say, or a line's. In the order in which they came. None: it waits for nobody.
        """
        return None


class Snapshots(ABC):
    """What an adapter is beside `Adapter` that can tell what lives on its platform.

    Linkage asks where it has heard nothing of an open operation for hours, and closes what is not
    in the answer (reason 141). Operations of an adapter that is none are left open.
    """

    @abstractmethod
    async def snapshot(self, query: QueryCall) -> SnapshotNotice:
        """What lives of the call or conference that a query names.

        Look at the platform, not only at what is remembered; where the two differ, record what was
        missed before returning. A call is listed by its CallId, its legs with `parent_call_id`, a
        conference with its members; what is over is not listed.

        Raises:
            CommandError: nobody can tell; nothing is closed.
            AdapterUnavailableError: the platform is not connected.
        """
