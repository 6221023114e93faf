"""XML to message and back (protocol.md#values): a tolerant reader and a strict writer.

Canonical messages take the short way (`protocol.xml.canonical`); everything else, and everything
that is wrong, goes through the hardened parser (`protocol.xml.reader`).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.xml.canonical import read_canonical
from protocol.xml.reader import DEPTH_MAX, element_texts, read_tree
from protocol.xml.writer import Writer, escape, writer_for
from protocol.xml.writer import write_body as encode_body

__all__ = [
    "DEPTH_MAX",
    "Codec",
    "codec_for",
    "decode",
    "element_texts",
    "encode",
    "encode_body",
    "escape",
]


class Codec:
    """Reads and writes the payloads of peers of one dialect."""

    __slots__ = ("_dialect", "_encoding", "_is_utf8", "_writer")

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._encoding = dialect.encoding
        self._is_utf8 = dialect.encoding == "utf-8"
        self._writer: Writer = writer_for(dialect)

    def decode(self, payload: bytes) -> Request | Response:
        """See `decode`."""
        item = read_canonical(payload) if self._is_utf8 else None
        return read_tree(payload, self._dialect) if item is None else item

    def encode(self, item: Request | Response) -> bytes:
        """See `encode`."""
        if isinstance(item, Request):
            written = self._writer.request(item)
        else:
            written = self._writer.response(item)
        try:
            return written.encode(self._encoding)
        except UnicodeEncodeError as error:
            lost = error.object[error.start]
            raise LocalProtocolError(f"{self._encoding} cannot carry {lost!r}") from None


@cache
def codec_for(dialect: Dialect) -> Codec:
    """The one of a dialect."""
    return Codec(dialect)


_DEFAULT: Final = codec_for(DEFAULT)


def decode(payload: bytes, dialect: Dialect = DEFAULT) -> Request | Response:
    """The request or response in a payload of one complete message.

    Raises:
        RemoteProtocolError: with result 100 (not well-formed, DTD, too deep, no request or
            response), 101 (unknown type), 102 (missing field) or 103 (bad value), and with the
            request's Id and type where they could be read.
    """
    return (_DEFAULT if dialect is DEFAULT else codec_for(dialect)).decode(payload)


def encode(item: Request | Response, dialect: Dialect = DEFAULT) -> bytes:
    """The payload for one message, in the dialect of the peer that it goes to.

    Raises:
        LocalProtocolError: the Id is not 1–16 characters long, or a text does not fit the
            dialect's encoding.
    """
    return (_DEFAULT if dialect is DEFAULT else codec_for(dialect)).encode(item)
