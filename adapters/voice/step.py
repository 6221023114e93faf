"""One step of one call, and the words in which steps are written.

A step changes the call and writes down effects; it does no I/O, so the same event on the same call
always gives the same step. Everything above (`legs`, `ringing`, `transfer`, `calls`, `commands`)
is functions over a `Step`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from adapters.voice.ids import Names
from adapters.voice.model import Call, Leg
from adapters.voice.platform_actions import Action
from adapters.voice.platform_events import Event
from adapters.voice.settings import VoiceSettings
from adapters.voice.step_effects import Effect, Fetch, Release, Tell
from protocol.message import Message
from protocol.messages import CallState, CallStateNotice
from protocol.reasons import Reason

PATIENCE_S: Final = 30.0
"""What a command without `Expire` allows (protocol.md#expiry)."""


class ReasonOf(Protocol):
    """`adapters.voice.driver.Driver.reason_of`."""

    def __call__(
        self, cause: int | None, *, answered: bool, status: int | None, rang: bool
    ) -> Reason:
        """Why a party is gone that we did not hang up."""
        ...


@dataclass(slots=True, kw_only=True)
class Step:
    """A step. `now` is steady time (deadlines), `at` the time at the platform (what is told).

    `pass_on` has another call take notice of something, before anything that the platform says
    later.

    `request_id` is that of the command being done, `patience_s` how long its sender lets linkage
    wait (`Expire`); `reconstructed` marks a step of a resync.
    """

    call: Call
    settings: VoiceSettings
    names: Names
    new_id: Callable[[], str]
    pass_on: Callable[[str, Event], None]
    reason_of: ReasonOf
    now: datetime
    at: datetime
    request_id: str | None = None
    patience_s: float = PATIENCE_S
    reconstructed: bool = False
    effects: list[Effect] = field(default_factory=list)

    # --- effects ---------------------------------------------------------------------------------
    def do(self, action: Action) -> None:
        """Ask the platform for something."""
        self.effects.append(action)

    def tell(self, message: Message, at: datetime | None = None, *, made_up: bool = False) -> None:
        """Give a notice to the core; `made_up` marks one as reconstructed outside a resync."""
        self.effects.append(
            Tell(
                message=message,
                at=at or self.at,
                reconstructed=self.reconstructed or made_up,
            )
        )

    def fetch(self, name: str, started: datetime, duration_s: int | None) -> None:
        """Have a complete recording fetched."""
        self.effects.append(
            Fetch(
                name=name,
                call_id=self.call.id,
                conference_id=self.conference_id,
                login_id=self.call.officer,
                started=started,
                duration_s=duration_s,
                reconstructed=self.reconstructed,
            )
        )

    def release(self, call_id: str) -> None:
        """Let a call end that has handed its other party over: what was to be told is told."""
        self.effects.append(Release(call_id=call_id))

    # --- words -----------------------------------------------------------------------------------
    @property
    def bridge(self) -> str:
        """The id of the call's bridge."""
        return self.names.bridge(self.call.id)

    @property
    def conference_id(self) -> str | None:
        """The ConferenceID, where the call is one."""
        return None if self.call.conference is None else self.call.conference.id

    def dialled(self, leg: Leg) -> bool:
        """Whether we rang a leg; otherwise it came in."""
        return leg.id != self.call.id or self.names.call_of(leg.channel) == leg.id

    def later(self, seconds: float) -> datetime:
        """A deadline."""
        return self.now + timedelta(seconds=seconds)

    def next_name(self, kind: str) -> str:
        """A name for something new that belongs to the call."""
        self.call.count += 1
        return self.names.part(self.call.id, kind, self.call.count)

    def tell_state(self, leg: Leg, state: CallState, reason: int | None = None) -> None:
        """115 for a leg; of the root it tells about the call, and who speaks with the caller."""
        is_root = leg.id == self.call.id
        self.tell(
            CallStateNotice(
                call_id=leg.id,
                parent_call_id=None if is_root else self.call.id,
                conference_id=self.conference_id,
                login_id=self.call.officer if is_root else leg.login,
                state=state,
                phone_num=self.call.number or self.call.show,
                to_num=self.call.dialled if is_root else leg.number,
                reason=reason,
                request_id=leg.request_id,
            )
        )
