"""A conversation with one peer: what its events mean, and the `Link` that the core sees.

How it begins is one of three:

- the peer registers (190, 290, 490, 690), the core judges it;
- the peer is known (legacy, by its address or because we dialled it) and is adopted;
- we dialled it and register there with a 190 of the core's; once accepted, it is adopted.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Final

from gateway.addresses import is_within, neighbourhood
from gateway.authorize import (
    Origin,
    certificate_names,
    check_origin,
    check_pace,
    check_registration,
    remember_failure,
)
from gateway.channel import Channel
from gateway.context import GatewayContext
from gateway.leave import NOT_LET_IN, leave_message
from gateway.transport import Transport
from linkage.logs.request_fields import fields_of
from linkage.ports import SHUT_OUT, EntryKind, PeerProfile
from protocol.connection import WINDOW, Connection, ConnectionState
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.events import AnswerLate, Event, Malformed, PeerDead, Refused, Unmatched
from protocol.fields import CONTROL
from protocol.registration import peer_id_of
from protocol.results import Result
from protocol.roles import PLATFORM_REGISTER

logger = logging.getLogger("linkage.gateway")

RAW_MAX: Final = 4096
"""Bytes of an offending message that the journal keeps."""
DETAIL_MAX: Final = 200
"""Characters of a detail that may quote what was wrong."""

NAMED_MAX: Final = 3
"""Peers that a line names."""
STRANGER_EACH: Final = 3
"""Entries of one kind about the strangers of one address that are journalled within a minute
before the rest is counted."""
PEER_EACH: Final = 1000
"""The same of one peer: all of what a wrong setting brings on, and an end to what a fault does."""


class Session:
    """One peer, from the first byte to the last. A `linkage.ports.Link`.

    It has a connection (the protocol), a channel that carries it over a transport, and the core's
    port.
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
        self._connection = connection
        self._channel = Channel(context, connection, self)
        self._core = context.core
        self._profile = profile
        self._dialled = dialled
        self._peer = profile.id if profile is not None else "stranger"
        self._admitted = False
        self._paced = False
        self._registering = False
        self._turned_down = False
        self._refusals = 0
        self._reason = ""
        self.address = "unknown"
        """Where the peer speaks from: `10.1.2.3:40112`."""
        self._origin = Origin("", encrypted=False, names=None)
        self._opened_at = context.clock.now()

    def open(self, transport: Transport, early: bytes = b"") -> None:
        """Begin, when the transport is connected; `early` came on it before."""
        self.address = transport.address
        self._origin = Origin(
            transport.host, transport.encrypted, certificate_names(transport.certificate)
        )
        where = neighbourhood(transport.host)
        self._context.connections.add(self, where, stranger=self._profile is None)
        self._channel.open(transport)
        if self._connection.state is ConnectionState.REGISTERED:
            self._begin_adoption()
        elif self._dialled:
            self._channel.do(self._introduce(), self._checked)
        else:
            self._log(logging.DEBUG, "connected")
        if early:
            self._channel.data_received(early)

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the connection is no more."""
        return self._channel.gone

    @property
    def window(self) -> int:
        """How many requests may be unanswered at a time."""
        return WINDOW

    @property
    def end(self) -> str:
        """Why the session ended; empty while it has not."""
        return self._reason

    # --- the core speaks -------------------------------------------------------------------------
    def push(self, request: Request) -> None:
        """Send a request to the peer; never blocks, dropped when the session is over."""
        if self._connection.closed:
            return
        try:
            self._channel.send(request)
        except LocalProtocolError as error:
            # It will not fit the next time either: answered for the peer, lest it block the queue.
            what = f"{request.type} {request.id}"
            self._log(logging.ERROR, "cannot be sent %s: %s", what, error, request=request)
            answer = _answer(request, Result.BAD_VALUE, f"cannot be sent to the peer: {error}")
            asyncio.get_running_loop().call_soon(self._core.answered, self, answer)

    def hold(self) -> None:
        """Take nothing more from the peer for now."""
        self._channel.hold()

    def abort(self) -> None:
        """Cut the connection off; nothing more is sent."""
        self._channel.abort()

    def close(self, reason: str) -> None:
        """End the session; the peer is told, where it understands that."""
        if self._connection.closed:
            return
        self._say_goodbye(reason)
        self._connection.close(reason)
        self._channel.pump()

    def reconsider(self) -> None:
        """Close the session where the rules, which have changed, would not let it in."""
        known = self._context.profiles.get(self._peer)
        problem = None if self._connection.closed else self._objection(known)
        if problem is not None:
            self._note(EntryKind.STRANGER, problem, result=Result.FORBIDDEN)
            self.close(NOT_LET_IN if known is not None else SHUT_OUT)

    def _objection(self, known: PeerProfile | None) -> str | None:
        if known is None and self._admitted:
            return f"{self._peer!r} is no peer any more"
        if self._dialled:
            return None  # we chose where to connect
        if not is_within(self._origin.host, self._context.allow):
            return "the address is not in `allow` any more"
        refusal = None if known is None else check_origin(known, self._origin)
        return None if refusal is None else refusal.reason

    def _say_goodbye(self, reason: str) -> None:
        request = leave_message(self._connection, reason, self._context.clock.now())
        if request is None:
            return
        try:
            self._channel.send(request)
        except LocalProtocolError as error:
            # The window is full: a peer that answers nothing is not owed a farewell.
            self._log(logging.DEBUG, "no farewell: %s", error)

    # --- the peer begins -------------------------------------------------------------------------
    def _begin_adoption(self) -> None:
        self._channel.hold()
        self._channel.do(self._adopt(), self._checked)

    async def _adopt(self) -> None:
        assert self._profile is not None, "only peers that are known are adopted"
        profile = self._context.profiles.get(self._profile.id, self._profile)
        refusal = None if self._dialled else check_origin(profile, self._origin)
        if refusal is not None:
            self._note(EntryKind.STRANGER, refusal.reason, result=refusal.result)
            self._connection.close(refusal.reason)
            self._channel.release()
            return
        try:
            await self._core.adopt(self, self._profile.id)
        except KeyError:
            self._log(logging.ERROR, "is not known to the core")
            self._connection.close("no such peer")
            self._channel.release()
            return
        if self._connection.closed:
            self._core.closed(self, self._reason)
            return
        self._admit()
        self._core.begin(self)
        self._channel.release()

    async def _introduce(self) -> None:
        assert self._profile is not None, "only peers that are known are dialled"
        request = await self._core.introduce(self._profile.id)
        if self._connection.state is ConnectionState.UNREGISTERED:
            self._channel.send(request)

    async def _register(self, request: Request) -> None:
        name = peer_id_of(request.message) or "stranger"
        response = await self._judge(name, request)
        if self._connection.closed:
            self._core.closed(self, self._reason)
            return
        self._respond(response)
        if response.accepted:
            self._peer = name
            self._admit()
            self._core.begin(self)
        else:
            self._turned_down = True
            self._connection.close(f"registration refused: {response.result}")
        self._registering = False
        self._channel.pump()

    async def _judge(self, name: str, request: Request) -> Response:
        if self._dialled:
            # We chose where to connect: only who it says to be is left to be seen.
            assert self._profile is not None, "only peers that are known are dialled"
            if name != self._profile.id:
                return _answer(request, Result.FORBIDDEN, f"{self._profile.id} was dialled")
            return await self._core.register(self, request)
        refusal = check_registration(self._context, name, self._origin)
        if refusal is None:
            response = await self._core.register(self, request)
        else:
            detail = f"{request.type} of {name!r}: {refusal.reason}"
            self._note(EntryKind.STRANGER, detail, request.raw, refusal.result)
            response = refusal.answer(request)
        if not response.accepted:
            self._context.figures.refused[response.result] += 1
            remember_failure(self._context, name, self._origin, response.result)
        return response

    def _admit(self) -> None:
        self._admitted = True
        profile = self._context.profiles.get(self._peer)
        self._paced = profile is not None and profile.requests is not None
        self._context.connections.admit(self)
        self._log(logging.INFO, "is here")

    # --- the peer speaks -------------------------------------------------------------------------
    def take(self, event: Event) -> None:
        """See `EventHandler.take`."""
        match event:
            case Request():
                self._take_request(event)
            case Response():
                self._take_response(event)
            case Malformed():
                self._take_malformed(event)
            case Refused():
                self._take_refused(event)
            case Unmatched(response):
                what = f"{response.type} {response.request_id}: a response to nothing asked"
                self._note(EntryKind.REFUSED, what, result=response.result)
            case AnswerLate(request_id):
                self._context.figures.late_answers += 1
                self._log(logging.WARNING, "has not answered %s in time", request_id)
            case PeerDead(silent_s):
                self._channel.abrupt = True
                self._context.figures.silent += 1
                what = f"{self._peer}: silent for {silent_s:.0f} s"
                self._note(EntryKind.KEEPALIVE_FAILURE, what)

    def _take_request(self, request: Request) -> None:
        if self._connection.state is ConnectionState.UNREGISTERED:
            self._registering = True
            self._channel.do(self._register(request), self._checked)
        elif not (self._paced and self._is_too_fast(request)):
            weight = 1 + len(request.raw) // self._context.settings.heavy_bytes
            answer = self._posted if weight == 1 else partial(self._posted, weight=weight)
            self._channel.begin_work(weight)
            self._context.in_flight.begin()
            try:
                self._core.post(self, request, answer)
            except Exception:
                logger.exception(
                    "%s: %d %s failed",
                    self._peer,
                    request.type,
                    request.id,
                    extra={"peer": self._peer, **fields_of(request)},
                )
                answer(_answer(request, Result.INTERNAL, "internal error"))

    def _posted(self, response: Response, weight: int = 1) -> None:
        """The core has answered a request."""
        self._context.in_flight.end()
        self._channel.end_work(weight)
        self._respond(response)
        self._channel.go_on()

    def _is_too_fast(self, request: Request) -> bool:
        """Whether the peer is over its rate; then it is answered so."""
        refusal = check_pace(self._context, self._peer)
        if refusal is None:
            return False
        self._context.figures.paced += 1
        what = f"{request.type} {request.id}: {refusal.reason}"
        if self._context.refusals.is_news(
            self._peer, EntryKind.REFUSED, what, result=refusal.result, each=1
        ):
            self._journal(EntryKind.REFUSED, what, request.raw, refusal.result)
        self._respond(refusal.answer(request))
        return True

    def _take_response(self, response: Response) -> None:
        if response.type != PLATFORM_REGISTER or not self._dialled:
            self._core.answered(self, response)
        elif self._admitted or self._registering:
            return  # it registered with us meanwhile, which is as good
        elif response.accepted:
            self._begin_adoption()
        else:
            detail = f"{self._peer} refuses us: {response.result} {response.detail or ''}"
            self._note(EntryKind.REFUSED, detail, result=response.result)
            self._connection.close(detail)

    def _take_malformed(self, event: Malformed) -> None:
        self._context.figures.malformed += 1
        detail = event.detail + self._whose(event.raw)
        self._turn_down(EntryKind.MALFORMED, detail, event.raw, event.result)

    def _whose(self, raw: bytes) -> str:
        """Who may speak there: a stranger begins with the flag of a peer's own dialect."""
        if not raw or not self._connection.closed or self._profile is not None:
            return ""
        names = [
            profile.id
            for profile in self._context.profiles.values()
            if profile.dialect.flag_message == raw[0] != self._connection.dialect.flag_message
        ]
        who = ", ".join(sorted(names)[:NAMED_MAX])
        return f"; so speaks {who}: write its `address` where it has none" if names else ""

    def _take_refused(self, event: Refused) -> None:
        is_stranger = event.result is Result.NOT_REGISTERED
        self._turn_down(
            EntryKind.STRANGER if is_stranger else EntryKind.REFUSED,
            f"{event.type:03d} {event.request_id}: {event.detail}",
            event.raw,
            event.result,
        )

    def _turn_down(self, kind: EntryKind, detail: str, raw: bytes, result: Result) -> None:
        """A message was refused on the connection's own account; that has its bounds, too."""
        if self._connection.state is ConnectionState.REGISTERED:
            if self._paced:
                check_pace(self._context, self._peer)  # it costs what a good one would
            if self._context.refusals.is_news(
                self._peer, kind, detail, result=result, each=PEER_EACH
            ):
                self._journal(kind, detail, raw, result)
            return
        self._note(kind, detail, raw, result)
        self._refusals += 1
        if self._refusals >= self._context.settings.refusals_before_registration:
            self._connection.close("too many messages before registration")

    def _respond(self, response: Response) -> None:
        if self._connection.closed:
            return
        try:
            self._channel.send(response)
        except LocalProtocolError as error:
            # Such as a detail that the peer's encoding cannot carry: the code alone always fits.
            self._log(logging.ERROR, "cannot be answered as meant: %s", error)
            self._channel.send(
                Response(
                    request_id=response.request_id, type=response.type, result=response.result
                )
            )

    # --- observations ----------------------------------------------------------------------------
    def _note(
        self, kind: EntryKind, detail: str, raw: bytes = b"", result: int | None = None
    ) -> None:
        """Journal it; of strangers only the first few of a kind, the rest is summed up."""
        source = neighbourhood(self._origin.host)
        if (
            self._admitted
            or self._profile is not None
            or self._context.refusals.is_news(
                source, kind, detail, result=result, each=STRANGER_EACH
            )
        ):
            self._journal(kind, detail, raw, result)

    def _journal(self, kind: EntryKind, detail: str, raw: bytes, result: int | None) -> None:
        self._log(logging.WARNING, "%s: %s", kind, detail)
        self._channel.do(
            self._core.note(self, kind, detail, raw=raw[:RAW_MAX], result=result), self._noted
        )

    def _checked(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Half-registered is no state to go on in.
        self._log(logging.ERROR, "cannot be taken in", error=error)
        self._connection.close("internal error")
        self._channel.pump()

    def _noted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log(logging.ERROR, "an entry was not journalled", error=error)

    def stalled(self) -> None:
        """See `EventHandler.stalled`."""
        self._context.figures.stalled += 1
        self._note(EntryKind.KEEPALIVE_FAILURE, f"{self._peer}: does not read what it is sent")

    def lost(self) -> None:
        """See `EventHandler.lost`."""
        self._context.connections.remove(self)

    def ended(self, reason: str) -> None:
        """See `EventHandler.ended`."""
        self._reason = reason
        is_stranger = not self._admitted and self._profile is None
        was_here_s = self._context.clock.now() - self._opened_at
        is_late = was_here_s >= self._context.settings.timers.register_within_s
        is_probe = is_stranger and not is_late and self._connection.is_untouched
        if is_probe:
            self._context.figures.probes += 1
        # Why somebody was turned down has been told already, or is summed up.
        is_quiet = is_probe or self._turned_down
        self._log(logging.DEBUG if is_quiet else logging.INFO, "is gone: %s", reason)
        if is_stranger and is_late:
            self._note(EntryKind.STRANGER, f"from {self.address}: {reason}")
        self._core.closed(self, reason)

    def _log(
        self,
        level: int,
        text: str,
        *args: object,
        error: BaseException | None = None,
        request: Request | None = None,
    ) -> None:
        """A line with the fields of the session, and of the request that it concerns."""
        if logger.isEnabledFor(level):
            line = text % args
            fields: dict[str, object] = {"peer": self._peer, "address": self.address}
            if request is not None:
                fields |= fields_of(request)
            logger.log(
                level,
                "%s at %s: %s",
                self._peer,
                self.address,
                line,
                exc_info=error,
                extra=fields,
            )


def _answer(request: Request, result: Result, detail: str) -> Response:
    line = CONTROL.sub(" ", detail)[:DETAIL_MAX]
    return Response(request_id=request.id, type=request.type, result=result, detail=line)
