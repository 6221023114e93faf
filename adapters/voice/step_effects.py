"""What a step of a call wants: actions of the platform, notices to the core, recordings to fetch.

A step only writes these down. They go into the memory together with the call's new state, notices
to the core in the same transaction; then the actions are carried out, and crossed off. After a
crash in between, what is not crossed off is done again: our ids are in the actions, so the
platform does not do the same thing anew. The actions of a command are the exception:
`adapters.voice.interrupted_command` says what becomes of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.voice.platform_actions import Action, dump_action, load_action
from protocol.message import Message
from protocol.messages import message_class
from protocol.plain import from_plain, to_plain


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
