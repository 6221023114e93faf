"""The README in two languages says the same: headings, commands, pictures, links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Language and lines of each fenced block, without comments."""
    return [
        (language, [re.sub(r"(^|\s+)# .*$", "", line) for line in body.splitlines()])
        for language, body in BLOCK.findall(text)
    ]


def headings(text: str) -> list[int]:
    """The levels of the headings, in their order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", BLOCK.sub("", text), re.MULTILINE)]


def targets(text: str) -> list[str]:
    """What the links and pictures lead to, but for the other language."""
    found = re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", text))
    return [target for target in found if not target.startswith("README")]


def test_they_have_the_same_headings() -> None:
    assert headings(CHINESE) == headings(ENGLISH)
    assert len(headings(ENGLISH)) > 5


def test_they_have_the_same_commands() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)
    assert sum(language == "sh" for language, _ in blocks(ENGLISH)) >= 3


def test_they_lead_to_the_same_pages_and_pictures() -> None:
    assert sorted(targets(CHINESE)) == sorted(targets(ENGLISH))


def test_each_leads_to_the_other_at_its_top() -> None:
    assert "](README.zh.md)" in "\n".join(ENGLISH.splitlines()[:5])
    assert "](README.md)" in "\n".join(CHINESE.splitlines()[:5])


def test_the_chinese_one_is_chinese() -> None:
    prose = BLOCK.sub("", CHINESE)
    for paragraph in re.split(r"\n{2,}|\n(?=[-|])", prose):
        words = re.sub(r"`[^`]*`|\]\([^)]*\)|\[|<!--.*?-->", "", paragraph)
        if len(words) > 60:
            assert len(re.findall(r"[\u4e00-\u9fff]", words)) > len(words) / 4, paragraph
