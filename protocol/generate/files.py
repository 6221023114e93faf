"""Which files the reference consists of, and whether those on disk are what the classes say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from protocol.generate.asyncapi import asyncapi
from protocol.generate.catalogue import catalogue
from protocol.generate.codes import codes
from protocol.generate.examples import business_examples, screen_examples
from protocol.generate.xsd import TYPES_FILE, request_schema, response_schema, types_schema
from protocol.messages import every_class

SCHEMAS: Final = "xsd"


def render() -> dict[str, str]:
    """Every file of the reference: path below the directory → content."""
    files = {
        "catalogue.md": catalogue(),
        "codes.md": codes(),
        "examples.md": business_examples(),
        "examples-screens.md": screen_examples(),
        "asyncapi.json": asyncapi(),
        f"{SCHEMAS}/response.xsd": response_schema(),
        f"{SCHEMAS}/{TYPES_FILE}": types_schema(),
    }
    files |= {f"{SCHEMAS}/{cls.number}.xsd": request_schema(cls) for cls in every_class()}
    return files


def stale(directory: Path) -> list[str]:
    """Paths that are missing, differ from what the classes say, or belong to no class any more."""
    files = render()
    old = [path for path, content in files.items() if _read(directory / path) != content]
    return sorted(old + _strangers(directory, files))


def write(directory: Path) -> list[str]:
    """Bring the directory up to date; the paths that changed.

    Other files in the directory are left alone, but for schemas of numbers that are no more.
    """
    files = render()
    strangers = _strangers(directory, files)
    changed = [path for path, content in files.items() if _read(directory / path) != content]
    (directory / SCHEMAS).mkdir(parents=True, exist_ok=True)
    for path in changed:
        (directory / path).write_text(files[path], encoding="utf-8", newline="\n")
    for path in strangers:
        (directory / path).unlink()
    return sorted(changed + strangers)


def _strangers(directory: Path, files: dict[str, str]) -> list[str]:
    found = (f"{SCHEMAS}/{path.name}" for path in (directory / SCHEMAS).glob("*.xsd"))
    return [path for path in found if path not in files]


def _read(path: Path) -> str | None:
    # newline="" keeps what a check-out may have done to line ends visible as a difference.
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
