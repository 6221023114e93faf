"""What must not hurt: broken frames, broken XML, too much of all (protocol.md#protocol-errors)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from protocol.envelope import Response
from protocol.frames import LENGTH_MAX, encode_frame
from protocol.roles import Role
from simulators.conformance.connection import Item
from simulators.conformance.harness import Harness, advise, demand, describe
from simulators.conformance.model import Check, SkippedError

UNKNOWN_FLAG: Final = 0x7F
DEPTH: Final = 40
REFUSALS: Final = 5
"""More than the three unreadable messages a minute after which a connection is closed."""
TOO_MANY: Final = 66
"""Frames of 65,535 bytes: more than the 4 MiB that a message may have."""
BOMB: Final = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
"""Ten to the ninth letters, if anybody expanded it."""
BODY: Final = "<CallId>1</CallId><ConferenceID>NULL</ConferenceID>"


@dataclass(frozen=True, slots=True)
class Bad:
    """Bytes to be refused. `owed`: an answer under `request_id` is owed, unless it closes."""

    data: bytes
    request_id: str
    owed: bool = False


Make = Callable[[Harness], Bad]


def _number(harness: Harness) -> int:
    """A type that the role hears and the patent has."""
    return 103 if harness.settings.role is Role.APPLICATION else 201


def _frame(harness: Harness, xml: str) -> bytes:
    return encode_frame(harness.settings.dialect.flag_message, xml.encode())


def _request(harness: Harness, request_id: str, body: str = BODY) -> str:
    return f'<request Id="{request_id}" Type="{_number(harness)}">{body}</request>'


def _unknown_flag(harness: Harness) -> Bad:
    request_id = harness.new_id()
    return Bad(encode_frame(UNKNOWN_FLAG, _request(harness, request_id).encode()), request_id)


def _loud_heartbeat(harness: Harness) -> Bad:
    request_id = harness.new_id()
    flag = harness.settings.dialect.flag_heartbeat
    return Bad(encode_frame(flag, _request(harness, request_id).encode()), request_id)


def _truncated(harness: Harness) -> Bad:
    request_id = harness.new_id()
    return Bad(_frame(harness, _request(harness, request_id)[:-9]), request_id)


def _no_xml(harness: Harness) -> Bad:
    return Bad(encode_frame(harness.settings.dialect.flag_message, bytes(range(256))), "")


def _nothing(harness: Harness) -> Bad:
    return Bad(encode_frame(harness.settings.dialect.flag_message, b""), "")


def _doctype(harness: Harness) -> Bad:
    request_id = harness.new_id()
    xml = "<!DOCTYPE request [<!ELEMENT request ANY>]>" + _request(harness, request_id)
    return Bad(_frame(harness, xml), request_id)


def _entities(harness: Harness) -> Bad:
    request_id = harness.new_id()
    xml = f'<!DOCTYPE request [<!ENTITY e0 "ha">{BOMB}]>' + _request(
        harness, request_id, f"{BODY}<Content>&e9;</Content>"
    )
    return Bad(_frame(harness, xml), request_id)


def _deep(harness: Harness) -> Bad:
    request_id = harness.new_id()
    body = f"{BODY}{'<A>' * DEPTH}{'</A>' * DEPTH}"
    return Bad(_frame(harness, _request(harness, request_id, body)), request_id)


def _no_id(harness: Harness) -> Bad:
    """Legacy peers know no answer under an empty RequestId; others should give it."""
    return Bad(_frame(harness, f'<request Type="{_number(harness)}">{BODY}</request>'), "")


def _missing(harness: Harness) -> Bad:
    """100 without its Type, 201 without its EventId."""
    request_id = harness.new_id()
    number = 100 if harness.settings.role is Role.APPLICATION else 201
    xml = f'<request Id="{request_id}" Type="{number}"><CallId>1</CallId></request>'
    return Bad(_frame(harness, xml), request_id, owed=True)


def _bad_value(harness: Harness) -> Bad:
    """An id longer than the patent's 20 characters."""
    request_id = harness.new_id()
    body = f"<CallId>{'9' * 200}</CallId><ConferenceID>1</ConferenceID><EventId>1</EventId>"
    return Bad(_frame(harness, _request(harness, request_id, body)), request_id, owed=True)


def _oversized(harness: Harness) -> Bad:
    if harness.settings.legacy or not harness.settings.fragments:
        raise SkippedError("without fragments no message can be longer than a frame")
    request_id = harness.new_id()
    dialect = harness.settings.dialect
    head, _, tail = _request(harness, request_id).rpartition("</request>")
    spaces = encode_frame(dialect.flag_fragment, b" " * LENGTH_MAX)
    data = (
        encode_frame(dialect.flag_fragment, head.encode())
        + spaces * TOO_MANY
        + encode_frame(dialect.flag_message, f"</request>{tail}".encode())
    )
    return Bad(data, request_id)


