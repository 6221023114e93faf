"""What the features of the simulated platform share: calls, conferences, ids, and the way out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from protocol.message import Message
from protocol.messages import (
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    HangupNotice,
    HangupScope,
    TransferNotice,
)
from protocol.plans import plan_of
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.parties import Site
from simulators.platform.switch import Leg, Switch

PATENT_TYPES: Final = frozenset({100, 102, 103, 105, 110})
"""The notices that the patent shows."""


class RefusedError(Exception):
    """A command cannot be done: what to answer it with."""

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The platform's response to a command."""

    result: Result = Result.OK
    detail: str | None = None
    call_id: str | None = None
    conference_id: str | None = None


@dataclass(frozen=True, slots=True)
class Emitted:
    """A notice on its way out, and when what it tells of happened."""

    message: Message
    time: datetime


@dataclass(frozen=True, slots=True)
class SaveRecording:
    """Work for the shell: write the sound of a recording, then call `Engine.recording_saved`."""

    record_id: str
    duration_s: float


class CallKind(Enum):
    """What a call began as."""

    INCOMING = auto()
    SINGLE = auto()
    CONFERENCE = auto()


@dataclass(slots=True, eq=False)
class Recording:
    """A recording of a call; `spans` are the (from, to) of `now` that were recorded."""

    id: str
    call: Call
    since: float | None
    started: float
    request_id: str | None = None
    recorded_s: float = 0.0
    running: bool = True


@dataclass(slots=True, eq=False)
class RunningTransfer:
    """A transfer under way: `from_leg` stays until `to_leg` has the call."""

    from_leg: Leg
    to_leg: Leg
    consult: bool
    external: bool
    request_id: str | None = None
    answered: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """One participant of a conference."""

    id: str
    leg: Leg
    staff_id: str | None = None


@dataclass(slots=True, eq=False)
class Conference:
    """A conference bridge; `members` by MemberId."""

    id: str
    subject: str | None = None
    locked: bool = False
    max_members: int | None = None
    members: dict[str, Member] = field(default_factory=dict)
    connected: bool = False

    def talking(self) -> list[Member]:
        """Those who are in it now."""
        return [member for member in self.members.values() if member.leg.talking]


@dataclass(slots=True, eq=False)
class Call:
    """A call as the business platform sees it: one CallId, and the legs that come and go in it."""

    id: str
    kind: CallKind
    started: float
    phone_num: str | None = None
    to_num: str | None = None
    login_id: str | None = None
    event_id: str | None = None
    conference: Conference | None = None
    answered: float | None = None
    ended: float | None = None
    held: bool = False
    legs: list[Leg] = field(default_factory=list)
    recording: Recording | None = None
    transfer: RunningTransfer | None = None
    play_id: str | None = None
    last_record_id: str | None = None
    end_request_id: str | None = None

    @property
    def conference_id(self) -> str | None:
        """Of its conference, None for a call between two."""
        return None if self.conference is None else self.conference.id

    @property
    def caller(self) -> Leg | None:
        """The leg of whoever called in."""
        return self.legs[0] if self.kind is CallKind.INCOMING else None

    def officer_leg(self) -> Leg | None:
        """The leg of the officer who has the call."""
        return next(
            (
                leg
                for leg in self.legs
                if leg.talking and leg.login_id is not None and leg.login_id == self.login_id
            ),
            None,
        )


