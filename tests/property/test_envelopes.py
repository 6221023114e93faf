"""What crosses the bus arrives as it was, and nothing else is taken for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.bus.envelope import (
    VERSION,
    EnvelopeError,
    Kind,
    VersionError,
    pack_item,
    seal,
    unseal,
)
from linkage.bus.pack import (
    PackError,
    pack_request,
    pack_response,
    unpack_request,
    unpack_response,
)
from protocol.envelope import Request, Response
from protocol.messages import CallOut, every_class
from tests.fakes.message_strategies import CLASSES, requests, smallest

WORDS = st.none() | st.text(max_size=20)
NUMBERS = st.none() | st.integers(0, 2**53)
RESPONSES = st.builds(
    Response,
    request_id=st.text(min_size=1, max_size=16),
    type=st.integers(100, 699),
    result=st.integers(0, 999),
    detail=WORDS,
    call_id=WORDS,
    conference_id=WORDS,
    op_id=WORDS,
    retry_after_s=NUMBERS,
    last_seq=NUMBERS,
)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8)
    | st.binary(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)  # fmt: skip


def crossed(*item: Any) -> tuple[Any, ...]:
    """An item at the other end of the bus."""
    (found,) = unseal(seal(7, 1, [pack_item(*item)])).items
    return found


@given(st.data())
def test_a_request_of_any_type_arrives_as_it_was(data: st.DataObject) -> None:
    sent = data.draw(requests(data.draw(st.sampled_from(CLASSES))))
    raw = data.draw(st.binary(max_size=20))
    sent = Request(
        **{name: getattr(sent, name) for name in ("id", "message", "seq", "time", "expire_s")},
        resend=sent.resend, repeat=sent.repeat, trace=sent.trace, raw=raw,
    )  # fmt: skip

    found = unpack_request(crossed(Kind.SUBMIT, 1, 2, pack_request(sent), None)[3])

    assert found == sent
    assert found.raw == raw
    assert type(found.message) is type(sent.message)
    assert repr(found.message) == repr(sent.message), "also the kinds of its values"


def test_the_smallest_message_of_every_type_arrives_as_it_was() -> None:
    count = 0
    for cls in every_class():
        sent = Request(id="1", message=cls(**smallest(cls)))
        assert unpack_request(crossed(Kind.PUSH, pack_request(sent))[1]) == sent
        count += 1
    assert count == len(CLASSES)


@given(RESPONSES)
def test_a_response_arrives_as_it_was(sent: Response) -> None:
    assert unpack_response(crossed(Kind.ANSWER, 1, pack_response(sent))[2]) == sent


@given(
    st.lists(PLAIN, max_size=6), st.integers(0, 2**60), st.integers(0, 2**60), st.integers(0, 64)
)
def test_a_batch_arrives_in_order(
    values: list[Any], conversation: int, number: int, kind: int
) -> None:
    items = [(kind, value) for value in values]
    found = unseal(seal(conversation, number, [pack_item(*item) for item in items]))

    assert (found.conversation, found.number) == (conversation, number)
    assert found.items == tuple(items)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8, minutes=30))])))
def test_a_time_keeps_its_microseconds_and_its_zone(moment: datetime) -> None:
    found = crossed(Kind.NOTE, moment)[1]

    assert found == moment
    assert found.utcoffset() == moment.utcoffset()


# --- what is none of ours ------------------------------------------------------------------------
@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_an_error_and_nothing_else(data: bytes) -> None:
    try:
        envelope = unseal(data)
    except EnvelopeError:
        return
    assert all(type(item[0]) is int for item in envelope.items)


@given(st.data())
def test_a_damaged_envelope_is_an_error_or_another_envelope(data: st.DataObject) -> None:
    request = data.draw(requests(CallOut))
    whole = bytearray(seal(1, 1, [pack_item(Kind.SUBMIT, 1, 1, pack_request(request), None)]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        items = unseal(bytes(whole)).items
    except EnvelopeError:
        return
    for item in items:
        for field in item:
            try:
                unpack_request(field)
            except PackError:
                continue


@given(PLAIN)
def test_what_is_no_request_or_response_is_refused(value: Any) -> None:
    with pytest.raises(PackError):
        unpack_request(value)
    with pytest.raises(PackError):
        unpack_response(value)


@given(st.data())
def test_a_field_of_another_kind_is_refused_or_leaves_a_valid_kind(data: st.DataObject) -> None:
    packed = list(pack_request(data.draw(requests(data.draw(st.sampled_from(CLASSES))))))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] = data.draw(PLAIN)
    try:
        found = unpack_request(tuple(packed))
    except PackError:
        return
    assert isinstance(found.id, str)
    assert isinstance(found.raw, bytes)
    assert found.type in {cls.number for cls in CLASSES}


@given(PLAIN.filter(lambda version: version != VERSION), st.text(max_size=20))
def test_another_version_is_refused_and_its_refusal_is_read(version: Any, text: str) -> None:
    data = msgpack.packb((version, 0, 0, (int(Kind.REFUSED), text)))

    with pytest.raises(VersionError) as refused:
        unseal(data)

    assert refused.value.refusal == text


def test_an_item_that_cannot_cross_leaves_the_next_one_whole() -> None:
    with pytest.raises(TypeError):
        pack_item(Kind.NOTE, "half", object())

    assert crossed(Kind.NOTE, "whole") == (Kind.NOTE, "whole")
