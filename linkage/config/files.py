"""What is kept of recordings, faxes and attachments, and how they are given out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from linkage.config.fields import Address, HttpUrl, PositiveInt

MIB: Final = 1024**2
ANY_HOST: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSettings:
    """Recordings, faxes, attachments: kept in `files/` of the data directory, each content once.

    A file is checked against its SHA-256 before it is given out, and once a day: one that the disk
    has damaged raises an alarm.
    """

    max_mb: PositiveInt = 16_384
    """MiB that one file may have; a larger one is given up while it comes in, and not kept"""

    listen: Address | None = None
    """where files are given out over HTTP by links (285 is answered by 181 with such a `Url`),
    such as `"127.0.0.1:7780"`; none: nowhere, and 181 says where the file lies. Of processes under
    `--only`: the core's"""
    tls: bool = False
    """over HTTPS, with the certificate of `[tls]`"""
    url: HttpUrl | None = None
    """how receivers reach that address, such as `"https://files.example.org"`; none: by
    `listen`"""
    link_s: Annotated[int, Field(ge=10, le=604_800)] = 3600
    """seconds for which a link is good, at most a week"""

    def __post_init__(self) -> None:
        if self.listen is None and (self.tls or self.url is not None):
            raise ValueError("`tls` and `url` are for files with `listen`")
        if self.listen is not None and self.listen[0] in ANY_HOST and self.url is None:
            raise ValueError(f"say by `url` how receivers reach {self.listen[0]}")

    def url_of(self, address: tuple[str, int]) -> str:
        """What links begin with, where they are served at an address."""
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        own = f"{'https' if self.tls else 'http'}://{host}:{address[1]}"
        return (self.url or own).rstrip("/")

    @property
    def max_bytes(self) -> int:
        """`max_mb` in bytes."""
        return self.max_mb * MIB
