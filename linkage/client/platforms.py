"""The communication side: platforms that speak the protocol themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import ClassVar

from linkage.client.errors import ClosedError, CommandRefusedError
from linkage.client.peer import Peer
from linkage.client.received import Command
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.roles import Role
from protocol.suggest import suggesting


class Platform(Peer[Command]):
    """A communication platform: sends 1xx (and 3xx), hears 2xx (and 4xx)."""

    role: ClassVar[Role] = Role.PLATFORM
    _kind = Command

    async def commands(self) -> AsyncIterator[Command]:
        """Iterate the commands for us until closed.

        Each must be answered, in any order and from any task.

        Commands past their `Expire` never come out of here: they are answered 309.

        Raises:
            ReplacedError: a newer session of this peer took over.
            RegistrationRefusedError: linkage will not take us back.
        """
        await self._in_use()
        while True:
            try:
                command = await self._inbox.next()
            except ClosedError:
                return
            yield command

    @suggesting
    async def notify(
        self, message: Message, *, time: datetime | None = None, check: bool = False
    ) -> Response:
        """Tell linkage something; returns its answer. Result 0.

        It is on disk, and will reach all it is for.

        The notice is kept here until it is answered and sent again after a reconnect, under its Id
        and marked; so it arrives at least once while this process lives, also when the caller is
        cancelled meanwhile. Notices go in the order of the calls. When many wait
        (`outbox.OUTBOX_MAX`), the call waits for room first.

        Args:
            message: 1xx, or 3xx for a screen.
            time: when it happened; now, when not given.
            check: raise on a refusal.

        Raises:
            CommandRefusedError: the result is 10 or more, and `check`.
            LocalProtocolError: such a message is not a platform's to send, or too long.
            ClientError: closed, or refused for good.
        """
        await self._in_use()
        request = Request(id=self._ids.make(), message=message, time=time or self._clock.utc())
        response = await self._outbox.send(request, within_s=None)
        if check and not response.accepted:
            raise CommandRefusedError(response)
        return response
