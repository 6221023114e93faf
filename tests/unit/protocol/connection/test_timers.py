"""Time on a connection: heartbeats, silence, answers that are late; and how it ends."""

from __future__ import annotations

import pytest

from protocol.codec import encode
from protocol.connection import (
    AnswerLate,
    Closed,
    ConnectionState,
    PeerDead,
    Role,
    Timers,
)
from protocol.envelope import Request
from protocol.errors import LocalProtocolError
from protocol.frames import UNREAD_MAX, encode_frame
from tests.fakes.connections import (
    BOTH_REGISTERED,
    acquainted,
    answer,
    frame,
    listening,
    registration,
    request,
    sent_by,
)


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
