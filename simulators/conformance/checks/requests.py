"""Requests and responses, and reading them whatever the packets (protocol.md#frame, #messages)."""

from __future__ import annotations

import asyncio
from typing import Final

from protocol.envelope import Request, Response
from protocol.frames import LENGTH_MAX, encode_frame, heartbeat
from protocol.message import Message
from protocol.messages import (
    CallDirection,
    CallOutResultNotice,
    CreateEvent,
    HangupNotice,
    IncomingCallNotice,
    QueryCapability,
    SnapshotRequest,
    TransferNotice,
)
from protocol.messages import ConferenceNotice as Conference
from protocol.reasons import Reason
from protocol.roles import Role
from simulators.conformance.connection import Item
from simulators.conformance.harness import Harness, advise, demand, describe
from simulators.conformance.model import Check, SkippedError

BYTE_PAUSE_S: Final = 0.0005
BURST: Final = 32
"""Requests in one packet: half the window."""
PADDING_BYTES: Final = 3 * LENGTH_MAX
CALLER: Final = "13912344444"
PATENT_ID: Final = "20009"
"""The Id that both of the patent's 110 examples carry."""


def incoming(harness: Harness, call_id: str) -> Message:
    """A call that came to a dispatcher."""
    return IncomingCallNotice(
        call_id=call_id,
        login_id=harness.settings.login_id,
        direction=CallDirection.IN,
        phone_num=CALLER,
        to_num="2222",
    )


async def _answers(harness: Harness) -> str:
    call_id = harness.new_call()
    messages: list[Message] = [SnapshotRequest(), QueryCapability()]
    if harness.settings.legacy:
        messages = [CreateEvent(call_id=call_id, event_id="1213243")]
    if harness.settings.role is Role.APPLICATION:
        messages = [
            incoming(harness, call_id),
            TransferNotice(call_id=call_id),
            Conference(conference_id=harness.new_call()),
            CallOutResultNotice(call_id=call_id, phone_num=CALLER, reason=Reason.BUSY),
            HangupNotice(call_id=call_id),
        ]
    for message in messages:
        await harness.ask(harness.make(message))
    return ", ".join(str(message.number) for message in messages)


async def _one_id(harness: Harness) -> str | None:
    """Two different messages with one Id are two messages (the patent's 110 twice)."""
    if harness.settings.role is Role.PLATFORM:
        first: Message = QueryCapability()
        second: Message = SnapshotRequest()
        if harness.settings.legacy:
            first = CreateEvent(call_id=harness.new_call(), event_id="1213243")
            second = CreateEvent(call_id=harness.new_call(), event_id="1213244")
    else:
        conference = harness.new_call()
        first = CallOutResultNotice(event_id="1213243", conference_id=conference, phone_num=CALLER)
        second = CallOutResultNotice(
            event_id="1213243",
            conference_id=conference,
            phone_num="13912344445",
            reason=Reason.CALL_FAILED,
        )
    for message in (first, second):
        made = harness.make(message)
        request = Request(id=PATENT_ID, message=message, seq=made.seq, time=made.time)
        response = await harness.ask(request)
        if harness.settings.role is Role.APPLICATION:
            demand(response.accepted, "both taken (result 0–9)", describe(response))
        demand(
            response.result != 2 and response.detail != "duplicate",  # noqa: PLR2004 - its code
            "two messages with one Id taken as two",
            "the second taken for a duplicate",
        )
    return None


async def _burst(harness: Harness) -> str:
    connection = await harness.connection()
    requests = [harness.probe() for _ in range(BURST)]
    mark = connection.mark
    for request in requests:
        harness.violations.ask(connection, request.id, request.type)
    together = b"".join(harness.bytes_of(request) for request in requests)
    await connection.send(together, harness.settings.answer_within_s)
    for request in requests:
        await harness.response_to(connection, request, mark)
    return f"{BURST} requests in one packet"


async def _slow(harness: Harness) -> str:
    connection = await harness.connection()
    request = harness.probe()
    mark = connection.mark
    harness.violations.ask(connection, request.id, request.type)
    data = harness.bytes_of(request)
    with connection.in_parts():
        for index in range(len(data)):
            await connection.send(data[index : index + 1], harness.settings.answer_within_s)
            await asyncio.sleep(BYTE_PAUSE_S)
    await harness.response_to(connection, request, mark)
    return f"{len(data)} packets of one byte"


async def _reserved(harness: Harness) -> None:
    request = harness.probe()
    data = bytearray(harness.bytes_of(request))
    data[1] = 0xFF
    await harness.ask(request, data=bytes(data))


async def _fragments(harness: Harness) -> str:
    if harness.settings.legacy or not harness.settings.fragments:
        raise SkippedError("it does not put fragments together, so it is sent none")
    request = harness.probe()
    dialect = harness.settings.dialect
    payload = _padded(harness.xml_of(request))
    pieces = [payload[at : at + LENGTH_MAX] for at in range(0, len(payload), LENGTH_MAX)]
    data = heartbeat(dialect).join(
        [encode_frame(dialect.flag_fragment, piece, dialect) for piece in pieces[:-1]]
        + [encode_frame(dialect.flag_message, pieces[-1], dialect)]
    )
    await harness.ask(request, data=data)
    return f"{len(payload)} bytes in {len(pieces)} frames, heartbeats between them"


