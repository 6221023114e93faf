"""Which peer is at which link: registered, adopted, replaced by a newer one, gone."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from linkage.config.secrets import Secret
from linkage.core.delivery.queues import DeliveryQueues
from linkage.core.delivery.resuming import Resumption
from linkage.core.overload.admission import Admission
from linkage.core.own_entries import Observe
from linkage.core.peers import Peer, Peers
from linkage.core.requests.incoming import not_written, respond
from linkage.core.scope import Done
from linkage.core.sessions import replaced_secrets
from linkage.core.sessions.credential_expiry import Credential
from linkage.core.sessions.flap_damping import FlapDamping
from linkage.core.sessions.registration import Admitted, Register
from linkage.core.sessions.takeover import Takeover
from linkage.core.writer.group_commit import not_now
from linkage.core.writer.writer import Writer
from linkage.ports import EXPIRED, REPLACED, SHUT_OUT, Clock, EntryKind, LinkPort, Role
from protocol.envelope import Request, Response
from protocol.registration import make_registration, peer_id_of
from protocol.results import Result

logger = logging.getLogger("linkage.core")


@dataclass(frozen=True, slots=True)
class Presence:
    """A peer that is connected: from where, and since when."""

    peer_id: str
    address: str
    since: datetime


class LinkRegistry:
    """The live conversations; a peer has one at the most. See `CorePort` for what each call is."""

    def __init__(
        self,
        peers: Peers,
        clock: Clock,
        writer: Writer,
        queues: DeliveryQueues,
        admission: Admission,
        takeover: Takeover,
    ) -> None:
        self._peers = peers
        self._clock = clock
        self._writer = writer
        self._queues = queues
        self._admission = admission
        self._takeover = takeover
        self._damping = FlapDamping()
        self.peer_at: dict[LinkPort, Peer] = {}
        self._since: dict[LinkPort, datetime] = {}
        self._positions: dict[LinkPort, int] = {}
        """The last Seq that a registered peer has, until its deliveries begin."""
        self._introductions: Counter[str] = Counter()
        self._introduced: dict[str, Secret] = {}
        """The secret with which linkage introduced itself last, by peer."""
        self.credentials: dict[LinkPort, Credential] = {}
        """By which secret those came in that have one."""

    @property
    def present(self) -> list[Presence]:
        """Who is here, in the order in which they came."""
        return [
            Presence(peer.id, link.address, self._since[link])
            for link, peer in self.peer_at.items()
        ]

    # --- in --------------------------------------------------------------------------------------
    async def register(self, link: LinkPort, request: Request) -> Response:
        """See `CorePort.register`."""
        damped = self._damped(link, request)
        if damped is not None:
            return damped
        came_at = self._clock.utc()
        done = await self._judged(Register(request, link.address))
        brought = done.value
        if isinstance(brought, Response):
            return brought
        if not isinstance(brought, Admitted):
            return not_written(request, done.error)
        peer = self._peers.by_id[brought.peer_id]
        if not self._may_stay(peer):
            return respond(request, Result.BAD_CREDENTIALS)
        peer.learn(request.message, came_at)
        self._positions[link] = brought.response.last_seq or 0
        self._take(link, peer, Credential(peer, secret=brought.secret))
        await replaced_secrets.used(peer, brought.secret)
        return brought.response

    def _damped(self, link: LinkPort, request: Request) -> Response | None:
        """The answer to one of two that take the session from each other; None: judge it."""
        claimed = peer_id_of(request.message) or ""
        here = self._queues.of(claimed).link if claimed in self._peers.by_id else None
        now = self._clock.now()
        wait_s = self._damping.wait_s(claimed, now)
        if here is None or here is link or not wait_s:
            return None
        text = self._damping.refused(claimed, here.address, link.address, now)
        if text is not None:
            self._tell_rivals(claimed, text)
        return respond(request, Result.RATE_LIMITED, retry_after_s=wait_s)

    def sum_up(self) -> None:
        """Journal what was refused since; called now and then."""
        for peer_id, text in self._damping.sums(self._clock.now()):
            self._tell_rivals(peer_id, text)

    def _tell_rivals(self, peer_id: str, text: str) -> None:
        logger.warning("%s: %s", peer_id, text, extra={"peer": peer_id})
        self._writer.put(Observe(peer_id, EntryKind.REFUSED, text, result=Result.RATE_LIMITED))

    async def _judged(self, job: Register) -> Done[Admitted | Response | Resumption]:
        """What becomes of a registration."""
        claimed = peer_id_of(job.request.message)
        if claimed is None or getattr(job.request.message, "last_seq", None) is None:
            return await self._tried(job)
        accepted = False
        self._admission.hand_over(claimed)
        try:
            done = await self._tried(job)
            while isinstance(done.value, Resumption):
                done = await self._tried(replace(job, under_way=done.value))
            accepted = isinstance(done.value, Admitted)
        finally:
            for answer in self._takeover.end_registration(claimed, accepted=accepted):
                self._writer.put(answer)
        return done

    async def _tried(self, job: Register) -> Done[Admitted | Response | Resumption]:
        return not_now() if self._admission.store_failing else await self._writer.do(job)

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        """See `CorePort.adopt`."""
        peer = self._known(peer_id)
        self._introductions.pop(peer_id, None)
        secret = self._introduced.pop(peer_id, None)
        await self._opened(peer, f"from {link.address}")
        self._take(link, peer, None if secret is None else Credential(peer, secret=secret))
        await replaced_secrets.used(peer, secret)

    async def resume(
        self, link: LinkPort, peer_id: str, told: Sequence[tuple[Request, datetime]]
    ) -> bool:
        """See `CoreServicePort.resume`."""
        peer = self._known(peer_id)
        if self._queues.of(peer_id).link is not None:
            return False
        await self._opened(
            peer, f"from {link.address}, kept over a restart of the core", kept=True
        )
        if self._queues.of(peer_id).link is not None:
            return False  # it has come anew meanwhile
        registration = None
        for request, came_at in told:
            peer.learn(request.message, came_at)
            if peer_id_of(request.message) == peer_id:
                registration = request
        # It may have been kept through the end of its secret: the next look finds that.
        self._take(
            link,
            peer,
            None if registration is None else Credential(peer, registration=registration),
        )
        return True

    def _known(self, peer_id: str) -> Peer:
        peer = self._peers.by_id[peer_id]
        if peer.shut_out:
            raise KeyError(peer_id)
        return peer

    async def _opened(self, peer: Peer, detail: str, *, kept: bool = False) -> None:
        """Journal that a link came.

        Raises:
            KeyError: its peer was shut out meanwhile.
        """
        await self._writer.do(Observe(peer.id, EntryKind.SESSION_OPENED, detail, kept=kept))
        if not self._may_stay(peer):
            raise KeyError(peer.id)

    def _may_stay(self, peer: Peer) -> bool:
        """Whether who was let in, and journalled, has not been shut out while that was written."""
        if peer.shut_out:
            self._ended(peer, SHUT_OUT, answered=self._writer.answered)
        return not peer.shut_out

    def _take(self, link: LinkPort, peer: Peer, how: Credential | None) -> None:
        older = self._queues.of(peer.id).link
        if older is not None and older is not link:
            self._damping.replaced(peer.id, self._clock.now())
            self.peer_at.pop(older, None)
            self._since.pop(older, None)
            self.credentials.pop(older, None)
            self._ended(peer, "replaced by a newer one", answered=None)
            older.close(REPLACED)
        self.peer_at[link] = peer
        self._since[link] = self._clock.utc()
        if how is not None:
            self.credentials[link] = how
        self._queues.attach(peer.id, link)
        peer.connected = True

    def begin_pushing(self, link: LinkPort) -> None:
        """See `CorePort.begin`."""
        peer = self.peer_at.get(link)
        if peer is not None:
            self._queues.begin_pushing(peer.id, self._positions.pop(link, 0))

    def shut_out(self, peer_ids: Collection[str]) -> None:
        """Let nobody in as one of these peers, and everybody else again; who is here goes."""
        for peer in self._peers.by_id.values():
            peer.shut_out = peer.id in peer_ids
        for link, peer in list(self.peer_at.items()):
            if peer.shut_out:
                self.end(link, SHUT_OUT, SHUT_OUT)

    # --- out -------------------------------------------------------------------------------------
    def closed(self, link: LinkPort, reason: str) -> None:
        """See `CorePort.closed`."""
        self._positions.pop(link, None)
        self._since.pop(link, None)
        self.credentials.pop(link, None)
        peer = self.peer_at.pop(link, None)
        if peer is None:
            return
        if self._queues.of(peer.id).link is link:
            self._queues.detach(peer.id)
            peer.connected = False
        self._ended(peer, reason, answered=self._writer.answered)

    def end(self, link: LinkPort, reason: str, told: str = EXPIRED) -> None:
        """Close a link that may not stay: from now on nothing is taken from it.

        `reason` is for the journal, `told` for the peer, whom no path of a file concerns.
        """
        peer = self.peer_at.get(link)
        if peer is None:
            return
        logger.warning("%s: its session is closed: %s", peer.id, reason, extra={"peer": peer.id})
        self.closed(link, reason)
        link.close(told)

    def _ended(self, peer: Peer, reason: str, *, answered: int | None) -> None:
        self._writer.put(Observe(peer.id, EntryKind.SESSION_CLOSED, reason, answered=answered))

    # --- where linkage dials ---------------------------------------------------------------------
    async def introduce(self, peer_id: str) -> Request:
        """See `CorePort.introduce`."""
        settings = self._known(peer_id).settings
        utc = self._clock.utc()
        valid = () if settings is None else settings.valid_secrets(utc)
        if not valid:
            raise KeyError(peer_id)
        # The peer may not have its new secret yet: each of those in force has its turn.
        turn = self._introductions[peer_id] % len(valid)
        self._introduced[peer_id] = valid[turn]
        self._introductions[peer_id] += 1
        message = make_registration(
            Role.PLATFORM,
            self._peers.own_id,
            valid[turn].get_secret_value(),
            utc,
            secrets.token_hex(16),
        )
        return Request(id=secrets.token_hex(8), message=message)
