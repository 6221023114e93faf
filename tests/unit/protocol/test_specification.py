"""docs/reference/protocol.md: its figures, bytes and examples are those of the code."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

import pytest
from lxml import etree

from linkage.client.options import COMMAND_EXPIRE_S
from protocol.codec import decode
from protocol.connection import (
    MALFORMED_MAX,
    MALFORMED_WITHIN_S,
    RECEIVED_MAX,
    WINDOW,
    Timers,
)
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import REQUEST_ID_MAX, Request
from protocol.fields import FREE_TEXT_MAX
from protocol.frames import FRAGMENTS_MAX, HEARTBEAT, Framer, encode_message, payload_max
from protocol.messages import AppRegister, BindCause
from protocol.plans import plan_of
from protocol.registration import (
    NONCE_MAX,
    NONCE_MIN,
    TIME_TOLERANCE_S,
    signed_fields,
    verify,
)
from protocol.xml.reader import DEPTH_MAX
from tests.pages import ROOT, SPECIFICATION, anchors, blocks, broken_links

PAGE: Final = SPECIFICATION.read_text(encoding="utf-8")
RESPONSE: Final = b'<response RequestId="1" Type="290" Result="0"/>'
CITING: Final = ("*.py", "*.md", "*.java", "*.mjs", "*.toml", "*.cfg", "*.xml", "*.xsd", "*.json")
CITING_IN: Final = (
    "linkage", "protocol", "gateway", "adapters", "simulators", "tests", "benchmarks", "examples",
    "docs",
)  # fmt: skip


def bytes_of(dump: str) -> bytes:
    """The bytes of a hex dump; what stands after two blanks is for people."""
    return b"".join(bytes.fromhex(line.split("  ")[0]) for line in dump.splitlines())


def events_of(data: bytes) -> list[object]:
    framer = Framer()
    framer.receive_data(data)
    return list(iter(framer.next_event, None))


def table(heading: str) -> dict[str, str]:
    """First column → second, of the first table below a heading."""
    section = PAGE.partition(f"\n{heading}\n")[2]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|.*$", section.split("\n#")[0], re.MULTILINE)
    return dict(rows)


def test_the_frames_of_the_page_are_what_the_framer_reads() -> None:
    whole, heartbeat, pieces = (bytes_of(dump) for dump in blocks(PAGE, "hexdump"))
    assert events_of(whole) == [RESPONSE]
    assert whole == encode_message(RESPONSE)
    assert events_of(heartbeat) == [HEARTBEAT]
    assert events_of(pieces) == [HEARTBEAT, RESPONSE]


def test_the_length_in_the_other_dialect_is_that_of_the_page() -> None:
    other = Dialect(byte_order="little", length_includes_header=True)
    written = re.search(r"`length_includes_header` is `([0-9a-f ]+)`", PAGE)
    assert written is not None
    assert encode_message(RESPONSE, other)[2:4] == bytes.fromhex(written[1])


def test_the_settings_of_a_dialect_are_those_of_the_page() -> None:
    names = re.findall(r"`(\w+)`", " ".join(list(table("### Dialects"))))
    assert set(names) == {
        "flag_message", "flag_heartbeat", "flag_fragment", "byte_order", "length_includes_header",
        "encoding", "empty_token",
    }  # fmt: skip
    assert (DEFAULT.flag_message, DEFAULT.flag_heartbeat, DEFAULT.flag_fragment) == (1, 2, 3)


def test_the_worked_digest_is_right_by_hmac_alone() -> None:
    (block,) = blocks(PAGE, "digest")
    given = dict(re.findall(r"^(\w+) +(.*)$", block, re.MULTILINE))
    signed = re.search(r"^signed((?:\s+[0-9a-f]{2})+)$", block, re.MULTILINE)
    assert signed is not None
    text = "\n".join(given[name] for name in ("Type", "PeerId", "Time", "Nonce"))
    assert bytes.fromhex(signed[1]) == text.encode()
    digest = hmac.new(given["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
    assert digest == given["Digest"]
    assert repr(text)[1:-1] in PAGE, "the printf of the page signs the same text"


def test_the_worked_rotation_is_right_by_hmac_alone() -> None:
    (block,) = blocks(PAGE, "rotation")
    given = dict(re.findall(r"^(\w+) +(.*)$", block, re.MULTILINE))

    def made(key: str, kind: str) -> str:
        text = "\n".join((kind, given["PeerId"], given["KeyId"]))
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()

    assert made(given["secret"], "key") == given["next"]
    assert made(given["next"], "295") == given["Digest"]
    examples = (ROOT / "protocol" / "generate" / "examples-2xx.xml").read_text(encoding="utf-8")
    assert f"<KeyId>{given['KeyId']}</KeyId><Digest>{given['Digest']}</Digest>" in examples


def test_the_registration_of_the_page_is_the_one_whose_digest_is_worked_out() -> None:
    registrations = [text for text in blocks(PAGE, "xml") if "<Nonce>" in text]
    assert len(registrations) == 1
    request = decode(registrations[0].encode())
    assert isinstance(request, Request)
    assert isinstance(request.message, AppRegister)
    assert request.message.boot is not None
    assert verify("for-examples-only-desk", signed_fields(request))


@pytest.mark.parametrize("written", blocks(PAGE, "xml"))
def test_the_xml_of_the_page_is_valid_and_read_without_loss(written: str) -> None:
    node = etree.fromstring(written)
    item = decode(written.encode())
    name = str(item.type) if isinstance(item, Request) else "response"
    schema = etree.XMLSchema(etree.parse(ROOT / "docs" / "reference" / "xsd" / f"{name}.xsd"))
    schema.assertValid(node)
    if isinstance(item, Request):
        known = {plan.element: plan.name for plan in plan_of(type(item.message))}
        assert all(getattr(item.message, known[str(child.tag)]) is not None for child in node)


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    timers = Timers()
    (boot,) = [plan for plan in plan_of(AppRegister) if plan.name == "boot"]
    assert boot.value is not None
    figures = list(table("## Figures").values())[1:]
    assert [int(figure) for figure in figures if figure.isdigit()] == [
        REQUEST_ID_MAX, payload_max(), DEFAULT.message_max_bytes, FRAGMENTS_MAX, DEPTH_MAX,
        MALFORMED_MAX, MALFORMED_WITHIN_S, WINDOW, RECEIVED_MAX, timers.heartbeat_s,
        timers.dead_after_s, TIME_TOLERANCE_S, NONCE_MIN, NONCE_MAX, boot.value.size,
        COMMAND_EXPIRE_S, FREE_TEXT_MAX,
    ]  # fmt: skip


def test_the_causes_of_a_binding_are_all_there_strongest_first() -> None:
    causes = [cause.strip("`") for cause in table("### Bindings") if cause.startswith("`")]
    assert causes == [cause.value for cause in BindCause]


def test_every_link_of_the_reference_leads_somewhere() -> None:
    pages = (SPECIFICATION, *(SPECIFICATION.parent / name for name in ("examples.md", "codes.md")))
    assert {page.name: broken_links(page) for page in pages if broken_links(page)} == {}


def test_every_citation_of_the_specification_names_an_anchor_that_is_there() -> None:
    there = anchors(SPECIFICATION)
    wrong = []
    for folder in CITING_IN:
        for pattern in CITING:
            for path in (ROOT / folder).rglob(pattern):
                cited = re.findall(r"protocol\.md#([\w-]+)", path.read_text("utf-8"))
                wrong += [f"{path.name}: {anchor}" for anchor in cited if anchor not in there]
    assert wrong == []


def test_nothing_cites_a_page_that_is_not_in_the_repository() -> None:
    gone = "PROTOCOL" + ".md"
    citing = [
        str(path.relative_to(ROOT))
        for folder in CITING_IN
        for pattern in CITING
        for path in (ROOT / folder).rglob(pattern)
        if gone in path.read_text(encoding="utf-8")
    ]
    assert citing == []
