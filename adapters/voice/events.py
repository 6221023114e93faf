"""ARI's events, read tolerantly: what we use of one, as plain typed data.

Source: Asterisk's `rest-api/api-docs/events.json`, versions 18–22. Fields that a version does not
send are None; unknown types are not our business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.voice.model import Leg

ID_MAX: Final = 150
"""Asterisk's own limit is 149 characters (AST_MAX_PUBLIC_UNIQUEID)."""
TEXT_MAX: Final = 300

KINDS: Final = frozenset(
    {
        "StasisStart",
        "StasisEnd",
        "ChannelStateChange",
        "ChannelHangupRequest",
        "ChannelDestroyed",
        "ChannelEnteredBridge",
        "ChannelLeftBridge",
        "ChannelHold",
        "ChannelUnhold",
        "ChannelDtmfReceived",
        "ChannelTransfer",
        "Dial",
        "PlaybackStarted",
        "PlaybackFinished",
        "RecordingStarted",
        "RecordingFinished",
        "RecordingFailed",
        "ApplicationReplaced",
    }
)
"""What we listen to. Asterisk is asked to send nothing else (`eventFilter`)."""

FOUND: Final = "Found"
"""What became of a channel that was looked up: `state` is empty where it is not there any more,
`bridge_class` where it is in no bridge."""
PARKING: Final = "parking"
"""The class of the bridges in which parked channels are."""
IN_DIALPLAN: Final = "InDialplan"
"""Whether Asterisk's dialplan has an extension (`state`)."""
CONTACTS: Final = "Contacts"
"""Where an endpoint is registered (`state`): what `Dial()` is given to ring everywhere."""
HANDED_OVER: Final = "HandedOver"
TAKEN_OVER: Final = "TakenOver"
"""What one call of ours tells another (`refer`): a leg is yours now; I have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel as Asterisk describes it in events and in GET /channels."""

    id: str
    name: str = ""
    state: str = ""
    number: str | None = None
    caller_name: str | None = None
    connected: str | None = None
    exten: str | None = None
    context: str = ""
    app: str = ""
    app_data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    `at` is Asterisk's time of it; `replaces` the id of the channel whose place this one takes;
    `thing` the id of a playback, or the name of a recording, and `state` that thing's; `cause` is
    by Q.850, `tech_cause` what it was made of (a SIP status; Asterisk 22.7 and later). Of a
    transfer by a telephone (REFER) `channel` is that telephone's, `number` where it wants the
    other party to go, or `other` its channel of the consultation (`attended`); `state` is what we
    said about it ourselves. Of a Dial `caller` is the channel that dials, and
    `forwarded` what is dialled instead, since the telephone said `forward`. `call` and `leg` are
    what calls of ours tell each other.
    """

    kind: str
    at: datetime | None = None
    channel: Channel | None = None
    replaces: str | None = None
    bridge: str | None = None
    args: tuple[str, ...] = ()
    cause: int | None = None
    tech_cause: int | None = None
    soft: bool = False
    dial_status: str = ""
    digit: str = ""
    thing: str | None = None
    state: str = ""
    duration_s: int | None = None
    detail: str = ""
    number: str | None = None
    attended: bool = False
    caller: str | None = None
    forward: str = ""
    forwarded: Channel | None = None
    bridge_class: str = ""
    members: tuple[str, ...] = ()
    other: str | None = None
    call: str | None = None
    leg: Leg | None = None


def read_event(raw: Mapping[str, Any]) -> Event | None:
    """The event, or None where it is none of those we use or makes no sense."""
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        return None
    if kind == "ChannelTransfer":
        return _read_transfer(raw)
    # A Dial event is about the party that is dialled.
    channel = read_channel(raw.get("peer") if kind == "Dial" else raw.get("channel"))
    thing = _mapping(raw.get("playback")) or _mapping(raw.get("recording"))
    bridge = _mapping(raw.get("bridge"))
    return Event(
        kind=kind,
        at=_time(raw.get("timestamp")),
        channel=channel,
        replaces=_text(_mapping(raw.get("replace_channel")).get("id"), ID_MAX),
        bridge=_text(bridge.get("id"), ID_MAX),
        bridge_class=_text(bridge.get("bridge_class")) or "",
        members=_texts(bridge.get("channels"), ID_MAX),
        args=_texts(raw.get("args")),
        cause=_number(raw.get("cause")),
        tech_cause=_number(raw.get("tech_cause")),
        soft=raw.get("soft") is True,
        dial_status=_text(raw.get("dialstatus")) or "",
        caller=_text(_mapping(raw.get("caller")).get("id"), ID_MAX),
        forward=_text(raw.get("forward")) or "",
        forwarded=read_channel(raw.get("forwarded")),
        digit=_text(raw.get("digit"), 1) or "",
        thing=_text(thing.get("id") or thing.get("name"), ID_MAX),
        state=_text(thing.get("state")) or "",
        duration_s=_number(thing.get("duration")),
        detail=_text(thing.get("cause")) or "",
    )


def _read_transfer(raw: Mapping[str, Any]) -> Event:
    to = _mapping(raw.get("refer_to"))
    wanted = _mapping(to.get("requested_destination"))
    return Event(
        kind="ChannelTransfer",
        at=_time(raw.get("timestamp")),
        channel=read_channel(_mapping(raw.get("referred_by")).get("source_channel")),
        number=_text(wanted.get("destination")),
        attended="protocol_id" in wanted,
        other=_text(_mapping(to.get("destination_channel")).get("id"), ID_MAX),
        state=_text(raw.get("state")) or "",
    )


def read_channel(raw: Any) -> Channel | None:
    """A channel's description, or None where it has no id."""
    data = _mapping(raw)
    channel_id = _text(data.get("id"), ID_MAX)
    if channel_id is None:
        return None
    caller, dialplan = _mapping(data.get("caller")), _mapping(data.get("dialplan"))
    connected = _mapping(data.get("connected"))
    return Channel(
        id=channel_id,
        name=_text(data.get("name")) or "",
        state=_text(data.get("state")) or "",
        number=_text(caller.get("number")),
        caller_name=_text(caller.get("name")),
        connected=_text(connected.get("number")),
        exten=_text(dialplan.get("exten")),
        context=_text(dialplan.get("context")) or "",
        app=_text(dialplan.get("app_name")) or "",
        app_data=_text(dialplan.get("app_data")) or "",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, size: int = TEXT_MAX) -> str | None:
    return value[:size] if isinstance(value, str) and value else None


def _texts(value: Any, size: int = TEXT_MAX) -> tuple[str, ...]:
    return tuple(str(each)[:size] for each in value) if isinstance(value, list) else ()


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None
