"""The pages lead where they say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pages import ROOT, broken_links, slug

PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: path.as_posix()
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_an_anchor_that_are_there(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What is the patent's", "what-is-the-patents"),
        ("1xx — platform → application", "1xx--platform--application"),
        ("The client in Python", "the-client-in-python"),
        ("`listen` and [more](x.md)", "listen-and-more"),
    ],
)
def test_anchors_are_made_as_github_makes_them(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor
