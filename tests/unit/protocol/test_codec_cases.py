"""The tolerant reader and the strict writer, case by case (protocol.md#values)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from protocol.codec import DEPTH_MAX, decode, encode, encode_body
from protocol.dialect import DEFAULT, LEGACY
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.message import Message
from protocol.messages import (
    CallDataNotice,
    CallDirection,
    CallState,
    CallStateNotice,
    DirectoryDelete,
    Display,
    HangupNotice,
    IncomingCallNotice,
    KeyValue,
    LinkAction,
    LinkEvent,
    QueryAgent,
    message_class,
)
from protocol.results import Result

INCOMING = IncomingCallNotice(call_id="1", direction=CallDirection.IN)


def request(body: str, number: int = 100) -> Message:
    item = decode(f'<request Id="1" Type="{number}">{body}</request>'.encode())
    assert isinstance(item, Request)
    return item.message


def refused(payload: str | bytes) -> RemoteProtocolError:
    content = payload.encode() if isinstance(payload, str) else payload
    with pytest.raises(RemoteProtocolError) as caught:
        decode(content)
    assert caught.value.raw == content
    return caught.value


# --- reading -------------------------------------------------------------------------------------
@pytest.mark.parametrize("none", ["EMPTY", "NULL", "", " NULL\n", " "])
def test_every_way_to_say_no_value_reads_alike(none: str) -> None:
    read = request(f"<CallId>1</CallId><Type>1</Type><LoginId>{none}</LoginId>")
    assert read == INCOMING


@pytest.mark.parametrize("name", ["CallId", "Call_Id", "callid", "CALLID", "call_id"])
def test_an_element_may_be_written_with_underscores_and_other_capitals(name: str) -> None:
    assert request(f"<{name}>1</{name}><Type>1</Type>") == INCOMING


def test_a_conference_id_may_be_written_with_a_small_d() -> None:
    notice = request("<ConferenceId>2</ConferenceId>", 103)
    assert notice.conference_id == "2"


def test_comments_instructions_and_cdata_change_nothing() -> None:
    read = request("<!-- a --><CallId><![CDATA[1]]></CallId><?b c?><Type>1</Type>text")
    assert read == INCOMING


def test_an_xml_declaration_and_single_quotes_are_read() -> None:
    body = "<CallId>1</CallId><Type>1</Type>"
    payload = f"<?xml version='1.0'?>\n<Request Id='1' Type='100'>{body}</Request>"
    assert decode(payload.encode()) == Request(id="1", message=INCOMING)


def test_attributes_of_the_profile_are_read() -> None:
    payload = (
        '<request Id=" 7 " Type="106" Seq="5" Time="2026-11-22T09:15:30.1259+01:00" Expire="30" '
        'Resend="1" Repeat="1" Trace="00-ab" New="1"/>'
    )
    item = decode(payload.encode())
    assert item == Request(
        id="7",
        message=request("", 106),
        seq=5,
        time=datetime(2026, 11, 22, 8, 15, 30, 125_000, tzinfo=UTC),
        expire_s=30,
        resend=True,
        repeat=True,
        trace="00-ab",
    )
    assert isinstance(item, Request)
    assert item.raw == payload.encode()
    assert item.type == 106


def test_what_is_named_repeatedly_is_read_in_order() -> None:
    link = request(
        "<EventId>1</EventId><OtherEventId>2</OtherEventId><Action>7</Action>"
        "<OpId>a</OpId><OpId>NULL</OpId><OpId>b</OpId>",
        283,
    )
    assert link == LinkEvent(
        event_id="1", other_event_id="2", action=LinkAction.SPLIT, op_ids=("a", "b")
    )
    assert request("<LoginId>a</LoginId><LoginId>b</LoginId>", 274) == QueryAgent(
        login_ids=("a", "b")
    )
    assert request("<Kind>Staff</Kind><Id>a</Id><Ids>b</Ids>", 272) == DirectoryDelete(
        kind=request("<Kind>Staff</Kind><Id>a</Id>", 272).kind,  # type: ignore[attr-defined]  # a Message to mypy
        ids=("a", "b"),
    )


def test_the_space_in_a_text_is_the_senders() -> None:
    notice = request("<Data><Key> k </Key><Value> a\r\n&#13; b </Value></Data>", 113)
    assert notice == CallDataNotice(data=(KeyValue(key="k", value=" a\n\r b "),))


def test_a_push_carries_the_screens_elements() -> None:
    read = request(
        "<CallId>1</CallId><Type>1</Type><ScreenId>s1</ScreenId><Display>2</Display>", 300
    )
    assert (getattr(read, "screen_id", None), getattr(read, "display", None)) == (
        "s1",
        Display.UPDATE,
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no xml",
        b"<request",
        b"<other/>",
        b'<request Id="1" Id="2" Type="100"/>',
        b'<!DOCTYPE a><request Id="1" Type="100"/>',
        b'<!DOCTYPE request [<!ENTITY a "b">]><request Id="1" Type="100">&a;</request>',
        b'<!DOCTYPE request SYSTEM "file:///etc/passwd"><request Id="1" Type="100"/>',
        b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1),
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_message_is_result_100(payload: bytes) -> None:
    error = refused(payload)
    assert (error.result, error.request_id, error.request_type) == (Result.BAD_FRAME, None, None)


@pytest.mark.parametrize(
    "payload",
    [
        b'<request Id="1" Type="100"></response>',
        b'<request Id="1" Type="100">&undefined;</request>',
        b'<request Id="1" Type="100">\xff</request>',
        b'<request Id="1" Type="100">\x00</request>',
    ],
)
def test_what_is_no_message_but_begins_as_one_has_its_id(payload: bytes) -> None:
    error = refused(payload)
    assert (error.result, error.request_id, error.request_type) == (Result.BAD_FRAME, "1", 100)


def test_the_deepest_nesting_allowed_is_read_and_one_more_is_not() -> None:
    def nested(levels: int) -> str:
        inner = "<A>" * (levels - 1) + "</A>" * (levels - 1)
        return f'<request Id="1" Type="106">{inner}</request>'

    decode(nested(DEPTH_MAX).encode())
    assert refused(nested(DEPTH_MAX + 1)).result is Result.BAD_FRAME


@pytest.mark.parametrize(
    ("request_id", "result"),
    [("", 102), (" ", 102), ("12345678901234567", 103), ("a&#10;b", 103)],
    ids=["none", "space", "long", "line"],
)
def test_a_request_needs_an_id(request_id: str, result: int) -> None:
    error = refused(f'<request Id="{request_id}" Type="106"/>')
    assert (error.result, error.request_id) == (result, "")


def test_a_response_to_a_request_without_a_usable_id_is_read() -> None:
    item = decode(b'<response RequestId="" Type="100" Result="102" Detail="Id: is missing"/>')
    assert isinstance(item, Response)
    assert (item.request_id, item.result) == ("", 102)


@pytest.mark.parametrize("number", ["", "1", "1000", "125", "999", "abc", "１００", "-10"])
def test_an_unknown_type_is_result_101_and_can_be_answered(number: str) -> None:
    for payload in (
        f'<request Id="7" Type="{number}"/>',
        f'<request Id="7" Type="{number}"></request>',
    ):
        error = refused(payload)
        assert (error.result, error.request_id) == (Result.UNKNOWN_TYPE, "7")


@pytest.mark.parametrize(
    ("number", "body", "result"),
    [
        (100, "<Type>1</Type>", Result.MISSING_FIELD),
        (100, "<CallId>NULL</CallId><Type>1</Type>", Result.MISSING_FIELD),
        (102, "<LoginId>1</LoginId>", Result.MISSING_FIELD),
        (202, "<Scope>1</Scope>", Result.MISSING_FIELD),
        (210, "", Result.MISSING_FIELD),
        (210, "<Group/>", Result.MISSING_FIELD),
        (220, "<Receiver/><Content>a</Content>", Result.MISSING_FIELD),
        (100, "<CallId>1</CallId><Type>3</Type>", Result.BAD_VALUE),
        (100, "<CallId>1</CallId><CallId>1</CallId><Type>1</Type>", Result.BAD_VALUE),
        (100, "<CallId>123456789012345678901</CallId><Type>1</Type>", Result.BAD_VALUE),
        (100, "<CallId>a&#9;b</CallId><Type>1</Type>", Result.BAD_VALUE),
        (116, "<Total>-1</Total>", Result.BAD_VALUE),
        (116, "<Finished>yes</Finished>", Result.BAD_VALUE),
        (108, "<Sha256>ABC</Sha256>", Result.BAD_VALUE),
        (160, "<Lon>1e3</Lon>", Result.BAD_VALUE),
        (195, "<Since>2026-11-22T08:15:30</Since>", Result.BAD_VALUE),
        (290, "<AppId>../x</AppId>", Result.MISSING_FIELD),
    ],
)
def test_missing_fields_and_bad_values_can_be_answered(
    number: int, body: str, result: Result
) -> None:
    error = refused(f'<request Id="7" Type="{number}">{body}</request>')
    assert (error.result, error.request_id, error.request_type) == (result, "7", number)


@pytest.mark.parametrize(
    "attribute",
    ['Seq="-1"', 'Seq="1.5"', 'Seq="9007199254740993"', f'Seq="{"9" * 5000}"', 'Time="today"'],
)
def test_a_bad_attribute_is_a_bad_value(attribute: str) -> None:
    error = refused(f'<request Id="7" Type="106" {attribute}/>')
    assert (error.result, error.request_id) == (Result.BAD_VALUE, "7")


def test_an_attribute_without_value_is_no_value() -> None:
    item = decode(b'<request Id="7" Type="106" Seq="" Time="NULL" Resend="0" Trace=""/>')
    assert item == Request(id="7", message=request("", 106))


# --- responses -----------------------------------------------------------------------------------
FULL = Response(
    request_id="7",
    type=210,
    result=1,
    detail='says "a" & <b>\n',
    call_id="c1",
    conference_id="2",
    op_id="o1",
    retry_after_s=3,
    last_seq=9,
)


def test_a_response_goes_there_and_back() -> None:
    assert decode(encode(FULL)) == FULL
    bare = Response(request_id="7", type=100, result=0)
    assert encode(bare) == b'<response RequestId="7" Type="100" Result="0"/>'
    assert decode(encode(bare)) == bare


def test_a_legacy_peer_is_sent_a_bare_response() -> None:
    assert encode(FULL, LEGACY) == b'<response RequestId="7" Type="210" Result="1"/>'


def test_a_detail_may_quote_what_xml_cannot_carry() -> None:
    item = decode(encode(replace(FULL, detail="a\x00b\x1bc")))
    assert isinstance(item, Response)
    assert item.detail == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ('<response Type="100" Result="0"/>', Result.MISSING_FIELD),
        ('<response RequestId="7" Result="0"/>', Result.MISSING_FIELD),
        ('<response RequestId="7" Type="100"/>', Result.MISSING_FIELD),
        ('<response RequestId="12345678901234567" Type="100" Result="0"/>', Result.MISSING_FIELD),
        ('<response RequestId="7" Type="abc" Result="0"/>', Result.BAD_VALUE),
        ('<response RequestId="7" Type="100" Result="0" LastSeq="x"/>', Result.BAD_VALUE),
    ],
)
def test_a_response_that_says_too_little_is_refused(payload: str, result: Result) -> None:
    assert refused(payload).result is result


# --- writing -------------------------------------------------------------------------------------
def test_the_body_is_written_without_the_request_around_it() -> None:
    assert encode_body(CallStateNotice(call_id="a<b", state=CallState.ANSWERED)) == (
        "<State>4</State><CallId>a&lt;b</CallId>"
    )


def test_the_profile_is_not_sent_to_a_legacy_peer() -> None:
    notice = HangupNotice(call_id="1", reason=101, detail="ours")
    item = Request(id="1", message=notice, seq=5, resend=True, repeat=True)
    assert b"Reason" in encode(item)
    assert b'Seq="5" Resend="1" Repeat="1"' in encode(item)
    legacy = encode(item, LEGACY)
    assert not any(name in legacy for name in (b"Reason", b"Detail", b"Seq", b"Resend", b"Repeat"))


def test_a_time_goes_there_and_back_by_the_short_way() -> None:
    moment = datetime(2026, 11, 22, 8, 15, 30, 125_000, tzinfo=UTC)
    item = Request(id="1", message=request("", 106), time=moment, trace="00-ab")
    assert decode(encode(item)) == item


def test_repeated_values_are_written_one_after_the_other() -> None:
    assert encode_body(QueryAgent(login_ids=("a", "<b"))) == (
        "<LoginId>a</LoginId><LoginId>&lt;b</LoginId>"
    )


def test_a_request_id_must_fit() -> None:
    for request_id in ("", "12345678901234567"):
        with pytest.raises(LocalProtocolError, match="1–16"):
            encode(Request(id=request_id, message=INCOMING))


def test_another_encoding_is_written_and_read() -> None:
    gbk = replace(DEFAULT, encoding="gbk")
    item = Request(id="1", message=replace(INCOMING, caller_name="指挥大厅"))
    written = encode(item, gbk)
    assert "指挥大厅".encode("gbk") in written
    assert decode(written, gbk) == item


def test_what_an_encoding_cannot_carry_is_our_error() -> None:
    latin = replace(DEFAULT, encoding="latin-1")  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="latin-1 cannot carry '指'"):
        encode(Request(id="1", message=replace(INCOMING, caller_name="指")), latin)


def test_an_unknown_number_has_no_class_to_write() -> None:
    assert message_class(125) is None
