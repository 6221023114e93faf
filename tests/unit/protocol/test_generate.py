"""The committed reference is what the classes say, and the generator says when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from protocol.generate import render, stale, write
from protocol.generate.__main__ import main
from protocol.generate.catalogue import catalogue
from protocol.generate.codes import codes
from protocol.generate.model import choices_of, parts_of
from protocol.messages import every_class

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(render()["asyncapi.json"])
    return loaded


def test_the_committed_reference_is_fresh() -> None:
    assert stale(REFERENCE) == [], "run: make generate"


def test_every_message_has_a_schema_that_compiles() -> None:
    for cls in every_class():
        etree.XMLSchema(etree.parse(REFERENCE / "xsd" / f"{cls.number}.xsd"))


def test_the_patents_examples_are_valid_by_their_schemas() -> None:
    for path in (ROOT / "tests" / "fixtures" / "patent").glob("*.canonical.xml"):
        schema = etree.XMLSchema(etree.parse(REFERENCE / "xsd" / f"{path.name[:3]}.xsd"))
        schema.assertValid(etree.parse(path))


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (100, "<CallId>1</CallId>"),
        (100, "<CallId>1</CallId><Type>3</Type>"),
        (100, "<CallId>123456789012345678901</CallId><Type>1</Type>"),
        (100, "<CallId>1</CallId><CallId>1</CallId><Type>1</Type>"),
        (108, "<Sha256>no hash</Sha256>"),
        (195, "<Since>yesterday</Since>"),
        (116, "<Total>many</Total>"),
        (210, "<Group><Staff/><Person/></Group>"),
    ],
)
def test_a_schema_refuses_what_a_peer_must_not_send(number: int, body: str) -> None:
    schema = etree.XMLSchema(etree.parse(REFERENCE / "xsd" / f"{number}.xsd"))
    request = etree.fromstring(f'<request Id="1" Type="{number}">{body}</request>')
    assert not schema.validate(request)


def test_a_schema_lets_no_value_and_unknown_attributes_pass() -> None:
    schema = etree.XMLSchema(etree.parse(REFERENCE / "xsd" / "100.xsd"))
    request = "<Type>2</Type><LoginId>EMPTY</LoginId><ToNum/><CallId>1</CallId>"
    schema.assertValid(etree.fromstring(f'<request Id="1" Type="100" New="1">{request}</request>'))


def test_the_catalogue_names_every_message_part_and_choice() -> None:
    page = catalogue()
    classes = list(every_class())
    for cls in classes:
        assert f"| {cls.number} | " in page
        assert cls.chinese in page
    for kind in (*parts_of(classes), *choices_of(classes)):
        assert f"### {kind.__name__}\n" in page


def test_every_link_of_the_catalogue_leads_somewhere() -> None:
    page = catalogue()
    targets = {line[7:-6] for line in page.splitlines() if line.startswith('<a id="')}
    targets |= {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    links = {piece.split(")")[0] for piece in page.split("](#")[1:]}
    assert links <= targets


def test_the_codes_page_shows_where_a_reason_comes_from() -> None:
    assert "| 120 | `CONGESTION` | congestion | 线路拥塞 | 34, 42, 44 | 503 |" in codes()
    assert "| 501 | `NOT_SUPPORTED` | not supported by this platform | 平台不支持 |" in codes()


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield str(inner)
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_every_reference_of_the_asyncapi_document_resolves(document: dict[str, Any]) -> None:
    references = set(_references(document))
    assert references
    for reference in references:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_asyncapi_document_has_a_channel_for_each_direction(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    sizes = {name: len(one["messages"]) - 1 for name, one in document["channels"].items()}
    assert set(sizes) == {
        "platformToBusiness",
        "businessToPlatform",
        "platformToScreen",
        "screenToPlatform",
        "businessToScreen",
        "screenToBusiness",
    }
    assert sum(sizes.values()) == len(list(every_class()))


def test_a_screen_that_opens_an_event_needs_no_number_in_the_document_either(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    base, own = schemas["601-BizCreateEvent"]["allOf"]
    assert base == {"$ref": "#/components/schemas/CommonElements"}
    assert "EventId" not in own.get("required", [])
    assert "EventId" in schemas["201-CreateEvent"]["allOf"][1]["required"]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(write(tmp_path)) == len(render())
    assert write(tmp_path) == []
    assert stale(tmp_path) == []


def test_what_is_stale_is_named_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    (tmp_path / "codes.md").write_text("old")
    (tmp_path / "xsd" / "100.xsd").unlink()
    (tmp_path / "xsd" / "999.xsd").write_text("of no number")
    (tmp_path / "xsd" / "notes.txt").write_text("somebody's")
    assert main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("codes.md", "xsd/100.xsd", "xsd/999.xsd"))
    assert main([str(tmp_path)]) == 0
    assert "3 files changed" in capsys.readouterr().out
    assert main(["--check", str(tmp_path)]) == 0
    assert (tmp_path / "xsd" / "notes.txt").exists()