class Exchange:
    """The platform's memory and its outbox. Features read and change it; nobody else does."""

    def __init__(self, site: Site, *, epoch: datetime, pace: float = 1.0) -> None:
        self.site = site
        self.switch = Switch(site)
        self.calls: dict[str, Call] = {}
        self.conferences: dict[str, Call] = {}
        self.outbox: list[Emitted | SaveRecording] = []
        # Features that must know that a call ends, or that a telephone was taken out of it.
        self.before_end: list[Callable[[Call, Reason], None]] = []
        self.on_drop: list[Callable[[Call, Leg, Reason], None]] = []
        self._epoch = epoch
        self._pace = pace
        self._call_number = site.first_call_id
        self._conference_number = site.first_conference_id
        self._other_number = 0
        self._cause: str | None = None

    @property
    def now(self) -> float:
        """Seconds since the epoch of the run."""
        return self.switch.now

    def time(self, now: float | None) -> datetime | None:
        """The wall clock at a point of `now`."""
        return None if now is None else self.wall(now)

    def wall(self, now: float) -> datetime:
        """The same, of a point that is known."""
        return self._epoch + timedelta(seconds=now / self._pace)

    def lasted(self, since: float | None, until: float | None) -> int | None:
        """Whole seconds on the wall between two points of `now`."""
        return None if since is None or until is None else round((until - since) / self._pace)

    # --- ids ------------------------------------------------------------------------------------
    def new_call_id(self) -> str:
        """A CallId never given before."""
        self._call_number += 1
        return str(self._call_number - 1)

    def new_conference_id(self) -> str:
        """A ConferenceID never given before."""
        self._conference_number += 1
        return str(self._conference_number - 1)

    def new_id(self, prefix: str) -> str:
        """An id for a recording, a play, a member."""
        self._other_number += 1
        return f"{prefix}{self.site.first_call_id}-{self._other_number}"

    # --- finding --------------------------------------------------------------------------------
    def call_of(self, call_id: str) -> tuple[Call, Leg | None]:
        """The call with a CallId, or the call and leg where it is a leg's.

        Raises:
            RefusedError: 301, nothing that lives has this id.
        """
        call = self.calls.get(call_id)
        if call is not None:
            return call, None
        for call in self.calls.values():
            for leg in call.legs:
                if leg.id == call_id and leg.alive:
                    return call, leg
        raise RefusedError(Result.NO_CALL, f"CallId {call_id} is no call that lives here")

    def conference_of(self, conference_id: str) -> Call:
        """The call behind a ConferenceID.

        Raises:
            RefusedError: 302, there is no such conference.
        """
        call = self.conferences.get(conference_id)
        if call is None:
            raise RefusedError(
                Result.NO_CONFERENCE, f"ConferenceID {conference_id} is no conference here"
            )
        return call

    def call_at(self, line: str) -> tuple[Call, Leg]:
        """The call that a telephone is in.

        Raises:
            RefusedError: 301, the telephone is in no call.
        """
        leg = self.switch.lines.get(line)
        if leg is not None:
            for call in self.calls.values():
                if leg in call.legs:
                    return call, leg
        raise RefusedError(Result.NO_CALL, f"{line} is in no call")

    def named_call(self, message: Message) -> Call:
        """The call that a command names by CallId, ConferenceID or LoginId, in this order.

        Raises:
            RefusedError: 301 or 302, there is none; 303, nobody has the LoginId.
        """
        if message.call_id is not None:
            return self.call_of(message.call_id)[0]
        if message.conference_id is not None:
            return self.conference_of(message.conference_id)
        if message.login_id is not None:
            return self.call_at(self.extension(message.login_id))[0]
        problem = "CallId, ConferenceID or LoginId: name a call"
        raise RefusedError(Result.MISSING_FIELD, problem)

    def extension(self, login_id: str) -> str:
        """Where an officer can be rung.

        Raises:
            RefusedError: 303, nobody has this LoginId.
        """
        officer = self.site.officer(login_id)
        if officer is None:
            raise RefusedError(Result.NO_LOGIN, f"nobody is logged in as {login_id}")
        return officer.ext

    def live_legs(self, call: Call) -> Iterator[Leg]:
        """The legs of a call that ring or talk."""
        return (leg for leg in list(call.legs) if leg.alive)

    # --- the way out ----------------------------------------------------------------------------
    def emit(self, message: Message) -> None:
        """Hand a notice out, in the words that this platform speaks."""
        if self.site.patent_only:
            if not _in_patent(message):
                return
            message = _patent_words(message)
        time = self.time(self.now)
        assert time is not None
        self.outbox.append(Emitted(message, time))

    @contextmanager
    def caused_by(self, request_id: str) -> Iterator[None]:
        """What 115 tells of within is what came of this command."""
        self._cause = request_id
        try:
            yield
        finally:
            self._cause = None

    def leg_state(
        self, call: Call, leg: Leg, state: CallState, reason: Reason | None = None
    ) -> None:
        """115 for one leg."""
        self.emit(
            CallStateNotice(
                call_id=leg.id,
                parent_call_id=call.id if leg.id != call.id else None,
                conference_id=call.conference_id,
                event_id=call.event_id,
                login_id=leg.login_id,
                state=state,
                phone_num=call.phone_num,
                to_num=leg.line,
                reason=reason,
                request_id=self._cause,
            )
        )

    def leg_ended(self, call: Call, leg: Leg, request_id: str | None = None) -> None:
        """102 for one leg that was answered or cancelled."""
        self.emit(
            HangupNotice(
                call_id=leg.id,
                parent_call_id=call.id,
                conference_id=call.conference_id,
                event_id=call.event_id,
                login_id=leg.login_id,
                phone_num=leg.line,
                reason=leg.reason,
                scope=HangupScope.LEG,
                request_id=request_id,
                start_time=self.time(leg.started),
                answer_time=self.time(leg.answered),
                end_time=self.time(leg.ended),
                duration=self.lasted(leg.answered, leg.ended),
            )
        )

    def drop_leg(
        self, call: Call, leg: Leg, reason: Reason, request_id: str | None = None
    ) -> None:
        """Take one telephone out of a call and say so."""
        if not self.switch.release(leg, reason):
            return
        if leg.id != call.id:
            self.leg_ended(call, leg, request_id)
        for hook in self.on_drop:
            hook(call, leg, reason)


def _in_patent(message: Message) -> bool:
    """The patent has one 105 for a transfer, one 103 for a conference, one 102 for a call."""
    if message.number not in PATENT_TYPES:
        return False
    if isinstance(message, TransferNotice):
        return message.phase is CallPhase.RINGING
    if isinstance(message, ConferenceNotice):
        return message.action is ConferenceNoticeAction.CREATED
    if isinstance(message, HangupNotice):
        return message.scope is not HangupScope.LEG
    return True


def _patent_words(message: Message) -> Message:
    beyond: dict[str, Any] = {
        plan.name: () if plan.repeated else None
        for plan in plan_of(type(message))
        if not plan.patent and not plan.required
    }
    return dataclasses.replace(message, **beyond)
