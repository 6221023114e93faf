"""The rows of the server's queues, in formats of our own; no I/O.

Fields are parted by a control character: what the other machine calls itself may hold any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SEPARATOR: Final = "\x1f"
JOB_FORMAT: Final = SEPARATOR.join(("%j", "%a", "%P", "%D", "%T", "%J", "%s"))
RECEIVED_FORMAT: Final = SEPARATOR.join(("%f", "%n", "%p", "%Z", "%z", "%s", "%i", "%j"))
FIGURE_MAX: Final = 2**32
DONE, FAILED, RUNNING = "D", "F", "R"


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in `sendq` or `doneq`."""

    id: int
    state: str
    """`R` running, `S` sleeping until the next attempt, `D` done, `F` failed, …"""
    pages_sent: int
    pages: int
    dials: int
    tries: int
    tag: str
    status: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in {DONE, FAILED}


@dataclass(frozen=True, slots=True)
class ReceivedRow:
    """A file in `recvq`."""

    file: str
    size_bytes: int
    pages: int
    time: int
    """Seconds of the epoch."""
    is_coming: bool
    """It is still being received."""
    station: str
    """What the sending machine calls itself (TSI)."""
    caller: str


def job_rows(written: str) -> Iterator[JobRow]:
    """The jobs of a list; what is no row is left out."""
    for fields in _rows(written, 7):
        try:
            sent, pages = _pair(fields[2])
            yield JobRow(
                id=_figure(fields[0]), state=fields[1], pages_sent=sent, pages=pages,
                dials=_pair(fields[3])[0], tries=_pair(fields[4])[0],
                tag=fields[5], status=fields[6],
            )  # fmt: skip
        except ValueError:
            continue


def received_rows(written: str) -> Iterator[ReceivedRow]:
    """The received faxes of a list; what is no row is left out."""
    for fields in _rows(written, 8):
        try:
            yield ReceivedRow(
                file=fields[0], size_bytes=_figure(fields[1]), pages=_figure(fields[2]),
                time=_figure(fields[3]), is_coming=fields[4] == "*",
                station=fields[5], caller=_caller(fields[6:]),
            )  # fmt: skip
        except ValueError:
            continue


def _rows(written: str, fields: int) -> Iterator[list[str]]:
    for line in written.split("\n"):
        parts = [each.strip() for each in line.split(SEPARATOR)]
        if len(parts) == fields:
            yield parts


def _pair(written: str) -> tuple[int, int]:
    """`3:3`."""
    first, _, second = written.partition(":")
    return _figure(first), _figure(second)


def _figure(written: str) -> int:
    figure = int(written)
    if not 0 <= figure < FIGURE_MAX:
        raise ValueError(written)
    return figure


def _caller(fields: list[str]) -> str:
    """The number among what the line said of its caller: name and number, in any order."""
    return next((each for each in reversed(fields) if each.removeprefix("+").isdigit()), "")
