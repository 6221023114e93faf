"""Every message class survives the wire; damage is a protocol error and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from protocol.codec import decode, encode
from protocol.dialect import LEGACY
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.message import Message
from protocol.plans import plan_of
from protocol.results import Result
from tests.fakes.message_strategies import CLASSES, requests, smallest

ANY_REQUEST = st.sampled_from(CLASSES).flatmap(requests)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
@settings(max_examples=5)
@given(data=st.data())
def test_every_class_round_trips(cls: type[Message], data: st.DataObject) -> None:
    request = data.draw(requests(cls))
    assert decode(encode(request)) == request


@given(ANY_REQUEST)
def test_any_message_round_trips(request: Request) -> None:
    assert decode(encode(request)) == request


@given(ANY_REQUEST)
def test_what_was_read_is_written_as_it_was(request: Request) -> None:
    written = encode(request)
    again = decode(written)
    assert isinstance(again, Request)
    assert encode(again) == written


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
def test_the_least_that_a_class_needs_round_trips(cls: type[Message]) -> None:
    request = Request(id="1", message=cls(**smallest(cls)))
    assert decode(encode(request)) == request


@given(ANY_REQUEST)
def test_a_legacy_peer_is_sent_nothing_but_the_patents_elements(request: Request) -> None:
    root = etree.fromstring(encode(request, LEGACY))
    theirs = {plan.element for plan in plan_of(type(request.message)) if plan.patent}
    assert {child.tag for child in root} <= theirs
    assert set(root.attrib) == {"Id", "Type"}


@given(ANY_REQUEST, st.data())
def test_unknown_elements_and_attributes_are_ignored(
    request: Request, data: st.DataObject
) -> None:
    root = etree.fromstring(encode(request))
    for node in data.draw(st.lists(st.sampled_from(list(root.iter())), max_size=4)):
        node.set("ZzUnknown", "1")
        if len(node) or node is root:
            place = data.draw(st.integers(0, len(node)))
            node.insert(place, etree.fromstring("<ZzUnknown A='b'><Deep>1</Deep>x</ZzUnknown>"))
    assert decode(etree.tostring(root, encoding="utf-8")) == request


@given(ANY_REQUEST)
def test_order_of_the_elements_does_not_matter(request: Request) -> None:
    root = etree.fromstring(encode(request))
    kinds = sorted({str(child.tag) for child in root}, reverse=True)
    root[:] = [child for kind in kinds for child in root if child.tag == kind]
    assert decode(etree.tostring(root, encoding="utf-8")) == request


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid message with some bytes changed, dropped, doubled or cut off."""
    content = bytearray(encode(draw(ANY_REQUEST)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(("change", "drop", "insert", "double", "cut")))
        if how == "change" and content:
            content[place] = draw(st.integers(0, 255))
        elif how == "drop":
            del content[place : place + draw(st.integers(1, 20))]
        elif how == "insert":
            noise = st.sampled_from(NOISE) | st.binary(max_size=8)
            content[place:place] = draw(noise)
        elif how == "double":
            content[place:place] = content[place : place + 30]
        else:
            del content[place:]
    return bytes(content)


ANSWERS = {
    Result.OK,
    Result.BAD_FRAME,
    Result.UNKNOWN_TYPE,
    Result.MISSING_FIELD,
    Result.BAD_VALUE,
    Result.TOO_LONG,
}

NOISE = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"<a>" * 20,
    b"</request>",
    b"<![CDATA[",
    b"&#0;",
    b"\xff\xfe",
    b"xmlns='urn:x'",
    b"99999999999999999999",
)


@given(damaged())
def test_damage_is_a_protocol_error_and_nothing_else(payload: bytes) -> None:
    try:
        item = decode(payload)
    except RemoteProtocolError as error:
        result = error.result
    else:
        result = Result.OK
        assert decode(encode(item)) == item
    assert result in ANSWERS


@given(st.binary(max_size=300))
def test_noise_is_a_protocol_error_and_nothing_else(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(payload)
