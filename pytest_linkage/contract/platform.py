"""A vendor's platform as the contract plays it: what it does, and what goes wrong on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar

from linkage.ports import FilesPort
from protocol.message import Message
from protocol.messages import QueryCall


@dataclass(frozen=True, slots=True)
class Expected:
    """A notice that must be told: its class, and values of some of its fields."""

    kind: type[Message]
    fields: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, message: Message) -> bool:
        """Whether it is that notice."""
        return isinstance(message, self.kind) and all(
            getattr(message, name) == value for name, value in self.fields.items()
        )


class Delivery(Enum):
    """What becomes of the platform's events on their way to the adapter."""

    ONCE = auto()
    TWICE = auto()
    HELD = auto()
    """They wait until `PlatformDouble.release`, behind what happens later."""
    LOST = auto()


class PlatformDouble(ABC):
    """What an adapter talks to in a test, over its real wire (a socket of this host).

    It must be strict where the platform is, and must keep what the platform keeps when the link to
    it is lost. Its events go through `pass_on`. Everything that is begun must be distinguishable
    from what was begun before: another number, another id.
    """

    tells_again: ClassVar[bool] = False
    """It keeps what was not acknowledged, and tells it to whoever connects next, as an SMS centre
    does: then what was lost is an event as any other, and nothing that a resync makes up."""

    def __init__(self) -> None:
        self.delivery = Delivery.ONCE
        self._held: list[Any] = []

    # --- the wire --------------------------------------------------------------------------------
    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The adapter's `[adapter.settings]`, with timeouts as short as they can be."""

    @property
    @abstractmethod
    def secrets(self) -> Sequence[str]:
        """What of the settings nobody may read in a log."""

    @property
    def wrong_settings(self) -> Mapping[str, Any] | None:
        """Settings with which the platform as a whole refuses us; None: it lets everybody in."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """It can be reached, at the address of `settings`: for the first time, or again."""

    async def prepare(self, files: FilesPort) -> None:  # noqa: B027 - most need none
        """Put what its commands name (a document to be sent) into linkage's files, before all."""

    @abstractmethod
    async def stop(self) -> None:
        """It cannot be reached, and every link to it is cut. What lives on it goes on."""

    @abstractmethod
    def freeze(self) -> None:
        """It takes requests and answers none, nor says anything by itself."""

    @abstractmethod
    def thaw(self) -> None:
        """It goes on: what it was asked is done now, whether anybody waits for that or not."""

    @abstractmethod
    async def emit(self, event: Any) -> None:
        """An event goes to the adapter; called by `pass_on` and `release`."""

    @abstractmethod
    async def garbage(self) -> None:
        """Everything that is no event goes to the adapter."""

    async def pass_on(self, event: Any) -> None:
        """An event is on its way to the adapter."""
        match self.delivery:
            case Delivery.ONCE:
                await self.emit(event)
            case Delivery.TWICE:
                await self.emit(event)
                await self.emit(event)
            case Delivery.HELD:
                self._held.append(event)
            case Delivery.LOST:
                pass

    async def release(self) -> None:
        """What was held goes to the adapter, and nothing is held any more."""
        self.delivery = Delivery.ONCE
        held, self._held = self._held, []
        for event in held:
            await self.emit(event)

    # --- what happens by itself ------------------------------------------------------------------
    @abstractmethod
    async def occur(self) -> Expected:
        """Something new happens: a call or a message comes in. The notice that tells it."""

    async def proceed(self, begun: Expected) -> Expected | None:  # noqa: ARG002 - for subclasses
        """What began by `occur` ends; the notice that tells it. None: it was over at once."""
        return None

    def query(self, begun: Expected, told: Message) -> QueryCall | None:  # noqa: ARG002 - the same
        """How linkage asks whether what `told` told still lives. None: nothing lives there."""
        return None

    # --- commands --------------------------------------------------------------------------------
    @abstractmethod
    def command(self) -> Message:
        """A new command that the platform will do."""

    @abstractmethod
    def done(self, command: Message) -> int:
        """How often it has begun to do what a command wants."""

    @abstractmethod
    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        """What a command began comes to its end.

        Returns the notices that must have been told of it then, once each, from its beginning on;
        none where it was stopped before.
        """
