"""Asterisk's events and channels as calls know them.

Source: Asterisk's `rest-api/api-docs/events.json`, versions 18–22. Events are read tolerantly:
fields that a version does not send are left out, unknown types are not our business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from adapters.asterisk.ari_requests import LEG
from adapters.voice.platform_events import Channel, Event, EventKind

ID_MAX: Final = 150
"""Asterisk's own limit is 149 characters (AST_MAX_PUBLIC_UNIQUEID)."""
TEXT_MAX: Final = 300

# --- channels ------------------------------------------------------------------------------------
LOCAL: Final = "Local/"
ATTENDED_HALF: Final = "Local/_attended@"
"""What Asterisk puts into the places of both telephones when it transfers by itself."""


def read_channel(raw: Any) -> Channel | None:
    """A channel's description, or None where it has no id."""
    data = _mapping(raw)
    channel_id = _text(data.get("id"), ID_MAX)
    if channel_id is None:
        return None
    caller, dialplan = _mapping(data.get("caller")), _mapping(data.get("dialplan"))
    name = _text(data.get("name")) or ""
    pair, _, half = name.rpartition(";") if name.startswith(LOCAL) else ("", "", "")
    return Channel(
        id=channel_id,
        name=name,
        endpoint=name.rpartition("-")[0],
        up=_text(data.get("state")) == "Up",
        away=_text(dialplan.get("app_name")) not in {None, "Stasis"},
        number=_text(caller.get("number")),
        caller_name=_text(caller.get("name")),
        connected=_text(_mapping(data.get("connected")).get("number")),
        exten=_text(dialplan.get("exten")),
        context=_text(dialplan.get("context")) or "",
        pair=pair,
        half=half,
        stand_in=name.startswith(ATTENDED_HALF) and half in {"1", "2"},
    )


def arguments(raw: Any, app: str) -> list[str] | None:
    """The arguments with which a channel stands in our application, None where it does not."""
    dialplan = _mapping(_mapping(raw).get("dialplan"))
    named, *args = (_text(dialplan.get("app_data")) or "").split(",")
    return args if dialplan.get("app_name") == "Stasis" and named == app else None


# --- events --------------------------------------------------------------------------------------
REACHED: Final = frozenset({"RINGING", "PROGRESS", "PROCEEDING", "ANSWER"})
"""`dialstatus` of a telephone that was reached; the others tell of its end."""
PARKING: Final = "parking"
"""The class of the bridges in which parked channels are."""

Fields = dict[str, Any]


def entered(channel: Channel, args: list[str], replaces: str | None = None) -> Event:
    """A channel came into our application."""
    role, dialled, third = (*args, "", "", "")[:3]
    if replaces is not None and channel.pair and not channel.stand_in:
        # Half of a Local channel, by which Asterisk transfers on its own: its name says where to.
        dialled, _, context = channel.name.removeprefix(LOCAL).partition("@")
        channel = replace(channel, context=context.rpartition("-")[0])
    elif role == LEG:
        return Event(
            kind=EventKind.ENTERED, channel=channel, role=role, leg_id=third, replaces=replaces
        )
    return Event(
        kind=EventKind.ENTERED,
        channel=channel,
        role=role,
        dialled=dialled,
        number=third or None,
        replaces=replaces,
    )


def _stasis_start(raw: Mapping[str, Any]) -> Event | None:
    channel = read_channel(raw.get("channel"))
    if channel is None:
        return None
    replaces = _text(_mapping(raw.get("replace_channel")).get("id"), ID_MAX)
    return entered(channel, list(_texts(raw.get("args"))), replaces)


def _state_change(raw: Mapping[str, Any]) -> Event | None:
    states = {"Ringing": EventKind.RINGING, "Up": EventKind.ANSWERED}
    state = _text(_mapping(raw.get("channel")).get("state")) or ""
    return _of(states.get(state, EventKind.DIALLING), raw, reached=True)


def _dial(raw: Mapping[str, Any]) -> Event | None:
    """About the party that is dialled."""
    status = _text(raw.get("dialstatus")) or ""
    channel, forwarded = read_channel(raw.get("peer")), read_channel(raw.get("forwarded"))
    kinds = {"RINGING": EventKind.RINGING, "PROGRESS": EventKind.EARLY_MEDIA}
    kind = kinds.get(status, EventKind.DIALLING)
    return Event(
        kind=kind if forwarded is None else EventKind.FORWARDED,
        channel=channel,
        caller=_text(_mapping(raw.get("caller")).get("id"), ID_MAX),
        reached=status in REACHED,
        forward=_text(raw.get("forward")) or "",
        forwarded=forwarded,
    )


