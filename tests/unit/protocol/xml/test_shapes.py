"""Shapes of flat messages: what is learned, when, and how much of it is kept."""

from __future__ import annotations

import itertools

import pytest

from protocol.codec import Codec, decode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.messages import HangupNotice, IncomingCallNotice
from protocol.messages.call import CallDirection
from protocol.xml import writer
from protocol.xml.shapes import LEARN_AFTER, SHAPES_MAX, Reader, Shapes

BODY = "<CallId>7</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>"
WHOLE = BODY + "</request>"
FOUND = {"call_id": "7", "direction": CallDirection.IN}


@pytest.fixture
def shapes() -> Shapes:
    return Shapes(Reader(IncomingCallNotice))


def teach(shapes: Shapes, body: str) -> None:
    for _ in range(LEARN_AFTER):
        assert shapes.split(body) is not None


def test_a_shape_that_comes_often_is_matched_at_once(shapes: Shapes) -> None:
    assert shapes.split(BODY) == FOUND
    assert shapes.match(WHOLE, 0) is None

    teach(shapes, BODY)

    assert shapes.match(WHOLE, 0) == FOUND


@pytest.mark.parametrize(
    "body",
    [
        "<CallId>NULL</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<CallId>7</CallId><ConferenceID>8</ConferenceID><Type>1</Type>",
        "<CallId></CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<CallId> 7</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<CallId>7 </CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<CallId>\t</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<CallId>&amp;</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        f"<CallId>{'7' * 21}</CallId><ConferenceID>NULL</ConferenceID><Type>1</Type>",
        "<Type>1</Type><CallId>7</CallId><ConferenceID>NULL</ConferenceID>",
    ],
)
def test_what_differs_from_a_shape_is_left_to_others(shapes: Shapes, body: str) -> None:
    teach(shapes, BODY)
    assert shapes.match(body + "</request>", 0) is None


def test_what_a_type_refuses_is_refused_in_a_shape_too(shapes: Shapes) -> None:
    teach(shapes, BODY)
    with pytest.raises(KeyError):
        shapes.match(WHOLE.replace(">1<", ">9<"), 0)


def test_no_more_than_so_many_shapes_are_learned(shapes: Shapes) -> None:
    fields = [f"<{name}>1</{name}>" for name in ("CallId", "PhoneNum", "ToNum", "Uui", "EventId")]
    bodies = ["".join(order) + "<Type>1</Type>" for order in itertools.permutations(fields)]
    for body in bodies[: SHAPES_MAX + 5]:
        teach(shapes, body)
    matched = [shapes.match(body + "</request>", 0) is not None for body in bodies]
    assert matched.count(True) == SHAPES_MAX


# --- writing ------------------------------------------------------------------------------------
def test_a_shape_is_written_alike_whatever_the_order_of_its_values() -> None:
    codec = Codec(DEFAULT)
    texts = {
        codec.encode(decode(b'<request Id="1" Type="102">' + body + b"</request>"))
        for body in (
            b"<CallId>7</CallId><PhoneNum>139</PhoneNum>",
            b"<PhoneNum>139</PhoneNum><CallId>7</CallId>",
        )
    }
    assert len(texts) == 1


def test_a_text_that_must_be_escaped_is_escaped_in_a_known_shape_too() -> None:
    codec = Codec(DEFAULT)
    for content in ("bye", "a < b & c", "50 % off", "bye\nnow"):
        item = Request(id="1", message=HangupNotice(call_id="7", content=content))
        read = decode(codec.encode(item))
        assert isinstance(read, Request)
        assert read.message == item.message


def test_an_empty_token_may_look_like_a_place_for_a_value() -> None:
    codec = Codec(Dialect(empty_token="%s"))  # type: ignore[arg-type]
    written = codec.encode(Request(id="1", message=HangupNotice(call_id="7")))
    assert b"<ConferenceID>%s</ConferenceID>" in written


def test_beyond_so_many_shapes_messages_are_written_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codec = Codec(Dialect(encoding="utf-8", flag_message=0x51))
    messages = [
        HangupNotice(call_id="7"),
        HangupNotice(call_id="7", phone_num="139"),
        HangupNotice(call_id="7", login_id="13"),
    ]
    expected = [Codec(DEFAULT).encode(Request(id="1", message=item)) for item in messages]
    monkeypatch.setattr(writer, "SHAPES_MAX", 1)
    assert [codec.encode(Request(id="1", message=item)) for item in messages] == expected
