"""Call-outs: 210 and 216; 110 for each person, 116 for the whole, 103 for the conference.

A group is a race of persons, a person a queue of numbers (NumType 01 before 02, as listed).

| CallMode | who is called | what ends it |
|---|---|---|
| 1 all | everybody at once | everybody has joined or failed |
| 2 sequential | one after the other, as listed | the first who joins; the rest are skipped (138) |
| 3 first wins | everybody at once | the first who joins; the rest stop ringing (111) |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallState,
    CancelCallOut,
    Group,
    HangupSide,
    Staff,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.calls import Calls
from simulators.platform.conferences import Conferences
from simulators.platform.exchange import Answer, Call, CallKind, Exchange, RefusedError
from simulators.platform.media import Media
from simulators.platform.parties import RING_S
from simulators.platform.switch import Leg

SUPPORTED_TYPES = frozenset({CallOutType.SINGLE, CallOutType.GROUP, CallOutType.CONFERENCE})
SUPPORTED_MODES = frozenset({CallMode.ALL, CallMode.SEQUENTIAL, CallMode.FIRST_WINS})


class Fate(Enum):
    """How a person's call-out stands."""

    WAITING = auto()
    RINGING = auto()
    JOINED = auto()
    FAILED = auto()
    SKIPPED = auto()


@dataclass(slots=True, eq=False)
class Person:
    """One of those to reach; `tries` are the numbers still to dial, as (NumType, number)."""

    staff: Staff
    tries: list[tuple[str | None, str]]
    fate: Fate = Fate.WAITING
    attempt: int = 0
    num_type: str | None = None
    number: str | None = None
    leg: Leg | None = None

    @property
    def open(self) -> bool:
        """Neither joined nor given up."""
        return self.fate in {Fate.WAITING, Fate.RINGING}


@dataclass(slots=True, eq=False)
class Race:
    """One group of a call-out."""

    group_id: str | None
    mode: CallMode
    persons: list[Person]


@dataclass(slots=True, eq=False)
class Convening:
    """One 210 under way."""

    call: Call
    request_id: str
    login_id: str | None
    timeout_s: float
    record: bool = False
    races: list[Race] = field(default_factory=list)
    finished: bool = False

    def persons(self) -> Iterator[tuple[Race, Person]]:
        """Everybody, with the group."""
        return ((race, person) for race in self.races for person in race.persons)

    def count(self, *fates: Fate) -> int:
        """How many persons stand so."""
        return sum(person.fate in fates for _, person in self.persons())


