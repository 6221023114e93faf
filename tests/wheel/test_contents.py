"""The wheel has everything that stands beside the modules, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.wheel.conftest import Wheel

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

PACKAGES: Final = ("linkage", "protocol", "gateway", "adapters", "simulators", "pytest_linkage")


def test_the_wheel_holds_every_file_of_the_packages(wheel: Wheel) -> None:
    tree = {
        path.relative_to(wheel.source).as_posix()
        for package in PACKAGES
        for path in (wheel.source / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    packed = {name for name in wheel.names() if ".dist-info/" not in name}
    assert packed == tree
    assert any(not name.endswith((".py", "py.typed")) for name in tree)


def test_hypothesis_and_pytest_are_not_installed_with_linkage(installed: Path) -> None:
    listed = subprocess.run(
        [installed / "bin" / "python", "-m", "pip", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.lower()
    assert "linkage" in listed
    for tool in ("hypothesis", "pytest", "aiohttp", "cryptography"):
        assert tool not in listed


def test_every_module_of_the_wheel_can_be_imported_where_nothing_else_is(
    installed: Path, wheel: Wheel, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """But for those whose library is an extra: they must say which."""
    modules = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in wheel.names()
        if name.endswith(".py") and "/migrations/" not in name and "__main__" not in name
    )
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        print(name, error.name)\n"
    )
    done = subprocess.run(
        [installed / "bin" / "python", "-c", program, *modules],
        cwd=tmp_path,
        env=clean_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    missing = {line.split()[1].split(".")[0] for line in done.stdout.splitlines()}
    extras = {
        "aiohttp",
        "aiosmtpd",
        "aiosmtplib",
        "cryptography",
        "imapclient",
        "opentelemetry",
        "pytest",
    }
    assert missing <= extras, done.stdout
