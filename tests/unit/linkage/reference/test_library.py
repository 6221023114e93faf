"""The reference of the library says what the code does."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from linkage.reference.library import MODULES

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "api.md"


def test_every_public_name_is_there_with_its_words() -> None:
    page = PAGE.read_text()
    for module in MODULES:
        for name in import_module(module).__all__:
            if name not in {"__version__", "blocking"}:
                assert f"\n### {module}.{name}\n" in page
    for head in re.finditer(r"^#{3,4} (\S+)\n+(.*(?:\n.*){14})", page, re.MULTILINE):
        words = re.sub(r"```.*?```", "", head[2], flags=re.DOTALL).partition("\n#")[0]
        assert words.strip(), f"{head[1]} has no docstring"


def test_every_link_within_the_page_leads_somewhere() -> None:
    page = PAGE.read_text()
    anchors = [
        re.sub(r"[^a-z0-9_-]", "", title.lower())
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    ]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def test_nothing_in_it_differs_from_run_to_run() -> None:
    assert not re.search(r"0x[0-9a-f]{6,}|ForwardRef|PosixPath", PAGE.read_text())
