"""The wire as a whole: cutting a stream anywhere, damaging it anywhere, and the short way in.

The short way (`protocol.xml.canonical`) may say yes only where the hardened parser does, and with
the same result; it may say nothing at any time.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from protocol.codec import decode, encode
from protocol.connection import (
    Closed,
    Connection,
    Event,
    Malformed,
    Refused,
    Role,
    Side,
    Unmatched,
)
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.errors import RemoteProtocolError
from protocol.fields import NULL_TOKENS
from protocol.frames import UNREAD_MAX, Framer, encode_frame, encode_message, heartbeat
from protocol.message import Message
from protocol.plans import FieldPlan, plan_of
from protocol.results import Result
from protocol.xml import canonical
from protocol.xml.canonical import read_canonical
from protocol.xml.reader import read_tree
from protocol.xml.shapes import LEARN_AFTER
from tests.fakes.message_strategies import CLASSES, parts, requests, smallest

DIALECTS = st.builds(
    Dialect,
    byte_order=st.sampled_from(["big", "little"]),
    length_includes_header=st.booleans(),
    flag_message=st.sampled_from([0x01, 0x11]),
)
BY_NUMBER = {cls.number: cls for cls in CLASSES}
ANY_REQUEST = st.sampled_from(CLASSES).flatmap(requests)
WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs", "Cf", "Cn", "Co")), max_size=20
)
RESPONSES = st.builds(
    Response,
    request_id=st.text("0123456789abcXYZ._:-", min_size=1, max_size=16),
    type=st.integers(0, 999),
    result=st.integers(0, 999),
    detail=st.none() | WORDS.filter(bool),
    call_id=st.none() | st.text("0123456789&<", min_size=1, max_size=20),
    conference_id=st.none() | WORDS.filter(bool),
    op_id=st.none() | WORDS.filter(bool),
    retry_after_s=st.none() | st.integers(0, 2**53),
    last_seq=st.none() | st.integers(0, 2**53),
)


# --- the short way in -------------------------------------------------------------------------
def agrees(payload: bytes) -> bool:
    """Whether the short way took the payload; fails where the parser sees it otherwise."""
    item = read_canonical(payload)
    if item is None:
        return False
    by_tree = read_tree(payload)
    assert item == by_tree
    assert repr(item) == repr(by_tree), "equal, yet not the same: 1 and True, 0.0 and -0.0"
    if isinstance(item, Request) and isinstance(by_tree, Request):
        assert item.raw == by_tree.raw == payload
        type(item.message)(
            **{plan.name: getattr(item.message, plan.name) for plan in plan_of(type(item.message))}
        )  # what came past the checks of construction passes them
    return True


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
@settings(max_examples=3)
@given(data=st.data())
def test_the_short_way_and_the_parser_agree_on_every_class(
    cls: type[Message], data: st.DataObject
) -> None:
    agrees(encode(data.draw(requests(cls))))
    agrees(encode(Request(id="1", message=data.draw(parts(cls)))))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
def test_every_message_of_flat_parts_takes_the_short_way(
    cls: type[Message],
) -> None:
    fields = smallest(cls)
    is_flat = all(
        all(map(is_simple, plan_of(plan.part))) if plan.part else is_simple(plan)
        for plan in plan_of(cls)
        if plan.name in fields
    )
    assert agrees(encode(Request(id="1", message=cls(**fields)))) is is_flat


def is_simple(plan: FieldPlan) -> bool:
    return not (plan.part or plan.repeated or plan.is_attribute or plan.is_text)


@given(RESPONSES)
def test_the_short_way_and_the_parser_agree_on_responses(response: Response) -> None:
    payload = encode(response)
    agrees(payload)
    assert decode(payload) == response


INSERTIONS = st.sampled_from(
    [
        *(
            "<",
            ">",
            "&",
            '"',
            "'",
            "/",
            " ",
            "\t",
            "\n",
            "\r",
            "\x00",
            "\x01",
            "\x7f",
            "]]>",
            "&amp;",
        ),
        *(
            "\x85",
            "\xa0",
            "\u2028",
            "\u3000",
            "\ufffe",
            "\ufeff",
            "\U0001ffff",
            "通信",
            "NULL",
            "EMPTY",
        ),
        *("<!-- -->", "<?x?>", "<![CDATA[x]]>", "<!DOCTYPE request>", "<X/>", "<X>1</X>", "&#1;"),
        *(
            "<CallId>1</CallId>",
            "<CallId>NULL</CallId>",
            "<callid>1</callid>",
            "<EventId></EventId>",
        ),
        *(
            "<Receiver><PhoneNum>1</PhoneNum></Receiver>",
            "<Receiver><PhoneNum>NULL</PhoneNum></Receiver>",
            "<Receiver></Receiver>",
            "<Receiver/>",
            "<Receiver>",
            "</Receiver>",
            "<StaffId>1</StaffId>",
        ),
        *(
            ' Seq="1"',
            ' Resend="1"',
            ' Time="2026-01-01T00:00:00Z"',
            ' Expire=""',
            ' x="1"',
            "0" * 40,
        ),
    ]
)
RECEIVER = "<Receiver><PhoneNum>139</PhoneNum></Receiver>"
STAFF = "<Receiver><PhoneNum></PhoneNum><StaffId>消防</StaffId></Receiver>"
FLAT = st.sampled_from([
    '<request Id="1" Type="100"><CallId>7</CallId><LoginId>13</LoginId><Type>1</Type></request>',
    '<request Id="1" Type="201"><CallId>7</CallId><EventId>9</EventId><Lon>1.5</Lon></request>',
    '<request Id="1" Type="202"><PhoneNum>139</PhoneNum><Content>bye now</Content></request>',
    f'<request Id="1" Type="220">{RECEIVER}<Content>go</Content></request>',
    f'<request Id="1" Type="220">{RECEIVER}{STAFF}<Content>go</Content>{RECEIVER}</request>',
    '<request Id="1" Type="299" Seq="5" Time="2026-01-01T00:00:00+08:00"></request>',
    '<request Id="1" Type="299" Expire="3" Resend="1" Trace="00-ab-01"><OpId>1</OpId></request>',
    '<response RequestId="1" Type="100" Result="0"/>',
    '<response RequestId="1" Type="100" Result="0" Detail="a line" CallId="7" RetryAfter="3"/>',
])  # fmt: skip


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A canonical message with pieces put in, taken out or doubled at places of interest."""
    return draw(alterations_of(draw(FLAT)))


