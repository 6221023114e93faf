"""Questions: 215 and 293 → 193, 292 → 192, 274 → 172."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.messages import (
    AgentSnapshot,
    AgentState,
    CallSnapshot,
    CallState,
    Capability,
    CapabilityNotice,
    ConferenceSnapshot,
    MemberSnapshot,
    QueryCall,
    SnapshotKind,
    SnapshotNotice,
    SnapshotRequest,
)
from simulators.platform.exchange import Answer, Call, Exchange
from simulators.platform.switch import Leg, LegState


class Queries:
    """Tells what lives here now, and what can be done."""

    def __init__(self, exchange: Exchange, capabilities: Iterable[Capability]) -> None:
        self._exchange = exchange
        self._capabilities = tuple(capabilities)

    def query_call(self, command: QueryCall, request_id: str) -> Answer:
        """215 → 193 with the calls that fit all that is named; none is an answer too."""
        found = [
            call
            for call in self._exchange.calls.values()
            if (command.call_id is None or command.call_id in {call.id, *_alive(call)})
            and command.conference_id in {None, call.conference_id}
            and command.event_id in {None, call.event_id}
            and command.login_id in {None, call.login_id}
            and (
                command.phone_num is None
                or any(leg.line == command.phone_num for leg in call.legs if leg.alive)
            )
        ]
        return self._snapshot(found, request_id)

    def snapshot(self, command: SnapshotRequest, request_id: str) -> Answer:
        """293 → 193 of one kind, or of everything; with EventId only what belongs to it."""
        kind = command.kind or SnapshotKind.ALL
        calls = [
            call
            for call in self._exchange.calls.values()
            if command.event_id in {None, call.event_id}
        ]
        with_agents = kind in {SnapshotKind.ALL, SnapshotKind.AGENT} and command.event_id is None
        if kind not in {SnapshotKind.ALL, SnapshotKind.CALL, SnapshotKind.CONFERENCE}:
            calls = []
        return self._snapshot(calls, request_id, agents=with_agents)

    def capability(self, _command: object, request_id: str) -> Answer:
        """292 → 192."""
        self._exchange.emit(
            CapabilityNotice(request_id=request_id, capabilities=self._capabilities)
        )
        return Answer()

    def _snapshot(self, calls: list[Call], request_id: str, *, agents: bool = False) -> Answer:
        rows = [self._row(call, leg) for call in calls for leg in _rows_of(call)]
        self._exchange.emit(
            SnapshotNotice(
                request_id=request_id,
                page=1,
                pages=1,
                calls=tuple(rows),
                conferences=tuple(self._conference(call) for call in calls if call.conference),
                agents=tuple(self._agents()) if agents else (),
            )
        )
        return Answer()

    def _row(self, call: Call, leg: Leg | None) -> CallSnapshot:
        time = self._exchange.time
        if leg is None:
            state = CallState.ALERTING if call.answered is None else CallState.ANSWERED
            return CallSnapshot(
                call_id=call.id,
                event_id=call.event_id,
                phone_num=call.phone_num,
                to_num=call.to_num,
                login_id=call.login_id,
                state=state,
                start_time=time(call.started),
                answer_time=time(call.answered),
                conference_id=call.conference_id,
            )
        return CallSnapshot(
            call_id=leg.id,
            parent_call_id=call.id,
            event_id=call.event_id,
            phone_num=call.phone_num,
            to_num=leg.line,
            login_id=leg.login_id,
            state=CallState.ALERTING if leg.state is LegState.RINGING else CallState.ANSWERED,
            start_time=time(leg.started),
            answer_time=time(leg.answered),
            conference_id=call.conference_id,
        )

    def _conference(self, call: Call) -> ConferenceSnapshot:
        conference = call.conference
        assert conference is not None
        return ConferenceSnapshot(
            conference_id=conference.id,
            event_id=call.event_id,
            subject=conference.subject,
            start_time=self._exchange.time(call.started),
            locked=conference.locked,
            members=tuple(
                MemberSnapshot(
                    member_id=member.id,
                    call_id=member.leg.id,
                    staff_id=member.staff_id,
                    phone_num=member.leg.line,
                    muted=member.leg.muted,
                )
                for member in conference.members.values()
            ),
        )

    def _agents(self) -> Iterable[AgentSnapshot]:
        for officer in self._exchange.site.officers:
            leg = self._exchange.switch.lines.get(officer.ext)
            state = AgentState.READY
            if leg is not None:
                state = AgentState.TALKING if leg.talking else AgentState.RINGING
            yield AgentSnapshot(
                login_id=officer.login_id,
                ext=officer.ext,
                state=state,
                call_id=None if leg is None else leg.id,
            )


def _alive(call: Call) -> Iterable[str]:
    return (leg.id for leg in call.legs if leg.alive)


def _rows_of(call: Call) -> list[Leg | None]:
    """The call itself, then its legs but the caller's, which has the call's own id."""
    return [None, *(leg for leg in call.legs if leg.alive and leg.id != call.id)]
