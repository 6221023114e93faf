"""What cannot be read: answered where it can be, and the end of who sends too much of it."""

from __future__ import annotations

import pytest

from protocol.codec import decode
from protocol.connection import (
    Closed,
    Connection,
    Malformed,
    Refused,
    Role,
    Side,
)
from protocol.dialect import Dialect
from protocol.envelope import Response
from protocol.frames import encode_frame
from protocol.results import Result
from tests.fakes.connections import (
    frame,
    listening,
    request,
    sent_by,
)

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
