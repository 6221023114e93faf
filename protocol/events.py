"""What happens on a connection besides requests and responses, and the figures that decide when.

All are plain frozen data; `protocol.connection` makes them, whoever owns the socket consumes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocol.envelope import Request, Response
from protocol.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Seconds.

    `frame_within_s`: a message that has begun must be complete so soon, its fragments included;
    infinite where the owner trusts the peer.
    """

    heartbeat_s: float = 10.0
    """a heartbeat is sent after so long without sending"""
    dead_after_s: float = 30.0
    """a peer that was silent for so long is dead; longer than `heartbeat_s`"""
    register_within_s: float = 10.0
    """how long a stranger has to register; on a TLS listener, first as long for the handshake"""
    answer_within_s: float = 30.0
    """how long a peer has to answer a request"""
    frame_within_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame or message that cannot be read (100, 104), or one whose fields are wrong (101–103).

    Answered if it is a request: where its Id could be read, under that, and under `""` where it
    was read and cannot be used. `raw` is the offending payload (or header), for the journal.
    """

    result: Result
    detail: str
    raw: bytes
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that must not be sent here or now; answered already with `result`.

    Its fields may be wrong beside: they were not looked at.
    """

    request_id: str
    type: int
    result: Result
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A response to nothing that waits for one (doubled, unasked, of another type); ignored."""

    response: Response


@dataclass(frozen=True, slots=True)
class AnswerLate:
    """A request of ours is unanswered for `answer_within_s`.

    It goes on waiting and keeps its place in the window. Said once for each request.
    """

    request_id: str


@dataclass(frozen=True, slots=True)
class PeerDead:
    """Nothing came for `silent_s` seconds; `Closed` follows."""

    silent_s: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event of a connection: write out `data_to_send`, then close the transport."""

    reason: str


Event = Request | Response | Malformed | Refused | Unmatched | AnswerLate | PeerDead | Closed
