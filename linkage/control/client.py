"""The other end of the control socket: what the command line asks a serving linkage."""

from __future__ import annotations

import errno
import json
import socket
from pathlib import Path
from typing import Any, Final

from linkage.control.socket_path import fitting

ANSWER_WITHIN_S: Final = 30.0
ANSWER_MAX: Final = 64 * 1024**2
"""Bytes; a hundred for each peer that is connected, and room to spare."""
NOBODY: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR})
"""Nobody listens: no socket, or one that a killed linkage has left."""


class ControlError(Exception):
    """A serving linkage cannot be asked, or did not do it; one line with the remedy."""


class NotServingError(ControlError):
    """No linkage serves this data."""


def ask(path: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Put one question.

    Args:
        path: the socket, as `Config.control_path` says.
        question: see `linkage.control`.

    Raises:
        NotServingError: nobody answers there: no linkage serves the data.
        ControlError: it may not be asked, does not answer, or refuses; the text says why.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ControlError("this system has no sockets by which a linkage could be asked")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door, fitting(path) as address:
            door.settimeout(ANSWER_WITHIN_S)
            door.connect(address)
            door.sendall(json.dumps(question).encode() + b"\n")
            answer = _line(door)
    except TimeoutError:
        raise ControlError(
            f"{path}: the linkage that serves did not answer within {ANSWER_WITHIN_S:.0f} s: "
            "look at its log"
        ) from None
    except PermissionError:
        raise ControlError(
            f"{path}: only the user that serves may do this: run it as that user"
        ) from None
    except OSError as error:
        if error.errno in NOBODY:
            raise NotServingError(f"{path.parent}: no linkage serves this data") from None
        raise ControlError(f"{path}: {error.strerror or error}") from None
    return _read(path, answer)


def _line(door: socket.socket) -> bytes:
    got = bytearray()
    while not got.endswith(b"\n") and len(got) <= ANSWER_MAX:
        part = door.recv(65_536)
        if not part:
            break
        got += part
    return bytes(got)


def _read(path: Path, answer: bytes) -> dict[str, Any]:
    try:
        read = json.loads(answer)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise ControlError(
            f"{path}: the linkage that serves gave no answer: it is stopping, or too many ask it "
            "at once; try again"
        )
    if "error" in read:
        raise ControlError(str(read["error"]))
    return read
