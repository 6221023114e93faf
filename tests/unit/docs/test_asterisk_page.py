"""Each row of docs/reference/asterisk.md names a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (?!what happens)[^-].*\|$", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_each_row_names_a_test_on_a_real_asterisk() -> None:
    rows = ROW.findall((ROOT / "docs" / "reference" / "asterisk.md").read_text())
    assert len(rows) > 20
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for file, name in named:
            tree = ast.parse((ROOT / "tests" / "real" / file).read_text())
            assert name in {
                each.name for each in tree.body if isinstance(each, ast.AsyncFunctionDef)
            }


def test_each_test_of_telephones_stands_in_the_table() -> None:
    page = (ROOT / "docs" / "reference" / "asterisk.md").read_text()
    named = {name for _, name in NAMED.findall(page)}
    for file in ("test_telephone_transfers.py", "test_telephones_by_themselves.py"):
        tree = ast.parse((ROOT / "tests" / "real" / file).read_text())
        tests = {
            each.name
            for each in tree.body
            if isinstance(each, ast.AsyncFunctionDef) and each.name.startswith("test_")
        }
        assert tests <= named
