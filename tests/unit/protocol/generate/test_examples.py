"""Each message of the catalogue has an example, and every example is what a peer may send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import etree

from protocol.codec import decode, encode
from protocol.envelope import Request
from protocol.fields import NULL_TOKENS
from protocol.frames import encode_message
from protocol.message import Part
from protocol.messages import every_class, message_class, source_of
from protocol.plans import plan_of
from protocol.registration import signed_fields, verify
from protocol.xml.reader import ENVELOPE

REFERENCE: Final = Path(__file__).parents[4] / "docs" / "reference"
PAGES: Final = ("examples.md", "examples-screens.md")
SECRETS: Final = {
    "exchange": "for-examples-only-exchange",
    "desk": "for-examples-only-desk",
    "duty-screen-13": "for-examples-only-screen",
    "biz-screen-13": "for-examples-only-screen",
}


def read_pages() -> dict[int, tuple[str, str]]:
    """As a reader of the pages finds them: by number, what is told and the XML."""
    found: dict[int, tuple[str, str]] = {}
    for page in PAGES:
        text = (REFERENCE / page).read_text(encoding="utf-8")
        sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
        for section in sections:
            blocks = re.findall(r"^```xml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
            assert len(blocks) == 1, section
            number = int(section[:3])
            assert number not in found
            found[number] = (section.split("\n")[2], blocks[0])
    return found


EXAMPLES: Final = read_pages()
NUMBERS: Final = sorted(EXAMPLES)


def read(number: int) -> Request:
    request = decode(EXAMPLES[number][1].encode())
    assert isinstance(request, Request)
    return request


def assert_all_is_kept(node: etree._Element, item: Part) -> None:
    """Every element and attribute is a field by its exact name, and its value has arrived."""
    plans = {plan.element: plan for plan in plan_of(type(item))}
    seen: dict[str, list[Any]] = {}
    for child in node:
        plan = plans[str(child.tag)]
        value = getattr(item, plan.name)
        index = len(seen.setdefault(plan.name, []))
        one = value[index] if plan.repeated else value
        seen[plan.name].append(one)
        if plan.part is not None:
            assert_all_is_kept(child, one)
        elif (child.text or "") in NULL_TOKENS:
            assert one is None
        else:
            assert plan.value is not None
            assert one == plan.value.parse(child.text or "")
    for plan in plan_of(type(item)):
        if plan.repeated:
            assert len(seen.get(plan.name, [])) == len(getattr(item, plan.name))
        if plan.is_text:
            assert getattr(item, plan.name) == node.text
    if node.tag != "request":
        for name, text in node.attrib.items():
            assert str(getattr(item, plans[str(name)].name)) == text


def test_every_message_of_the_catalogue_has_an_example() -> None:
    assert [cls.number for cls in every_class()] == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_an_example_is_read_without_loss_and_valid_by_its_schema(number: int) -> None:
    caption, written = EXAMPLES[number]
    node = etree.fromstring(written)
    request = read(number)
    assert request.message.number == number
    assert type(request.message) is message_class(number)
    assert_all_is_kept(node, request.message)
    assert set(map(str, node.attrib)) <= set(ENVELOPE)
    assert request.message == read_again(request).message
    etree.XMLSchema(etree.parse(REFERENCE / "xsd" / f"{number}.xsd")).assertValid(node)
    assert caption[-1] in ".?"


def read_again(request: Request) -> Request:
    again = decode(encode(request))
    assert isinstance(again, Request)
    assert (again.seq, again.time, again.expire_s) == (request.seq, request.time, request.expire_s)
    return again


def test_an_example_fits_one_frame() -> None:
    for _, written in EXAMPLES.values():
        assert encode_message(written.encode())[0] == 1


def test_the_handwritten_examples_of_a_direction_have_ids_of_their_own() -> None:
    seen: set[tuple[int, str]] = set()
    for number in NUMBERS:
        if source_of(number) is None and number % 100 != 90:
            key = (number // 100, read(number).id)
            assert key not in seen, number
            seen.add(key)


def test_the_outcomes_name_commands_that_stand_on_the_page() -> None:
    commands = {read(number).id for number in NUMBERS if number // 100 == 2}
    named = {read(number).message.request_id for number in NUMBERS if number // 100 == 1}
    assert named - {None} <= commands


@pytest.mark.parametrize("number", [190, 290, 490, 690])
def test_a_registration_of_the_page_is_signed_by_the_secret_that_it_names(number: int) -> None:
    signed = signed_fields(read(number))
    secret = SECRETS[signed.peer_id]
    assert f'"{secret}"' in EXAMPLES[number][0]
    assert verify(secret, signed)
    assert not verify("another", signed)
