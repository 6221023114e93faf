"""One conversation with a peer as a state machine without I/O (protocol.md#frame, #connections).

```
 transport ── receive_data(bytes, now) ──►┌────────────┐──► events(): Request, Response, …
           ◄──────── data_to_send() ──────│ Connection │◄── send(Request | Response, now)
 clock ────── handle_timer(now) ─────────►└────────────┘──► get_timer()
```
The same class serves both ends. It frames, decodes, answers what needs no judgement (malformed,
wrong direction, not registered), pairs responses with requests, keeps the window, beats, and
notices silence. It judges no credentials: its owner answers the registration, and the answer moves
the state.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from protocol.codec import codec_for, decode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.events import (
    AnswerLate,
    Closed,
    Event,
    Malformed,
    PeerDead,
    Refused,
    Timers,
    Unmatched,
)
from protocol.fields import CONTROL
from protocol.foreign import LOOK_MAX, foreign_stream, unfinished
from protocol.frames import HEARTBEAT, Framer, frame_writer, heartbeat, is_frame
from protocol.pairing import Awaited, Owed
from protocol.registration import named_peer, peer_id_of
from protocol.results import Result
from protocol.roles import ROLE_BY_REGISTRATION, Role
from protocol.sending_rights import SendingRights
from protocol.states import TRANSITIONS, ConnectionState, Input, Side

__all__ = [
    "RECEIVED_MAX",
    "WINDOW",
    "AnswerLate",
    "Closed",
    "Connection",
    "ConnectionState",
    "Event",
    "Malformed",
    "PeerDead",
    "Refused",
    "Role",
    "Side",
    "Timers",
    "Unmatched",
]

WINDOW: Final = 64
"""Requests that may be unanswered at a time in one direction (protocol.md#window)."""
RECEIVED_MAX: Final = 16 * WINDOW
"""Requests of the peer that we may owe an answer at a time.

Peers that know no window (legacy) run ahead of it, so from `WINDOW` on the owner should read no
further; what comes beyond this figure is refused with 206, so that memory is bounded in any case.
"""
REGISTRATION_MAX_BYTES: Final = 65_535
"""The longest message before registration: who is not known yet makes nobody reassemble."""
MALFORMED_MAX: Final = 3
MALFORMED_WITHIN_S: Final = 60.0
"""The third message within a minute that cannot be read ends the connection (section 1)."""
DETAIL_MAX: Final = 200
RETRY_AFTER_S: Final = 1


def _nobody(peer_id: str) -> None:
    """The dialect of peers that have none of their own."""


class Connection:
    """One conversation: bytes in, events out; requests and responses in, bytes out.

    Feed `receive_data`, consume `events`, write what `data_to_send` returns after every call, and
    call `handle_timer` when `get_timer` is due. `now` is monotonic seconds. Nothing that a peer
    sends raises; a `LocalProtocolError` is a bug of ours.

    Args:
        side: which end we are.
        role: what the peer of linkage is. None at linkage's end: the registration will tell.
        dialect: how the peer of linkage speaks.
        timers: see `Timers`.
        registered: no registration is needed (legacy peers, known by their address).
        dialling: linkage dialled a business platform and registers there itself with 190, as a
            platform does; the application's own 290 is taken as well, and whichever of the two is
            accepted first registers the connection.
        dialect_of: the dialect of a peer by its id, None: `dialect`. It holds from the
            registration on: that may come in the encoding of either, is answered in `dialect`,
            and everything after the answer is spoken in the peer's own, both ways.
        now: when the transport was opened.
    """

    def __init__(
        self,
        *,
        side: Side,
        role: Role | None,
        dialect: Dialect = DEFAULT,
        timers: Timers = Timers(),  # noqa: B008 - frozen
        registered: bool = False,
        dialling: bool = False,
        dialect_of: Callable[[str], Dialect | None] = _nobody,
        now: float,
    ) -> None:
        if role is None and (side is Side.PEER or registered or dialling):
            raise LocalProtocolError("only linkage's listener may learn the role later")
        self._rights = SendingRights(side, role, dialling=dialling)
        self._dialect_of = dialect_of
        self._timers = timers
        self._state = ConnectionState.REGISTERED if registered else ConnectionState.UNREGISTERED
        self._close_reason: str | None = None
        self._speak(dialect)
        if not registered:
            self._decoded = self._decode_first
        self._framer = Framer(dialect, None if registered else REGISTRATION_MAX_BYTES)
        self._events: deque[Event] = deque()
        self._out: list[bytes] = []
        self._ended = False
        self._registering: Request | None = None  # the peer's registration that we owe the answer
        self._awaited = Awaited()
        self._owed = Owed()
        self._beginning = True  # no frame has come yet
        self._malformed_at: deque[float] = deque(maxlen=MALFORMED_MAX)
        self._opened_at = self._received_at = self._sent_at = self._now = now
        self._begun_at = math.inf  # when the message that is not complete yet began
        self._inbound: frozenset[int] = frozenset()
        self._outbound: frozenset[int] = frozenset()
        if registered:
            self._learn_numbers()

    def _speak(self, dialect: Dialect) -> None:
        codec = codec_for(dialect)
        self._dialect = dialect
        self._decoded = codec.decode
        self._encoded = codec.encode
        self._framed = frame_writer(dialect).write

    # --- what can be asked -------------------------------------------------------------------
    @property
    def state(self) -> ConnectionState:
        """Where the conversation stands."""
        return self._state

    @property
    def role(self) -> Role | None:
        """What the peer of linkage is; None until its registration was accepted."""
        return self._rights.role

    @property
    def dialect(self) -> Dialect:
        """How the peer of linkage speaks."""
        return self._dialect

    @property
    def closed(self) -> bool:
        """True when nothing more is taken or sent; `data_to_send` may still hold last words."""
        return self._state is ConnectionState.CLOSED

    @property
    def close_reason(self) -> str | None:
        """One line for a person; None while open."""
        return self._close_reason

    @property
    def unanswered(self) -> int:
        """Our requests that await their response; at most `WINDOW`."""
        return len(self._awaited)

    @property
    def received_unanswered(self) -> int:
        """The peer's requests that we owe a response; from `WINDOW` on stop to read."""
        return self._owed.total

    @property
    def unread_bytes(self) -> int:
        """Bytes received that `events` has not parsed yet."""
        return self._framer.unread_bytes

    @property
    def is_untouched(self) -> bool:
        """True while the peer has sent nothing at all."""
        return self._beginning and not self._framer.unread_bytes

    # --- from the peer -----------------------------------------------------------------------
    def receive_data(self, data: bytes, now: float) -> None:
        """Store bytes from the transport; any byte is a sign of life. Ignored once closed.

        Raises:
            LocalProtocolError: the owner reads on although `frames.UNREAD_MAX` bytes lie unparsed.
        """
        if self._state is ConnectionState.CLOSED or not data:
            return
        self._now = self._received_at = now
        self._framer.receive_data(data)

    def excuse_silence(self, now: float) -> None:
        """Nobody listened until now (the owner did not read): the silence proves nothing."""
        self._received_at = now
        if self._begun_at != math.inf:
            self._begun_at = now

    def receive_eof(self, now: float) -> None:
        """The peer has ended its stream: what it sent comes out of `events`, then `Closed`."""
        self._now = now
        self._ended = True

    def events(self) -> Iterator[Event]:
        """What has happened, in order; parses only as it is consumed: one may stop anywhere."""
        while (event := self.next_event()) is not None:
            yield event

    def next_event(self) -> Event | None:
        """The next thing that has happened; None when nothing more has.

        Parses no further than it must for that.
        """
        events = self._events
        while not events and self._state is not ConnectionState.CLOSED:
            try:
                if self._beginning:
                    self._look_at_beginning()
                payload = self._framer.next_event()
                if payload is HEARTBEAT:
                    continue
                if payload is None:
                    self._watch_begun()
                    if not self._check_end():
                        return None
                else:
                    self._begun_at = math.inf
                    return self._take(self._decoded(payload))
            except RemoteProtocolError as error:
                self._take_error(error)
        return events.popleft() if events else None

    def _look_at_beginning(self) -> None:
        """End at once what is no stream of frames: nothing in it would ever be a message.

        Raises:
            RemoteProtocolError: it is none.
        """
        data = self._framer.unread
        if not data:
            return
        self._beginning = not is_frame(data, self._dialect) and len(data) <= LOOK_MAX
        problem = foreign_stream(data, self._dialect)
        if problem is not None:
            self._beginning = False
            self._framer.give_up()
            raise RemoteProtocolError(Result.BAD_FRAME, problem, raw=data)

    def _decode_first(self, payload: bytes) -> Request | Response:
        """A message before registration: that may be in the encoding of the peer it names."""
        try:
            return decode(payload, self._dialect)
        except RemoteProtocolError:
            named = named_peer(payload)
            own = None if named is None else self._dialect_of(named)
            if own is None or own.encoding == self._dialect.encoding:
                raise
            return decode(payload, replace(self._dialect, encoding=own.encoding))

    def _watch_begun(self) -> None:
        """Note since when a message is incomplete; heartbeats between fragments change nothing.

        Only what came after the last complete message counts, so a busy stream, in which some
        frame is always cut, is never late.
        """
        if not self._framer.in_message:
            self._begun_at = math.inf
        elif self._begun_at == math.inf:
            self._begun_at = self._now

    def _check_end(self) -> bool:
        if self._ended:
            where = " in the middle of a message" if self._framer.in_message else ""
            self._move(Input.STREAM_ENDED, f"the peer ended the connection{where}")
        return self._ended

    def _take(self, item: Request | Response) -> Event:
        if isinstance(item, Response):
            return self._take_response(item)
        if not (item.id.isascii() or self._dialect.can_write(item.id)):
            raise RemoteProtocolError(
                Result.BAD_VALUE,
                "Id: cannot be written back in this encoding",
                request_id="",
                request_type=item.type,
                raw=item.raw,
            )
        # By far most of them are what this peer may send, and few enough.
        if item.message.number not in self._inbound or self._owed.total >= RECEIVED_MAX:
            problem = self._objection(item.type)
            if problem is not None:
                return self._refuse(item.id, item.type, *problem, item.raw)
            if self._state is ConnectionState.UNREGISTERED:
                self._registering = item
        self._owed.add(item)
        return item

    def _objection(self, type_: int) -> tuple[Result, str] | None:
        """Why a request of this type is refused here and now; None: it is not."""
        is_registration = type_ in ROLE_BY_REGISTRATION
        if self._state is ConnectionState.UNREGISTERED:
            if not self._rights.may_register(type_, ours=False):
                return Result.NOT_REGISTERED, "register first"
            if self._registering is not None:
                return Result.WRONG_STATE, "the registration before this one is not answered yet"
        elif not self._rights.allows(type_, ours=False):
            return Result.WRONG_DIRECTION, f"{type_:03d} is not for this side"
        elif is_registration:
            return Result.WRONG_STATE, "registered already"
        if self._owed.total >= RECEIVED_MAX:
            return Result.RATE_LIMITED, f"{RECEIVED_MAX} requests are unanswered"
        return None

    def _refuse(
        self, request_id: str, type_: int, result: Result, detail: str, raw: bytes
    ) -> Refused:
        retry = RETRY_AFTER_S if result is Result.RATE_LIMITED else None
        self._answer(request_id, type_, result, detail, retry)
        return Refused(request_id, type_, result, detail, raw)

    def _take_response(self, response: Response) -> Response | Unmatched:
        if not self._awaited.take(response):
            return Unmatched(response)
        if response.type in ROLE_BY_REGISTRATION and response.accepted:
            self._move(Input.REGISTRATION_ACCEPTED)
        return response

    def _take_error(self, error: RemoteProtocolError) -> None:
        """What cannot be read ends the connection in the end; what can is only answered."""
        if error.result is Result.BAD_FRAME or self._framer.broken:
            self._take_malformed(error)
            return
        # Direction is judged before fields; a stranger is told nothing of the catalogue.
        type_ = error.request_type or 0
        is_known = error.result is not Result.UNKNOWN_TYPE
        if error.request_id and (is_known or self._state is ConnectionState.UNREGISTERED):
            problem = self._objection(type_)
            if problem is not None and self._dialect.can_write(error.request_id):
                refused = self._refuse(error.request_id, type_, *problem, error.raw)
                self._events.append(refused)
                return
        self._report(error)

    def _take_malformed(self, error: RemoteProtocolError) -> None:
        detail = self._report(error)
        self._malformed_at.append(self._now)
        if self._framer.broken:
            self._move(Input.STREAM_BROKEN, f"the stream is broken: {detail}")
        elif (
            len(self._malformed_at) == MALFORMED_MAX
            and self._now - self._malformed_at[0] <= MALFORMED_WITHIN_S
        ):
            self._move(Input.MALFORMED_TOO_OFTEN, f"malformed too often, last: {detail}")

    def _report(self, error: RemoteProtocolError) -> str:
        """Answer what is wrong, as far as anybody is owed an answer, and tell the owner."""
        detail = _one_line(str(error), self._dialect.encoding)
        request_id = error.request_id
        if request_id is not None:
            if not self._dialect.can_write(request_id):
                request_id = ""
            self._answer(request_id, error.request_type or 0, error.result, detail, None)
        self._events.append(Malformed(error.result, detail, error.raw, error.request_id))
        return detail

    # --- to the peer -------------------------------------------------------------------------
    def send(self, item: Request | Response, now: float) -> None:
        """Queue a request or a response for `data_to_send`.

        Raises:
            LocalProtocolError: nothing is queued: closed, not registered, wrong direction, an Id
                that is still unanswered, the window full, a response that is not owed, or what
                `encode` and `encode_message` refuse.
        """
        if self._state is ConnectionState.CLOSED:
            raise LocalProtocolError(f"closed: {self._close_reason}")
        if isinstance(item, Request):
            number = item.message.number
            if number not in self._outbound:
                self._check_direction(number)
            if item.id in self._awaited:
                raise LocalProtocolError(f"Id {item.id!r} is still unanswered")
            if len(self._awaited) >= WINDOW:
                raise LocalProtocolError(f"{WINDOW} requests are unanswered")
            self._out.append(self._framed(self._encoded(item)))
            self._awaited.add(item, now + self._timers.answer_within_s)
        else:
            frame = self._framed(self._encoded(item))
            if not self._owed.settle(item):
                raise LocalProtocolError(
                    f"no {item.type} with Id {item.request_id!r} is owed an answer"
                )
            self._out.append(frame)
            if self._registering is not None:
                self._settle(item, self._registering)
        self._now = self._sent_at = now

    def _check_direction(self, number: int) -> None:
        if self._state is ConnectionState.UNREGISTERED:
            if not self._rights.may_register(number, ours=True):
                raise LocalProtocolError(f"{number} before registration")
        elif not self._rights.allows(number, ours=True):
            raise LocalProtocolError(f"{number} is not sent by this side to a {self.role}")

    def _settle(self, response: Response, registering: Request) -> None:
        """Perhaps the answer to the registration was sent."""
        if (response.request_id, response.type) != (registering.id, registering.type):
            return
        self._registering = None
        if response.accepted:
            self._rights.role = self.role or ROLE_BY_REGISTRATION[response.type]
            own = self._dialect_of(peer_id_of(registering.message) or "")
            if own is not None:
                self._speak(own)
                self._framer.speak(own)
            self._move(Input.REGISTRATION_ACCEPTED)

    def _answer(
        self, request_id: str, type_: int, result: Result, detail: str, retry: int | None
    ) -> None:
        """Answer on our own account what needs nobody's judgement."""
        response = Response(
            request_id=request_id, type=type_, result=result, detail=detail, retry_after_s=retry
        )
        self._out.append(self._framed(self._encoded(response)))
        self._sent_at = self._now

    def data_to_send(self) -> bytes:
        """All bytes to be written to the transport now; the only way out. Empties the queue."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # --- time --------------------------------------------------------------------------------
    def get_timer(self) -> float | None:
        """When `handle_timer` is due; None when closed."""
        if self._state is ConnectionState.CLOSED:
            return None
        due = min(self._heartbeat_at, self._dead_at, self._complete_until)
        if self._state is ConnectionState.UNREGISTERED:
            due = min(due, self._register_until)
        late = self._awaited.next_due()
        return due if late is None else min(due, late)

    def handle_timer(self, now: float) -> None:
        """Do what is due: heartbeat, late answers, silent or unregistered peers; else nothing."""
        if self._state is ConnectionState.CLOSED:
            return
        self._now = now
        self._events.extend(AnswerLate(request_id) for request_id in self._awaited.pop_late(now))
        if now >= self._dead_at:
            silent_s = now - self._received_at
            self._events.append(PeerDead(silent_s))
            self._move(Input.PEER_SILENT, f"the peer was silent for {silent_s:.0f} s")
        elif now >= self._complete_until:
            self._end_overdue(self._timers.frame_within_s)
        elif self._state is ConnectionState.UNREGISTERED and now >= self._register_until:
            within = self._timers.register_within_s
            reason = f"not registered within {within:.0f} s{self._suspicion}"
            self._move(Input.REGISTRATION_OVERDUE, reason)
        elif now >= self._heartbeat_at:
            self._out.append(heartbeat(self._dialect))
            self._sent_at = now

    def _end_overdue(self, within_s: float) -> None:
        detail = f"a message that was not complete within {within_s:g} s{self._suspicion}"
        self._events.append(Malformed(Result.TOO_LONG, detail, b""))
        self._move(Input.MESSAGE_OVERDUE, detail)

    @property
    def _suspicion(self) -> str:
        """What may be wrong with a first message that is not complete, as a tail of a text."""
        found = unfinished(self._framer.unread, self._dialect) if self._beginning else None
        return "" if found is None else f": {found}"

    @property
    def _complete_until(self) -> float:
        return self._begun_at + self._timers.frame_within_s

    @property
    def _heartbeat_at(self) -> float:
        return self._sent_at + self._timers.heartbeat_s

    @property
    def _dead_at(self) -> float:
        return self._received_at + self._timers.dead_after_s

    @property
    def _register_until(self) -> float:
        # Who has registered waits for our answer, however long that takes us.
        return math.inf if self._registering else self._opened_at + self._timers.register_within_s

    # --- the machine -------------------------------------------------------------------------
    def close(self, reason: str) -> None:
        """End the conversation from our side; idempotent. What was queued can still be written."""
        if self._state is not ConnectionState.CLOSED:
            self._move(Input.CLOSED_HERE, reason)

    def _move(self, happened: Input, reason: str = "") -> None:
        self._state = TRANSITIONS[self._state, happened]
        if happened is Input.REGISTRATION_ACCEPTED:
            self._decoded = codec_for(self._dialect).decode
            self._framer.allow_long()
            self._learn_numbers()
        if self._state is ConnectionState.CLOSED:
            self._close_reason = reason
            self._awaited.clear()
            self._events.append(Closed(reason))

    def _learn_numbers(self) -> None:
        """What a registered peer may send, and be sent, as whole sets: one look instead of rules.

        What is in neither is left to the rules.
        """
        self._inbound = self._rights.numbers(ours=False)
        self._outbound = self._rights.numbers(ours=True)


def _one_line(text: str, encoding: str) -> str:
    """A detail that may quote the peer, made fit for an attribute in the peer's encoding."""
    line = CONTROL.sub("?", text)[:DETAIL_MAX]
    return line.encode(encoding, "replace").decode(encoding)
