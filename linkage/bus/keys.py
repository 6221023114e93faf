"""CURVE keys of the parts, one pair each, for a bus over TCP.

```
 keys/core.key      keys/core.pub         secret (mode 600) and public key, 40 characters of Z85
 keys/gateway.key   keys/gateway.pub
 keys/adapter-asterisk1.key   …           `adapter:asterisk1` as a file's name
```
The core lets in whose `.pub` lies in its directory, and under that name only. A part needs its own
`.key` and the core's `.pub`; nothing else need be on its host.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zmq

from linkage.bus.part_names import CORE
from linkage.config.secrets import Secret
from linkage.durable import sync_file, sync_folder

SECRET, PUBLIC = ".key", ".pub"
_Z85: Final = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(Exception):
    """A key cannot be used or made. The text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The keys of one part, Z85."""

    public: bytes
    secret: Secret


def make_keys(directory: Path, parts: Iterable[str]) -> list[str]:
    """Make the pairs that are not there yet.

    Returns:
        The parts that got one. What is there is left as it is.

    Raises:
        KeyFileError: the directory cannot be written.
    """
    made = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in parts:
            secret, public = _paths(directory, part)
            if secret.exists() or public.exists():
                continue
            public_key, secret_key = zmq.curve_keypair()
            _write(secret, secret_key, 0o600)
            _write(public, public_key, 0o644)
            made.append(part)
    except OSError as error:
        where = error.filename or directory
        raise KeyFileError(f"{where}: cannot be written: {error.strerror}") from None
    return made


def read_pair(directory: Path, part: str) -> Pair:
    """The pair of a part.

    Raises:
        KeyFileError: it is missing, damaged, or others may read it.
    """
    path = _paths(directory, part)[0]
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & _OTHERS:
                raise KeyFileError(
                    f"{path}: others may read or write it: run chmod 600 {path}, and make a new "
                    "pair if anybody has"
                )
            secret = _parse(path, file.read(200))
    except FileNotFoundError:
        raise KeyFileError(_missing(path, part)) from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from None
    return Pair(zmq.curve_public(secret), Secret(secret.decode("ascii")))


def read_public(directory: Path, part: str) -> bytes:
    """The public key of a part.

    Raises:
        KeyFileError: it is missing or damaged.
    """
    path = _paths(directory, part)[1]
    try:
        return _parse(path, path.read_bytes()[:200])
    except FileNotFoundError:
        raise KeyFileError(_missing(path, part)) from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from None


def read_allowed(directory: Path) -> dict[bytes, str]:
    """Public key → part, of all parts but the core.

    Raises:
        KeyFileError: one of them is damaged, or there is none.
    """
    found: dict[bytes, str] = {}
    for path in sorted(directory.glob(f"*{PUBLIC}")):
        part = part_of(path.name.removesuffix(PUBLIC))
        if part != CORE:
            found[read_public(directory, part)] = part
    if not found:
        raise KeyFileError(f"{directory}: no part has a key there: make them with `linkage keys`")
    return found


def file_name(part: str) -> str:
    """`adapter:asterisk1` → `adapter-asterisk1`."""
    return part.replace(":", "-", 1)


def part_of(name: str) -> str:
    """`adapter-asterisk1` → `adapter:asterisk1`."""
    kind, dash, rest = name.partition("-")
    return f"{kind}:{rest}" if dash else kind


def _paths(directory: Path, part: str) -> tuple[Path, Path]:
    name = file_name(part)
    return directory / f"{name}{SECRET}", directory / f"{name}{PUBLIC}"


def _parse(path: Path, content: bytes) -> bytes:
    text = content.decode("ascii", "replace").strip()
    if not _Z85.fullmatch(text):
        raise KeyFileError(
            f"{path}: is no key: remove it and its other half, and run `linkage keys`"
        )
    return text.encode("ascii")


def _missing(path: Path, part: str) -> str:
    return f"{path}: no such file: make the keys of {part} with `linkage keys`"


def _write(path: Path, key: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key + b"\n")
        sync_file(file)
    sync_folder(path.parent)