@st.composite
def alterations_of(draw: st.DrawFn, text: str) -> bytes:
    """The same of one message."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        removed = draw(st.integers(0, 4))
        text = text[:place] + draw(INSERTIONS | st.just("")) + text[place + removed :]
    return text.encode()


def learn(payload: bytes) -> bool:
    """Have the short way make a pattern for the shape of a message; False where it cannot."""
    canonical._SHAPES.clear()
    return all(read_canonical(payload) is not None for _ in range(LEARN_AFTER))


@settings(max_examples=120)
@given(st.data())
def test_a_learned_shape_takes_nothing_that_the_parser_sees_otherwise(data: st.DataObject) -> None:
    valid = data.draw(FLAT.map(str.encode) | ANY_REQUEST.map(encode))
    if learn(valid):
        assert agrees(valid)
    for _ in range(3):
        try:
            agrees(data.draw(alterations_of(valid.decode())))
        except RemoteProtocolError as error:
            raise AssertionError("the short way took it, the parser refuses it") from error


@settings(max_examples=60)
@given(data=st.data(), cls=st.sampled_from(CLASSES))
def test_a_learned_shape_of_any_class_is_read_as_before(
    cls: type[Message], data: st.DataObject
) -> None:
    first, second = (data.draw(requests(cls)) for _ in range(2))
    if learn(encode(first)):
        agrees(encode(first))
        agrees(encode(second))


@settings(max_examples=300)
@given(altered())
def test_the_short_way_takes_nothing_that_the_parser_sees_otherwise(payload: bytes) -> None:
    try:
        agrees(payload)
    except RemoteProtocolError as error:  # pragma: no cover - only when the test fails
        pytest.fail(f"the short way took what the parser refuses: {error}")


@pytest.mark.parametrize(
    "payload",
    [
        b'<request Id="1" Type="299"><CallId>1</CallId></CallId></request>',
        b'<request Id="1" Type="299"><CallId>1</CallId>x</request>',
        b'<request Id="1" Type="299">x<CallId>1</CallId></request>',
        b'<request Id="1" Type="299"><CallId>1</LoginId></request>',
        b'<request Id="1" Type="299"><CallId>1</request>',
        b'<request Id="1" Type="299"><CallId</CallId></request>',
        b'<request Id="1" Type="299"><CallId>1</CallId><CallId>1</CallId></request>',
        b'<request Id="1" Type="299"><CallId>NULL</CallId><CallId>1</CallId></request>',
        b'<request Id="1" Type="299"><CallId>123456789012345678901</CallId></request>',
        b'<request Id="1" Type="299"><CallId>\xff</CallId></request>',
        b'<request Id="1" Type="299"><CallId>a\x01</CallId></request>',
        b'<request Id="1" Type="299"><Result>1000</Result></request>',
        b'<request Id="1" Type="299"><Reason>&amp;</Reason></request>',
        b'<request Id="1" Type="299" Time="noon"></request>',
        b'<request Id="1" Type="998"></request>',
        b'<request Id="1" Type="100"><CallId>1</CallId></request>',
        b'<request Id="1" Type="202"></request>',
        b'<request Id="1" Type="299"/>',
        b'<request Id="1" Type="299"></request> ',
        b'<response RequestId="1" Type="100" Result="0" Detail="&amp;"/>',
        b'<response RequestId="1" Type="100" Result="0" Detail="\x01"/>',
        b'<response RequestId="1" Type="100"/>',
        b"",
    ],
)
def test_what_is_not_canonical_or_not_valid_is_left_to_the_parser(payload: bytes) -> None:
    assert read_canonical(payload) is None


@pytest.mark.parametrize("token", sorted(NULL_TOKENS))
def test_the_short_way_knows_what_means_no_value(token: str) -> None:
    written = (
        f'<request Id="1" Type="299" Time="{token or " "}"><CallId>{token}</CallId></request>'
    )
    assert agrees(written.encode())


# --- cutting a stream -------------------------------------------------------------------------
@st.composite
def streams(draw: st.DrawFn, dialect: Dialect = DEFAULT) -> bytes:
    """Frames of all that a peer may send: messages, fragments, heartbeats between them."""
    pieces = []
    for _ in range(draw(st.integers(1, 6))):
        payload = encode(draw(st.one_of(ANY_REQUEST, RESPONSES)))
        if draw(st.booleans()):
            pieces.append(encode_message(payload, dialect))
            continue
        cuts = sorted(draw(st.sets(st.integers(0, len(payload)), max_size=4)) | {0, len(payload)})
        *parted, last = [payload[start:end] for start, end in pairwise(cuts)]
        for piece in parted:
            pieces.append(encode_frame(dialect.flag_fragment, piece, dialect))
            pieces.extend([heartbeat(dialect)] * draw(st.integers(0, 1)))
        pieces.append(encode_frame(dialect.flag_message, last, dialect))
    return b"".join(pieces)


def chunks(data: st.DataObject, stream: bytes) -> list[bytes]:
    inner = st.sets(st.integers(0, len(stream)), max_size=12)
    cuts = sorted(data.draw(inner) | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(cuts)]


def linkage(dialect: Dialect = DEFAULT) -> Connection:
    return Connection(
        side=Side.LINKAGE, role=Role.APPLICATION, dialect=dialect, registered=True, now=0
    )


def received(connection: Connection, pieces: list[bytes]) -> list[Event]:
    found: list[Event] = []
    for piece in pieces:
        connection.receive_data(piece, 1)
        found.extend(connection.events())
    connection.receive_eof(1)
    found.extend(connection.events())
    return found


@given(data=st.data(), dialect=DIALECTS)
def test_cutting_a_stream_changes_nothing(data: st.DataObject, dialect: Dialect) -> None:
    stream = data.draw(streams(dialect))
    whole, cut, single = linkage(dialect), linkage(dialect), linkage(dialect)
    events = received(whole, [stream])
    assert received(cut, chunks(data, stream)) == events
    assert received(single, [bytes([byte]) for byte in stream]) == events
    assert not any(isinstance(event, Malformed) for event in events)
    assert events[-1] == Closed("the peer ended the connection")
    assert whole.data_to_send() == cut.data_to_send() == single.data_to_send()


@given(st.lists(ANY_REQUEST, min_size=1, max_size=5), st.data())
def test_what_one_end_sends_is_what_the_other_end_takes(
    items: list[Request], data: st.DataObject
) -> None:
    stream = b"".join(encode_message(encode(item)) for item in items)
    taken = [
        decode(event.raw) if isinstance(event, Refused) else event
        for event in received(linkage(), chunks(data, stream))
    ]
    assert taken[:-1] == items


# --- damaging a stream ------------------------------------------------------------------------
@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid stream with bytes changed, dropped, doubled, put in, or cut off."""
    stream = bytearray(draw(streams()))
    for _ in range(draw(st.integers(1, 6))):
        assume(stream)
        place = draw(st.integers(0, len(stream) - 1))
        length = draw(st.integers(1, 8))
        match draw(st.sampled_from(["change", "drop", "double", "insert", "cut"])):
            case "change":
                stream[place] = draw(st.integers(0, 255))
            case "drop":
                del stream[place : place + length]
            case "double":
                stream[place:place] = stream[place : place + length]
            case "insert":
                stream[place:place] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del stream[place:]
    return bytes(stream)


