"""Nested elements and choices that several blocks share (protocol.md#catalogue)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from protocol.fields import Choice, Count, FreeText, Ident, Lat, Line, Lon, Name, PhoneNum, text
from protocol.message import Part, part
from protocol.plans import field

Numbers = Annotated[str, text(400, pattern=r"[0-9]{1,3}( [0-9]{1,3})*", name="Numbers")]
"""Small numbers with one blank between them: `1 2 5`."""


class OperationKind(StrEnum):
    """What sort of communication an operation is (elements `Kind` of 101, 180, 280)."""

    CALL = "Call"
    CONFERENCE = "Conf"
    SMS = "Sms"
    FAX = "Fax"
    MAIL = "Mail"
    VIDEO = "Video"
    GIS = "Gis"
    FILE = "File"


class AudioDirection(StrEnum):
    """Which way of a call is meant, as the party hears it (element `Direction` of 114, 214)."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


class SupervisionAction(Choice):
    """Element `Action` of 107 and 207."""

    MONITOR = 1
    WHISPER = 2
    BARGE = 3
    INTERCEPT = 4
    FORCE_RELEASE = 5
    TAKEOVER = 6
    SWITCH_MODE = 7
    STOP = 8


class CallPhase(Choice):
    """How far a transfer or a supervision has come (element `Phase` of 105, 107)."""

    START = 1
    RINGING = 2
    CONSULTING = 3
    DONE = 4
    FAILED = 5
    CANCELLED = 6


class CoordinateSystem(StrEnum):
    """What the coordinates refer to (element `Crs`).

    The two last are shifted as Chinese map services have it.
    """

    WGS84 = "WGS84"
    CGCS2000 = "CGCS2000"
    GCJ02 = "GCJ02"
    BD09 = "BD09"


class DirectoryKind(StrEnum):
    """What a directory entry is (element `Kind` of 170, 270, 271, 272)."""

    ORG = "Org"
    GROUP = "Group"
    STAFF = "Staff"


@part
class Phone(Part):
    """A number and what sort of number it is.

    `<PhoneNum NumType="01">13912344444</PhoneNum>` (patent, example 210).

    `num_type` is the directory's: 01 mobile, 02 office, … as the two platforms have agreed.
    """

    num_type: Ident | None = field(attribute=True, patent=True, default=None)
    number: PhoneNum = field(is_text=True, patent=True)


@part
class KeyValue(Part):
    """One datum attached to a call, or one parameter of a template."""

    key: Name
    value: FreeText | None = None


@part
class FileRef(Part):
    """A file by reference, never inline (protocol.md#pages-and-files). `size` in bytes."""

    file_id: Ident
    name: Line | None = None
    size: Count | None = None


@part
class Receiver(Part):
    """Whom a text goes to."""

    needs_one_of = (("phone_num", "staff_id"),)

    phone_num: PhoneNum | None = None
    staff_id: Ident | None = None


@part
class Near(Part):
    """Around a place; `radius` in metres."""

    lon: Lon
    lat: Lat
    radius: Count | None = None


@part
class Capability(Part):
    """A command that a platform serves.

    Says its number, the values of `Action` or `Mode` it knows (none: all), its limits.
    """

    no: Count = field(attribute=True)
    actions: Numbers | None = field(attribute=True, default=None)
    limits: Line | None = field(attribute=True, default=None)

    @classmethod
    def of(cls, number: int, actions: Iterable[int] = ()) -> Capability:
        """The capability of a command number with the values it serves, in ascending order."""
        return cls(no=number, actions=" ".join(str(action) for action in sorted(actions)) or None)

    @property
    def action_numbers(self) -> frozenset[int]:
        """The values served; empty means all there are."""
        return frozenset(int(action) for action in (self.actions or "").split())


__all__ = [
    "AudioDirection",
    "CallPhase",
    "Capability",
    "CoordinateSystem",
    "DirectoryKind",
    "FileRef",
    "KeyValue",
    "Near",
    "Numbers",
    "OperationKind",
    "Phone",
    "Receiver",
    "SupervisionAction",
]
