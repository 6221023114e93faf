"""What is kept of recordings, faxes and attachments, and how they are given out."""

from __future__ import annotations

from dataclasses import dataclass

from linkage.config.fields import PositiveInt

MIB: int = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSettings:
    """Recordings, faxes, attachments: kept in `files/` of the data directory, each content once.

    A file is checked against its SHA-256 before it is given out, and once a day: one that the disk
    has damaged raises an alarm.
    """

    max_mb: PositiveInt = 16_384
    """MiB that one file may have; a larger one is given up while it comes in, and not kept"""

    @property
    def max_bytes(self) -> int:
        """`max_mb` in bytes."""
        return self.max_mb * MIB
