"""The business side: applications, monitors and the two kinds of screens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import ClassVar, Self, Unpack

from linkage.client.connecting import ClientListener
from linkage.client.errors import ClosedError, CommandRefusedError
from linkage.client.options import COMMAND_EXPIRE_S, Options
from linkage.client.peer import Peer
from linkage.client.received import Received
from linkage.client.replies import Reply
from protocol.envelope import Request
from protocol.kinds import is_command
from protocol.message import Message
from protocol.messages import AppRole
from protocol.roles import Role
from protocol.suggest import refuse_unknown, suggesting


class Notices(AsyncIterator[Received]):
    """The notices for us, in order, each acknowledged when the loop comes back for the next.

    Ends when the client is closed. The acknowledgement belongs to the task that iterates: several
    may share the work, each with a loop of its own.
    """

    def __init__(self, client: BusinessPeer) -> None:
        self._client = client

    async def __anext__(self) -> Received:
        """The next notice.

        Raises:
            ReplacedError: a newer session of this peer took over.
            RegistrationRefusedError: linkage will not take us back.
        """
        try:
            return await self._client.next_notice()
        except ClosedError:
            raise StopAsyncIteration from None


class BusinessPeer(Peer[Received]):
    """Base of all that hear notices and send commands."""

    _kind = Received

    def notices(self) -> Notices:
        """Iterate what linkage delivers, over disconnections, until closed."""
        return Notices(self)

    async def next_notice(self) -> Received:
        """One step of `notices()`: acknowledges what this task had before, and waits for the next.

        Raises:
            ClientError: the client was closed, or ended for good.
        """
        await self._in_use()
        return await self._inbox.next_for_loop()

    @suggesting
    async def send(
        self,
        message: Message,
        *,
        check: bool = True,
        expire_s: int = COMMAND_EXPIRE_S,
        trace: str | None = None,
    ) -> Reply:
        """Send a message and wait until linkage has taken it to disk, or refused it.

        A command whose answer a lost connection swallowed is sent again under its Id, which
        linkage recognises, until it expires.

        Args:
            message: 2xx (or 5xx, for a screen of ours) from an application, 4xx and 6xx from the
                screens.
            check: raise on a refusal; False: look at `Reply.result`.
            expire_s: seconds after which it must not be executed any more.
            trace: a W3C traceparent.

        Raises:
            CommandRefusedError: the result is 10 or more, and `check`.
            CommandExpiredError: no answer within `expire_s`.
            LocalProtocolError: such a message is not this role's to send, or too long.
        """
        await self._in_use()
        expires = is_command(message.number)
        request = Request(
            id=self._ids.make(),
            message=message,
            time=self._clock.utc(),
            expire_s=expire_s if expires else None,
            trace=trace,
        )
        outcomes = self._outcomes.open(request.id)
        within_s = float(expire_s) if expires else None
        response = await self._outbox.send(request, within_s=within_s)
        if check and not response.accepted:
            raise CommandRefusedError(response)
        return Reply(message, response, outcomes, self._is_stuck)

    def _is_stuck(self) -> bool:
        return self._inbox.stuck


class ListeningPeer(BusinessPeer):
    """A business platform that listens, as the patent has it; linkage is told by `dial` where."""

    _listener: ClientListener | None = None

    @classmethod
    def listen(
        cls,
        host: str,
        port: int,
        peer_id: str,
        *,
        allowed: Iterable[str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """A client that waits for linkage to connect; `async with` is entered when it listens.

        With a `secret`, linkage's registration (190) must be signed with it; without, the one that
        connects is taken for linkage, so name its addresses in `allowed`.
        """
        refuse_unknown(f"{cls.__name__}.listen()", options, (*Options.__annotations__, "allowed"))
        made = cls(host, port, peer_id, **options)
        context: ssl.SSLContext | None = options.get("ssl")
        names = None if allowed is None else frozenset(allowed)
        made._listener = ClientListener(host, port, ssl_context=context, allowed=names)
        made._carrier = made._listener
        return made

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that we listen on (the real port where 0 was asked for).

        Raises:
            ClosedError: not listening.
        """
        if self._listener is None or self._listener.address is None:
            raise ClosedError("not listening")
        return self._listener.address


class Application(ListeningPeer):
    """A business application.

    Hears 1xx (and 6xx of its screens), sends 2xx (and 5xx to its screens).
    """

    role: ClassVar[Role] = Role.APPLICATION

    async def rotate_secret(self, keep: Callable[[str], object]) -> None:
        """Begin to use another secret (295), which linkage and we make of the present one.

        Args:
            keep: is given the new secret once linkage has it, and must have it on disk when it
                returns. Only then is it used, by the next registration; that ends the old one.
                Where `keep` raises, or the answer is lost, the old one counts for a day more:
                call this again.

        Raises:
            ClientError: linkage refused, or was not reached in time.
        """
        if self._credentials.legacy:
            raise ValueError("a legacy peer has no secret")
        message, secret = self._credentials.rotation()
        await self.send(message)
        await asyncio.to_thread(keep, secret)
        self._credentials.use(secret)


class Monitor(ListeningPeer):
    """An application that sees every event and commands nothing."""

    role: ClassVar[Role] = Role.MONITOR

    def __init__(self, host: str, port: int, peer_id: str, **options: Unpack[Options]) -> None:
        options["further"] = {"role": AppRole.MONITOR, **(options.get("further") or {})}
        super().__init__(host, port, peer_id, **options)


class _Screen(BusinessPeer):
    """What both kinds of screens have in common."""

    def __init__(
        self,
        host: str,
        port: int,
        peer_id: str,
        *,
        login_id: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """`login_id`: who works at the screen; None: as configured at linkage."""
        options["further"] = {**(options.get("further") or {}), "login_id": login_id}
        super().__init__(host, port, peer_id, **options)


class CommunicationScreen(_Screen):
    """A communication screen: hears 3xx, sends 4xx."""

    role: ClassVar[Role] = Role.COMMUNICATION_SCREEN


class BusinessScreen(_Screen):
    """A business screen: hears 5xx, sends 6xx."""

    role: ClassVar[Role] = Role.BUSINESS_SCREEN
