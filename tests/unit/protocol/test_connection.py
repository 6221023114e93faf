"""Conversations: two connections joined in memory, and hand-written bytes of misbehaving peers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from protocol.codec import decode, encode
from protocol.connection import (
    RECEIVED_MAX,
    WINDOW,
    AnswerLate,
    Closed,
    Connection,
    ConnectionState,
    Event,
    Malformed,
    PeerDead,
    Refused,
    Role,
    Side,
    Timers,
    Unmatched,
)
from protocol.dialect import DEFAULT, LEGACY, Dialect, Encoding
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.frames import HEARTBEAT, UNREAD_MAX, Framer, encode_frame
from protocol.message import Message
from protocol.messages import PlatformLeave, message_class
from protocol.registration import make_registration
from protocol.results import Result

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET = "a-secret-of-the-peer"
NONCE = "0123456789abcdef"
REGISTRATION = {
    Role.PLATFORM: 190,
    Role.APPLICATION: 290,
    Role.MONITOR: 290,
    Role.COMMUNICATION_SCREEN: 490,
    Role.BUSINESS_SCREEN: 690,
}
# Role → a type that such a peer sends, one that it is sent. Leaves (x99) need no field.
SENT = {
    Role.PLATFORM: (199, 299),
    Role.APPLICATION: (299, 199),
    Role.MONITOR: (299, 199),
    Role.COMMUNICATION_SCREEN: (499, 399),
    Role.BUSINESS_SCREEN: (699, 599),
}


def message(number: int) -> Message:
    cls = message_class(number)
    assert cls is not None
    return cls()


def request(number: int, request_id: str = "1") -> Request:
    return Request(id=request_id, message=message(number))


def registration(role: Role, request_id: str = "reg") -> Request:
    made = make_registration(role, "peer-1", SECRET, NOON, NONCE)
    return Request(id=request_id, message=made)


def answer(to: Request, result: int = 0, detail: str | None = None) -> Response:
    return Response(request_id=to.id, type=to.type, result=result, detail=detail)


def frame(xml: str) -> bytes:
    return encode_frame(0x01, xml.encode())


def sent_by(connection: Connection) -> list[str]:
    """The messages among the bytes that wait to be written, `<3` for a heartbeat."""
    framer = Framer(connection.dialect)
    framer.receive_data(connection.data_to_send())
    found = []
    while (event := framer.next_event()) is not None:
        found.append("<3" if event is HEARTBEAT else event.decode())
    return found


@dataclass
class Pair:
    """Linkage and a peer, joined in memory."""

    linkage: Connection
    peer: Connection

    def to_linkage(self, now: float = 0) -> list[Event]:
        self.linkage.receive_data(self.peer.data_to_send(), now)
        return list(self.linkage.events())

    def to_peer(self, now: float = 0) -> list[Event]:
        self.peer.receive_data(self.linkage.data_to_send(), now)
        return list(self.peer.events())

    def states(self) -> tuple[ConnectionState, ConnectionState]:
        return self.linkage.state, self.peer.state


BOTH_REGISTERED = (ConnectionState.REGISTERED, ConnectionState.REGISTERED)
BOTH_UNREGISTERED = (ConnectionState.UNREGISTERED, ConnectionState.UNREGISTERED)


def strangers(role: Role) -> Pair:
    return Pair(
        Connection(side=Side.LINKAGE, role=None, now=0),
        Connection(side=Side.PEER, role=role, now=0),
    )


def acquainted(role: Role, dialect: Dialect = DEFAULT) -> Pair:
    return Pair(
        Connection(side=Side.LINKAGE, role=role, dialect=dialect, registered=True, now=0),
        Connection(side=Side.PEER, role=role, dialect=dialect, registered=True, now=0),
    )


def dialled() -> Pair:
    role = Role.APPLICATION
    return Pair(
        Connection(side=Side.LINKAGE, role=role, dialling=True, now=0),
        Connection(side=Side.PEER, role=role, dialling=True, now=0),
    )


def listening(role: Role | None = Role.APPLICATION, timers: Timers = Timers()) -> Connection:  # noqa: B008 - frozen
    return Connection(
        side=Side.LINKAGE, role=role, registered=role is not None, timers=timers, now=0
    )


# --- registration -----------------------------------------------------------------------------
@pytest.mark.parametrize("role", list(Role))
def test_every_role_registers_and_then_speaks_both_ways(role: Role) -> None:
    pair = strangers(role)
    first = registration(role)
    pair.peer.send(first, 0)
    assert pair.to_linkage() == [first]
    assert pair.states() == BOTH_UNREGISTERED
    accepted = answer(first)
    pair.linkage.send(accepted, 0)
    assert pair.to_peer() == [accepted]
    assert pair.states() == BOTH_REGISTERED
    # Whether an application is a monitor is not on the wire.
    assert pair.linkage.role is (Role.APPLICATION if role is Role.MONITOR else role)

    upward, downward = (request(number) for number in SENT[role])
    pair.peer.send(upward, 1)
    assert pair.to_linkage(1) == [upward]
    pair.linkage.send(answer(upward), 1)
    pair.linkage.send(downward, 1)
    assert pair.to_peer(1) == [answer(upward), downward]
    pair.peer.send(answer(downward), 1)
    assert pair.to_linkage(1) == [answer(downward)]
    assert (pair.linkage.unanswered, pair.linkage.received_unanswered) == (0, 0)
    assert (pair.peer.unanswered, pair.peer.received_unanswered) == (0, 0)


@pytest.mark.parametrize("role", list(Role))
def test_what_is_sent_in_the_wrong_direction_is_refused_with_106(role: Role) -> None:
    pair = acquainted(role)
    _, downward = SENT[role]
    with pytest.raises(LocalProtocolError, match="is not sent by this side"):
        pair.peer.send(request(downward), 0)
    pair.linkage.receive_data(frame(f'<request Id="7" Type="{downward}"/>'), 0)
    [event] = pair.linkage.events()
    assert isinstance(event, Refused)
    assert (event.request_id, event.type) == ("7", downward)
    assert event.result is Result.WRONG_DIRECTION
    [refusal] = pair.to_peer()  # nobody asked in truth: the peer finds no request for it
    assert isinstance(refusal, Unmatched)
    assert refusal.response.result == Result.WRONG_DIRECTION
    assert pair.linkage.state is ConnectionState.REGISTERED


def test_a_refused_registration_may_be_tried_again_even_as_another_role() -> None:
    pair = strangers(Role.PLATFORM)
    first = registration(Role.PLATFORM)
    pair.peer.send(first, 0)
    pair.to_linkage()
    pair.linkage.send(answer(first, Result.BAD_CREDENTIALS), 0)
    assert pair.to_peer() == [answer(first, Result.BAD_CREDENTIALS)]
    assert pair.states() == BOTH_UNREGISTERED
    assert pair.linkage.role is None
    pair.peer = Connection(side=Side.PEER, role=Role.BUSINESS_SCREEN, now=0)
    second = registration(Role.BUSINESS_SCREEN)
    pair.peer.send(second, 0)
    assert pair.to_linkage() == [second]
    pair.linkage.send(answer(second, Result.ACCEPTED), 0)
    pair.to_peer()
    assert pair.states() == BOTH_REGISTERED
    assert pair.linkage.role is Role.BUSINESS_SCREEN


def test_before_registration_everything_else_is_refused_with_200() -> None:
    linkage = listening(None)
    linkage.receive_data(frame('<request Id="1" Type="299"/>'), 0)
    [event] = linkage.events()
    assert isinstance(event, Refused)
    assert event.result is Result.NOT_REGISTERED
    assert sent_by(linkage) == [
        '<response RequestId="1" Type="299" Result="200" Detail="register first"/>'
    ]


def test_a_known_role_registers_only_with_its_own_message() -> None:
    linkage = Connection(side=Side.LINKAGE, role=Role.PLATFORM, now=0)
    peer = Connection(side=Side.PEER, role=Role.APPLICATION, now=0)
    peer.send(registration(Role.APPLICATION), 0)
    linkage.receive_data(peer.data_to_send(), 0)
    [event] = linkage.events()
    assert isinstance(event, Refused)
    assert event.result is Result.NOT_REGISTERED


def test_one_registration_is_judged_at_a_time() -> None:
    pair = strangers(Role.PLATFORM)
    pair.peer.send(registration(Role.PLATFORM, "a"), 0)
    pair.peer.send(registration(Role.PLATFORM, "b"), 0)
    first, second = pair.to_linkage()
    assert isinstance(first, Request)
    assert isinstance(second, Refused)
    assert second.result is Result.WRONG_STATE
    pair.linkage.send(answer(first), 0)
    assert pair.linkage.state is ConnectionState.REGISTERED


def test_a_second_registration_of_a_registered_peer_is_refused_with_306() -> None:
    pair = acquainted(Role.APPLICATION)
    pair.peer.send(registration(Role.APPLICATION), 0)
    [event] = pair.to_linkage()
    assert isinstance(event, Refused)
    assert event.result is Result.WRONG_STATE
    [response] = pair.to_peer()
    assert isinstance(response, Response)
    assert response.result == Result.WRONG_STATE
    assert pair.states() == BOTH_REGISTERED


def test_nothing_but_the_registration_is_sent_before_it_is_answered() -> None:
    pair = strangers(Role.APPLICATION)
    with pytest.raises(LocalProtocolError, match="299 before registration"):
        pair.peer.send(request(299), 0)
    with pytest.raises(LocalProtocolError, match="199 before registration"):
        pair.linkage.send(request(199), 0)
    with pytest.raises(LocalProtocolError, match="190 before registration"):
        pair.linkage.send(registration(Role.PLATFORM), 0)


def test_where_linkage_dials_it_registers_as_a_platform_does() -> None:
    pair = dialled()
    ours = registration(Role.PLATFORM)
    pair.linkage.send(ours, 0)
    assert pair.to_peer() == [ours]
    pair.peer.send(answer(ours), 0)
    assert pair.to_linkage() == [answer(ours)]
    assert pair.states() == BOTH_REGISTERED
    assert pair.linkage.role is Role.APPLICATION
    pair.linkage.send(request(199), 0)
    assert pair.to_peer() == [request(199)]


def test_where_linkage_dials_the_application_may_register_itself() -> None:
    pair = dialled()
    theirs = registration(Role.APPLICATION)
    pair.peer.send(theirs, 0)
    assert pair.to_linkage() == [theirs]
    pair.linkage.send(answer(theirs), 0)
    assert pair.to_peer() == [answer(theirs)]
    assert pair.states() == BOTH_REGISTERED


def test_where_both_register_at_once_the_second_acceptance_changes_nothing() -> None:
    pair = dialled()
    ours, theirs = registration(Role.PLATFORM), registration(Role.APPLICATION)
    pair.linkage.send(ours, 0)
    pair.peer.send(theirs, 0)
    assert pair.to_linkage() == [theirs]
    assert pair.to_peer() == [ours]
    pair.linkage.send(answer(theirs), 0)
    pair.peer.send(answer(ours), 0)
    assert pair.to_linkage() == [answer(ours)]
    assert pair.to_peer() == [answer(theirs)]
    assert pair.states() == BOTH_REGISTERED


def test_another_request_with_the_id_of_the_registration_does_not_register() -> None:
    pair = dialled()
    ours, theirs = registration(Role.PLATFORM), registration(Role.APPLICATION, "x")
    pair.linkage.send(ours, 0)
    pair.peer.send(theirs, 0)
    pair.to_linkage()
    pair.to_peer()
    pair.peer.send(answer(ours), 0)
    other = request(299, "y")
    pair.peer.send(other, 0)
    pair.to_linkage()
    pair.linkage.send(answer(other), 0)
    pair.linkage.send(answer(theirs), 0)
    assert pair.to_peer() == [answer(other), answer(theirs)]


def test_a_refused_registration_of_ours_leaves_us_unregistered() -> None:
    pair = dialled()
    ours = registration(Role.PLATFORM)
    pair.linkage.send(ours, 0)
    pair.to_peer()
    pair.peer.send(answer(ours, Result.FORBIDDEN), 0)
    assert pair.to_linkage() == [answer(ours, Result.FORBIDDEN)]
    assert pair.states() == BOTH_UNREGISTERED


def test_a_role_can_only_be_left_open_at_the_listener() -> None:
    with pytest.raises(LocalProtocolError, match="listener"):
        Connection(side=Side.PEER, role=None, now=0)
    with pytest.raises(LocalProtocolError, match="listener"):
        Connection(side=Side.LINKAGE, role=None, registered=True, now=0)
    with pytest.raises(LocalProtocolError, match="listener"):
        Connection(side=Side.LINKAGE, role=None, dialling=True, now=0)
    with pytest.raises(LocalProtocolError, match="linkage dials applications, not a platform"):
        Connection(side=Side.LINKAGE, role=Role.PLATFORM, dialling=True, now=0)


def test_a_legacy_peer_speaks_at_once_and_is_sent_only_the_patent() -> None:
    pair = acquainted(Role.PLATFORM, LEGACY)
    with_profile = Request(id="9", message=message(299), seq=5, time=NOON)
    pair.linkage.send(with_profile, 0)
    assert sent_by(pair.linkage) == ['<request Id="9" Type="299"></request>']
    pair.linkage.receive_data(frame('<request Id="1" Type="299"/>'), 0)
    assert [type(event) for event in pair.linkage.events()] == [Refused]
    assert sent_by(pair.linkage) == ['<response RequestId="1" Type="299" Result="106"/>']


# --- pairing and windows ----------------------------------------------------------------------
def test_a_response_fits_by_id_and_type_or_is_unmatched() -> None:
    pair = acquainted(Role.APPLICATION)
    sent = request(299, "5")
    pair.peer.send(sent, 0)
    pair.to_linkage()
    pair.linkage.send(answer(sent), 0)
    stray = '<response RequestId="{}" Type="{}" Result="0"/>'
    for request_id, number in (("6", 299), ("5", 201)):
        pair.peer.receive_data(frame(stray.format(request_id, number)), 0)
        [event] = pair.peer.events()
        assert event == Unmatched(Response(request_id=request_id, type=number, result=0))
    assert pair.peer.unanswered == 1
    assert pair.to_peer() == [answer(sent)]
    pair.peer.receive_data(frame(stray.format("5", 299)), 0)
    assert [type(event) for event in pair.peer.events()] == [Unmatched]


def test_an_id_is_not_used_again_while_it_is_unanswered() -> None:
    pair = acquainted(Role.APPLICATION)
    pair.peer.send(request(299, "5"), 0)
    with pytest.raises(LocalProtocolError, match="'5' is still unanswered"):
        pair.peer.send(request(299, "5"), 0)
    pair.to_linkage()
    pair.linkage.send(answer(request(299, "5")), 0)
    pair.to_peer()
    pair.peer.send(request(299, "5"), 0)


def test_the_window_is_64_and_an_answer_opens_it_again() -> None:
    pair = acquainted(Role.APPLICATION)
    for number in range(WINDOW):
        pair.peer.send(request(299, str(number)), 0)
    assert pair.peer.unanswered == WINDOW == 64
    with pytest.raises(LocalProtocolError, match="64 requests are unanswered"):
        pair.peer.send(request(299, "next"), 0)
    assert len(pair.to_linkage()) == pair.linkage.received_unanswered == WINDOW
    pair.linkage.send(answer(request(299, "7")), 0)
    pair.to_peer()
    pair.peer.send(request(299, "next"), 0)
    assert pair.to_linkage() == [request(299, "next")]


def test_two_messages_of_the_peer_with_one_id_both_count() -> None:
    linkage = listening()
    linkage.receive_data(frame('<request Id="20009" Type="299"/>') * 2, 0)
    assert len(list(linkage.events())) == linkage.received_unanswered == 2
    linkage.send(answer(request(299, "20009")), 0)
    assert linkage.received_unanswered == 1
    linkage.send(answer(request(299, "20009")), 0)
    assert linkage.received_unanswered == 0
    with pytest.raises(LocalProtocolError, match="no 299 with Id '20009' is owed an answer"):
        linkage.send(answer(request(299, "20009")), 0)


def test_events_are_parsed_only_as_they_are_consumed() -> None:
    linkage = listening()
    linkage.receive_data(b"".join(frame(f'<request Id="{n}" Type="299"/>') for n in range(9)), 0)
    events = linkage.events()
    assert next(events) == request(299, "0")
    assert next(events) == request(299, "1")
    assert linkage.received_unanswered == 2
    assert linkage.unread_bytes == 7 * len(frame('<request Id="0" Type="299"/>'))


def test_a_peer_that_runs_far_beyond_the_window_is_refused_with_206() -> None:
    linkage = listening()
    stream = b"".join(frame(f'<request Id="{n}" Type="299"/>') for n in range(RECEIVED_MAX + 1))
    linkage.receive_data(stream, 0)
    *taken, beyond = linkage.events()
    assert len(taken) == RECEIVED_MAX
    assert isinstance(beyond, Refused)
    assert beyond.result is Result.RATE_LIMITED
    assert 'RetryAfter="1"' in sent_by(linkage)[0]
    linkage.send(answer(request(299, "0")), 0)
    linkage.receive_data(frame('<request Id="again" Type="299"/>'), 0)
    assert list(linkage.events()) == [request(299, "again")]


def test_what_cannot_be_written_changes_nothing() -> None:
    pair = acquainted(Role.APPLICATION)
    with pytest.raises(LocalProtocolError):
        pair.peer.send(request(299, "x" * 17), 0)
    assert pair.peer.unanswered == 0
    assert pair.peer.data_to_send() == b""
    assert pair.peer.get_timer() == 10


# --- the dialect of who registers ---------------------------------------------------------------
OWN = Dialect(encoding="gbk", byte_order="little", flag_message=0x10, empty_token="EMPTY")


def knowing(dialect: Dialect) -> Connection:
    """A listener that knows how peer-1 speaks, and not from where it comes."""
    return Connection(side=Side.LINKAGE, role=None, dialect_of={"peer-1": dialect}.get, now=0)


def hello(app_name: str | None = None) -> Request:
    made = make_registration(Role.APPLICATION, "peer-1", SECRET, NOON, NONCE, app_name=app_name)
    return Request(id="reg", message=made)


def test_a_dialect_holds_from_the_registration_on() -> None:
    linkage = knowing(OWN)
    linkage.receive_data(encode_frame(1, encode(hello())), 0)
    [asked] = linkage.events()
    assert isinstance(asked, Request)
    linkage.send(answer(asked), 0)
    assert linkage.data_to_send() == encode_frame(1, encode(answer(asked)))
    assert linkage.dialect == OWN

    linkage.receive_data(encode_frame(0x10, encode(request(299, "2"), OWN), OWN), 0)
    [leaving] = linkage.events()
    assert leaving == request(299, "2")
    told = Request(id="3", message=PlatformLeave(reason="换班"))
    linkage.send(told, 0)
    assert linkage.data_to_send() == encode_frame(0x10, encode(told, OWN), OWN)
    linkage.handle_timer(10)
    assert linkage.data_to_send() == encode_frame(0x02, b"", OWN)


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_registration_comes_in_the_default_encoding_or_its_peers(encoding: Encoding) -> None:
    linkage = knowing(Dialect(encoding="gbk"))
    first = hello("指挥调度系统")
    linkage.receive_data(encode_frame(1, encode(first, Dialect(encoding=encoding))), 0)
    assert list(linkage.events()) == [first]


def test_a_refused_registration_changes_no_dialect() -> None:
    linkage = knowing(OWN)
    linkage.receive_data(encode_frame(1, encode(hello())), 0)
    [asked] = linkage.events()
    assert isinstance(asked, Request)
    linkage.send(answer(asked, Result.BAD_CREDENTIALS), 0)
    assert linkage.dialect == DEFAULT


# --- malformed --------------------------------------------------------------------------------
UNKNOWN = '<request Id="{}" Type="999"/>'


def test_a_malformed_request_is_answered_if_its_id_can_be_read() -> None:
    linkage = listening()
    linkage.receive_data(frame(UNKNOWN.format(4)), 0)
    [event] = linkage.events()
    assert isinstance(event, Malformed)
    assert (event.result, event.request_id) == (Result.UNKNOWN_TYPE, "4")
    assert event.raw == UNKNOWN.format(4).encode()
    [written] = sent_by(linkage)
    assert written.startswith('<response RequestId="4" Type="999" Result="101" Detail="Type:')
    assert linkage.received_unanswered == 0


@pytest.mark.parametrize(
    "xml",
    [
        '<request Id="4" Type="100"><Content>fish & chips</Content></request>',
        '<?xml version="1.0"?>\n<Request Type="100" Id="4" Time=""><CallId>&x;</CallId></Request>',
        '<request Id="4" Type="100"><CallId>1</CallId>',
        '<request Id="4" Type="100">' + "<A>" * 20 + "</A>" * 20 + "</request>",
        '<request Id="4" Type="100"/><request Id="5" Type="100"/>',
    ],
)
def test_a_request_that_is_no_xml_is_answered_if_it_begins_soundly(xml: str) -> None:
    linkage = listening()
    linkage.receive_data(frame(xml), 0)
    [event] = linkage.events()
    assert isinstance(event, Malformed)
    assert (event.result, event.request_id) == (Result.BAD_FRAME, "4")
    [written] = sent_by(linkage)
    assert written.startswith('<response RequestId="4" Type="100" Result="100" Detail="')


def test_a_type_that_is_no_number_is_answered_as_000() -> None:
    linkage = listening()
    linkage.receive_data(frame('<request Id="4" Type="ring"/>'), 0)
    assert [type(event) for event in linkage.events()] == [Malformed]
    assert sent_by(linkage)[0].startswith('<response RequestId="4" Type="000" Result="101"')


@pytest.mark.parametrize(
    "xml",
    [
        "", "x", "<request", "<other/>", "<response/>",
        '<request Id="4" Type="100" x', '<request Id="4" Id="5" Type="100"/>',
        '<request Id="a&b" Type="100"/>', '<request Id="12345678901234567">&</request>',
        '<request Id="NULL" Type="100">&</request>', '<response RequestId="4" Type="100">&',
        '<!DOCTYPE request [<!ENTITY e "x">]><request Id="4" Type="100"/>',
    ],
)  # fmt: skip
def test_where_no_id_can_be_read_nothing_is_answered(xml: str) -> None:
    linkage = listening()
    linkage.receive_data(frame(xml), 0)
    [event] = linkage.events()
    assert isinstance(event, Malformed)
    assert event.request_id is None
    assert sent_by(linkage) == []
    linkage.receive_data(frame('<request Id="1" Type="299"/>'), 0)
    assert list(linkage.events()) == [request(299)]


def test_the_third_malformed_message_within_a_minute_ends_the_connection() -> None:
    linkage = listening()
    for now in (0, 30):
        linkage.receive_data(frame("x"), now)
        assert [type(event) for event in linkage.events()] == [Malformed]
    linkage.receive_data(frame('<request Id="3"') + frame('<request Id="1" Type="299"/>'), 60)
    third, closed = linkage.events()
    assert isinstance(third, Malformed)
    assert isinstance(closed, Closed)
    assert linkage.closed
    assert linkage.close_reason == closed.reason
    assert closed.reason.startswith("malformed too often")
    assert linkage.data_to_send() == b"", "none of them had an Id"


def test_malformed_messages_that_are_rare_end_nothing() -> None:
    linkage = listening()
    for now in range(0, 600, 31):
        linkage.receive_data(frame("x"), now)
        assert [type(event) for event in linkage.events()] == [Malformed]
    assert not linkage.closed


def test_an_unknown_flag_counts_as_malformed_and_costs_only_its_frame() -> None:
    linkage = listening()
    linkage.receive_data(encode_frame(0x02, b"") + b"\x07\0\0\x02ab", 0)
    linkage.receive_data(frame('<request Id="1" Type="299"/>'), 0)
    malformed, after = linkage.events()
    assert isinstance(malformed, Malformed)
    assert (malformed.result, malformed.raw) == (Result.BAD_FRAME, b"ab")
    assert after == request(299)


def test_refusals_do_not_count_as_malformed() -> None:
    linkage = listening()
    linkage.receive_data(frame('<request Id="1" Type="199"/>') * 10, 0)
    assert [type(event) for event in linkage.events()] == [Refused] * 10
    assert not linkage.closed


ANSWERED = {
    "an unknown type": ('<request Id="1" Type="999"/>', "1", 101),
    "a missing field": ('<request Id="1" Type="201"/>', "1", 102),
    "a bad value": ('<request Id="1" Type="299" Seq="x"/>', "1", 103),
    "no Id": ('<request Type="299"/>', "", 102),
    "an empty Id": ('<request Id=" " Type="299"/>', "", 102),
    "an Id that stands for none": ('<request Id="NULL" Type="299"/>', "", 102),
    "an Id that is too long": (f'<request Id="{"1" * 17}" Type="299"/>', "", 103),
    "an Id with a control character": ('<request Id="a&#9;b" Type="299"/>', "", 103),
    "no Id and no type": ("<request/>", "", 102),
}


@pytest.mark.parametrize(("xml", "request_id", "result"), ANSWERED.values(), ids=list(ANSWERED))
def test_what_can_be_read_is_answered_as_often_as_it_comes(
    xml: str, request_id: str, result: int
) -> None:
    linkage = listening()
    linkage.receive_data(frame(xml) * 10, 0)
    assert [type(event) for event in linkage.events()] == [Malformed] * 10
    assert not linkage.closed
    answers = sent_by(linkage)
    assert len(answers) == 10
    read = decode(answers[0].encode())
    assert isinstance(read, Response)
    assert (read.request_id, read.result) == (request_id, result)
    assert read.detail


def test_a_response_with_wrong_attributes_does_not_count_either() -> None:
    linkage = listening()
    linkage.receive_data(frame('<response RequestId="1" Type="100"/>') * 10, 0)
    assert [type(event) for event in linkage.events()] == [Malformed] * 10
    assert not linkage.closed


def test_the_direction_is_judged_before_the_fields() -> None:
    linkage = listening(Role.PLATFORM)
    linkage.receive_data(frame('<request Id="1" Type="201"><LoginId/></request>') * 3, 0)
    events = list(linkage.events())
    assert [type(event) for event in events] == [Refused] * 3
    assert 'Result="106"' in sent_by(linkage)[0]
    assert not linkage.closed


@pytest.mark.parametrize("number", ["100", "201", "999", "ring"])
def test_before_registration_neither_fields_nor_the_catalogue_are_looked_at(number: str) -> None:
    linkage = listening(None)
    linkage.receive_data(frame(f'<request Id="1" Type="{number}"/>'), 0)
    [event] = linkage.events()
    assert isinstance(event, Refused)
    assert event.result is Result.NOT_REGISTERED


def test_a_registration_with_a_wrong_field_is_told_so() -> None:
    linkage = listening(None)
    linkage.receive_data(frame('<request Id="1" Type="190"/>') * 4, 0)
    assert [type(event) for event in linkage.events()] == [Malformed] * 4
    assert 'Result="102"' in sent_by(linkage)[0]
    assert not linkage.closed


def test_a_broken_stream_ends_the_connection_at_once() -> None:
    dialect = Dialect(message_max_bytes=100)
    linkage = Connection(
        side=Side.LINKAGE, role=Role.PLATFORM, dialect=dialect, registered=True, now=0
    )
    linkage.receive_data(b"\x01\0\0\x65", 0)
    malformed, closed = linkage.events()
    assert isinstance(malformed, Malformed)
    assert malformed.result is Result.TOO_LONG
    assert isinstance(closed, Closed)
    assert closed.reason.startswith("the stream is broken")


def test_a_detail_never_carries_what_the_encoding_or_xml_cannot() -> None:
    linkage = Connection(
        side=Side.LINKAGE,
        role=Role.APPLICATION,
        dialect=Dialect(encoding="gbk"),
        registered=True,
        now=0,
    )
    odd = '<request Id="1" Type="&#128222;&#10;"/>'
    linkage.receive_data(frame(odd), 0)
    [event] = linkage.events()
    assert isinstance(event, Malformed)
    linkage.data_to_send().decode("gbk")


@pytest.mark.parametrize("number", [299, 999])
def test_an_id_that_cannot_be_written_back_is_answered_under_none(number: int) -> None:
    linkage = Connection(
        side=Side.LINKAGE,
        role=Role.APPLICATION,
        dialect=Dialect(encoding="gbk"),
        registered=True,
        now=0,
    )
    linkage.receive_data(frame(f'<request Id="&#128222;" Type="{number}"/>'), 0)
    [event] = linkage.events()
    assert isinstance(event, Malformed)
    assert sent_by(linkage)[0].startswith(f'<response RequestId="" Type="{number}" Result="10')


# --- time -------------------------------------------------------------------------------------
def test_a_heartbeat_goes_out_after_ten_seconds_without_sending() -> None:
    pair = acquainted(Role.PLATFORM)
    assert pair.linkage.get_timer() == 10
    pair.linkage.handle_timer(9.9)
    assert pair.linkage.data_to_send() == b""
    pair.linkage.handle_timer(10)
    assert pair.linkage.data_to_send() == b"\x02\0\0\0"
    assert pair.linkage.get_timer() == 20
    pair.linkage.send(request(299), 15)
    pair.linkage.data_to_send()
    assert pair.linkage.get_timer() == 25


def test_heartbeats_keep_both_ends_alive_and_are_never_answered() -> None:
    pair = acquainted(Role.PLATFORM)
    for now in range(10, 300, 10):
        pair.linkage.handle_timer(now)
        pair.peer.handle_timer(now)
        assert pair.to_peer(now) == pair.to_linkage(now) == []
    assert pair.states() == BOTH_REGISTERED
    assert pair.linkage.data_to_send() == pair.peer.data_to_send() == b""


def test_a_peer_silent_for_thirty_seconds_is_dead() -> None:
    linkage = listening()
    linkage.receive_data(b"\x02", 5)
    for now in (10, 20, 30):
        linkage.handle_timer(now)
    assert list(linkage.events()) == []
    assert linkage.get_timer() == 35
    linkage.handle_timer(35.5)
    dead, closed = linkage.events()
    assert dead == PeerDead(30.5)
    assert closed == Closed("the peer was silent for 30 s")
    assert linkage.get_timer() is None


def test_an_unregistered_peer_is_put_out_after_ten_seconds() -> None:
    linkage = listening(None)
    linkage.receive_data(b"\x02\0\0\0", 9)
    assert linkage.get_timer() == 10
    linkage.handle_timer(10)
    assert list(linkage.events()) == [Closed("not registered within 10 s")]


def test_who_has_registered_waits_for_the_answer_however_late_it_is() -> None:
    linkage = listening(None)
    asked = registration(Role.APPLICATION)
    linkage.receive_data(encode_frame(0x01, encode(asked)), 9)
    assert list(linkage.events()) == [asked]
    linkage.handle_timer(12)
    assert list(linkage.events()) == []
    linkage.send(answer(asked), 12)
    assert linkage.state is ConnectionState.REGISTERED


def test_a_late_answer_is_told_once_and_still_taken() -> None:
    timers = Timers(answer_within_s=3, heartbeat_s=100, dead_after_s=100)
    linkage = listening(timers=timers)
    linkage.send(request(199, "a"), 1)
    linkage.send(request(199, "b"), 2)
    assert linkage.get_timer() == 4
    linkage.handle_timer(4)
    assert list(linkage.events()) == [AnswerLate("a")]
    assert linkage.get_timer() == 5
    linkage.handle_timer(4.5)
    assert list(linkage.events()) == []
    linkage.handle_timer(50)
    assert list(linkage.events()) == [AnswerLate("b")]
    assert linkage.get_timer() == 100
    assert linkage.unanswered == 2
    linkage.receive_data(frame('<response RequestId="a" Type="199" Result="0"/>'), 51)
    assert list(linkage.events()) == [answer(request(199, "a"))]
    assert linkage.unanswered == 1


def test_a_busy_stream_is_never_late_and_one_that_stops_in_a_message_is() -> None:
    linkage = listening(timers=Timers(frame_within_s=3, heartbeat_s=100, dead_after_s=100))
    rest = b""
    for now in range(0, 20, 2):
        whole = frame(f'<request Id="{now}" Type="299"/>')
        # Each piece ends in the middle of a message.
        linkage.receive_data(rest + whole[:20], now)
        rest = whole[20:]
        assert all(isinstance(event, Request) for event in linkage.events())
        linkage.handle_timer(now + 1)
    assert not linkage.closed
    assert linkage.get_timer() == 21
    linkage.handle_timer(21)
    assert "not complete within 3 s" in str(linkage.close_reason)


def test_an_answer_in_time_is_never_late() -> None:
    linkage = listening(timers=Timers(answer_within_s=3, heartbeat_s=100, dead_after_s=100))
    linkage.send(request(199, "a"), 1)
    linkage.receive_data(frame('<response RequestId="a" Type="199" Result="0"/>'), 2)
    assert len(list(linkage.events())) == 1
    linkage.handle_timer(4)
    assert list(linkage.events()) == []


# --- ends -------------------------------------------------------------------------------------
def test_the_end_of_the_stream_comes_after_what_was_sent_before_it() -> None:
    linkage = listening()
    linkage.receive_data(frame('<request Id="1" Type="299"/>'), 0)
    linkage.receive_eof(1)
    assert list(linkage.events()) == [request(299), Closed("the peer ended the connection")]


def test_an_end_in_the_middle_of_a_message_is_told() -> None:
    linkage = listening()
    linkage.receive_data(b"\x01\0\0\x09<re", 0)
    linkage.receive_eof(1)
    [closed] = linkage.events()
    assert closed == Closed("the peer ended the connection in the middle of a message")


def test_closing_is_final_and_writes_what_was_queued() -> None:
    linkage = listening()
    linkage.send(request(199), 0)
    linkage.close("replaced")
    linkage.close("twice")
    assert list(linkage.events()) == [Closed("replaced")]
    assert (linkage.closed, linkage.close_reason) == (True, "replaced")
    assert linkage.unanswered == 0
    assert len(sent_by(linkage)) == 1
    linkage.receive_data(frame('<request Id="1" Type="299"/>'), 1)
    linkage.receive_eof(1)
    linkage.handle_timer(1000)
    assert list(linkage.events()) == []
    assert linkage.data_to_send() == b""
    with pytest.raises(LocalProtocolError, match="closed: replaced"):
        linkage.send(request(199), 1)


def test_an_owner_that_reads_on_without_consuming_is_stopped() -> None:
    linkage = listening()
    linkage.receive_data(bytes(UNREAD_MAX + 1), 0)
    with pytest.raises(LocalProtocolError, match="unparsed"):
        linkage.receive_data(b"x", 0)


def test_no_bytes_are_no_sign_of_life() -> None:
    linkage = listening(timers=Timers(heartbeat_s=100))
    linkage.receive_data(b"", 20)
    assert linkage.get_timer() == 30


def test_a_silence_that_the_owner_caused_is_excused() -> None:
    linkage = listening(timers=Timers(heartbeat_s=100))
    linkage.excuse_silence(25)
    linkage.handle_timer(30)
    assert list(linkage.events()) == []
    assert linkage.get_timer() == 55