@settings(max_examples=200)
@given(stream=damaged(), data=st.data())
@example(stream=b"\x01\0\xff\xff" * 100, data=None)
@example(stream=b"\x03\0\xff\xff" + b"<" * 70_000, data=None)
@example(stream=b"\x07\0\0\0" * 10, data=None)
def test_damage_is_a_protocol_error_and_nothing_else(
    stream: bytes, data: st.DataObject | None
) -> None:
    connection = linkage()
    events = received(connection, [stream] if data is None else chunks(data, stream))
    expected = Request | Response | Malformed | Refused | Unmatched | Closed
    assert all(isinstance(event, expected) for event in events)
    assert isinstance(events[-1], Closed)
    assert sum(isinstance(event, Closed) for event in events) == 1
    unreadable = [e for e in events if isinstance(e, Malformed) and e.result == Result.BAD_FRAME]
    assert len(unreadable) <= 3
    for event in events:
        if isinstance(event, Request):
            assert decode(event.raw) == event, "what is taken is whole and valid"
    answers = Framer()
    answers.receive_data(connection.data_to_send())
    while (payload := answers.next_event()) is not None:
        assert isinstance(payload, bytes)
        assert isinstance(decode(payload), Response), "nothing but well-formed answers goes out"


@given(st.binary(max_size=200))
def test_noise_never_raises_and_holds_no_memory(noise: bytes) -> None:
    connection = linkage()
    for _ in range(400):
        if connection.closed:
            break
        connection.receive_data(noise, 1)
        for event in connection.events():
            assert isinstance(event, Malformed | Closed)
    assert connection.unread_bytes <= 65_539 < UNREAD_MAX
    assert connection.received_unanswered == 0
