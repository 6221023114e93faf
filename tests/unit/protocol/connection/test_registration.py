"""Registration on a connection: who may come in as what, and what is said before."""

from __future__ import annotations

import pytest

from protocol.codec import encode
from protocol.connection import (
    Connection,
    ConnectionState,
    Refused,
    Role,
    Side,
    Unmatched,
)
from protocol.dialect import DEFAULT, LEGACY, Dialect, Encoding
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.frames import encode_frame
from protocol.messages import PlatformLeave
from protocol.registration import make_registration
from protocol.results import Result
from tests.fakes.connections import (
    BOTH_REGISTERED,
    NONCE,
    NOON,
    SECRET,
    Pair,
    acquainted,
    answer,
    frame,
    listening,
    message,
    registration,
    request,
    sent_by,
)

# Role → a type that such a peer sends, one that it is sent. Leaves (x99) need no field.
SENT = {
    Role.PLATFORM: (199, 299),
    Role.APPLICATION: (299, 199),
    Role.MONITOR: (299, 199),
    Role.COMMUNICATION_SCREEN: (499, 399),
    Role.BUSINESS_SCREEN: (699, 599),
}


BOTH_UNREGISTERED = (ConnectionState.UNREGISTERED, ConnectionState.UNREGISTERED)


def strangers(role: Role) -> Pair:
    return Pair(
        Connection(side=Side.LINKAGE, role=None, now=0),
        Connection(side=Side.PEER, role=role, now=0),
    )


def dialled() -> Pair:
    role = Role.APPLICATION
    return Pair(
        Connection(side=Side.LINKAGE, role=role, dialling=True, now=0),
        Connection(side=Side.PEER, role=role, dialling=True, now=0),
    )


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
