"""What is damaged: valid messages of every direction, as a vendor would send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.roles import Role

WHEN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

NOTICES: Final[tuple[Message, ...]] = (
    m.IncomingCallNotice(
        call_id="c1", direction=m.CallDirection.IN, phone_num="13912344444", to_num="70001"
    ),
    m.CallStateNotice(call_id="c2", parent_call_id="c1", state=m.CallState.ALERTING),
    m.HangupNotice(call_id="c1", phone_num="13912344444", reason=100, content="再见"),
    m.ConferenceNotice(conference_id="7", action=m.ConferenceNoticeAction.CREATED, login_id="13"),
    m.ConferenceMemberNotice(
        conference_id="7", phone_num="111", action=m.MemberNoticeAction.JOINED
    ),
    m.TransferNotice(call_id="c1", from_login_id="13", to_login_id="14", phase=m.CallPhase.START),
    m.RecordingNotice(
        call_id="c1", record_id="r1", action=m.RecordingNoticeAction.SAVED, size=1, sha256="a" * 64
    ),
    m.CallOutResultNotice(event_id="E1", conference_id="7", phone_num="111", staff_id="123"),
    m.SmsReceivedNotice(sms_id="s1", phone_num="139", to_num="70001", content="救命 & <help>"),
    m.SnapshotNotice(
        request_id="17",
        page=1,
        pages=2,
        calls=(m.CallSnapshot(call_id="c1", start_time=WHEN),),
        conferences=(
            m.ConferenceSnapshot(
                conference_id="7", members=(m.MemberSnapshot(member_id="1", phone_num="111"),)
            ),
        ),
    ),
    m.CapabilityNotice(capabilities=(m.Capability(no=202),)),
)
COMMANDS: Final[tuple[Message, ...]] = (
    m.CreateEvent(event_id="E1", call_id="c1", title="火警", lon=116.3, lat=39.9),
    m.Hangup(call_id="c1", scope=m.HangupScope.CALL),
    m.BindEvent(event_id="E1", call_id="c1", action=m.BindAction.BIND),
    m.LinkEvent(event_id="E1", other_event_id="E2", action=m.LinkAction.MERGE),
    m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE),
    m.QueryEventRecord(event_id="E1"),
    m.QueryCall(call_id="c1"),
    m.SnapshotRequest(kind=m.SnapshotKind.ALL),
    m.ReplayRequest(from_seq=1, to_seq=9),
    m.TimeSync(time=WHEN),
    m.Diagnose(echo_text="hello"),
    m.CallOut(
        event_id="E1",
        login_id="13",
        call_type=m.CallOutType.CONFERENCE,
        groups=(
            m.Group(
                group_id="136",
                group_name="领导",
                call_mode=m.CallMode.ALL,
                staff=(
                    m.Staff(
                        staff_id="123",
                        staff_name="指挥大厅领导",
                        phone_nums=(m.Phone(number="13912344444", num_type="01"),),
                    ),
                ),
            ),
        ),
    ),
)
ROLES: Final = (
    Role.PLATFORM,
    Role.APPLICATION,
    Role.MONITOR,
    Role.COMMUNICATION_SCREEN,
    Role.BUSINESS_SCREEN,
)


def payloads(role: Role) -> tuple[bytes, ...]:
    """Messages that such a peer may send, as XML; requests and a few responses."""
    match role:
        case Role.PLATFORM:
            of_role: tuple[Message, ...] = NOTICES
        case Role.COMMUNICATION_SCREEN:
            of_role = _mirrored(200)
        case Role.BUSINESS_SCREEN:
            of_role = _mirrored(400)
        case _:
            of_role = COMMANDS
    requests = [
        Request(id=f"f{number}", message=message, time=WHEN, expire_s=30, trace=_TRACE)
        for number, message in enumerate(of_role)
    ]
    answers = [Response(request_id=str(number), type=100, result=0) for number in range(3)]
    items: tuple[Request | Response, ...] = (*requests, *answers)
    return tuple(encode(item) for item in items)


def _mirrored(shift: int) -> tuple[Message, ...]:
    found = (m.convert(message, message.number + shift) for message in COMMANDS)
    return tuple(message for message in found if message is not None)


_TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
