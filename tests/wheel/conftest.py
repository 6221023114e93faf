"""linkage's wheel, built from the sources as they are, and environments far from the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
CONSTRAINTS: Final = ROOT / "constraints.txt"
NOT_SOURCES: Final = (".venv", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
KEPT: Final = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Of our own environment; how pip is set up here is kept too."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel, and the tree of which it was built."""

    path: Path
    source: Path

    def names(self) -> set[str]:
        """The files in it."""
        with zipfile.ZipFile(self.path) as archive:
            return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """Built from a copy: what an older build left in the clone does not come in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (path,) = folder.glob("*.whl")
    return Wheel(path, source)


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """What a shell has that knows nothing of the clone."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or name[:4] == "PIP_"
    }
    mine = str(Path(sys.executable).parent)
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != mine]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "PIP_CONSTRAINT": str(CONSTRAINTS),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def installed(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("installed") / ".venv"
    subprocess.run([base_python(), "-m", "venv", str(folder)], check=True, timeout=300)
    pip(
        str(folder / "bin" / "python"),
        "install",
        "--constraint",
        str(CONSTRAINTS),
        str(wheel.path),
    )
    return folder


def base_python() -> str:
    """The Python below our own environment."""
    return str(
        Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    )


def pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", *arguments, "--quiet", "--no-input"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
