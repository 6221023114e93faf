"""The hardened reader and the strict writer, by hand-written bytes (protocol.md#values)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from protocol.codec import DEPTH_MAX, decode, element_texts, encode, encode_body, escape
from protocol.dialect import LEGACY, Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import AppLeave, Hangup, SendSms
from protocol.messages.parts import Receiver
from protocol.results import Result

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def refusal_of(payload: bytes, dialect: Dialect = Dialect()) -> RemoteProtocolError:  # noqa: B008 - frozen
    with pytest.raises(RemoteProtocolError) as caught:
        decode(payload, dialect)
    return caught.value


def taken(payload: bytes, dialect: Dialect = Dialect()) -> Request:  # noqa: B008 - frozen
    item = decode(payload, dialect)
    assert isinstance(item, Request)
    return item


# --- what a hostile peer may try --------------------------------------------------------------
@pytest.mark.parametrize(
    "payload",
    [
        b'<!DOCTYPE request><request Id="1" Type="299"/>',
        b'<!DOCTYPE request SYSTEM "http://127.0.0.1:1/x.dtd"><request Id="1" Type="299"/>',
        (
            b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            b'<request Id="1" Type="299"><Reason>&x;</Reason></request>'
        ),
        f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>'
        f'<request Id="1" Type="299"><Reason>&l9;</Reason></request>'.encode(),
        f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]><request Id="&l9;" Type="299"/>'.encode(),
        b'<request Id="1" Type="299"><Reason>&unknown;</Reason></request>',
        b'<request Id="1" Type="299"><Reason>\xff\xfe</Reason></request>',
        b'<request Id="1" Type="299"><Reason>\x00</Reason></request>',
        '<request Id="1" Type="299"/>'.encode("utf-16"),
        b"<" * 70_000,
        b"<a>" * 70_000,
    ],
)
def test_dtds_entities_and_broken_xml_are_result_100(payload: bytes) -> None:
    error = refusal_of(payload)
    assert error.result is Result.BAD_FRAME
    assert error.raw == payload


def test_a_document_may_be_16_levels_deep_and_no_deeper() -> None:
    def nested(levels: int) -> bytes:
        inside = "<x>" * (levels - 1) + "</x>" * (levels - 1)
        return f'<request Id="1" Type="299">{inside}</request>'.encode()

    assert taken(nested(DEPTH_MAX)).message == AppLeave()
    assert refusal_of(nested(DEPTH_MAX + 1)).result is Result.BAD_FRAME


@pytest.mark.parametrize("digits", ["9" * 5_000, "0" * 5_000, "9" * 16, "-1", "1.5", "一"])
@pytest.mark.parametrize("name", ["Type", "Result", "LastSeq", "RetryAfter"])
def test_a_number_of_absurd_length_is_a_bad_value(name: str, digits: str) -> None:
    attributes = {"RequestId": "1", "Type": "100", "Result": "0", name: digits}
    written = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    assert refusal_of(f"<response {written}/>".encode()).result is Result.BAD_VALUE
    request = f'<request Id="7" Type="299" Seq="{digits}"/>'.encode()
    error = refusal_of(request)
    assert (error.result, error.request_id, error.request_type) == (Result.BAD_VALUE, "7", 299)


@pytest.mark.parametrize(
    ("request_id", "result"),
    [
        ("", Result.MISSING_FIELD),
        (" ", Result.MISSING_FIELD),
        ("NULL", Result.MISSING_FIELD),
        ("x" * 17, Result.BAD_VALUE),
        ("a&#10;b", Result.BAD_VALUE),
    ],
)
def test_a_request_needs_an_id_of_1_to_16_characters(request_id: str, result: Result) -> None:
    error = refusal_of(f'<request Id="{request_id}" Type="299"/>'.encode())
    assert (error.result, error.request_id, error.request_type) == (result, "", 299)


@pytest.mark.parametrize("written", ["", "99", "0299", "998", "abc", "２９９"])
def test_a_type_that_is_not_in_the_catalogue_is_result_101(written: str) -> None:
    error = refusal_of(f'<request Id="1" Type="{written}"/>'.encode())
    assert (error.result, error.request_id) == (Result.UNKNOWN_TYPE, "1")


def test_an_element_may_stand_there_once_only() -> None:
    error = refusal_of(
        b'<request Id="1" Type="299"><CallId>1</CallId><CallId>1</CallId></request>'
    )
    assert (error.result, str(error)) == (Result.BAD_VALUE, "CallId: stands there twice")


def test_what_is_missing_is_named() -> None:
    error = refusal_of(b'<request Id="1" Type="201"><CallId>1</CallId></request>')
    assert error.result is Result.MISSING_FIELD
    assert "EventId" in str(error)


def test_a_bad_time_is_a_bad_value() -> None:
    error = refusal_of(b'<request Id="1" Type="299" Time="noon"/>')
    assert (error.result, error.request_id) == (Result.BAD_VALUE, "1")


# --- tolerance --------------------------------------------------------------------------------
@pytest.mark.parametrize("token", ["NULL", "EMPTY", "", " NULL ", "\n"])
def test_no_value_is_written_in_many_ways(token: str) -> None:
    written = f'<request Id="1" Type="299"><CallId>{token}</CallId></request>'
    assert taken(written.encode()).message == AppLeave()


def test_names_are_read_without_regard_to_capitals_and_underscores() -> None:
    written = b'<REQUEST Id="1" Type="202"><Phone_Num>139</Phone_Num><callid>7</callid></REQUEST>'
    assert taken(written).message == Hangup(phone_num="139", call_id="7")


def test_white_space_around_a_value_does_not_count() -> None:
    written = b'<request Id=" 1 " Type=" 299 ">\n <CallId> 7 </CallId>\n</request>'
    item = taken(written)
    assert (item.id, item.message) == ("1", AppLeave(call_id="7"))


def test_comments_and_cdata_are_read_as_xml_has_them() -> None:
    written = b'<request Id="1" Type="299"><!-- x --><CallId><![CDATA[7]]></CallId><?p?></request>'
    assert taken(written).message == AppLeave(call_id="7")


def test_the_first_of_two_texts_counts_for_what_was_signed() -> None:
    written = b'<request Id="1" Type="299"><CallId> 7 </CallId><Call_Id>8</Call_Id><X/></request>'
    assert element_texts(written, AppLeave) == {"call_id": " 7 "}


# --- writing ----------------------------------------------------------------------------------
def test_attributes_of_the_profile_are_written_in_the_order_of_the_table() -> None:
    item = Request(
        id="1",
        message=AppLeave(),
        seq=5,
        time=datetime(2026, 11, 22, 8, 15, 30, 125_900, tzinfo=UTC),
        expire_s=30,
        resend=True,
        repeat=True,
        trace="00-ab-01",
    )
    assert encode(item).decode() == (
        '<request Id="1" Type="299" Seq="5" Time="2026-11-22T08:15:30.125+00:00" Expire="30" '
        'Resend="1" Repeat="1" Trace="00-ab-01"></request>'
    )
    assert encode(item, LEGACY) == b'<request Id="1" Type="299"></request>'


def test_a_response_carries_what_it_has() -> None:
    item = Response(
        request_id="1",
        type=210,
        result=1,
        detail='"a" & b',
        call_id="7",
        conference_id="8",
        op_id="9",
        retry_after_s=2,
        last_seq=3,
    )
    assert encode(item).decode() == (
        '<response RequestId="1" Type="210" Result="1" Detail="&quot;a&quot; &amp; b" CallId="7" '
        'ConferenceID="8" OpId="9" RetryAfter="2" LastSeq="3"/>'
    )
    assert decode(encode(item)) == item
    assert encode(item, LEGACY) == b'<response RequestId="1" Type="210" Result="1"/>'


def test_text_is_escaped_so_that_it_survives_a_parser() -> None:
    assert escape("abc123通信") == "abc123通信"
    assert escape("a b.c") == "a b.c"
    assert escape('<&>"\t\n\r') == "&lt;&amp;&gt;&quot;&#9;&#10;&#13;"


def test_repeated_and_nested_elements_are_written_in_place() -> None:
    message = SendSms(
        receivers=(Receiver(phone_num="139"), Receiver(staff_id="7")), content="line\nline"
    )
    body = encode_body(message)
    assert (
        "<Receiver><PhoneNum>139</PhoneNum></Receiver><Receiver><StaffId>7</StaffId></Receiver>"
        in body
    )
    assert "<Content>line&#10;line</Content>" in body


@pytest.mark.parametrize("request_id", ["", "x" * 17])
def test_an_id_that_does_not_fit_is_our_error(request_id: str) -> None:
    with pytest.raises(LocalProtocolError, match="1–16 characters"):
        encode(Request(id=request_id, message=AppLeave()))


def test_a_dialect_with_another_encoding_is_spoken_both_ways() -> None:
    dialect = Dialect(encoding="gb18030")
    item = Request(id="1", message=Hangup(call_id="7", content="通话结束"))
    written = encode(item, dialect)
    assert "通话结束".encode("gb18030") in written
    assert decode(written, dialect) == item


def test_a_text_that_the_encoding_cannot_carry_is_our_error() -> None:
    item = Response(request_id="1", type=100, result=1, detail="📞")
    with pytest.raises(LocalProtocolError, match="gbk cannot carry"):
        encode(item, Dialect(encoding="gbk"))


@pytest.mark.parametrize("empty", ["NULL", "EMPTY", "", " ", " NULL "])
@pytest.mark.parametrize("more", ["", ' Seq="1"', " Strange='1'"])
def test_an_id_that_reads_as_no_value_is_missing(empty: str, more: str) -> None:
    """What answers it would name it as its RequestId, which nobody could read."""
    error = refusal_of(f'<request Id="{empty}" Type="293"{more}></request>'.encode())
    assert error.result == 102
