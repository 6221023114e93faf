"""A business request comes in: refused unread, or a job: duplicate? allowed? what changes?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.measures import Measures, Times
from linkage.core.overload.admission import Admission
from linkage.core.peers import OPERATOR, Peer, capability_of
from linkage.core.requests.commands import handle_command
from linkage.core.requests.incoming import (
    KEYED,
    Handled,
    Incoming,
    as_journalled,
    not_written,
    respond,
)
from linkage.core.requests.notices import handle_notice
from linkage.core.requests.screens import command_of_screen, pass_on
from linkage.core.rights.commands import check_operator
from linkage.core.rights.refusal import RefusedError
from linkage.core.scope import Done
from linkage.core.writer.writer import Writer, tell
from linkage.ports import LinkPort
from protocol.envelope import Request, Response
from protocol.kinds import NOTICES, Direction, direction_of
from protocol.messages import CapabilityNotice
from protocol.results import Result


@dataclass(slots=True)
class Submit(Incoming, Job[Handled]):
    """Judge, apply, journal and deliver one request."""

    @property
    def lane(self) -> str | None:
        """See `Job.lane`."""
        return self.source

    def run(self, context: Context) -> Handled:
        """Never fails for what the peer sent: that is refused, and journalled."""
        requests = context.requests
        peer = context.peers.by_id.get(self.source) or context.peers.sender(self.source)
        request = self.request
        incoming: Incoming = self
        if not request.raw or peer.encoding != "utf-8" or request.type in KEYED:
            request = as_journalled(request, peer)
            incoming = replace(self, request=request)
        requests.given_again = None
        first = requests.find_repeated(incoming) if requests.seen else None
        if first is not None:
            return Handled(respond(request, first.result or 0, "duplicate"), first)
        requests.repetitions.said(self.source, self.answered)
        number = request.message.number
        if not peer.may_send(number):
            return requests.refuse(incoming, Result.FORBIDDEN, f"{peer.id} may not send {number}")
        try:
            if self.owner is not None:
                check_operator(context.peers, number, self.owner)
            if number in NOTICES:  # by far most of what comes
                return handle_notice(context, incoming)
            return _handle(context, incoming, peer)
        except RefusedError as refusal:
            return requests.refuse(incoming, refusal.result, refusal.detail)

    def broken(self, context: Context) -> Handled:
        """A bug of ours costs one request: answered 500, kept in the journal to be looked at."""
        request = as_journalled(self.request, context.peers.sender(self.source))
        kept = Incoming(self.source, request)
        return context.requests.refuse(kept, Result.INTERNAL, "internal error")

    def measure(self, measures: Measures, done: Done[Handled], times: Times) -> None:
        """See `Job.measure`."""
        handled = done.value or Handled(not_written(self.request, done.error))
        measures.handled(
            self.source, self.request, handled.response, handled.row, done.deliveries, times
        )


def _handle(context: Context, incoming: Incoming, peer: Peer) -> Handled:
    message = incoming.request.message
    match direction_of(message.number):
        case Direction.PLATFORM_TO_BUSINESS:
            return handle_notice(context, incoming)
        case Direction.BUSINESS_TO_PLATFORM:
            return handle_command(context, incoming, peer, message, incoming.owner or peer.id)
        case Direction.SCREEN_TO_PLATFORM:
            return handle_command(context, incoming, peer, command_of_screen(message), None)
        case _:
            return pass_on(context, incoming, peer)


class Intake:
    """Takes requests: each is refused unread, or put as a job whose answer is told.

    Args:
        peer_at: who is at which link.
        replay: older deliveries of a receiver's queue are open again.
    """

    def __init__(
        self,
        peer_at: Mapping[LinkPort, Peer],
        writer: Writer,
        admission: Admission,
        measures: Measures,
        *,
        replay: Callable[[str], None],
    ) -> None:
        self._peer_at = peer_at
        self._writer = writer
        self._admission = admission
        self._measures = measures
        self._replay = replay

    async def submit(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.submit`."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.post(link, request, partial(tell, answer))
        return await answer

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        """See `CorePort.post`."""
        peer = self._peer_at.get(link)
        if peer is None:
            answer(_refused(request, Result.SESSION_EXPIRED))
            return
        writer, waiting = self._writer, self._admission.waiting
        wait_s = self._admission.refusal(peer.id, len(writer.unsettled))
        if wait_s:
            refused = _refused(request, Result.OVERLOAD, wait_s)
            self._measures.refused_unread(request, refused)
            answer(refused)
            return
        if writer.stopping or not writer.running:
            answer(not_written(request, OSError()))
            return

        def told(done: Done[Handled]) -> None:
            waiting[peer.id] -= 1
            answer(response_of(peer, request, done))
            if done.value is not None and done.value.replayed:
                self._replay(peer.id)

        waiting[peer.id] += 1
        writer.put(Submit(peer.id, request, answered=writer.answered), told)

    async def operate(self, author: str, owner: str, request: Request) -> Response:
        """Handle a command of a person at this machine, by the rules for everybody.

        Args:
            author: who they are, for the journal and for what is bound.
            owner: the application in whose name they act.
            request: a 2xx that is about events.
        """
        done = await self._writer.do(Submit(f"{OPERATOR}{author}", request, owner=owner))
        handled = done.value
        return not_written(request, done.error) if handled is None else handled.response


def response_of(peer: Peer, request: Request, done: Done[Handled]) -> Response:
    """What a peer is answered; what it can do is known from then on, where it told that."""
    handled = done.value
    if handled is None:
        return not_written(request, done.error)
    response = handled.response
    if isinstance(request.message, CapabilityNotice) and response.accepted:
        peer.capability = capability_of(request.message)
    return response


def _refused(request: Request, result: Result, retry_after_s: int | None = None) -> Response:
    return Response(
        request_id=request.id, type=request.type, result=int(result), retry_after_s=retry_after_s
    )
