"""How a session begins.

One of three:

- the peer registers (190, 290, 490, 690), the core judges it;
- the peer is known (legacy, by its address or because we dialled it) and is adopted;
- we dialled it and register there with a 190 of the core's; once accepted, it is adopted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from gateway.authorization import (
    Origin,
    certificate_names,
    check_origin,
    check_registration,
    remember_failure,
)
from gateway.connection_io import ConnectionIO
from gateway.context import GatewayContext
from gateway.peer_journal import STRANGER, PeerJournal
from gateway.transport import Transport
from linkage.ports import EntryKind, LinkPort, PeerProfile
from protocol.connection import Connection, ConnectionState
from protocol.envelope import Request, Response
from protocol.fields import CONTROL
from protocol.registration import peer_id_of
from protocol.results import Result

DETAIL_MAX: Final = 200
"""Characters of a detail that may quote what was wrong."""


class Registration:
    """Lets one peer in, or not.

    Args:
        context: of the gateway.
        connection: whose state says whether the peer is known from the start.
        io: carries it over its transport.
        journal: what is written down of the peer; its `peer` and `known` are set here.
        link: the session, as the core is to see it.
        profile: of a peer that is known by its address, or dialled; None: a stranger.
        dialled: we connected; we register there, unless the peer is legacy.
        admitted: is told when the peer was let in, before anything is delivered to it.
    """

    __slots__ = (
        "_admitted",
        "_connection",
        "_context",
        "_dialled",
        "_io",
        "_journal",
        "_link",
        "_origin",
        "_profile",
        "_running",
        "admitted",
        "turned_down",
    )

    def __init__(
        self,
        context: GatewayContext,
        connection: Connection,
        io: ConnectionIO,
        journal: PeerJournal,
        link: LinkPort,
        profile: PeerProfile | None,
        *,
        dialled: bool,
        admitted: Callable[[], None],
    ) -> None:
        self._context = context
        self._connection = connection
        self._io = io
        self._journal = journal
        self._link = link
        self._profile = profile
        self._dialled = dialled
        self._admitted = admitted
        self._origin = Origin("", encrypted=False, names=None)
        self._running = False
        self.admitted = False
        """The core has taken the peer."""
        self.turned_down = False
        """A registration was refused; that has been told."""

    @property
    def is_unknown(self) -> bool:
        """Whether its address said nothing of who it is."""
        return self._profile is None

    @property
    def is_stranger(self) -> bool:
        """Whether nothing says who is there."""
        return not self.admitted and self.is_unknown

    def begin(self, transport: Transport) -> None:
        """What linkage does by itself when the transport is connected."""
        names = certificate_names(transport.certificate)
        self._origin = Origin(transport.host, transport.encrypted, names)
        if self._connection.state is ConnectionState.REGISTERED:
            self._begin_adoption()
        elif self._dialled:
            self._io.do(self._introduce(), self._checked)
        else:
            self._journal.log(logging.DEBUG, "connected")

    def register(self, request: Request) -> None:
        """The peer registers."""
        self._running = True
        self._io.do(self._register(request), self._checked)

    def answered(self, response: Response) -> None:
        """The peer answers our own registration with it."""
        if self.admitted or self._running:
            return  # it registered with us meanwhile, which is as good
        if response.accepted:
            self._begin_adoption()
            return
        peer, detail = self._journal.peer, response.detail or ""
        refused = f"{peer} refuses us: {response.result} {detail}"
        self._journal.note(EntryKind.REFUSED, refused, result=response.result)
        self._connection.close(refused)

    def objection(self) -> str | None:
        """Why the rules, which have changed, would not let the peer in any more; None: they do."""
        known = self._context.profiles.get(self._journal.peer)
        if known is None and self.admitted:
            return f"{self._journal.peer!r} is no peer any more"
        if self._dialled:
            return None  # we chose where to connect
        refusal = check_origin(self._context, known, self._origin)
        return None if refusal is None else refusal.reason

    # --- known peers -----------------------------------------------------------------------------
    def _begin_adoption(self) -> None:
        self._io.hold()
        self._io.do(self._adopt(), self._checked)

    async def _adopt(self) -> None:
        peer_id = self._known.id
        profile = self._context.profiles.get(peer_id, self._known)
        refusal = None if self._dialled else check_origin(self._context, profile, self._origin)
        if refusal is not None:
            self._journal.note(EntryKind.STRANGER, refusal.reason, result=refusal.result)
            self._connection.close(refusal.reason)
            self._io.release()
            return
        try:
            await self._context.core.adopt(self._link, peer_id)
        except KeyError:
            self._journal.log(logging.ERROR, "is not known to the core")
            self._connection.close("no such peer")
            self._io.release()
            return
        if self._is_over():
            return
        self._admit(peer_id)
        self._io.release()

    async def _introduce(self) -> None:
        request = await self._context.core.introduce(self._known.id)
        if self._connection.state is ConnectionState.UNREGISTERED:
            self._io.send(request)

    @property
    def _known(self) -> PeerProfile:
        assert self._profile is not None, "only peers that are known are adopted, or dialled"
        return self._profile

    # --- peers that register ---------------------------------------------------------------------
    async def _register(self, request: Request) -> None:
        name = peer_id_of(request.message) or STRANGER
        response = await self._judge(name, request)
        if self._is_over():
            return
        self._io.respond(response)
        if response.accepted:
            self._admit(name)
        else:
            self.turned_down = True
            self._connection.close(f"registration refused: {response.result}")
        self._running = False
        self._io.pump()

    async def _judge(self, name: str, request: Request) -> Response:
        core = self._context.core
        if self._dialled:
            # We chose where to connect: only who it says to be is left to be seen.
            if name != self._known.id:
                return answer_to(request, Result.FORBIDDEN, f"{self._known.id} was dialled")
            return await core.register(self._link, request)
        refusal = check_registration(self._context, name, self._origin)
        if refusal is None:
            response = await core.register(self._link, request)
        else:
            detail = f"{request.type} of {name!r}: {refusal.reason}"
            self._journal.note(EntryKind.STRANGER, detail, request.raw, refusal.result)
            response = refusal.answer(request)
        if not response.accepted:
            self._context.figures.refused[response.result] += 1
            remember_failure(self._context, name, self._origin, response.result)
        return response

    # --- both ------------------------------------------------------------------------------------
    def _is_over(self) -> bool:
        """Whether the connection closed while the core took the peer; then the core is told."""
        if self._connection.closed:
            self._context.core.closed(self._link, self._connection.close_reason or "")
        return self._connection.closed

    def _admit(self, peer_id: str) -> None:
        self.admitted = True
        self._journal.peer, self._journal.known = peer_id, True
        self._admitted()
        self._journal.log(logging.INFO, "is here")
        self._context.core.begin(self._link)

    def _checked(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Half-registered is no state to go on in.
        self._journal.log(logging.ERROR, "cannot be taken in", error=error)
        self._connection.close("internal error")
        self._io.pump()


def answer_to(request: Request, result: Result, detail: str) -> Response:
    """A response of the gateway's own."""
    line = CONTROL.sub(" ", detail)[:DETAIL_MAX]
    return Response(request_id=request.id, type=request.type, result=result, detail=line)
