"""One writer to a store: a second linkage on the same data would give the same seqs twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from linkage.store.sqlite.database import StoreError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]  # the name stands for "no such locks here"


@contextmanager
def hold_store(database: Path) -> Iterator[None]:
    """Keep a store to this process while the context lasts; the system lets go when we die.

    Raises:
        StoreError: another process has it, or its directory cannot be written.
    """
    path = database.with_suffix(".lock")
    with hold_file(path, "serves this data: stop it, or choose another `data`", "`data`"):
        yield


@contextmanager
def hold_file(path: Path, does: str, place: str = "directory") -> Iterator[None]:
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
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, does: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = ""
        with suppress(OSError, ValueError):
            owner = f" (process {int(os.pread(descriptor, 20, 0))})"
        raise StoreError(f"{path.parent}: another linkage{owner} {does}") from None
    except OSError as error:
        # Some network file systems have no locks: serving from there is a risk of its own.
        raise StoreError(f"{path}: cannot be locked: {error.strerror}; use a local disk") from None
