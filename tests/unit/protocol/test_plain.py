"""Messages as plain values: what `--json` shows, and what adapters keep."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import messages as m
from protocol.envelope import Request
from protocol.plain import from_plain, to_plain
from tests.fakes.message_strategies import CLASSES, requests


@given(st.sampled_from(CLASSES).flatmap(requests))
def test_a_message_survives_json(request: Request) -> None:
    message = request.message
    assert from_plain(type(message), json.loads(json.dumps(to_plain(message)))) == message


def test_elements_have_their_names_on_the_wire_and_values_of_their_kind() -> None:
    notice = m.IncomingCallNotice(
        call_id="c1", direction=m.CallDirection.IN, phone_num="139", to_num="2222"
    )
    assert to_plain(notice) == {"CallId": "c1", "Type": 1, "PhoneNum": "139", "ToNum": "2222"}


def test_what_earlier_versions_kept_is_read() -> None:
    kept = {"call_id": "c1", "direction": "1", "phone_num": "139", "to_num": "2222"}
    assert from_plain(m.IncomingCallNotice, kept) == m.IncomingCallNotice(
        call_id="c1", direction=m.CallDirection.IN, phone_num="139", to_num="2222"
    )


def test_what_a_class_does_not_have_is_passed_over() -> None:
    assert from_plain(m.HangupNotice, {"CallId": "c1", "New": [1]}) == m.HangupNotice(call_id="c1")


@pytest.mark.parametrize(
    "values", [{}, {"CallId": "c1", "Type": 9}, {"CallId": "c" * 99, "Type": 1}]
)
def test_what_is_no_message_is_a_value_error(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is missing|is none of|at most 20"):
        from_plain(m.IncomingCallNotice, values)
