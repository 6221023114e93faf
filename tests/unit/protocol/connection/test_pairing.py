"""Requests and responses of a connection: which belong together, and how many may be open."""

from __future__ import annotations

import pytest

from protocol.connection import (
    RECEIVED_MAX,
    WINDOW,
    Refused,
    Role,
    Unmatched,
)
from protocol.envelope import Response
from protocol.errors import LocalProtocolError
from protocol.results import Result
from tests.fakes.connections import (
    acquainted,
    answer,
    frame,
    listening,
    request,
    sent_by,
)


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
