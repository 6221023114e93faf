"""What the adapter knows of a call: plain data, written to its memory at every step.

A call has *legs*, one for each channel. The *root* is the leg with which it began, and its CallId
is the call's. The *anchor* is the party for whom the call is there: who came in, or was called
out. Officers come and go; when the anchor goes, the call is over. A *conference* is a call with
neither: its legs are its members, and its CallId is that of the command that convened it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from linkage.convening.people import Convening
from protocol.messages import CallDirection, HangupSide, TransferNoticeMode


class LegState(IntEnum):
    """How far a leg has come; the first four are numbered as the states of 115."""

    DIALLING = 1
    ALERTING = 2
    EARLY_MEDIA = 3
    ANSWERED = 4
    ENDED = 9


@dataclass(slots=True, kw_only=True)
class Target:
    """Somebody to ring: an officer (`login`), a number outside, or a hotline's `officers`.

    Of a hotline one officer is wanted: they ring one after the other, or all `at_once`.
    """

    number: str
    endpoint: str
    login: str | None = None
    ring_s: float = 30.0
    officers: list[Target] = field(default_factory=list)
    at_once: bool = False

    @property
    def each(self) -> list[Target]:
        """The telephones that it means."""
        return self.officers or [self]


@dataclass(slots=True, kw_only=True)
class Leg:
    """One party's channel. `id` is its CallId, `channel` the platform's id of it.

    `seated` is whether it should be in the call's bridge, `inside` whether the platform says it
    is. `reason` and `side` are set by whoever ends it first; `leaving` is when we stop to wait for
    the platform to say that it went. `cause` is what the platform said on the way (Q.850),
    `tech_cause` what it was made of (a SIP status). `rang`: its ringing (180) was told. `lost`: it
    went while nobody looked, so its end is made up. `announced`: 104 has told of it as a member.
    `held_by` is the leg whose telephone's own hold key has put this one on hold. `twins` are its
    other channels while several telephones of one officer ring. `sent_on`: numbers whose
    telephones sent it on. `away`: it lives, but left our application (`parked`, for one);
    `look_at` is when we look whether it does (`looking`).
    """

    id: str
    channel: str
    number: str | None = None
    login: str | None = None
    state: LegState = LegState.DIALLING
    started: datetime
    answered: datetime | None = None
    ended: datetime | None = None
    ring_until: datetime | None = None
    leaving: datetime | None = None
    cause: int | None = None
    tech_cause: int | None = None
    rang: bool = False
    reason: int | None = None
    side: HangupSide | None = None
    seated: bool = False
    inside: bool = False
    held: bool = False
    held_by: str | None = None
    muted: str | None = None
    deaf: bool = False
    lost: bool = False
    staff_id: str | None = None
    announced: bool = False
    twins: list[str] = field(default_factory=list)
    sent_on: list[str] = field(default_factory=list)
    away: bool = False
    parked: bool = False
    look_at: datetime | None = None
    looking: bool = False
    request_id: str | None = None

    @property
    def alive(self) -> bool:
        """Not ended, as far as we know."""
        return self.state is not LegState.ENDED

    @property
    def up(self) -> bool:
        """Answered, alive, with us, and not told to go."""
        return self.state is LegState.ANSWERED and self.leaving is None and not self.away

    @property
    def elsewhere(self) -> bool:
        """Not with us, as far as we know."""
        return self.away or self.looking or self.look_at is not None

    @property
    def ringing(self) -> bool:
        """Dialled, not answered, and not told to go."""
        return self.state < LegState.ANSWERED and self.leaving is None


@dataclass(slots=True, kw_only=True)
class Transfer:
    """A transfer under way, from leg to leg.

    `attended` as it was asked for; `released`: the officer who transfers has left, so the anchor
    gets the other side as soon as it answers. `rung` are all legs that were dialled for it: of a
    hotline several, of which `to_leg` is the one that answered, or was dialled first. `swapped`:
    he speaks with the anchor meanwhile.
    `consultation` is the CallId of the call that it was, where the telephone made one by itself;
    `until`: it is to come from there, and no later; or from the dialplan, of this `context`.
    """

    from_leg: str
    to_leg: str
    rung: list[str] = field(default_factory=list)
    attended: bool = False
    released: bool = False
    swapped: bool = False
    mode: TransferNoticeMode = TransferNoticeMode.BLIND
    from_login: str | None = None
    from_number: str | None = None
    to_login: str | None = None
    to_number: str | None = None
    ringing: bool = False
    consultation: str | None = None
    until: datetime | None = None
    context: str | None = None
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Recording:
    """A recording that the platform is making; `name` is its RecordId and its name there.

    The platform ends one by itself when it hears nothing for some seconds, or when nobody is in
    the bridge; it is then taken up again in the same file. `running`: its start was told. `live`:
    it is being made, as far as we know; `asked`: the platform was asked for it (at `asked_at`) and
    has not said yet that it began. `quiet`: it was told that it stands still for want of sound,
    and at `sounds_at` it is known to go on. `again_at` is when to ask once more. `duration_s` is
    how much is in the file, by the platform.
    """

    name: str
    started: datetime
    running: bool = False
    live: bool = False
    live_since: datetime | None = None
    asked: bool = False
    asked_at: datetime | None = None
    again_at: datetime | None = None
    quiet: bool = False
    sounds_at: datetime | None = None
    duration_s: int | None = None
    paused: bool = False
    stopping: datetime | None = None
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Play:
    """An announcement; `heard` once the platform has begun it."""

    heard: bool = False
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Collect:
    """Digits that are being waited for, from one leg; `unasked`: nobody did, he pressed them."""

    leg: str
    most: int
    until: datetime
    wait_s: float
    digits: str = ""
    unasked: bool = False
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Conference:
    """What a call has beside its legs when it is a conference; `id` is its ConferenceID.

    `record`: it is to be recorded whenever somebody is in. `connected`: 103 has said so.
    `answered` is when the first member joined. `until`: it ends then, whoever is in; one that
    nobody has joined yet ends at `empty_until`.
    """

    id: str
    subject: str | None = None
    max_members: int | None = None
    locked: bool = False
    record: bool = False
    connected: bool = False
    answered: datetime | None = None
    until: datetime | None = None
    empty_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Call:
    """A call and all that belongs to it. `waiting`: who is still to be rung, in this order.

    `channels` are those that its legs had before they have those that they have now.
    `officer` is the LoginId that speaks with the anchor, or did last; of a conference, who
    convened it. `reason` and `side` are why it ends, `request_id` the command that ended it.
    `count` numbers what is made for it (playbacks, tones, recordings). `convenings` call people
    into it: members of a conference, or the other party of a call that was made on command; `show`
    is the number that those see. `begun`: False until the command that makes the call was done.
    `handed`: its other party goes over to the call `handed_to`, which has not told so yet.
    """

    id: str
    anchor: str
    direction: CallDirection = CallDirection.IN
    hotline: str | None = None
    number: str | None = None
    name: str | None = None
    dialled: str | None = None
    started: datetime
    legs: dict[str, Leg] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    waiting: list[Target] = field(default_factory=list)
    at_once: bool = False
    record: bool = False
    officer: str | None = None
    bridged: bool = False
    bridge_made: bool = False
    music: bool = False
    tone: str | None = None
    transfer: Transfer | None = None
    recordings: dict[str, Recording] = field(default_factory=dict)
    plays: dict[str, Play] = field(default_factory=dict)
    collect: Collect | None = None
    last_record: str | None = None
    event_id: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    data_version: int = 0
    reason: int | None = None
    side: HangupSide | None = None
    request_id: str | None = None
    ended: datetime | None = None
    closed: bool = False
    count: int = 0
    conference: Conference | None = None
    convenings: list[Convening] = field(default_factory=list)
    show: str | None = None
    begun: bool = True
    handed: Leg | None = None
    handed_to: str | None = None

    @property
    def root(self) -> Leg:
        """The leg with which it began."""
        return self.legs[self.id]

    @property
    def anchor_leg(self) -> Leg:
        """The party for whom the call is there."""
        return self.legs[self.anchor]

    def leg_of_channel(self, channel: str) -> Leg | None:
        """The leg that has a channel of the platform's."""
        return next(
            (leg for leg in self.legs.values() if channel in {leg.channel, *leg.twins}), None
        )

    def move(self, leg: Leg, channel: str) -> None:
        """A leg goes on with another channel of the platform's."""
        self.channels.append(leg.channel)
        leg.channel, leg.inside = channel, False
        leg.look_at, leg.looking = None, False

    def officers_up(self) -> list[Leg]:
        """Who speaks on the other side of the anchor, or could."""
        return [leg for leg in self.legs.values() if leg.up and leg.id != self.anchor]

    def ringing(self) -> list[Leg]:
        """Legs that are being dialled; the root is not: it dialled us."""
        return [leg for leg in self.legs.values() if leg.ringing and leg.id != self.id]

    def next_due(self) -> datetime | None:
        """When something has to be done if nothing happens until then."""
        times: list[datetime | None] = []
        for leg in self.legs.values():
            if leg.alive:
                times += [leg.leaving, leg.look_at, leg.ring_until if leg.ringing else None]
        for recording in self.recordings.values():
            times += [recording.stopping, recording.again_at, recording.sounds_at]
        if self.collect is not None:
            times.append(self.collect.until)
        if self.transfer is not None:
            times.append(self.transfer.until)
        for convening in self.convenings:
            times += [person.due for _, person in convening.persons()]
        if self.conference is not None and self.reason is None:
            times += [self.conference.until, self.conference.empty_until]
        return min((each for each in times if each is not None), default=None)
