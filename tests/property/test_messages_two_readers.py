"""The short way of reading says yes only where the parser does, and then the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.codec import encode
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.xml.canonical import read_canonical
from protocol.xml.reader import read_tree
from tests.fakes.message_strategies import CLASSES, lines, requests, smallest
from tests.property.test_messages_round_trip import damaged

RESPONSES = st.builds(
    Response,
    request_id=lines(16),
    type=st.integers(100, 699),
    result=st.integers(0, 999),
    detail=st.none() | lines(60),
    op_id=st.none() | lines(20),
    retry_after_s=st.none() | st.integers(0, 2**53),
    last_seq=st.none() | st.integers(0, 2**53),
)


def agrees(payload: bytes) -> None:
    short = read_canonical(payload)
    if short is not None:
        long = read_tree(payload)
        assert short == long
        assert repr(short) == repr(long)  # types too: 1 is True, and an IntEnum its number


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
@settings(max_examples=4)
@given(data=st.data())
def test_of_every_class(cls: type[Message], data: st.DataObject) -> None:
    agrees(encode(data.draw(requests(cls))))
    agrees(encode(Request(id="1", message=cls(**smallest(cls)))))


@settings(max_examples=300)
@given(damaged())
@example(b'<request Id="1" Type="215"><PhoneNum>1</PhoneNum><PhoneNum>2</PhoneNum></request>')
@example(b'<request Id="1" Type="215"><PhoneNum>NULL</PhoneNum></request>')
@example(b'<request Id="1" Type="100"><CallId>1</CallId><Type>1</Type>]]></request>')
@example(b'<request Id="1" Type="100"><CallId>1</CallId><Type>1</Type><A></B></request>')
@example(b'<request Id="1" Type="160"><Speed>nan</Speed></request>')
def test_of_damaged_messages(payload: bytes) -> None:
    agrees(payload)


@given(RESPONSES)
@example(Response(request_id="1", type=100, result=0, detail=" "))
@example(Response(request_id="1", type=100, result=0, last_seq=2**53 + 1))
def test_of_responses(response: Response) -> None:
    agrees(encode(response))


def test_of_every_wrong_value_of_a_short_message() -> None:
    for written in (
        "0",
        "3",
        "01",
        "+1",
        "1 ",
        " 1",
        "１",
        "x",
        "NULL",
        "",
        "1.0",
        "\x7f",
        "9" * 30,
    ):
        body = f"<CallId>{written}</CallId><Type>{written}</Type>"
        agrees(f'<request Id="1" Type="100">{body}</request>'.encode())
