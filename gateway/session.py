"""A conversation with one peer: what its events mean, and the `LinkPort` that the core sees."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from gateway.authorization import check_pace
from gateway.connection_io import ConnectionIO
from gateway.context import GatewayContext
from gateway.hosts import neighbourhood
from gateway.leave import NOT_LET_IN, leave_message
from gateway.peer_journal import PeerJournal
from gateway.registration import Registration, answer_to
from gateway.transport import Transport
from linkage.logs.request_fields import fields_of
from linkage.ports import SHUT_OUT, EntryKind, PeerProfile
from protocol.connection import WINDOW, Connection, ConnectionState
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.events import AnswerLate, Event, Malformed, PeerDead, Refused, Unmatched
from protocol.results import Result
from protocol.roles import PLATFORM_REGISTER

logger = logging.getLogger("linkage.gateway")

NAMED_MAX: Final = 3
"""Peers that a line names."""


class Session:
    """One peer, from the first byte to the last. A `linkage.ports.LinkPort`.

    It has a connection (the protocol), I/O that carries that over a transport, a
    registration that lets the peer in, and the core's port.
    """

    def __init__(
        self,
        context: GatewayContext,
        connection: Connection,
        *,
        profile: PeerProfile | None = None,
        dialled: bool = False,
    ) -> None:
        self._context = context
        self._core = context.core
        self._connection = connection
        self._io = io = ConnectionIO(context, connection, self)
        peer = None if profile is None else profile.id
        self._journal = journal = PeerJournal(context, io, self, peer)
        self._registration = Registration(
            context, connection, io, journal, self, profile,
            dialled=dialled, admitted=self._let_in,
        )  # fmt: skip
        self._dialled = dialled
        self._paced = False
        self._refusals = 0
        self._rules_changed = False
        self._opened_at = context.clock.now()

    def open(self, transport: Transport, early: bytes = b"") -> None:
        """Begin, when the transport is connected; `early` came on it before."""
        self._journal.came_from(transport.host, transport.address)
        stranger = self._registration.is_stranger
        self._context.connections.add(self, neighbourhood(transport.host), stranger=stranger)
        self._io.open(transport)
        self._registration.begin(transport)
        if early:
            self._io.data_received(early)

    # --- what the outside may ask ----------------------------------------------------------------
    @property
    def address(self) -> str:
        """Where the peer speaks from: `10.1.2.3:40112`."""
        return self._journal.address

    @property
    def window(self) -> int:
        """How many requests may be unanswered at a time."""
        return WINDOW

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more."""
        return self._io.gone

    @property
    def end(self) -> str:
        """Why the session ended; empty while it has not."""
        return self._connection.close_reason or ""

    def hold(self) -> None:
        """Take nothing more from the peer for now."""
        self._io.hold()

    def abort(self) -> None:
        """Cut the connection off; nothing more is sent."""
        self._io.abort()

    def reconsider(self) -> None:
        """Close the session where the rules, which have changed, would not let it in.

        One that the core is letting in just now is looked at once it is in.
        """
        self._rules_changed = True
        objection = None if self._connection.closed else self._registration.objection()
        if objection is not None:
            self._journal.note(EntryKind.STRANGER, objection, result=Result.FORBIDDEN)
            known = self._journal.peer in self._context.profiles
            self.close(NOT_LET_IN if known else SHUT_OUT)

    # --- the core speaks -------------------------------------------------------------------------
    def push(self, request: Request) -> None:
        """Send a request to the peer; never blocks, dropped when the session is over."""
        if self._connection.closed:
            return
        try:
            self._io.send(request)
        except LocalProtocolError as error:
            # It will not fit the next time either: answered for the peer, lest it block the queue.
            what = f"{request.type} {request.id}"
            self._journal.log(logging.ERROR, "cannot be sent %s: %s", what, error, request=request)
            answer = answer_to(request, Result.BAD_VALUE, f"cannot be sent to the peer: {error}")
            asyncio.get_running_loop().call_soon(self._core.answered, self, answer)

    def close(self, reason: str) -> None:
        """End the session; the peer is told, where it understands that."""
        if self._connection.closed:
            return
        request = leave_message(self._connection, reason, self._context.clock.now())
        if request is not None:
            try:
                self._io.send(request)
            except LocalProtocolError as error:
                # The window is full: a peer that answers nothing is not owed a farewell.
                self._journal.log(logging.DEBUG, "no farewell: %s", error)
        self._connection.close(reason)
        self._io.pump()

    # --- the peer speaks: ConnectionHandler ------------------------------------------------------
    def take(self, event: Event) -> None:
        """See `ConnectionHandler.take`."""
        match event:
            case Request():
                self._take_request(event)
            case Response():
                if self._dialled and event.type == PLATFORM_REGISTER:
                    self._registration.answered(event)
                else:
                    self._core.answered(self, event)
            case Malformed():
                self._context.figures.malformed += 1
                detail = event.detail + self._whose(event.raw)
                self._turn_down(EntryKind.MALFORMED, detail, event.raw, event.result)
            case Refused():
                stranger = event.result is Result.NOT_REGISTERED
                kind = EntryKind.STRANGER if stranger else EntryKind.REFUSED
                detail = f"{event.type:03d} {event.request_id}: {event.detail}"
                self._turn_down(kind, detail, event.raw, event.result)
            case Unmatched(response):
                what = f"{response.type} {response.request_id}: a response to nothing asked"
                self._journal.note(EntryKind.REFUSED, what, result=response.result)
            case AnswerLate(request_id):
                self._context.figures.late_answers += 1
                self._journal.log(logging.WARNING, "has not answered %s in time", request_id)
            case PeerDead(silent_s):
                self._io.abrupt = True
                self._context.figures.silent += 1
                what = f"{self._journal.peer}: silent for {silent_s:.0f} s"
                self._journal.note(EntryKind.KEEPALIVE_FAILURE, what)

    def stalled(self) -> None:
        """See `ConnectionHandler.stalled`."""
        self._context.figures.stalled += 1
        what = f"{self._journal.peer}: does not read what it is sent"
        self._journal.note(EntryKind.KEEPALIVE_FAILURE, what)

    def not_sent(self, error: LocalProtocolError) -> None:
        """See `ConnectionHandler.not_sent`."""
        self._journal.log(logging.ERROR, "cannot be answered as meant: %s", error)

    def ended(self, reason: str) -> None:
        """See `ConnectionHandler.ended`."""
        is_stranger = self._registration.is_stranger
        was_here_s = self._context.clock.now() - self._opened_at
        is_late = was_here_s >= self._context.settings.timers.register_within_s
        is_probe = is_stranger and not is_late and self._connection.is_untouched
        if is_probe:
            self._context.figures.probes += 1
        # Why somebody was turned down has been told already, or is summed up.
        is_quiet = is_probe or self._registration.turned_down
        self._journal.log(logging.DEBUG if is_quiet else logging.INFO, "is gone: %s", reason)
        if is_stranger and is_late:
            self._journal.note(EntryKind.STRANGER, f"from {self.address}: {reason}")
        self._core.closed(self, reason)

    def lost(self) -> None:
        """See `ConnectionHandler.lost`."""
        self._context.connections.remove(self)

    def _let_in(self) -> None:
        profile = self._context.profiles.get(self._journal.peer)
        self._paced = profile is not None and profile.requests is not None
        self._context.connections.admit(self)
        if self._rules_changed:
            asyncio.get_running_loop().call_soon(self.reconsider)

    def _take_request(self, request: Request) -> None:
        if self._connection.state is ConnectionState.UNREGISTERED:
            self._registration.register(request)
        elif not (self._paced and self._is_too_fast(request)):
            weight = 1 + len(request.raw) // self._context.settings.heavy_bytes
            answer = self._answered if weight == 1 else partial(self._answered, weight=weight)
            self._io.begin_work(weight)
            self._context.in_flight.begin()
            try:
                self._core.post(self, request, answer)
            except Exception:
                peer, number, id_ = self._journal.peer, request.type, request.id
                fields = {"peer": peer, **fields_of(request)}
                logger.exception("%s: %d %s failed", peer, number, id_, extra=fields)
                answer(answer_to(request, Result.INTERNAL, "internal error"))

    def _answered(self, response: Response, weight: int = 1) -> None:
        """The core has answered a request."""
        self._context.in_flight.end()
        self._io.finish_work(response, weight)

    def _is_too_fast(self, request: Request) -> bool:
        """Whether the peer is over its rate; then it is answered so."""
        refusal = check_pace(self._context, self._journal.peer)
        if refusal is None:
            return False
        self._context.figures.paced += 1
        what = f"{request.type} {request.id}: {refusal.reason}"
        self._journal.note_some(EntryKind.REFUSED, what, request.raw, refusal.result, each=1)
        self._io.respond(refusal.answer(request))
        return True

    def _whose(self, raw: bytes) -> str:
        """Who may speak there: a stranger begins with the flag of a peer's own dialect."""
        if not raw or not self._connection.closed or not self._registration.is_unknown:
            return ""
        names = [
            profile.id
            for profile in self._context.profiles.values()
            if profile.dialect.flag_message == raw[0] != self._connection.dialect.flag_message
        ]
        who = ", ".join(sorted(names)[:NAMED_MAX])
        return f"; so speaks {who}: write its `address` where it has none" if names else ""

    def _turn_down(self, kind: EntryKind, detail: str, raw: bytes, result: Result) -> None:
        """A message was refused on the connection's own account; that has its bounds, too."""
        if self._connection.state is ConnectionState.REGISTERED:
            if self._paced:
                check_pace(self._context, self._journal.peer)  # it costs what a good one would
            self._journal.note_some(kind, detail, raw, result)
            return
        self._journal.note(kind, detail, raw, result)
        self._refusals += 1
        if self._refusals >= self._context.settings.refusals_before_registration:
            self._connection.close("too many messages before registration")
