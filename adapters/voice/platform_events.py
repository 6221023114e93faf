"""What a platform tells of its channels, in words that every PBX has.

A driver makes these of its platform's own events. What a platform does not tell is left out: a
call goes on without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.voice.model import Leg


class EventKind(StrEnum):
    """What happened; in brackets the fields of `Event` that say more, beside `channel`."""

    ENTERED = "entered"
    """It came under our control (role, dialled, number, leg_id, replaces)."""
    LEFT = "left"
    """It left our control: it has ended, or goes on elsewhere."""
    RINGING = "ringing"
    """A telephone that is being rung rings (caller)."""
    EARLY_MEDIA = "early media"
    """A carrier plays its own ringing tone (caller)."""
    DIALLING = "dialling"
    """It is being dialled, and nothing else is known of it (caller, reached)."""
    ANSWERED = "answered"
    """It was picked up."""
    FORWARDED = "forwarded"
    """Its telephone sends the call on, and the platform rings there (forward, forwarded)."""
    HANGUP_REQUESTED = "hangup requested"
    """Its party hangs up: why (cause, status)."""
    ENDED = "ended"
    """It is no more (cause, status)."""
    JOINED = "joined"
    """It came into a bridge (bridge, members, parking)."""
    PARTED = "parted"
    """It left one (bridge)."""
    HELD = "held"
    """Its telephone's key has put the other side on hold."""
    RETRIEVED = "retrieved"
    """… and back."""
    DIGIT = "digit"
    """A key was pressed (digit)."""
    TRANSFER = "transfer"
    """Its telephone's key asks for a transfer, left to us (number, other, attended, call)."""
    TRANSFERRED = "transferred"
    """The platform has transferred by itself, by a pair of channels (pair)."""
    PLAYBACK_STARTED = "playback started"
    PLAYBACK_FINISHED = "playback finished"
    """A sound (thing, failed)."""
    RECORDING_STARTED = "recording started"
    RECORDING_FINISHED = "recording finished"
    """A recording (thing, duration_s)."""
    RECORDING_FAILED = "recording failed"

    # What a look-up found.
    FOUND = "found"
    """A channel lives (parking); without `channel.alive` it is gone."""
    CONTACTS_FOUND = "contacts found"
    """Where else the telephone of a leg is registered (leg_id, contacts)."""
    EXTENSION_FOUND = "extension found"
    """Whether the dialplan has a number (number, exists)."""

    # What one call of ours tells another (`refer`).
    HANDED_OVER = "handed over"
    """A leg is yours now (leg, call); without one there is nobody to be had."""
    TAKEN_OVER = "taken over"
    """I have it, and have told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of the platform's, as far as it describes it.

    `up`: it was answered. `alive` is False of one that was looked up and is gone. `away`: it is
    in the platform's own hands (dialplan, parking lot) and not in ours. `endpoint` is how its
    telephone is dialled, `exten` and `context` are where it is in the dialplan, `connected` is the
    number of whom it speaks with.

    Some platforms put a pair of linked channels into the places of telephones that transfer:
    `pair` is the name that both halves have, `half` which one this is, `stand_in` whether it is in
    the place of a telephone that transfers with consultation.
    """

    id: str
    name: str = ""
    endpoint: str = ""
    up: bool = False
    alive: bool = True
    away: bool = False
    number: str | None = None
    caller_name: str | None = None
    connected: str | None = None
    exten: str | None = None
    context: str = ""
    pair: str = ""
    half: str = ""
    stand_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; `at` is the platform's time of it, None where it gives none.

    `role` of a channel that enters: `caller` or `officer` by the dialplan, `leg` of one that we
    ring, which carries the `leg_id`. `replaces` is the id of the channel whose place it takes.
    `caller` is the channel that dials, `reached` whether somebody was there. `parking`: the bridge
    is a parking lot's. `number` is what was dialled from, asked for, or looked up.
    """

    kind: EventKind
    at: datetime | None = None
    channel: Channel | None = None
    role: str = ""
    dialled: str = ""
    number: str | None = None
    leg_id: str | None = None
    replaces: str | None = None
    caller: str | None = None
    reached: bool = False
    forward: str = ""
    forwarded: Channel | None = None
    cause: int | None = None
    status: int | None = None
    bridge: str | None = None
    members: tuple[str, ...] = ()
    parking: bool = False
    digit: str = ""
    thing: str | None = None
    failed: bool = False
    duration_s: int | None = None
    other: str | None = None
    attended: bool = False
    pair: str = ""
    contacts: tuple[str, ...] = ()
    exists: bool = False
    call: str | None = None
    leg: Leg | None = None
