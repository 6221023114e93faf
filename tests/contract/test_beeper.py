"""The adapter of docs/how-to/adapter.md keeps the contract, word for word as it stands there."""

from __future__ import annotations

import ast
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any, Final

from protocol.messages import SmsSendResultNotice, SmsSendStatus
from pytest_linkage.contract.adapter import AdapterContract
from tests.contract.beeper_platform import BeeperPlatform
from tests.pages import ROOT, blocks

PAGE: Final = ROOT / "docs" / "how-to" / "adapter.md"
LINES_MAX: Final = 200


def source() -> str:
    """The page's one long block of Python."""
    (found,) = (
        each
        for each in blocks(PAGE.read_text(encoding="utf-8"), "python")
        if "class BeeperAdapter" in each
    )
    return found


def load() -> Any:
    """The page's adapter as a module."""
    spec = spec_from_loader("tests.contract.beeper_of_the_page", loader=None)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    exec(compile(source(), str(PAGE), "exec"), module.__dict__)
    return module


class TestBeeper(AdapterContract):
    adapter = load().BeeperAdapter

    def make_platform(self) -> BeeperPlatform:
        return BeeperPlatform()

    async def test_what_is_looked_up_is_said_to_be_made_up(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            page = bench.platform.command()
            async with bench.running() as first:
                bench.disk.kill_at(1)  # the gateway has the first page; that it has is not told
                await first.do(page, "7")
            bench.disk.kill_at(None)
            async with bench.running():
                pass
        told = [
            (notice.message.status, notice.reconstructed)
            for notice in bench.disk.notices
            if isinstance(notice.message, SmsSendResultNotice)
        ]
        assert sorted(told) == [(SmsSendStatus.ACCEPTED, True), (SmsSendStatus.FAILED, True)]


def test_it_is_short() -> None:
    """Comments, docstrings and blank lines make it longer to write, not to read."""
    text = source()
    told = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    code = [
        line
        for number, line in enumerate(text.splitlines(), 1)
        if number not in told and line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) < LINES_MAX
