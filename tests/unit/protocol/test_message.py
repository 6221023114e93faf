"""How a class becomes a plan, and what a message refuses to hold."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import pytest

from protocol.errors import InvalidMessageError
from protocol.fields import CallId, Name
from protocol.message import Message, Part, amended, filled, notice, part, registered
from protocol.messages import (
    CallOut,
    Capability,
    CreateEvent,
    Group,
    Hangup,
    HangupNotice,
    IncomingCallNotice,
    LinkAction,
    LinkEvent,
    Phone,
    SendSmsBatch,
    Staff,
    as_command,
    convert,
    message_class,
)
from protocol.messages.call import AnswerAction, AnswerCall, CallDirection
from protocol.plans import field, plan_of
from protocol.results import Result


@part
class Leaf(Part):
    needs_one_of = (("name", "tags"),)

    kind: Name | None = field(attribute=True, default=None)
    name: Name | None = None
    tags: tuple[Name, ...] = ()


@part
class Branch(Part):
    leaf_id: CallId
    leaves: tuple[Leaf, ...] = field(element="Leaf", aliases=("Leafs",))


LEAF = Leaf(name="a")


def problem(cls: type[Part], **values: Any) -> tuple[Result, str]:
    with pytest.raises(InvalidMessageError) as caught:
        cls(**values)
    return caught.value.result, caught.value.element


def test_a_plan_says_how_each_field_travels() -> None:
    leaf_id, leaves = plan_of(Branch)
    assert (leaf_id.element, leaf_id.required, leaf_id.repeated) == ("LeafId", True, False)
    assert (leaves.element, leaves.part, leaves.repeated) == ("Leaf", Leaf, True)
    assert leaves.aliases == ("Leafs",)
    assert [plan.is_attribute for plan in plan_of(Leaf)] == [True, False, False]
    assert plan_of(Branch) is plan_of(Branch)


def test_own_fields_come_before_the_inherited() -> None:
    names = [plan.name for plan in plan_of(HangupNotice)]
    assert names[:3] == ["call_id", "conference_id", "login_id"]
    assert names[-2:] == ["result", "detail"]


def test_a_required_value_must_be_there() -> None:
    assert problem(Branch, leaf_id=None, leaves=(LEAF,)) == (Result.MISSING_FIELD, "LeafId")
    assert problem(Branch, leaf_id="", leaves=(LEAF,)) == (Result.MISSING_FIELD, "LeafId")
    assert problem(Branch, leaf_id="1", leaves=()) == (Result.MISSING_FIELD, "Leaf")


def test_one_of_an_either_or_must_be_there() -> None:
    assert problem(Leaf, kind="a") == (Result.MISSING_FIELD, "Name|Tags")
    assert Leaf(tags=("a",)).name is None
    assert problem(Hangup) == (Result.MISSING_FIELD, "PhoneNum|EventId|CallId|ConferenceID")
    assert problem(SendSmsBatch, group_ids=("g",))[1] == "Content|TemplateId"
    assert problem(SendSmsBatch, content="a")[1] == "GroupId|Receiver"


def test_a_value_must_fit() -> None:
    assert problem(Branch, leaf_id="1" * 21, leaves=(LEAF,)) == (Result.BAD_VALUE, "LeafId")
    assert problem(Branch, leaf_id="1", leaves=[LEAF]) == (Result.BAD_VALUE, "Leaf")
    assert problem(Branch, leaf_id="1", leaves=("a",)) == (Result.BAD_VALUE, "Leaf")
    assert problem(Leaf, tags=("a", " ")) == (Result.BAD_VALUE, "Tags")


def test_an_empty_optional_text_is_no_value() -> None:
    assert Leaf(name="", tags=("a",)).name is None


def test_messages_are_frozen_and_keep_what_is_present_only() -> None:
    notice_ = HangupNotice(call_id="1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        notice_.call_id = "2"  # type: ignore[misc]  # what the test is about
    with pytest.raises(dataclasses.FrozenInstanceError):
        notice_.other = "2"  # type: ignore[attr-defined]  # the same
    assert vars(notice_) == {"call_id": "1"}
    assert hash(notice_) == hash(HangupNotice(call_id="1"))


def test_a_number_can_be_taken_once() -> None:
    before = list(registered())
    with pytest.raises(TypeError, match="102 is HangupNotice already, and Another"):

        @notice(102, zh="又一个")
        class Another(Message):
            """Takes a number that is taken."""

    assert list(registered()) == before


def test_an_annotation_that_says_nothing_of_the_wire_is_a_bug() -> None:
    @part
    class Vague(Part):
        what: str | None = None

    @part
    class Odd(Part):
        what: dict[str, str] | None = None

    @part
    class Noted(Part):
        what: Annotated[str, "a note that is no type"] | None = None

    @part
    class Foreign(Part):
        what: bytes | None = None

    for cls in (Vague, Odd, Noted, Foreign):
        with pytest.raises(TypeError, match="says not how it travels"):
            plan_of(cls)


def test_a_capability_lists_its_actions_in_order() -> None:
    made = Capability.of(207, {5, 1, 2})
    assert made == Capability(no=207, actions="1 2 5")
    assert made.action_numbers == {1, 2, 5}
    assert Capability.of(202) == Capability(no=202)
    assert Capability.of(202).action_numbers == frozenset()


def test_a_call_out_needs_groups_staff_and_numbers() -> None:
    assert problem(Group, staff=()) == (Result.MISSING_FIELD, "Staff")
    assert problem(Staff, phone_nums=()) == (Result.MISSING_FIELD, "PhoneNum")
    assert problem(Phone, number="") == (Result.MISSING_FIELD, "Number")


# --- changing a message --------------------------------------------------------------------------
INCOMING = IncomingCallNotice(call_id="1", direction=CallDirection.IN, phone_num="110")


def test_a_message_is_amended_as_if_it_were_made_anew() -> None:
    assert amended(amended(INCOMING, event_id="e1"), phone_num=None) == dataclasses.replace(
        INCOMING, event_id="e1", phone_num=None
    )
    group = Group(staff=(Staff(phone_nums=(Phone(number="1"),)),))
    call_out = CallOut(groups=(group,))
    assert amended(call_out, groups=(group, group)).groups == (group, group)


def test_an_amendment_is_checked() -> None:
    for changes, result in (
        ({"event_id": "1" * 21}, Result.BAD_VALUE),
        ({"call_id": None}, Result.MISSING_FIELD),
        ({"direction": 3}, Result.BAD_VALUE),
    ):
        with pytest.raises(InvalidMessageError) as caught:
            amended(INCOMING, **changes)
        assert caught.value.result is result
    with pytest.raises(InvalidMessageError, match="one of these"):
        amended(Hangup(call_id="1"), call_id=None)


def test_filling_in_what_was_checked_before_is_amending() -> None:
    values = {"event_id": "e1", "op_id": "7", "call_id": "c9"}
    for message in (INCOMING, HangupNotice(call_id="1", conference_id="2")):
        assert filled(message, values) == amended(message, **values)
        assert filled(message, {}) == message
    assert filled(INCOMING, {"no_such_element": "x"}) == INCOMING


def test_an_amended_message_has_no_element_that_its_class_took_away() -> None:
    link = LinkEvent(event_id="1", other_event_id="2", action=LinkAction.MERGE)
    more = amended(link, op_id="o1", call_id="c1")
    assert more == dataclasses.replace(link, call_id="c1")
    assert more.op_id is None
    assert filled(link, {"op_id": "o1", "call_id": "c1"}) == more


# --- mirrors -------------------------------------------------------------------------------------
def test_a_notice_becomes_a_push_with_the_screens_own_elements() -> None:
    incoming = IncomingCallNotice(call_id="1", direction=CallDirection.IN, event_id="e1")
    push = convert(incoming, 300, screen_id="s1", detail="a")
    assert push is not None
    assert (push.number, push.call_id, push.event_id) == (300, "1", "e1")
    assert (getattr(push, "screen_id", None), push.detail) == ("s1", "a")


def test_there_is_nothing_to_become_outside_the_catalogue() -> None:
    assert convert(HangupNotice(call_id="1"), 999) is None


def test_a_screens_action_becomes_the_command_that_it_mirrors() -> None:
    cls = message_class(400)
    assert cls is not None
    values: dict[str, Any] = {"call_id": "1", "action": AnswerAction.ANSWER, "screen_id": "s1"}
    assert as_command(cls(**values)) == AnswerCall(call_id="1", action=AnswerAction.ANSWER)


def test_what_is_no_action_of_a_communication_screen_stays_as_it_is() -> None:
    command = CreateEvent(event_id="1")
    assert as_command(command) is command
