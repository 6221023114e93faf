"""One writer to a store: a second linkage on the same data would give the same seqs twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

from typing_extensions import override

from linkage.ports.lease import LeaseLostError, LeasePort
from linkage.store.sqlite.database import StoreError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]  # the name stands for "no such locks here"

HOLDER_BYTES: Final = 64


class FileLease(LeasePort):
    """The lock on a file, whose content is who holds it: process, epoch, and a random word.

    The system lets go of it when the process dies. It is on a file, though, not on its name:
    somebody who removes `linkage.lock` lets a second linkage have one of its own, whose epochs
    begin anew; the random word tells them apart.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        _, epoch = _holder(os.pread(descriptor, HOLDER_BYTES, 0))
        self._epoch = epoch + 1
        self._content = f"{os.getpid()} {self._epoch} {token_hex(4)}\n".encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, self._content, 0)

    @property
    @override
    def epoch(self) -> int:
        return self._epoch

    @override
    def check(self) -> None:
        try:
            if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):  # noqa: PTH116 - of each commit
                return
            found = self._path.read_bytes()
        except FileNotFoundError:
            return  # nobody has taken it yet; whoever does is another file's
        if found not in {b"", self._content}:
            process, _ = _holder(found)
            raise LeaseLostError(
                f"{self._path}: process {process} writes to this data now; this one must stop"
            )


def _holder(content: bytes) -> tuple[int, int]:
    """Process and epoch; zeros where nothing tells them."""
    process, epoch = [*content.split(), b"", b""][:2]
    return _number(process), _number(epoch)


def _number(word: bytes) -> int:
    return int(word) if word.isdigit() else 0


@contextmanager
def hold_store(database: Path) -> Iterator[LeasePort]:
    """Keep a store to this process while the context lasts; the system lets go when we die.

    Raises:
        StoreError: another process has it, or its directory cannot be written.
    """
    path = database.with_suffix(".lock")
    with hold_file(path, "serves this data: stop it, or choose another `data`", "`data`") as lease:
        yield lease


@contextmanager
def hold_file(path: Path, does: str, place: str = "directory") -> Iterator[LeasePort]:
    """Keep a file to this process; `place` is what its directory is to the user.

    Raises:
        StoreError: another linkage has it, which `does` something; or it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: {error.strerror}; "
            f"make the directory writable for this user, or choose another {place}"
        ) from None
    try:
        if fcntl is not None:
            _lock(descriptor, path, does)
        yield FileLease(path, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, does: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process, _ = _holder(os.pread(descriptor, HOLDER_BYTES, 0))
        owner = f" (process {process})" if process else ""
        raise StoreError(f"{path.parent}: another linkage{owner} {does}") from None
    except OSError as error:
        # Some network file systems have no locks: serving from there is a risk of its own.
        raise StoreError(f"{path}: cannot be locked: {error.strerror}; use a local disk") from None
