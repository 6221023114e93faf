"""The patent's own examples, as printed and as our writer makes them (tests/fixtures/patent)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.codec import decode, encode
from protocol.dialect import DEFAULT, LEGACY
from protocol.envelope import Request
from protocol.messages import (
    CallDirection,
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    ConferenceNotice,
    CreateEvent,
    Group,
    HangupNotice,
    IncomingCallNotice,
    Phone,
    Staff,
    TransferNotice,
)

FIXTURES = Path(__file__).parents[3] / "fixtures" / "patent"

GROUPS = (
    Group(
        group_id="136",
        group_name="领导",
        call_mode=CallMode.ALL,
        staff=(
            Staff(
                staff_id="123",
                staff_name="指挥大厅领导",
                phone_nums=(
                    Phone(num_type="01", number="13912344444"),
                    Phone(num_type="02", number="13912344424"),
                ),
            ),
            Staff(
                staff_id="124",
                staff_name="专职部门人员",
                phone_nums=(
                    Phone(num_type="01", number="139123444413"),
                    Phone(num_type="02", number="139123444434"),
                ),
            ),
        ),
    ),
    Group(
        group_id="137",
        group_name="专家组",
        call_mode=CallMode.SEQUENTIAL,
        staff=(
            Staff(
                staff_id="138",
                staff_name="专家",
                phone_nums=(Phone(num_type="01", number="13912344421"),),
            ),
            Staff(
                staff_id="139",
                staff_name="备选专家",
                phone_nums=(
                    Phone(num_type="01", number="139123444428"),
                    Phone(num_type="02", number="139123444425"),
                ),
            ),
        ),
    ),
)

EXAMPLES = {
    "100": Request(
        id="10000",
        message=IncomingCallNotice(
            call_id="82039239",
            login_id="23",
            direction=CallDirection.IN,
            phone_num="139123444444",
            to_num="2222",
        ),
    ),
    "201": Request(
        id="10001",
        message=CreateEvent(call_id="82039239", login_id="23", kind="1", event_id="1213243"),
    ),
    "105": Request(
        id="10008",
        message=TransferNotice(
            call_id="82039239",
            from_login_id="23",
            phone_num="139123444444",
            to_login_id="13",
            from_ext="3021",
            event_id="1213243",
        ),
    ),
    "102": Request(
        id="20010",
        message=HangupNotice(
            call_id="82039239",
            login_id="13",
            phone_num="139123444444",
            event_id="1213243",
            content="XXX",
        ),
    ),
    "210": Request(
        id="10004",
        message=CallOut(
            event_id="1213243", login_id="13", call_type=CallOutType.CONFERENCE, groups=GROUPS
        ),
    ),
    "103": Request(
        id="10005",
        message=ConferenceNotice(
            call_id="82039239", conference_id="2", login_id="13", event_id="1213243"
        ),
    ),
    "110-joined": Request(
        id="20009",
        message=CallOutResultNotice(
            event_id="1213243",
            call_id="82039239",
            login_id="13",
            conference_id="2",
            phone_num="13912344444",
        ),
    ),
    "110-failed": Request(
        id="20009",
        message=CallOutResultNotice(
            event_id="1213243",
            call_id="82039239",
            login_id="13",
            conference_id="2",
            phone_num="13912344421",
            reason=123,
        ),
    ),
}


def canonical(name: str) -> bytes:
    return (FIXTURES / f"{name}.canonical.xml").read_bytes().removesuffix(b"\n")


def as_printed(name: str) -> bytes:
    return (FIXTURES / f"{name}.xml").read_bytes()


def test_every_example_of_the_patent_is_here() -> None:
    assert {path.name.split(".")[0] for path in FIXTURES.glob("*.xml")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_canonical_example_is_what_our_writer_makes(name: str) -> None:
    assert encode(EXAMPLES[name]) == canonical(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_canonical_example_is_read(name: str) -> None:
    assert decode(canonical(name)) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_legacy_peer_is_sent_the_very_same(name: str) -> None:
    assert encode(EXAMPLES[name], LEGACY) == canonical(name)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "210"])
def test_the_example_as_printed_says_the_same_and_is_written_canonically(name: str) -> None:
    request = decode(as_printed(name))
    assert request == EXAMPLES[name]
    assert encode(request) == canonical(name)


def test_the_call_out_as_printed_lacks_only_the_mode_of_its_second_group() -> None:
    request = decode(as_printed("210"))
    assert isinstance(request, Request)
    assert isinstance(request.message, CallOut)
    first, second = request.message.groups
    assert first == GROUPS[0]
    assert second.call_mode is None
    assert replace(second, call_mode=CallMode.SEQUENTIAL) == GROUPS[1]


def test_two_results_with_one_id_are_two_messages() -> None:
    joined, failed = decode(as_printed("110-joined")), decode(as_printed("110-failed"))
    assert isinstance(joined, Request)
    assert isinstance(failed, Request)
    assert joined.id == failed.id == "20009"
    assert joined.message != failed.message
    assert joined.raw != failed.raw


def test_the_patents_word_for_no_value_can_be_written_too() -> None:
    empty = replace(DEFAULT, empty_token="EMPTY")
    assert encode(EXAMPLES["100"], empty) == canonical("100").replace(b"NULL", b"EMPTY")