async def _long(harness: Harness) -> str:
    request = harness.probe()
    xml = harness.xml_of(request)
    payload = _padded(xml, LENGTH_MAX - len(xml.encode()))
    dialect = harness.settings.dialect
    await harness.ask(request, data=encode_frame(dialect.flag_message, payload, dialect))
    return f"{len(payload)} bytes in one frame"


def _padded(xml: str, spaces: int = PADDING_BYTES) -> bytes:
    """The same message with white space before its end, where an XML parser passes over it."""
    head, closing, tail = xml.rpartition("</request>")
    if not closing:
        head, tail = xml.removesuffix("/>") + ">", ""
        closing, spaces = "</request>", spaces - len("></request>") + len("/>")
    return f"{head}{' ' * spaces}{closing}{tail}".encode()


# --- tolerance -----------------------------------------------------------------------------------
async def _unknown_parts(harness: Harness) -> None:
    def alter(request: Request) -> bytes:
        xml = harness.xml_of(request).replace("<request ", '<request Later="1" ', 1)
        extra = '<Later Than="1">this<Version/></Later><!-- a comment -->'
        return _with_elements(harness, xml, extra)

    await _taken_like(harness, alter)


async def _free_form(harness: Harness) -> None:
    """An XML declaration, white space between elements, single quotes, CDATA."""

    def alter(request: Request) -> bytes:
        xml = harness.xml_of(request).replace("><", ">\r\n\t<")
        xml = xml.replace(f'Id="{request.id}"', f"Id='{request.id}'")
        extra = "<Content><![CDATA[张三 & <李四>]]></Content>"
        return _with_elements(harness, f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}', extra)

    await _taken_like(harness, alter)


async def _nothing_said(harness: Harness) -> None:
    """NULL, EMPTY, an empty element and no element at all say the same."""
    if harness.settings.role is Role.PLATFORM:
        raise SkippedError("what a platform makes of it cannot be seen from here")
    for written in ("NULL", "EMPTY", "", None):
        call_id = harness.new_call()

        def alter(request: Request, written: str | None = written) -> bytes:
            said = "" if written is None else f"<ConferenceID>{written}</ConferenceID>"
            xml = harness.xml_of(request).replace("<ConferenceID>NULL</ConferenceID>", said)
            return encode_frame(harness.settings.dialect.flag_message, xml.encode())

        connection = await harness.connection()
        mark = connection.mark
        await harness.accepted(incoming(harness, call_id), data=alter)
        await _look_for_echo(harness, call_id, mark)


async def _look_for_echo(harness: Harness, call_id: str, mark: int) -> None:
    """A command that answers the call must not take the words NULL or EMPTY for an id."""
    connection = await harness.connection()
    request = await harness.next_request(
        connection,
        mark,
        lambda request: request.message.call_id == call_id,
        harness.settings.quiet_s,
    )
    if request is None:
        return
    named = {request.message.conference_id, getattr(request.message, "event_id", None)}
    demand(
        not named & {"EMPTY", "NULL"} and b">EMPTY<" not in request.raw,
        "no value written as NULL, never EMPTY",
        request.raw.decode("utf-8", "replace")[:200],
    )


async def _chinese(harness: Harness) -> None:
    """Text in UTF-8, cut in the middle of a character."""
    if harness.settings.role is Role.PLATFORM:
        request = harness.make(QueryCapability())
        extra = "<Content>应急指挥中心：值班员已接警</Content>"
    else:
        request = harness.make(
            HangupNotice(call_id=harness.new_call(), content="通话正常结束：张三")
        )
        extra = ""
    data = _with_elements(harness, harness.xml_of(request), extra)
    cut = next(at for at, byte in enumerate(data) if byte > 0x7F and at > 4) + 1  # noqa: PLR2004 - ASCII ends
    connection = await harness.connection()
    mark = connection.mark
    harness.violations.ask(connection, request.id, request.type)
    with connection.in_parts():
        await connection.send(data[:cut], harness.settings.answer_within_s)
        await connection.stay(BYTE_PAUSE_S)
        await connection.send(data[cut:], harness.settings.answer_within_s)
    response = await harness.response_to(connection, request, mark)
    _taken(harness, response)


async def _taken_like(harness: Harness, alter: object) -> None:
    assert callable(alter), "makes the bytes"
    if harness.settings.role is Role.APPLICATION:
        await harness.accepted(incoming(harness, harness.new_call()), data=alter)
        return
    request = harness.probe()
    _taken(harness, await harness.ask(request, data=alter(request)))


def _taken(harness: Harness, response: Response) -> None:
    """A platform may not serve a command; it must not call it malformed."""
    bad = 100 <= response.result < 200  # noqa: PLR2004 - results of the protocol
    if harness.settings.role is Role.APPLICATION:
        demand(response.accepted, "result 0–9", describe(response))
    demand(not bad, "no result of 1xx", describe(response))


