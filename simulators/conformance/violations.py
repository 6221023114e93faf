"""What is watched over the whole run: every response and every request of the implementation."""

from __future__ import annotations

from collections import Counter
from typing import Final
from weakref import WeakKeyDictionary

from lxml import etree

from protocol.envelope import Request, Response
from protocol.roles import HEARS, SPEAKS, Role
from simulators.conformance.connection import Broken, Connection, Item

KEPT_MAX: Final = 20
"""Offences of one kind that a report lists."""
CALL_OUT_RESULT: Final = 110
"""The patent itself gives two of these one Id."""

ENCODING: Final = "utf-8"
"""Of the dialects that the kit speaks."""

Pair = tuple[str, int]


class Violations:
    """What was asked on each connection, and what offended against #requests-and-responses."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._asked: WeakKeyDictionary[Connection, Counter[Pair]] = WeakKeyDictionary()
        self._answered: WeakKeyDictionary[Connection, Counter[Pair]] = WeakKeyDictionary()
        self._tolerated: WeakKeyDictionary[Connection, set[str]] = WeakKeyDictionary()
        self._requests: dict[str, tuple[int, bytes]] = {}
        self.seen_requests = 0
        self.seen_responses = 0
        self.pairing: list[str] = []
        self.broken: list[str] = []
        self.direction: list[str] = []
        self.ids: list[str] = []
        self.empty: list[str] = []

    def ask(self, connection: Connection, request_id: str, type_: int) -> None:
        """A request goes out: one response is owed."""
        self._asked.setdefault(connection, Counter())[request_id, type_] += 1

    def tolerate(self, connection: Connection, request_id: str) -> None:
        """Something goes out that may be answered under that Id, or not; "": under any."""
        self._tolerated.setdefault(connection, set()).add(request_id)

    def take(self, connection: Connection, item: Item) -> None:
        """Something came."""
        if isinstance(item, Response):
            self._take_response(connection, item)
        elif isinstance(item, Request):
            self._take_request(item)
        elif isinstance(item, Broken):
            _keep(self.broken, str(item))

    def _take_response(self, connection: Connection, response: Response) -> None:
        self.seen_responses += 1
        pair = (response.request_id, response.type)
        asked = self._asked.get(connection, Counter())
        answered = self._answered.setdefault(connection, Counter())
        if _has_empty(response.call_id, response.conference_id, response.op_id):
            what = f"response to {response.type} {response.request_id}"
            _keep(self.empty, f"{what}: an attribute with the text NULL or EMPTY: leave it out")
        if answered[pair] < asked[pair]:
            answered[pair] += 1
        elif not {response.request_id, ""} & self._tolerated.get(connection, set()):
            _keep(self.pairing, self._objection(response, asked, answered))

    def _objection(self, response: Response, asked: Counter[Pair], answered: Counter[Pair]) -> str:
        name = f"a response with RequestId {response.request_id!r} and Type {response.type}"
        if answered[response.request_id, response.type]:
            return f"{name} more often than was asked"
        types = [type_ for request_id, type_ in asked if request_id == response.request_id]
        if types:
            return f"{name}: that request had Type {types[0]}"
        return f"{name}: nothing with that Id was asked on this connection"

    def _take_request(self, request: Request) -> None:
        self.seen_requests += 1
        if request.type not in SPEAKS[self._role]:
            hears = "what it should hear" if request.type in HEARS[self._role] else "not its"
            _keep(self.direction, f"{request.type} with Id {request.id!r}: {hears}")
        if writes_empty(request.raw):
            _keep(self.empty, f"{request.type} with Id {request.id!r}: an element says EMPTY")
        known = self._requests.setdefault(request.id, (request.type, _body(request)))
        same_result = request.type == known[0] == CALL_OUT_RESULT
        if known != (request.type, _body(request)) and not same_result:
            _keep(
                self.ids,
                f"Id {request.id!r} for a {known[0]} and again for another {request.type}",
            )


def writes_empty(raw: bytes) -> bool:
    """True where an element of a valid message has the text EMPTY, which is read, not written."""
    return b">EMPTY<" in raw


def _has_empty(*values: str | None) -> bool:
    return any(value in {"NULL", "EMPTY"} for value in values)


def _body(request: Request) -> bytes:
    """What is inside the request, as it came: attributes such as Resend may differ.

    Read as the codec reads it: by the dialect's encoding, whatever the XML declares.
    """
    parser = etree.XMLParser(encoding=ENCODING, resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(request.raw, parser)
    except etree.XMLSyntaxError:  # what the tolerant reader takes, this parser need not
        return request.raw
    return b"".join(etree.tostring(child) for child in root)


def _keep(offences: list[str], offence: str) -> None:
    if len(offences) < KEPT_MAX and offence not in offences:
        offences.append(offence)
