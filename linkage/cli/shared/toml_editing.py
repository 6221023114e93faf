"""Changing `linkage.toml` by programs: what a person wrote in it, comments too, stays as it is.

So do its line ends, and the mark (BOM) that editors of Windows put before a text.

The text is changed, and then read: what does not come out as the document that was wanted is not
written.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from linkage.cli.commands import FailureError
from linkage.config.keyring import give_like
from linkage.durable import replace_file

_PEER: Final = re.compile(r"\s*\[\[\s*peer\s*\]\]")
_OF_PEER: Final = re.compile(r"\s*\[\[?\s*peer\s*\.")
_HEADER: Final = re.compile(r"\s*\[")
_BOM: Final = "\ufeff"


def quoted(text: str) -> str:
    """A TOML string."""
    import json

    # A JSON string is a TOML basic string but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_text(path: Path) -> tuple[str, dict[str, Any]]:
    """The file and what it says; it was found to be a configuration before."""
    text = path.read_bytes().decode()  # line ends as they are
    return text, tomllib.loads(text.removeprefix(_BOM))


def with_peer(text: str, settings: Iterable[tuple[str, Any]]) -> str:
    """The text with one more `[[peer]]` at its end."""
    lines = [f"{name} = {_value(value)}" for name, value in settings]
    end = "\r\n" if "\r\n" in text else "\n"
    return end.join([text.rstrip("\r\n"), "", "[[peer]]", *lines, ""]).lstrip("\r\n")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    return f"[{', '.join(_value(item) for item in value)}]"


def without_peer(text: str, index: int) -> str:
    """The text without its `[[peer]]` of that index; what stands between tables is left.

    As it is where there is no such table: peers can be written in other ways, too.
    """
    lines = text.removeprefix(_BOM).splitlines(keepends=True)
    tables = list(_peer_tables(lines))
    if index >= len(tables):
        return text
    begin, end = tables[index]
    if begin and not lines[begin - 1].strip():
        begin -= 1
    mark = _BOM if text.startswith(_BOM) else ""
    return mark + "".join(lines[:begin] + lines[end:])


def _peer_tables(lines: list[str]) -> Iterator[tuple[int, int]]:
    """First line of each, and the line behind its last setting."""
    begin: int | None = None
    end = 0
    for number, line in enumerate(lines):
        if _HEADER.match(line) and not _OF_PEER.match(line):
            if begin is not None:
                yield begin, end
            begin = number if _PEER.match(line) else None
        if line.strip() and not line.lstrip().startswith("#"):
            end = number + 1
    if begin is not None:
        yield begin, end


def write_changed(path: Path, before: str, text: str, wanted: dict[str, Any]) -> None:
    """Put a changed file in the place of the old one, with its mode and owner, as a whole.

    Args:
        path: the file.
        before: what it held when it was read.
        text: what it is to hold.
        wanted: what that must say.

    Raises:
        FailureError: it does not; another change is at work, or was since; it would be no
            configuration.
    """
    from linkage.config.file import check_config
    from linkage.config.problems import ConfigError

    try:
        document = tomllib.loads(text.removeprefix(_BOM))
    except tomllib.TOMLDecodeError:
        document = None
    if document != wanted:
        raise FailureError(
            f"{path}: its [[peer]] tables are written in a form that this command cannot change: "
            "change it in an editor"
        )
    try:
        check_config(path, document)
    except ConfigError as error:
        raise FailureError(f"{error}\nnothing was changed") from None
    real = path.resolve()

    def prepare(descriptor: int) -> None:
        # From here on no other of us writes it; what one has written since would be lost.
        if read_text(real)[0] != before:
            raise FailureError(f"{path}: was changed meanwhile; nothing was changed: try again")
        give_like(descriptor, real)
        os.fchmod(descriptor, stat.S_IMODE(real.stat().st_mode))

    try:
        replace_file(real, text, prepare)
    except FileExistsError:
        raise FailureError(
            f"{real}.new: another change is under way, or one was interrupted: if none is, "
            "remove that file"
        ) from None
