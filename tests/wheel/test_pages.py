"""Every command of the documentation, run from a wheel in an empty environment.

Pages are walked from top to bottom, as their readers do (`walking`). The how-to pages begin where
the README ends: with its `site`, in which one call was recorded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.wheel.conftest import ROOT, Wheel
from tests.wheel.walking import RUN, Block, Ports, Walk, read_blocks, variants

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

README: Final = ROOT / "README.md"
QUICKSTARTS: Final = sorted((ROOT / "docs" / "quickstart").glob("*.md"))
HOW_TOS: Final = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PAGES: Final = (README, *QUICKSTARTS, *HOW_TOS)
NEEDS: Final = {"node": "node", "java": "java"}
"""Variant of a page → the program without which it cannot be walked."""


@pytest.fixture
def walks() -> Iterator[list[Walk]]:
    begun: list[Walk] = []
    yield begun
    for walk in begun:
        walk.kill()


def sockets(folder: str, names: list[str]) -> list[str]:
    """What of a served site cannot be copied."""
    return [name for name in names if (Path(folder) / name).is_socket()]


def walk_through(walk: Walk, blocks: list[Block], variant: str = "") -> None:
    for block in blocks:  # first: a page may use what stands further down
        walk.save(block)
    for block in blocks:
        if block.is_of(variant):
            walk.take(block)
    walk.end()


@pytest.fixture(scope="session")
def ports() -> Ports:
    return Ports()


@pytest.fixture(scope="session")
def site(
    wheel: Wheel,
    clean_environment: dict[str, str],
    ports: Ports,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Where the README leads, from an empty directory with nothing but the wheel in it."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(wheel.path, folder)
    walk = Walk(folder, clean_environment, ports)
    try:
        walk_through(walk, read_blocks(README))
    finally:
        walk.kill()
    return folder / "site"


def test_the_readme_works_from_an_empty_directory(site: Path) -> None:
    assert (site / "data" / "linkage.db").exists()


@pytest.mark.parametrize(
    ("page", "variant"),
    [(page, variant) for page in QUICKSTARTS for variant in variants(read_blocks(page))],
    ids=lambda value: value.stem if isinstance(value, Path) else value or "whole",
)
def test_a_quickstart_works_where_linkage_is_installed(
    page: Path,
    variant: str,
    installed: Path,
    clean_environment: dict[str, str],
    ports: Ports,
    walks: list[Walk],
    tmp_path: Path,
) -> None:
    program = NEEDS.get(variant)
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    (tmp_path / ".venv").symlink_to(installed)
    walks.append(Walk(tmp_path, clean_environment, ports))
    walk_through(walks[0], read_blocks(page), variant)


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_a_how_to_works_at_the_site_of_the_readme(
    page: Path,
    site: Path,
    installed: Path,
    clean_environment: dict[str, str],
    ports: Ports,
    walks: list[Walk],
    tmp_path: Path,
) -> None:
    (tmp_path / ".venv").symlink_to(installed)
    shutil.copytree(site, tmp_path / "site", ignore=sockets)
    path = f"{installed / 'bin'}:{clean_environment['PATH']}"
    environment = {**clean_environment, "PATH": path, "LINKAGE_CONFIG": "site/linkage.toml"}
    walks.append(Walk(tmp_path, environment, ports))
    walk_through(walks[0], read_blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_says_why(page: Path) -> None:
    for block in read_blocks(page):
        for kind in ("not run", "part"):
            reason = block.note(kind)
            assert reason is None or len(reason.split()) > 2, f"line {block.line}"
        assert block.language != "console", f"line {block.line}: nobody runs it; write sh"
        if block.language in RUN and not block.notes:
            assert block.language == "sh", f"line {block.line}: save it, or call it a part"
