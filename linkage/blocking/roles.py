"""The roles of the blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar, Unpack

from linkage import client
from linkage.blocking.base import Client
from linkage.blocking.replies import Command, Notice, Reply
from linkage.client import Received
from linkage.client.applications import BusinessPeer, ListeningPeer
from linkage.client.options import COMMAND_EXPIRE_S, Options
from protocol.envelope import Response
from protocol.message import Message
from protocol.suggest import suggesting

B = TypeVar("B", bound=BusinessPeer)
L = TypeVar("L", bound=ListeningPeer)


class _Business(Client[B]):
    """All that hear notices and send commands."""

    _kind: ClassVar[type[Any]]

    def __init__(self, host: str, port: int, peer_id: str, **options: Unpack[Options]) -> None:
        super().__init__(self._kind(host, port, peer_id, **options))

    @suggesting
    def notices(self, *, timeout_s: float | None = None) -> Iterator[Notice]:
        """What linkage delivers, in order, over disconnections.

        Args:
            timeout_s: the loop ends when nothing has come for so long; None: only when closed.

        Raises:
            ClientError: the client has ended for good: replaced, refused, registered nowhere.
        """
        return self.each(self._notice, timeout_s)

    @suggesting
    def next_notice(self, *, timeout_s: float | None = None) -> Notice:
        """One step of `notices()`.

        Raises:
            TimeoutError: nothing came within `timeout_s` seconds.
            ClientError: the client was closed, or ended for good.
        """
        return self._notice(timeout_s)

    def _notice(self, timeout_s: float | None) -> Notice:
        received = self.next(timeout_s)
        assert isinstance(received, Received)
        return Notice(self, received)

    @suggesting
    def send(
        self,
        message: Message,
        *,
        check: bool = True,
        expire_s: int = COMMAND_EXPIRE_S,
        trace: str | None = None,
    ) -> Reply:
        """Send a message and wait until linkage has taken it to disk, or refused it.

        See `linkage.client.Application.send`.

        Raises:
            CommandRefusedError: the result is 10 or more, and `check`.
            CommandExpiredError: no answer within `expire_s`.
            LocalProtocolError: such a message is not this role's to send, or too long.
        """
        sending = self._client.send(message, check=check, expire_s=expire_s, trace=trace)
        return Reply(self, self.call(sending))


class _Listening(_Business[L]):
    """A business platform that listens, as the patent has it."""

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
        """A client that waits for linkage to connect; see `linkage.client.Application.listen`."""
        made = cls.__new__(cls)
        Client.__init__(made, cls._kind.listen(host, port, peer_id, allowed=allowed, **options))
        return made

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that we listen on.

        Raises:
            ClosedError: not listening.
        """
        return self._client.address


class Application(_Listening[client.Application]):
    """A business application: hears 1xx (and 6xx of its screens), sends 2xx (and 5xx)."""

    _kind = client.Application


class Monitor(_Listening[client.Monitor]):
    """An application that sees every event and commands nothing."""

    _kind = client.Monitor


class _Screen(_Business[B]):
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
        Client.__init__(self, self._kind(host, port, peer_id, login_id=login_id, **options))


class CommunicationScreen(_Screen[client.CommunicationScreen]):
    """A communication screen: hears 3xx, sends 4xx."""

    _kind = client.CommunicationScreen


class BusinessScreen(_Screen[client.BusinessScreen]):
    """A business screen: hears 5xx, sends 6xx."""

    _kind = client.BusinessScreen


class Platform(Client[client.Platform]):
    """A communication platform: sends 1xx (and 3xx), hears 2xx (and 4xx)."""

    def __init__(self, host: str, port: int, peer_id: str, **options: Unpack[Options]) -> None:
        super().__init__(client.Platform(host, port, peer_id, **options))

    @suggesting
    def commands(self, *, timeout_s: float | None = None) -> Iterator[Command]:
        """The commands for us; each must be answered, from any thread.

        Args:
            timeout_s: the loop ends when nothing has come for so long; None: only when closed.

        Raises:
            ClientError: the client has ended for good: replaced, refused, registered nowhere.
        """
        return self.each(self._command, timeout_s)

    def _command(self, timeout_s: float | None) -> Command:
        command = self.next(timeout_s)
        self.hand().held = None  # its handler answers it, not who asks for the next
        assert isinstance(command, client.Command)
        return Command(self, command)

    @suggesting
    def notify(
        self,
        message: Message,
        *,
        time: datetime | None = None,
        check: bool = False,
        timeout_s: float | None = None,
    ) -> Response:
        """Tell linkage something; returns its answer. Result 0: it is on disk.

        See `linkage.client.Platform.notify`.

        Args:
            message: 1xx, or 3xx for a screen.
            time: when it happened; now, when not given.
            check: raise on a refusal.
            timeout_s: how long to wait for the answer. The notice goes all the same.

        Raises:
            TimeoutError: no answer within `timeout_s`.
            CommandRefusedError: the result is 10 or more, and `check`.
        """
        return self.call(self._client.notify(message, time=time, check=check), timeout_s)
