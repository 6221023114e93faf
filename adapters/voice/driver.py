"""The seam between calls and one platform: what an adapter for a PBX brings.

```
 platform's events ─▶ events() ─▶ CallRegistry ─▶ CallActor ─▶ Step ─▶ actions ─▶ perform()
                                                    └── look-ups, resync: channels(), find_… ──▶
```
A driver translates and keeps no state of calls. It has one link to its platform: what its
coroutines raise says whether that is lost, and who owns the link makes another driver.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from adapters.voice.platform_actions import Action
from adapters.voice.platform_events import Channel, Event
from linkage.ports import AdapterError, AdapterUnavailableError
from protocol.reasons import Reason
from protocol.results import Result


class PlatformRefusedError(AdapterError):
    """The platform refused one action, and the link is well.

    `result` is what the sender of a command is told, `detail` the platform's own words.
    """

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


class RecordingRefusedError(PlatformRefusedError):
    """It does not hand out a recording; `reason` is what 108 says of that."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(Result.VENDOR, detail)
        self.reason = reason


class OutcomeUnknownError(AdapterUnavailableError):
    """An action was sent and not answered: whether it was done is not known.

    Any other `AdapterUnavailableError` of a driver means that it was never sent.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lives at the platform: channels by id, and which of them are in which bridge.

    `startup` tells one run of the platform from another.
    """

    startup: str
    channels: Mapping[str, Channel]
    bridges: Mapping[str, frozenset[str]]

    def without_life(self) -> Inventory:
        """The same run with nothing in it."""
        return Inventory(startup=self.startup, channels={}, bridges={})


class Driver(ABC):
    """One link to one platform. Every coroutine may raise `AdapterUnavailableError`.

    Those that ask for one thing raise `PlatformRefusedError` where the platform will not say.
    """

    platform: ClassVar[str]
    """Its name, for people."""
    link_kind: ClassVar[str]
    """What 199 calls a link to it."""

    # --- doing -----------------------------------------------------------------------------------
    @abstractmethod
    async def perform(self, action: Action, *, begin_within_s: float | None = None) -> None:
        """Do one action; return when the platform has taken it. `begin_within_s`: or never.

        Raises:
            PlatformRefusedError: refused, and that is no state that the action calls as good.
            OutcomeUnknownError: no answer, and nobody knows whether it was done.
            AdapterUnavailableError: it was never sent.
        """

    @abstractmethod
    async def ping(self, within_s: float | None = None) -> None:
        """Return when the platform has answered: what is sent now is done now, and not later.

        Raises:
            TimeoutError: not within so many seconds.
        """

    @abstractmethod
    async def renew(self) -> None:
        """Called every few seconds while the link is up: say that this linkage is still there."""

    # --- events ----------------------------------------------------------------------------------
    @abstractmethod
    def events(self) -> AsyncIterator[Event]:
        """Each event of use as it comes; what makes no sense is dropped and logged.

        Raises:
            AdapterUnavailableError: the link was lost (there is no other end).
        """

    @abstractmethod
    def reason_of(
        self, cause: int | None, *, answered: bool, status: int | None, rang: bool
    ) -> Reason:
        """Why a party is gone that we did not hang up, by what the platform said of it.

        `cause` is by Q.850, `status` what it was made of (a SIP status); `rang`: its telephone had
        begun to ring.
        """

    # --- what lives ------------------------------------------------------------------------------
    @abstractmethod
    async def inventory(self) -> Inventory:
        """What lives; also tell the platform, where it can be told, to send only what is used."""

    @abstractmethod
    def newcomer(self, channel: Channel) -> Event | None:
        """The event with which a channel came under our control; None where it is not."""

    @abstractmethod
    async def find_channel(self, channel: str) -> Channel | None:
        """One channel; None: it is gone."""

    @abstractmethod
    async def find_bridge(self, bridge: str) -> frozenset[str] | None:
        """The channels in a bridge; None: there is none."""

    @abstractmethod
    async def is_parked(self, channel: str) -> bool:
        """Whether a channel waits in a parking lot."""

    @abstractmethod
    async def has_hold(self, channel: str) -> bool:
        """Whether the telephone of a channel has put the other side on hold by its key."""

    @abstractmethod
    async def variable(self, channel: str, name: str) -> str:
        """A variable of a channel, "" where it has none."""

    @abstractmethod
    async def contacts(self, channel: str, endpoint: str) -> list[str]:
        """Where a telephone is registered, the place that `Originate` rings first; or nothing."""

    @abstractmethod
    async def has_extension(self, channel: str, context: str, number: str) -> bool:
        """Whether the dialplan has a number."""

    # --- recordings ------------------------------------------------------------------------------
    @abstractmethod
    async def is_recording(self, name: str) -> bool:
        """Whether a recording is still being made; one that is not shown is taken to be."""

    @abstractmethod
    async def has_recording(self, name: str) -> bool:
        """Whether there is a complete recording of this name, as `is_recording`."""

    @abstractmethod
    def download(self, name: str) -> AsyncIterator[bytes]:
        """The file of a complete recording (WAV), in pieces.

        Raises:
            RecordingRefusedError: it is not there, or not given.
        """

    @abstractmethod
    async def delete_recording(self, name: str) -> None:
        """Delete a complete recording; gone already is as good, what stays is logged."""
