"""XML to message and back (PROTOCOL.md section 2): a tolerant reader and a strict writer.

Canonical messages take the short way (`protocol.canonical`); everything else, and everything that
is wrong, goes through the hardened parser (`protocol.reader`).
"""

from __future__ import annotations

from protocol.canonical import read_canonical
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.reader import DEPTH_MAX, element_texts, read_tree
from protocol.writer import escape, write_request, write_response
from protocol.writer import write_body as encode_body

__all__ = ["DEPTH_MAX", "decode", "element_texts", "encode", "encode_body", "escape"]


def decode(payload: bytes, dialect: Dialect = DEFAULT) -> Request | Response:
    """The request or response in a payload of one complete message.

    Raises:
        RemoteProtocolError: with result 100 (not well-formed, DTD, too deep, no request or
            response), 101 (unknown type), 102 (missing field) or 103 (bad value), and with the
            request's Id and type where they could be read.
    """
    item = read_canonical(payload) if dialect.encoding == "utf-8" else None
    return read_tree(payload, dialect) if item is None else item


def encode(item: Request | Response, dialect: Dialect = DEFAULT) -> bytes:
    """The payload for one message, in the dialect of the peer that it goes to.

    Raises:
        LocalProtocolError: the Id is not 1–16 characters long, or a text does not fit the
            dialect's encoding.
    """
    if isinstance(item, Request):
        written = write_request(item, dialect)
    else:
        written = write_response(item, dialect)
    try:
        return written.encode(dialect.encoding)
    except UnicodeEncodeError as error:
        lost = error.object[error.start]
        raise LocalProtocolError(f"{dialect.encoding} cannot carry {lost!r}") from None
