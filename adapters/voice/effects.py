"""What a step of a call wants: requests to Asterisk, notices to the core, recordings to fetch.

A step only writes these down. They go into the memory together with the call's new state, are
carried out (requests first), and are then crossed off. After a crash in between, what is not
crossed off is done again: our ids are in the requests, so Asterisk does not do the same thing
anew, and a notice that comes twice is better than one that never comes. The requests of a command
are the exception: `adapters.voice.interrupted_command` says what becomes of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from protocol.message import Message
from protocol.messages import message_class
from protocol.plain import from_plain, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """A request to Asterisk.

    `fine` are HTTP statuses, beside success, after which nothing is wrong. `owner` is whose
    failure another refusal is: "" nobody's (it is logged), "command" that of the command being
    done (its sender is told, the step is taken back), otherwise the CallId of a leg or the name of
    a recording.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    fine: tuple[int, ...] = ()
    owner: str = ""

    @property
    def dials(self) -> str | None:
        """The channel that this makes ring, by its id."""
        return self._channel if self.method == "POST" else None

    @property
    def hangs_up(self) -> str | None:
        """The channel that this ends."""
        return self._channel if self.method == "DELETE" else None

    @property
    def records(self) -> str | None:
        """The recording that this begins."""
        return self.query.get("name") if self.path.endswith("/record") else None

    @property
    def _channel(self) -> str | None:
        kind, _, name = self.path.removeprefix("/").partition("/")
        return unquote(name) if kind == "channels" and name and "/" not in name else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """A notice; `at` is when it happened."""

    message: Message
    at: datetime
    reconstructed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A recording is complete at Asterisk and is to be fetched and announced (108 saved)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """A channel is to be looked up."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindValue:
    """What a function of the dialplan says is to be looked up, by a channel that lives.

    It comes as an event of this `kind`, with what it is `about`.
    """

    channel: str
    function: str
    kind: str
    about: str


Effect = Do | Tell | Fetch | Release | Find | FindValue


def dump_effect(effect: Effect) -> dict[str, Any]:
    """The effect as JSON-able data."""
    match effect:
        case Do():
            return {
                "do": [effect.method, effect.path],
                "query": dict(effect.query),
                "body": effect.body,
                "fine": list(effect.fine),
                "owner": effect.owner,
            }
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
        case Find():
            return {"find": effect.channel}
        case FindValue():
            return {"value": [effect.channel, effect.function, effect.kind, effect.about]}


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
        method, path = map(_text, data["do"])
        return Do(
            method=method,
            path=path,
            query={key: _text(value) for key, value in data["query"].items()},
            body=None if data["body"] is None else dict(data["body"]),
            fine=tuple(map(int, data["fine"])),
            owner=_text(data["owner"]),
        )
    if "tell" in data:
        cls = message_class(data["tell"])
        if cls is None:
            raise ValueError(f"no message {data['tell']}")
        return Tell(
            message=from_plain(cls, data["fields"]),
            at=datetime.fromisoformat(data["at"]),
            reconstructed=data["reconstructed"],
        )
    if "value" in data:
        channel, function, kind, about = data["value"]
        return FindValue(channel=channel, function=function, kind=kind, about=about)
    if "find" in data:
        return Find(channel=data["find"])
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
