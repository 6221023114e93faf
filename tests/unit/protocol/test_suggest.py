"""A keyword that nobody knows is refused with the one that was meant."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from protocol.message import registered
from protocol.messages import CallDirection, HangupNotice, IncomingCallNotice, Staff
from protocol.suggest import LISTED_MAX, nearest, refuse_unknown, suggesting, suggestion


@pytest.mark.parametrize("written", ["callid", "CallId", "call_Id", "cal_id", "call-id"])
def test_a_field_that_is_misspelt_is_named_with_the_one_that_was_meant(written: str) -> None:
    fields: dict[str, Any] = {written: "1"}
    with pytest.raises(TypeError) as caught:
        HangupNotice(**fields)
    assert str(caught.value) == (
        f"HangupNotice() got an unexpected keyword argument {written!r}: did you mean 'call_id'?"
    )


def test_a_field_that_is_like_none_is_named_with_those_there_are() -> None:
    with pytest.raises(TypeError, match=r"'volume': there are answer_time, call_id, conference"):
        HangupNotice(volume=11)  # type: ignore[call-arg]  # on purpose


def test_so_is_one_of_a_nested_element_and_of_a_copy() -> None:
    with pytest.raises(TypeError, match=r"'staffid': did you mean 'staff_id'\?"):
        Staff(staffid="1")  # type: ignore[call-arg]  # on purpose
    changes: dict[str, Any] = {"eventid": "1"}
    with pytest.raises(TypeError, match=r"'eventid': did you mean 'event_id'\?"):
        dataclasses.replace(HangupNotice(call_id="1"), **changes)


def test_every_message_refuses_what_it_does_not_have() -> None:
    classes: list[Any] = list(registered())
    assert len(classes) > 100
    for cls in classes:
        with pytest.raises(TypeError, match=r"'event_ids': did you mean 'event_id'\?"):
            cls(event_ids="1")


def test_what_is_wrong_with_a_known_field_is_told_as_before() -> None:
    with pytest.raises(TypeError, match="missing 2 required keyword-only"):
        IncomingCallNotice()  # type: ignore[call-arg]  # on purpose
    with pytest.raises(TypeError, match="positional"):
        IncomingCallNotice("1")  # type: ignore[call-arg]  # on purpose
    made = IncomingCallNotice(call_id="1", direction=CallDirection.IN)
    assert made.call_id == "1"
    assert "call_id" in inspect.signature(IncomingCallNotice).parameters


def test_an_error_within_a_function_is_no_misspelt_keyword() -> None:
    @suggesting
    def work(*, number: int) -> int:
        return number + "1"  # type: ignore[operator]  # on purpose

    with pytest.raises(TypeError, match="unsupported operand"):
        work(number=1)


def test_several_are_told_at_once_and_a_long_list_is_cut() -> None:
    with pytest.raises(TypeError, match=r"'aa': did you mean 'aaa'\?; 'zz': there are aaa, b$"):
        refuse_unknown("f()", {"aa": 1, "zz": 2, "b": 3}, ["aaa", "b"])
    refuse_unknown("f()", {"b": 3}, ["aaa", "b"])
    many = [f"name{number}" for number in range(LISTED_MAX + 1)]
    assert suggestion("xyz", many).endswith(", …")
    assert suggestion("xyz", []) == "there are none"
    assert nearest("xyz", many) is None
