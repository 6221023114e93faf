"""What the server has: jobs on their way, and faxes that came in."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

ENTRY: Final = struct.Struct("<HHII")
PAGES_MAX: Final = 1_000
WIDTH, LENGTH = 1728, 64


@dataclass(eq=False)
class Job:
    """A fax to one number."""

    id: int
    owner: str
    parameters: dict[str, str]
    document: bytes
    state: str = "W"
    """`W` waiting, `R` running, `S` sleeping until the next attempt, `D` done, `F` failed."""
    pages: int = 1
    pages_sent: int = 0
    attempts: int = 0
    status: str = ""

    @property
    def to(self) -> str:
        """The number that it goes to."""
        return self.parameters["DIALSTRING"]

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in {"D", "F"}

    def value_of(self, letter: str) -> str:
        """What a letter of `JOBFMT` stands for."""
        most = self.parameters.get("MAXDIALS", "12")
        values = {
            "j": str(self.id), "a": self.state, "P": f"{self.pages_sent:>2}:{self.pages:<2}",
            "D": f"{self.attempts:>2}:{most:<2}", "T": f"{self.attempts:>2}:{most:<2}",
            "J": self.parameters.get("JOBINFO", ""), "s": self.status,
            "e": self.parameters.get("EXTERNAL", ""), "o": self.owner,
        }  # fmt: skip
        return values.get(letter, "")


@dataclass(eq=False)
class Received:
    """A fax that came in."""

    file: str
    content: bytes
    caller: str
    station: str
    time: datetime
    is_coming: bool = False
    pages: int = field(init=False)

    def __post_init__(self) -> None:
        self.pages = pages_of(self.content)

    def value_of(self, letter: str) -> str:
        """What a letter of `RCVFMT` stands for."""
        values = {
            "f": self.file, "n": str(len(self.content)), "p": str(self.pages),
            "Z": str(int(self.time.timestamp())), "z": "*" if self.is_coming else " ",
            "b": "14400", "s": self.station, "i": "", "j": self.caller,
        }  # fmt: skip
        return values.get(letter, "")


def pages_of(document: bytes) -> int:
    """How many pages a TIFF has; 1 of anything else."""
    pages, at = 0, 4
    if document[:4] != b"II*\0":
        return 1
    while pages < PAGES_MAX:
        (at,) = struct.unpack_from("<I", document, at)
        if not at or at + 2 > len(document):
            break
        pages += 1
        (entries,) = struct.unpack_from("<H", document, at)
        at += 2 + entries * ENTRY.size
    return max(pages, 1)


def tiff(pages: int, shade: int = 0x55) -> bytes:
    """A TIFF of so many small pages of one bit, without compression."""
    page = bytes((shade,)) * (WIDTH // 8 * LENGTH)
    made = b"II*\0"
    at = 8
    for number in range(pages):
        fields = (
            (254, 4, 2), (256, 4, WIDTH), (257, 4, LENGTH), (258, 3, 1), (259, 3, 1), (262, 3, 0),
            (273, 4, at), (277, 3, 1), (278, 4, LENGTH), (279, 4, len(page)),
            (297, 3, number | pages << 16),
        )  # fmt: skip
        entries = b"".join(
            ENTRY.pack(tag, kind, 2 if tag == 297 else 1, value)  # noqa: PLR2004 - PageNumber
            for tag, kind, value in fields
        )
        directory = at + len(page)
        made += struct.pack("<I", directory) + page + struct.pack("<H", len(fields)) + entries
        at = directory + 2 + len(entries) + 4
    return made + struct.pack("<I", 0)