def _hangup_request(raw: Mapping[str, Any]) -> Event | None:
    # Soft ones are ours, or the dialplan's after us.
    if raw.get("soft") is True or _number(raw.get("cause")) is None:
        return None
    return _of(EventKind.HANGUP_REQUESTED, raw, **_causes(raw))


def _bridge(kind: EventKind) -> Callable[[Mapping[str, Any]], Event | None]:
    def read(raw: Mapping[str, Any]) -> Event | None:
        bridge = _mapping(raw.get("bridge"))
        return _of(
            kind,
            raw,
            bridge=_text(bridge.get("id"), ID_MAX),
            parking=bridge.get("bridge_class") == PARKING,
            members=_texts(bridge.get("channels"), ID_MAX),
        )

    return read


def _transfer(raw: Mapping[str, Any]) -> Event | None:
    if _text(raw.get("state")):  # what we said about it ourselves
        return None
    to = _mapping(raw.get("refer_to"))
    wanted = _mapping(to.get("requested_destination"))
    return Event(
        kind=EventKind.TRANSFER,
        channel=read_channel(_mapping(raw.get("referred_by")).get("source_channel")),
        number=_text(wanted.get("destination")),
        attended="protocol_id" in wanted,
        other=_text(_mapping(to.get("destination_channel")).get("id"), ID_MAX),
    )


def _transferred(raw: Mapping[str, Any]) -> Event | None:
    # The second where the consultation was not in a bridge yet, for its telephone rings.
    half = read_channel(raw.get("destination_link_first_leg") or raw.get("replace_channel"))
    return Event(kind=EventKind.TRANSFERRED, pair=half.pair) if half and half.pair else None


def _media(kind: EventKind, key: str) -> Callable[[Mapping[str, Any]], Event | None]:
    def read(raw: Mapping[str, Any]) -> Event | None:
        thing = _mapping(raw.get(key))
        return Event(
            kind=kind,
            thing=_text(thing.get("id") or thing.get("name"), ID_MAX),
            failed=_text(thing.get("state")) == "failed",
            duration_s=_number(thing.get("duration")),
        )

    return read


def _of(kind: EventKind, raw: Mapping[str, Any], **fields: Any) -> Event:
    return Event(kind=kind, channel=read_channel(raw.get("channel")), **fields)


def _plain(kind: EventKind) -> Callable[[Mapping[str, Any]], Event | None]:
    return lambda raw: _of(kind, raw)


def _causes(raw: Mapping[str, Any]) -> Fields:
    return {"cause": _number(raw.get("cause")), "status": _number(raw.get("tech_cause"))}


EVENTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Event | None]]] = {
    "StasisStart": _stasis_start,
    "StasisEnd": _plain(EventKind.LEFT),
    "ChannelStateChange": _state_change,
    "ChannelHangupRequest": _hangup_request,
    "ChannelDestroyed": lambda raw: _of(EventKind.ENDED, raw, **_causes(raw)),
    "ChannelEnteredBridge": _bridge(EventKind.JOINED),
    "ChannelLeftBridge": _bridge(EventKind.PARTED),
    "ChannelHold": _plain(EventKind.HELD),
    "ChannelUnhold": _plain(EventKind.RETRIEVED),
    "ChannelDtmfReceived": lambda raw: _of(
        EventKind.DIGIT, raw, digit=_text(raw.get("digit"), 1) or ""
    ),
    "ChannelTransfer": _transfer,
    "BridgeAttendedTransfer": _transferred,
    "Dial": _dial,
    "PlaybackStarted": _media(EventKind.PLAYBACK_STARTED, "playback"),
    "PlaybackFinished": _media(EventKind.PLAYBACK_FINISHED, "playback"),
    "RecordingStarted": _media(EventKind.RECORDING_STARTED, "recording"),
    "RecordingFinished": _media(EventKind.RECORDING_FINISHED, "recording"),
    "RecordingFailed": _media(EventKind.RECORDING_FAILED, "recording"),
}
"""ARI event → what becomes of it. What is not listed is none of our business."""

REPLACED: Final = "ApplicationReplaced"
KINDS: Final = frozenset({*EVENTS, REPLACED})
"""What we listen to. Asterisk is asked to send nothing else (`eventFilter`)."""


def read_event(raw: Mapping[str, Any]) -> Event | None:
    """The event, or None where it is none of those we use or says nothing to us."""
    kind = raw.get("type")
    read = EVENTS.get(kind) if isinstance(kind, str) else None
    event = None if read is None else read(raw)
    return None if event is None else replace(event, at=_time(raw.get("timestamp")))


# --- values --------------------------------------------------------------------------------------
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
