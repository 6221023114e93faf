"""Data answers: 280 → 180, 215 and 293 → 193, 292 → 192, 296 → 196.

Built from the projections, paged, never journalled twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from linkage.core.delivery.render import OPERATION_KIND
from linkage.core.peers import Peer, Peers
from linkage.core.rights.commands import Target
from linkage.core.rights.refusal import RefusedError
from linkage.correlation.business_events import final_event
from linkage.correlation.command_target import may_use
from linkage.ports import Role
from linkage.ports.store import Tx, Wanted
from linkage.store.rows import FileRecord, Operation, from_us, to_us
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result

PAGE_SIZE: Final = 40
"""Items of one page: with every field full it stays below the 65,535 bytes of one frame."""
PAGES_MAX: Final = 200
"""Pages of one answer; `Pages` tells how many there are, and `Page` fetches any of the rest."""
OFFSET_MAX_S: Final = 1e9
"""What the element `Offset` of 196 can say."""
NUMBER_MAX: Final = 25
"""Characters of a PhoneNum (protocol.md#values)."""
SUMMARY_MAX: Final = 300
"""Characters of an operation's content that an overview shows."""


CALLS: Final = ("call", "leg")
CONFERENCES: Final = ("conference", "member")
STATES: Final = {state.name.lower(): state for state in m.CallState}

Item = TypeVar("Item")


def answer(
    unit: Tx,
    peers: Peers,
    peer: Peer,
    message: Message,
    asked: Target,
    request_id: str,
    now: datetime,
) -> list[Message] | None:
    """The answer to a query, as its pages; None when the message is no query."""
    match message:
        case m.QueryEventRecord():
            return _records(unit, message, asked, request_id)
        case m.QueryCall() | m.SnapshotRequest():
            return _snapshot(unit, peer, message, asked, request_id)
        case m.QueryCapability():
            return _capabilities(peers, message, request_id)
        case m.TimeSync():
            return [_time_notice(message, request_id, now)]
        case _:
            return None


def _time_notice(message: m.TimeSync, request_id: str, now: datetime) -> Message:
    offset = (message.time - now).total_seconds()
    if abs(offset) >= OFFSET_MAX_S:
        raise RefusedError(Result.BAD_VALUE, "Time: is decades from ours")
    return m.TimeNotice(request_id=request_id, time=now, offset=offset)


def _records(
    unit: Tx, message: m.QueryEventRecord, asked: Target, request_id: str
) -> list[Message]:
    assert asked.event is not None, "280 names an event that exists"
    wanted = Wanted(
        events=_events_asked(unit, asked.event.event_pk, linked=message.include_linked is True),
        kinds=[kind for kind, shown in OPERATION_KIND.items() if shown in message.kinds],
        since=None if message.from_time is None else to_us(message.from_time),
        until=None if message.to_time is None else to_us(message.to_time),
        number=message.phone_num,
    )
    total = unit.queries.count_operations(wanted)
    pages = max(1, -(-total // PAGE_SIZE))
    chosen = [message.page] if message.page else range(1, min(pages, PAGES_MAX) + 1)
    return [
        m.EventRecordNotice(
            request_id=request_id,
            event_id=asked.event.event_id,
            page=page,
            pages=pages,
            records=tuple(_page_of_records(unit, wanted, page)),
        )
        for page in chosen
    ]


def _events_asked(unit: Tx, event_pk: int, *, linked: bool) -> list[int]:
    """An event with what was merged into it, and on request those that are linked to one of it."""
    under = unit.queries.events_under(event_pk)
    for other in unit.queries.events_linked(under) if linked else ():
        under += unit.queries.events_under(other)
    return list(dict.fromkeys(under))


def _page_of_records(unit: Tx, wanted: Wanted, page: int) -> Iterator[m.Record]:
    found = unit.queries.find_operations(wanted, (page - 1) * PAGE_SIZE, PAGE_SIZE)
    files = unit.queries.files_of([operation.op_id for operation in found])
    for operation in found:
        yield _record(operation, files.get(operation.op_id))


def _record(operation: Operation, file: FileRecord | None) -> m.Record:
    return m.Record(
        op_id=str(operation.op_id),
        kind=OPERATION_KIND.get(operation.kind),
        call_id=operation.call_id,
        conference_id=operation.conference_id,
        phone_num=_number(operation.from_num),
        to_num=_number(operation.to_num),
        login_id=operation.login_id,
        start_time=from_us(operation.started_at),
        answer_time=_time(operation.answered_at),
        end_time=_time(operation.ended_at),
        result=operation.outcome or operation.state,
        reason=operation.reason,
        record_id=operation.native.partition(":")[2] if operation.kind == "recording" else None,
        file_id=None if file is None else file.file_id,
        summary=operation.content and operation.content[:SUMMARY_MAX].strip(),
        cause=None if operation.cause is None else m.BindCause(operation.cause),
        parent_op_id=None if operation.parent is None else str(operation.parent),
    )


def _number(written: str | None) -> str | None:
    """What fits a PhoneNum: of a letter or a member without a number it is another sort of id."""
    return written if written is not None and len(written) <= NUMBER_MAX else None


def _time(at: int | None) -> datetime | None:
    return None if at is None else from_us(at)


def _snapshot(
    unit: Tx,
    peer: Peer,
    message: m.QueryCall | m.SnapshotRequest,
    asked: Target,
    request_id: str,
) -> list[Message]:
    fits = _fitting(unit, peer, message, asked)
    wants = message.kind if isinstance(message, m.SnapshotRequest) else None
    calls: list[m.CallSnapshot] = []
    conferences: list[m.ConferenceSnapshot] = []
    if wants in {None, m.SnapshotKind.ALL, m.SnapshotKind.CALL}:
        calls = [_call(unit, call) for call in unit.queries.open_operations(CALLS) if fits(call)]
    if wants in {None, m.SnapshotKind.ALL, m.SnapshotKind.CONFERENCE}:
        conferences = list(_conferences(unit, fits))
    position = unit.queues.next_seq(peer.id) - 1
    pages = list(_paged(calls, conferences))
    return [
        m.SnapshotNotice(
            request_id=request_id,
            page=number,
            pages=len(pages),
            as_of_seq=position,
            calls=tuple(of_calls),
            conferences=tuple(of_conferences),
        )
        for number, (of_calls, of_conferences) in enumerate(pages, start=1)
    ]


def _paged(
    calls: Sequence[m.CallSnapshot], conferences: Sequence[m.ConferenceSnapshot]
) -> Iterator[tuple[Sequence[m.CallSnapshot], Sequence[m.ConferenceSnapshot]]]:
    """Pages of calls, then of conferences; one empty page where nothing is open."""
    for part in _chunks(calls, PAGE_SIZE):
        yield part, ()
    # A conference brings its members along, so fewer go on a page.
    for conference in conferences:
        yield (), (conference,)
    if not calls and not conferences:
        yield (), ()


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _fitting(
    unit: Tx, peer: Peer, message: m.QueryCall | m.SnapshotRequest, asked: Target
) -> Callable[[Operation], bool]:
    number = message.phone_num if isinstance(message, m.QueryCall) else None
    events = None if asked.event is None else unit.queries.events_under(asked.event.event_pk)

    def fits(operation: Operation) -> bool:
        at_screen = (
            peer.role is Role.COMMUNICATION_SCREEN and operation.login_id == peer.login is not None
        )
        if not (peer.role is Role.MONITOR or at_screen or may_use(asked.owner, operation)):
            return False
        return (
            (events is None or operation.event_pk in events)
            and (message.call_id is None or operation.call_id == message.call_id)
            and (message.login_id is None or operation.login_id == message.login_id)
            and (number is None or number in {operation.from_num, operation.to_num})
        )

    return fits


def _call(unit: Tx, operation: Operation) -> m.CallSnapshot:
    assert operation.call_id is not None, "calls and legs have one"
    parent = None if operation.parent is None else unit.records.operation(operation.parent)
    return m.CallSnapshot(
        call_id=operation.call_id,
        event_id=_event_id(unit, operation),
        op_id=str(operation.op_id),
        phone_num=_number(operation.from_num),
        to_num=_number(operation.to_num),
        login_id=operation.login_id,
        state=STATES.get(operation.state),
        start_time=from_us(operation.started_at),
        answer_time=_time(operation.answered_at),
        parent_call_id=None if parent is None else parent.call_id,
        conference_id=operation.conference_id,
    )


def _conferences(unit: Tx, fits: Callable[[Operation], bool]) -> Iterator[m.ConferenceSnapshot]:
    found = [item for item in unit.queries.open_operations(CONFERENCES) if fits(item)]
    for conference in found:
        if conference.kind != "conference" or conference.conference_id is None:
            continue
        yield m.ConferenceSnapshot(
            conference_id=conference.conference_id,
            event_id=_event_id(unit, conference),
            subject=conference.content and conference.content[:SUMMARY_MAX].strip(),
            members=tuple(_members(found, conference)),
        )


def _members(found: Iterable[Operation], conference: Operation) -> Iterator[m.MemberSnapshot]:
    for member in found:
        if member.kind == "member" and member.parent == conference.op_id:
            yield m.MemberSnapshot(
                member_id=member.native.removeprefix(f"member:{conference.conference_id}/"),
                phone_num=_number(member.to_num),
            )


def _event_id(unit: Tx, operation: Operation) -> str | None:
    """The event that stands for an operation's now."""
    event = None if operation.event_pk is None else unit.records.event(operation.event_pk)
    return None if event is None else final_event(unit.records, event).event_id


def _capabilities(peers: Peers, message: m.QueryCapability, request_id: str) -> list[Message]:
    platforms = [
        peer
        for peer in peers.of_role(Role.PLATFORM)
        if message.platform_id in {None, peer.id} and peer.capability is not None
    ]
    return [
        m.CapabilityNotice(
            request_id=request_id,
            platform_id=peer.id,
            capabilities=tuple(
                m.Capability.of(number, actions)
                for number, actions in sorted((peer.capability or {}).items())
            ),
        )
        for peer in platforms
    ] or [m.CapabilityNotice(request_id=request_id, platform_id=message.platform_id)]
