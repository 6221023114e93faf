"""What crosses between the core and the HTTP server of files: a link, and what it is good for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from protocol.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLink:
    """What a signed link says, all of it signed.

    `receiver` was given it, in the name of the application `owner`, as the answer to the request
    at journal seq `asked_seq`; `until` is seconds since 1970.
    """

    platform: str
    file_id: str
    receiver: str
    owner: str
    asked_seq: int
    until: int


@dataclass(frozen=True, slots=True)
class GivenLink:
    """A link as its receiver is given it."""

    url: str
    until: datetime


@dataclass(frozen=True, slots=True)
class GrantedFile:
    """What a link opens: the name that a platform gave the file, if any; hostile."""

    name: str | None


class LinkDeniedError(Exception):
    """A genuine link opens nothing any more; `result` as of a 285 that is refused."""

    def __init__(self, result: Result, text: str) -> None:
        super().__init__(text)
        self.result = result


class LinksPort(Protocol):
    """Makes links; in any thread."""

    def make(
        self, *, platform: str, file_id: str, receiver: str, owner: str, asked_seq: int
    ) -> GivenLink:
        """A link to a file for one receiver, which ends by itself."""
        ...
