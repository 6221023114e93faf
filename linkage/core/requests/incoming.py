"""A business request on its way through the core, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from linkage.core.overload.holds import STORE_RETRY_S
from linkage.core.peers import Peer
from linkage.store.rows import JournalRow
from protocol.codec import decode, encode
from protocol.envelope import Request, Response
from protocol.results import FIRST_REFUSAL, Result, result_text


@dataclass(slots=True)
class Incoming:
    """A business request of a known peer, or of a person at this machine.

    `answered`: the answers to journal rows up to this seq had gone out when it came. `owner` is
    the application in whose name a person acts; None: the peer acts for itself.
    """

    source: str
    request: Request
    reconstructed: bool = False
    answered: int = 0
    owner: str | None = None


@dataclass(slots=True)
class Handled:
    """What became of one: its answer, and its entry in the journal.

    `replayed`: older deliveries of the sender's queue are open again.
    """

    response: Response
    row: JournalRow | None = None
    replayed: bool = False


def respond(
    request: Request,
    result: int,
    detail: str | None = None,
    *,
    op_id: str | None = None,
    retry_after_s: int | None = None,
) -> Response:
    """The answer to a request; a refusal without a detail gets the words of its result."""
    if detail is None and result >= FIRST_REFUSAL:
        detail = result_text(result)
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        detail=detail,
        op_id=op_id,
        retry_after_s=retry_after_s,
    )


def not_written(request: Request, error: Exception | None) -> Response:
    """The answer to a request of which nothing is on disk: come again, or a bug of ours."""
    if isinstance(error, OSError):
        return respond(
            request,
            Result.OVERLOAD,
            "the store cannot be written now",
            retry_after_s=STORE_RETRY_S,
        )
    return Response(request_id=request.id, type=request.type, result=int(Result.INTERNAL))


KEYED: Final = frozenset({295, 495})
"""A KeyId goes into no journal: with a secret of before, the one that follows is made of it."""


def as_journalled(request: Request, peer: Peer) -> Request:
    """The request with the bytes that the journal keeps: UTF-8, whatever the peer speaks.

    So the journal can be read without knowing how each peer was configured at the time. What came
    from an adapter has no bytes; it is taken as it will be read again, to the digit.
    """
    if request.type in KEYED:
        kept = type(request.message)(key_id="***", digest=request.message.digest)  # type: ignore[attr-defined,call-arg]  # of 295
        return replace(request, raw=encode(replace(request, message=kept)))
    if not request.raw:
        written = encode(request)
        read = decode(written)
        assert isinstance(read, Request)
        return replace(request, message=read.message, raw=written)
    encoding = peer.encoding
    if encoding == "utf-8":
        return request
    try:
        return replace(request, raw=request.raw.decode(encoding).encode())
    except UnicodeDecodeError:
        # libxml2 and Python differ in a few characters of these encodings.
        return replace(request, raw=encode(request))
