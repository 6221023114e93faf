"""Where the bus is: `ipc` (a socket in the data directory), `ipc://PATH` or `tcp://HOST:PORT`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from linkage.bus.sockets import BusError

IPC: Final = "ipc"
DIRECTORY: Final = "bus"
SOCKET: Final = "core.sock"
PATH_MAX: Final = 107
"""Bytes of a path that a Unix socket's address holds (sun_path, without its last zero)."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def endpoint(address: str, data: Path) -> str:
    """What ZeroMQ binds or connects to.

    Args:
        address: as it is configured.
        data: the data directory.

    Raises:
        BusError: the path is too long for a socket.
    """
    if address != IPC:
        if address.startswith("ipc://"):
            _check_length(Path(address.removeprefix("ipc://")))
        return address
    path = data / DIRECTORY / SOCKET
    _check_length(path)
    return f"ipc://{path}"


def is_ipc(place: str) -> bool:
    """Whether only processes of this host can come there."""
    return place.startswith("ipc://")


def make_private(place: str) -> None:
    """Make the directory of an ipc socket, for its user only: whoever may enter may speak.

    Raises:
        BusError: it cannot be made, or is open to others.
    """
    folder = Path(place.removeprefix("ipc://")).parent
    try:
        # The data directory, too, where a part comes before the core that would make it.
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise BusError(f"{folder}: {error.strerror}; choose another [messaging] address") from None
    if os.name == "posix" and mode & _OTHERS:
        raise BusError(
            f"{folder}: others may enter it, and whoever does may speak for every peer: "
            f"run chmod 700 {folder}"
        )


def _check_length(path: Path) -> None:
    if len(os.fsencode(path)) > PATH_MAX:
        raise BusError(
            f"{path}: longer than the {PATH_MAX} bytes that a socket's path may have: set a "
            'shorter one, such as [messaging] address = "ipc:///run/linkage/core.sock"'
        )
