"""One step of one call, and the words in which steps are written.

A step changes the call and writes down effects: actions of the platform, notices to the core,
recordings to fetch. It does no I/O, so the same event on the same call always gives the same step.
Everything above (`legs`, `ringing`, `transfer`, `commands`) is functions over a `Step`.

Effects go into the memory together with the call's new state; then the actions are carried out,
and crossed off. After a crash in between, what is not crossed off is done again: our ids are in
the actions, so the platform does not do the same thing anew. The actions of a command are the
exception: `adapters.voice.interrupted_command` says what becomes of those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from adapters.voice.ids import Names
from adapters.voice.model import Call, Leg
from adapters.voice.platform_actions import Action, dump_action, load_action
from adapters.voice.platform_events import Event
from adapters.voice.settings import VoiceSettings
from protocol.message import Message
from protocol.messages import CallState, CallStateNotice, message_class
from protocol.plain import from_plain, to_plain
from protocol.reasons import Reason

PATIENCE_S: Final = 30.0
"""What a command without `Expire` allows (protocol.md#expiry)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """A notice; `at` is when it happened."""

    message: Message
    at: datetime
    reconstructed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A recording is complete at the platform and is to be fetched and announced (108 saved)."""

    name: str
    call_id: str
    login_id: str | None
    started: datetime
    duration_s: int | None
    conference_id: str | None = None
    reconstructed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Another call waits until what stands before this is told."""

    call_id: str


Effect = Action | Tell | Fetch | Release


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


Decide = Callable[[Step], None]
"""Says what a step is, without I/O."""


# --- effects as JSON -----------------------------------------------------------------------------
def dump_effect(effect: Effect) -> dict[str, Any]:
    """The effect as JSON-able data."""
    match effect:
        case Action():
            return dump_action(effect)
        case Tell():
            return {
                "tell": effect.message.number,
                "fields": to_plain(effect.message),
                "at": effect.at.isoformat(),
                "reconstructed": effect.reconstructed,
            }
        case Fetch():
            return {
                "fetch": effect.name,
                "call_id": effect.call_id,
                "conference_id": effect.conference_id,
                "login_id": effect.login_id,
                "started": effect.started.isoformat(),
                "duration_s": effect.duration_s,
                "reconstructed": effect.reconstructed,
            }
        case Release():
            return {"release": effect.call_id}


def load_effect(data: Mapping[str, Any]) -> Effect:
    """The effect again.

    Raises:
        ValueError: what stands there is none (of this version).
    """
    try:
        return _load(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no effect: {error}") from error


def load_fetch(data: Mapping[str, Any]) -> Fetch:
    """A recording to be fetched.

    Raises:
        ValueError: what stands there is none.
    """
    match load_effect(data):
        case Fetch() as fetch:
            return fetch
        case other:
            raise ValueError(f"{type(other).__name__} is no recording to fetch")


def _load(data: Mapping[str, Any]) -> Effect:
    if "do" in data:
        return load_action(data)
    if "tell" in data:
        cls = message_class(data["tell"])
        if cls is None:
            raise ValueError(f"no message {data['tell']}")
        return Tell(
            message=from_plain(cls, data["fields"]),
            at=datetime.fromisoformat(data["at"]),
            reconstructed=data["reconstructed"],
        )
    if "release" in data:
        return Release(call_id=data["release"])
    return Fetch(
        name=_text(data["fetch"]),
        call_id=_text(data["call_id"]),
        conference_id=data.get("conference_id"),
        login_id=data["login_id"],
        started=datetime.fromisoformat(data["started"]),
        duration_s=data["duration_s"],
        reconstructed=data["reconstructed"],
    )


def _text(value: Any) -> str:
    """A text; what is on disk is believed only so far that one record can spoil but itself."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