def _with_elements(harness: Harness, xml: str, extra: str) -> bytes:
    head, closing, _ = xml.rpartition("</request>")
    if not closing:
        head = xml.rstrip().removesuffix("/>") + ">"
    payload = f"{head}{extra}</request>".encode()
    return encode_frame(harness.settings.dialect.flag_message, payload)


# --- what it must refuse -------------------------------------------------------------------------
async def _wrong_direction(harness: Harness) -> str:
    """A message that its own side sends."""
    wrong: Message = QueryCapability()
    if harness.settings.role is Role.PLATFORM:
        wrong = Conference(conference_id=harness.new_call())
    made = harness.make(wrong)
    response = await harness.ask(Request(id=made.id, message=wrong))
    advise(not response.accepted, "result 106 (wrong direction)", describe(response))
    return describe(response)


async def _unknown_type(harness: Harness) -> str:
    number = 177 if harness.settings.role is Role.APPLICATION else 277
    connection = await harness.connection()
    request_id = harness.new_id()
    xml = f'<request Id="{request_id}" Type="{number}"><CallId>1</CallId></request>'
    mark = connection.mark
    harness.violations.ask(connection, request_id, number)
    harness.violations.tolerate(connection, request_id)
    data = encode_frame(harness.settings.dialect.flag_message, xml.encode())
    await connection.send(data, harness.settings.answer_within_s)

    def wanted(item: Item) -> bool:
        return isinstance(item, Response) and item.request_id == request_id

    found = await connection.find(wanted, mark, harness.settings.answer_within_s)
    demand(
        isinstance(found, Response),
        "a response with result 101 (unknown type)",
        connection.end or "no answer",
    )
    assert isinstance(found, Response)
    judge = demand if harness.settings.role is Role.PLATFORM else advise
    judge(not found.accepted, "result 101 (unknown type)", describe(found))
    return describe(found)


CHECKS: Final = (
    Check(
        name="answers-each-request",
        title="It answers each request with that request's RequestId and Type",
        section="requests-and-responses",
        remedy="Send exactly one response for each request; copy its Id into RequestId and its "
        "Type into Type, and give a Result.",
        run=_answers,
    ),
    Check(
        name="two-messages-with-one-id",
        title="It takes two different messages with one Id as two",
        section="repetitions",
        remedy="A duplicate has the same Id, Type and body. Do not look at the Id alone: both of "
        "the patent's 110 examples carry 20009.",
        run=_one_id,
    ),
    Check(
        name="requests-in-one-packet",
        title="It finds all messages that come in one packet",
        section="frame",
        remedy="TCP is a stream: after a message, go on with the bytes behind it. Up to 64 "
        "requests may be unanswered at a time.",
        run=_burst,
    ),
    Check(
        name="one-byte-at-a-time",
        title="It waits for the rest of a message that comes byte by byte",
        section="frame",
        remedy="TCP is a stream: read until 4 bytes of header are there, then until the whole "
        "payload is.",
        run=_slow,
    ),
    Check(
        name="reserved-byte",
        title="It ignores the reserved byte of the header",
        section="frame",
        remedy="Send 00 as the second byte, and take any.",
        run=_reserved,
    ),
    Check(
        name="longest-frame",
        title="It reads a message of 65,535 bytes",
        section="frame",
        remedy="The length is unsigned: a frame may carry 65,535 bytes of payload.",
        run=_long,
    ),
    Check(
        name="fragments",
        title="It puts fragments together, with heartbeats between them",
        section="fragments",
        remedy="Keep the payloads of frames with flag 03 until a frame with flag 01 completes "
        "the message; or run with --no-fragments if your dialect has none.",
        run=_fragments,
    ),
    Check(
        name="unknown-elements",
        title="It passes over elements and attributes that it does not know",
        section="values",
        remedy="Ignore what you do not know: later versions add elements.",
        run=_unknown_parts,
    ),
    Check(
        name="free-form-xml",
        title="It reads XML however it is written (white space, CDATA, quotes)",
        section="values",
        remedy="Use an XML parser, not patterns over text.",
        run=_free_form,
    ),
    Check(
        name="utf-8",
        title="It reads Chinese text, cut in the middle of a character",
        section="values",
        remedy="Collect the bytes of the whole payload first, then decode them as UTF-8.",
        run=_chinese,
    ),
    Check(
        name="no-value",
        title="It reads NULL, EMPTY, an empty and a missing element alike, and writes NULL",
        section="values",
        remedy="NULL and EMPTY are no values: do not keep them as ids, and never send EMPTY.",
        run=_nothing_said,
    ),
    Check(
        name="wrong-direction",
        title="It refuses a message of the wrong direction",
        section="answers",
        remedy="Answer 106 to a Type whose first digit your side sends.",
        run=_wrong_direction,
    ),
    Check(
        name="unknown-type",
        title="It answers a Type that it does not know, and a platform does not accept it",
        section="answers",
        remedy="Answer 101; a command that is answered 0 counts as done.",
        run=_unknown_type,
    ),
)
