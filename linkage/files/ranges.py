"""Which bytes of a file an HTTP client asks for (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ONE: Final = re.compile(r"bytes=(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})", re.ASCII)


class UnsatisfiableError(Exception):
    """The file has none of the bytes that were asked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included; of an empty file `last` is -1."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


def span_of(size: int, wanted: str | None, if_range: str | None, etag: str) -> Span | None:
    """The part of a file that is asked for; None: all of it.

    Args:
        size: of the file, in bytes.
        wanted: the header `Range`. What is none, in another unit, or asks for several at once is
            ignored, as anybody may.
        if_range: the header `If-Range`: what the client has a part of already.
        etag: what is here, in its quotes.

    Raises:
        UnsatisfiableError: 416.
    """
    found = None if wanted is None else _ONE.fullmatch(wanted.strip())
    if found is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = found["first"], found["last"]
    if not first and not last:
        return None
    if not first:
        if not int(last) or not size:
            raise UnsatisfiableError
        return Span(max(0, size - int(last)), size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableError
    return Span(int(first), min(int(last), size - 1) if last else size - 1)


def names(header: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names what is here; a weak one does as well."""
    if header is None:
        return False
    given = {each.strip().removeprefix("W/") for each in header.split(",")}
    return bool(given & {"*", etag})
