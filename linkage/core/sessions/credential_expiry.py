"""Who may stay: a session ends when the secret that opened it does (protocol.md#sessions).

A rotation leaves the secret from before in force for its time of grace. Whoever came in with it
would else stay for as long as its connection holds, which is what a stolen secret is wanted for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from linkage.config.keyring import KeyringError
from linkage.config.secrets import Secret
from linkage.core.peers import Peer
from linkage.ports import EXPIRED, Clock, LinkPort
from protocol.envelope import Request
from protocol.registration import signed_fields, verify

logger = logging.getLogger("linkage.core")

LOOK_EVERY_S: Final = 10.0
"""How long after the end of its secret a session may live, about."""


class Credential:
    """What let a session in: its secret, or the registration from which that is to be found."""

    __slots__ = ("_registration", "_secret", "_unread", "peer")

    def __init__(
        self, peer: Peer, *, registration: Request | None = None, secret: Secret | None = None
    ) -> None:
        self.peer = peer
        self._registration = registration
        self._secret = secret
        self._unread = False

    def problem(self, now: datetime) -> str | None:
        """Why the session must end; None: it may stay.

        A file that cannot be read is looked at once more before it ends anybody: it may be in
        somebody's editor. It lets nobody in meanwhile (decision 0008).
        """
        settings = self.peer.settings
        if settings is None:
            return None
        try:
            valid = settings.valid_secrets(now)
        except KeyringError as error:
            before, self._unread = self._unread, True
            return f"its secret cannot be read: {error}" if before else None
        self._unread = False
        if self._secret is None and self._registration is not None:
            signed = signed_fields(self._registration, settings.profile().dialect)
            self._secret = next(
                (each for each in valid if verify(each.get_secret_value(), signed)), None
            )
            self._registration = None
        return None if self._secret in valid else EXPIRED


def find_expired(
    credentials: Iterable[tuple[LinkPort, Credential]], now: datetime
) -> list[tuple[LinkPort, str]]:
    """Which sessions must end, and why. Reads files: it is not for the event loop's thread."""
    found = []
    for link, each in credentials:
        problem = each.problem(now)
        if problem is not None:
            found.append((link, problem))
    return found


class CredentialExpiry:
    """Looks every now and then who may stay.

    Args:
        credentials: of the sessions that are open now.
        end: closes one, with the reason.
        clock: its wall clock says which secrets are in force.
    """

    def __init__(
        self,
        credentials: Callable[[], Mapping[LinkPort, Credential]],
        end: Callable[[LinkPort, str], None],
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._end = end
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is after `LOOK_EVERY_S`."""
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name="linkage-credential_expiry"
        )

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except Exception:
                logger.exception("expired secrets were not looked for; retrying in some seconds")

    async def look(self) -> None:
        """End the sessions whose secret is not in force any more."""
        credentials = list(self._credentials().items())
        for link, reason in await asyncio.to_thread(find_expired, credentials, self._clock.utc()):
            self._end(link, reason)
