"""What the writer sends is valid by the schemas that are given to others."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from protocol.codec import encode
from protocol.dialect import LEGACY
from protocol.envelope import Response
from protocol.message import Message
from tests.fakes.message_strategies import CLASSES, lines, requests

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "xsd"


@cache
def schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / f"{name}.xsd"))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.number}-{cls.english}")
@settings(max_examples=4)
@given(data=st.data())
def test_every_message_is_valid_by_its_schema(cls: type[Message], data: st.DataObject) -> None:
    request = data.draw(requests(cls))
    for dialect in (None, LEGACY):
        written = encode(request) if dialect is None else encode(request, dialect)
        if dialect is None or _is_the_patents(cls):
            schema(str(cls.number)).assertValid(etree.fromstring(written))


def _is_the_patents(cls: type[Message]) -> bool:
    return cls.number in {100, 102, 103, 105, 110, 201, 210}


@given(
    st.builds(
        Response,
        request_id=lines(16),
        type=st.sampled_from([cls.number for cls in CLASSES]),
        result=st.integers(0, 999),
        detail=st.none() | lines(200),
        call_id=st.none() | lines(20),
        conference_id=st.none() | lines(20),
        op_id=st.none() | lines(20),
        retry_after_s=st.none() | st.integers(0, 10**6),
        last_seq=st.none() | st.integers(0, 2**53),
    )
)
def test_every_response_is_valid_by_its_schema(response: Response) -> None:
    schema("response").assertValid(etree.fromstring(encode(response)))