def _refuses(make: Make, *, strict: bool = False) -> Callable[[Harness], Awaitable[str]]:
    """The check for one kind of damage; `strict`: taking it is a failure, not a warning."""

    async def run(harness: Harness) -> str:
        bad = make(harness)
        connection = await harness.connection()
        harness.violations.tolerate(connection, bad.request_id)
        mark = connection.mark
        await connection.send(bad.data, harness.settings.answer_within_s)

        def answer(item: Item) -> bool:
            return isinstance(item, Response) and bad.request_id in {item.request_id, ""}

        within_s = harness.settings.answer_within_s if bad.owed else harness.settings.quiet_s
        found = await connection.find(answer, mark, within_s)
        if found is None and not connection.closed:
            await harness.alive(connection)
            if bad.request_id:  # else the answer to what asked whether it lives would be taken
                found = await connection.find(answer, mark, 0)
        if isinstance(found, Response):
            judge = demand if strict else advise
            judge(not found.accepted, "a refusal (1xx)", describe(found))
            return describe(found)
        demand(connection.closed or not bad.owed, "a response with a result of 1xx", "no response")
        return "it closed the connection" if connection.closed else "passed over"

    return run


async def _stays_open(harness: Harness) -> str:
    """What can be read and is refused is an answer, however often it comes."""
    connection = await harness.connection()
    for count in range(1, REFUSALS + 1):
        bad = _bad_value(harness)
        harness.violations.tolerate(connection, bad.request_id)
        mark = connection.mark
        await connection.send(bad.data, harness.settings.answer_within_s)

        def answer(item: Item, request_id: str = bad.request_id) -> bool:
            return isinstance(item, Response) and item.request_id == request_id

        found = await connection.find(answer, mark, harness.settings.answer_within_s)
        demand(
            found is not None,
            f"a response with result 103 to each of {REFUSALS} requests, on one connection",
            connection.end or f"no response to the {count}. of them",
        )
    await harness.alive(connection)
    return f"{REFUSALS} requests were refused, the connection stays"


async def _half_a_frame(harness: Harness) -> str:
    """The connection breaks in the middle of a frame; the next one starts afresh."""
    connection = await harness.connection()
    half = harness.bytes_of(harness.probe())[:-20]
    await connection.send(half, harness.settings.answer_within_s)
    await harness.fresh_connection()
    await harness.ask(harness.probe())
    return "it came back"


async def _still_there(harness: Harness) -> str:
    await harness.ask(harness.probe())
    return f"after {len(harness.handshakes)} connections"


_SECTIONS: Final = {
    "missing-field": "answers",
    "bad-value": "answers",
    "no-id": "answers",
    "oversized": "fragments",
    "half-a-frame": "frame",
}
"""Where it is not that of protocol errors."""


def _check(name: str, title: str, make: Make, remedy: str, **options: bool) -> Check:
    section = _SECTIONS.get(name, "protocol-errors")
    return Check(
        name=name, title=title, section=section, remedy=remedy, run=_refuses(make, **options)
    )


_CLOSE: Final = "Answer with a result of 1xx where the Id could be read, or close the connection"

CHECKS: Final = (
    _check(
        "missing-field",
        "It refuses a message without a required field",
        _missing,
        "Answer 102.",
    ),
    _check("bad-value", "It refuses a value that is too long", _bad_value, "Answer 103."),
    _check(
        "unknown-flag",
        "It does not take a frame with an unknown flag for a message",
        _unknown_flag,
        f"Pass over the frame by its length. {_CLOSE}.",
        strict=True,
    ),
    _check(
        "heartbeat-with-payload",
        "It does not take a heartbeat with a payload for a message",
        _loud_heartbeat,
        f"A heartbeat has the length 0. {_CLOSE}.",
        strict=True,
    ),
    _check(
        "no-id",
        "It survives a request without an Id",
        _no_id,
        'Answer 102 with RequestId="" and say in Detail what is missing; it is no reason to close '
        "the connection.",
    ),
    Check(
        name="refusals-stay-open",
        title="It keeps a connection on which it refuses messages",
        section="answers",
        remedy="Results from 101 on are answers. Only what cannot be read as a message (result "
        "100) counts towards closing.",
        run=_stays_open,
    ),
    _check(
        "truncated-xml",
        "It refuses XML that ends too early",
        _truncated,
        f"{_CLOSE}; never wait for the rest in the next frame.",
        strict=True,
    ),
    _check("not-xml", "It survives a payload that is no XML", _no_xml, f"{_CLOSE}."),
    _check("empty-message", "It survives a message without a payload", _nothing, f"{_CLOSE}."),
    _check(
        "doctype",
        "It refuses a document type declaration",
        _doctype,
        "Switch DTDs off in your XML parser (disallow-doctype-decl, or the like).",
    ),
    _check(
        "entities",
        "It does not expand entities",
        _entities,
        "Switch DTDs off in your XML parser: nine levels of entities fill any memory.",
    ),
    _check(
        "too-deep",
        "It refuses elements nested deeper than 16",
        _deep,
        "Limit the depth of what you parse; the deepest message has 5 levels.",
    ),
    _check(
        "oversized",
        "It refuses a message of more than 4 MiB",
        _oversized,
        "Count while you put fragments together; over the limit answer 104 or close.",
    ),
    Check(
        name="half-a-frame",
        title="It begins afresh after a connection broke in the middle of a frame",
        section="frame",
        remedy="What is left of one connection is not the beginning of the next.",
        run=_half_a_frame,
    ),
    Check(
        name="still-there",
        title="It still serves after all that",
        section="protocol-errors",
        remedy="Nothing that a peer sends may end the program: catch what your parser raises, "
        "and connect again.",
        run=_still_there,
    ),
)