class CallOuts:
    """Calls people out, alone or into a conference."""

    def __init__(
        self, exchange: Exchange, calls: Calls, conferences: Conferences, media: Media
    ) -> None:
        self._exchange = exchange
        self._switch = exchange.switch
        self._calls = calls
        self._conferences = conferences
        self._media = media
        self._running: dict[str, Convening] = {}
        # Before the conference says that it has ended, those who never came are accounted for.
        exchange.before_end.insert(0, self._call_ends)
        exchange.on_drop.append(self._dropped)

    # --- commands -------------------------------------------------------------------------------
    def call_out(self, command: CallOut, request_id: str) -> Answer:
        """210: single, group and conference; 501 for notifications and N-of-group."""
        kind = command.call_type or CallOutType.CONFERENCE
        if kind not in SUPPORTED_TYPES:
            raise RefusedError(Result.NOT_SUPPORTED, f"Type {kind.value} is not served here")
        for group in command.groups:
            if group.call_mode is not None and group.call_mode not in SUPPORTED_MODES:
                raise RefusedError(
                    Result.NOT_SUPPORTED, f"CallMode {group.call_mode.value} is not served here"
                )
        if kind is CallOutType.SINGLE:
            running = self._begin_single(command, request_id)
        else:
            running = self._begin_conference(command, request_id)
        self._running[request_id] = running
        return Answer(
            result=Result.ACCEPTED,
            call_id=running.call.id,
            conference_id=running.call.conference_id,
        )

    def cancel(self, command: CancelCallOut, _request_id: str) -> Answer:
        """216: stop ringing and dialling, wholly or for a group or person."""
        running = self._named(command)
        stopped = 0
        for race, person in running.persons():
            if command.group_id not in {None, race.group_id}:
                continue
            if command.staff_id not in {None, person.staff.staff_id} or not person.open:
                continue
            stopped += 1
            self._settle(running, race, person, Fate.FAILED, Reason.OPERATOR_CANCELLED)
        if not stopped:
            raise RefusedError(Result.WRONG_STATE, "nobody of these is being called any more")
        self._advance(running)
        return Answer(detail=f"{stopped} calls stopped")

    def _named(self, command: CancelCallOut) -> Convening:
        for running in self._running.values():
            call = running.call
            if (
                running.request_id == command.request_id
                or command.call_id == call.id
                or (command.conference_id or "") == call.conference_id
                or (command.event_id or "") == call.event_id
            ):
                return running
        raise RefusedError(Result.WRONG_STATE, "no such call-out is under way")

    # --- beginnings -----------------------------------------------------------------------------
    def _begin_conference(self, command: CallOut, request_id: str) -> Convening:
        if command.conference_id is not None:
            call = self._exchange.conference_of(command.conference_id)
            if call.conference is not None and call.conference.locked:
                raise RefusedError(Result.CONFERENCE_LOCKED, "the conference is locked")
            call.event_id = command.event_id or call.event_id
        else:
            call = self._conferences.open(
                event_id=command.event_id, login_id=command.login_id, request_id=request_id
            )
        running = self._convening(command, call, request_id)
        self._switch.after(0.0, partial(self._advance, running))
        return running

    def _begin_single(self, command: CallOut, request_id: str) -> Convening:
        """Ring the officer first; who answers is then connected with whom he wants to reach."""
        if command.login_id is None:
            raise RefusedError(Result.MISSING_FIELD, "LoginId: whose telephone to connect")
        line = self._exchange.extension(command.login_id)
        if line in self._switch.lines:
            raise RefusedError(Result.WRONG_STATE, f"{command.login_id} is in a call")
        call = Call(
            id=self._exchange.new_call_id(),
            kind=CallKind.SINGLE,
            started=self._exchange.now,
            phone_num=command.groups[0].staff[0].phone_nums[0].number,
            to_num=line,
            login_id=command.login_id,
            event_id=command.event_id,
        )
        self._exchange.calls[call.id] = call
        running = self._convening(command, call, request_id)
        leg = Leg(id=self._exchange.new_call_id(), line=line, login_id=command.login_id)
        call.legs.append(leg)
        self._switch.ring(
            leg,
            timeout_s=running.timeout_s,
            answered=partial(self._officer_ready, running),
            failed=partial(self._officer_failed, running),
        )
        self._exchange.leg_state(call, leg, CallState.ALERTING)
        return running

    def _convening(self, command: CallOut, call: Call, request_id: str) -> Convening:
        rounds = 1 + (command.retry or 0)
        return Convening(
            call=call,
            request_id=request_id,
            login_id=command.login_id,
            timeout_s=command.timeout or RING_S,
            record=bool(command.record),
            races=[_race(group, rounds) for group in command.groups],
        )

    def _officer_ready(self, running: Convening, leg: Leg) -> None:
        self._exchange.leg_state(running.call, leg, CallState.ANSWERED)
        self._advance(running)

    def _officer_failed(self, running: Convening, leg: Leg, reason: Reason) -> None:
        self._exchange.leg_state(running.call, leg, CallState.FAILED, reason)
        self._calls.end(running.call, reason, HangupSide.PLATFORM, request_id=running.request_id)

    # --- the race -------------------------------------------------------------------------------
    def _advance(self, running: Convening) -> None:
        """Dial whoever is due; finish when nobody is left."""
        if running.call.ended is not None:
            return
        for race in running.races:
            waiting = [person for person in race.persons if person.fate is Fate.WAITING]
            if race.mode is CallMode.SEQUENTIAL:
                if any(person.fate is Fate.RINGING for person in race.persons):
                    continue
                waiting = waiting[:1]
            for person in waiting:
                self._dial(running, race, person)
        if not running.count(Fate.WAITING, Fate.RINGING):
            self._finish(running)

    def _dial(self, running: Convening, race: Race, person: Person) -> None:
        call = running.call
        person.fate = Fate.RINGING
        person.attempt += 1
        person.num_type, person.number = person.tries.pop(0)
        leg = Leg(
            id=self._exchange.new_call_id(),
            line=person.number,
            login_id=self._exchange.site.login_at(person.number),
        )
        person.leg = leg
        call.legs.append(leg)
        self._switch.ring(
            leg,
            timeout_s=running.timeout_s,
            answered=partial(self._joined, running, race, person),
            failed=partial(self._failed, running, race, person),
        )
        self._exchange.leg_state(call, leg, CallState.ALERTING)
        self._conferences.rings(call, leg, person.staff.staff_id)

    def _joined(self, running: Convening, race: Race, person: Person, leg: Leg) -> None:
        call = running.call
        person.fate = Fate.JOINED
        call.answered = self._exchange.now if call.answered is None else call.answered
        self._exchange.leg_state(call, leg, CallState.ANSWERED)
        self._conferences.joins(call, leg)
        self._notice(running, race, person, None)
        if running.record and call.recording is None:
            self._media.start_recording(call, running.request_id)
        if race.mode is not CallMode.ALL:
            for other in [other for other in race.persons if other.open]:
                reason = (
                    Reason.ANSWERED_ELSEWHERE if other.fate is Fate.RINGING else Reason.SKIPPED
                )
                self._settle(running, race, other, Fate.SKIPPED, reason)
        self._progress(running)
        self._advance(running)

    def _failed(
        self, running: Convening, race: Race, person: Person, leg: Leg, reason: Reason
    ) -> None:
        self._exchange.leg_state(running.call, leg, CallState.FAILED, reason)
        self._conferences.leaves(running.call, leg, reason)
        if person.tries:
            person.fate = Fate.WAITING
            self._dial(running, race, person)
            return
        person.fate = Fate.FAILED
        self._notice(running, race, person, reason)
        self._progress(running)
        self._advance(running)

    def _settle(
        self, running: Convening, race: Race, person: Person, fate: Fate, reason: Reason
    ) -> None:
        """Give up on somebody who rings or has not been dialled."""
        ringing, person.fate = person.fate is Fate.RINGING, fate
        if ringing and person.leg is not None:
            self._exchange.drop_leg(running.call, person.leg, reason)
        self._notice(running, race, person, reason)

    def _dropped(self, call: Call, leg: Leg, reason: Reason) -> None:
        """Somebody who still rang was hung up on from elsewhere (202, 204)."""
        for running in [one for one in self._running.values() if one.call is call]:
            for race, person in running.persons():
                if person.leg is leg and person.fate is Fate.RINGING:
                    person.fate = Fate.FAILED
                    self._notice(running, race, person, reason)
                    self._progress(running)
                    self._advance(running)

    def _finish(self, running: Convening) -> None:
        if running.finished:
            return
        running.finished = True
        self._running.pop(running.request_id, None)
        if running.count(Fate.JOINED):
            self._conferences.connected(running.call, running.request_id)
        elif not any(leg.talking for leg in running.call.legs) or running.call.conference is None:
            self._calls.end(
                running.call,
                Reason.CALL_FAILED,
                HangupSide.PLATFORM,
                request_id=running.request_id,
            )

    def _call_ends(self, call: Call, reason: Reason) -> None:
        """Whoever was still to be reached is told off when the call ends early."""
        for running in [one for one in self._running.values() if one.call is call]:
            del self._running[running.request_id]
            running.finished = True
            for race, person in running.persons():
                if person.open:
                    self._settle(running, race, person, Fate.FAILED, reason)
            self._progress(running)

    # --- notices --------------------------------------------------------------------------------
    def _notice(
        self, running: Convening, race: Race, person: Person, reason: Reason | None
    ) -> None:
        call = running.call
        self._exchange.emit(
            CallOutResultNotice(
                event_id=call.event_id,
                call_id=call.id,
                login_id=running.login_id,
                conference_id=call.conference_id,
                phone_num=person.number or person.tries[0][1],
                reason=reason,
                group_id=race.group_id,
                staff_id=person.staff.staff_id,
                staff_name=person.staff.staff_name,
                num_type=person.num_type,
                attempt=person.attempt,
                answer_time=self._exchange.time(self._exchange.now) if reason is None else None,
                request_id=running.request_id,
            )
        )

    def _progress(self, running: Convening) -> None:
        pending = running.count(Fate.WAITING, Fate.RINGING)
        self._exchange.emit(
            CallOutProgressNotice(
                event_id=running.call.event_id,
                call_id=running.call.id,
                conference_id=running.call.conference_id,
                request_id=running.request_id,
                total=running.count(*Fate),
                answered=running.count(Fate.JOINED),
                failed=running.count(Fate.FAILED),
                skipped=running.count(Fate.SKIPPED),
                pending=pending,
                finished=pending == 0,
            )
        )


def _race(group: Group, rounds: int) -> Race:
    return Race(
        group_id=group.group_id,
        mode=group.call_mode or CallMode.ALL,
        persons=[
            Person(
                staff=staff,
                tries=[(phone.num_type, phone.number) for phone in staff.phone_nums] * rounds,
            )
            for staff in group.staff
        ],
    )
