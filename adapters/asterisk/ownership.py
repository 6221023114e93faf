"""Whose the Stasis application is: two linkages at one Asterisk must not fight for it.

Asterisk gives an application to whoever connected last, and tells the one before
(`ApplicationReplaced`). That one stops, and looks now and then whether its place is free:

| a global variable of Asterisk's says | what that means |
|---|---|
| nothing, or our name | nobody else has it |
| another's name, and the application is not registered | the other has left |
| another's name, unchanged for `SILENT_S` | the other is dead, and only its calls are left |
| another's name, and it changes | the other is alive: wait |

Who starts takes the application in any case: somebody wants that.
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
from typing import Any, Final

from adapters.asterisk.client import AriClient, AriError, segment
from adapters.voice.adapter import RENEW_EVERY_S
from linkage.ports import AdapterReplacedError, AdapterUnavailableError, Clock

logger = logging.getLogger("linkage.asterisk")

SILENT_S: Final = 3.5 * RENEW_EVERY_S
"""An owner that has not renewed its name for so long is dead."""
AGAIN_S: Final = 60.0
"""Replaced twice within so long, and no linkage says that it was it: another program was."""


class Ownership:
    """Of one application, by one adapter; outlives its links."""

    def __init__(self, app: str, peer_id: str, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._variable = "LINKAGE_OWNER_" + re.sub(r"\W", "_", app, flags=re.ASCII)
        self._token = secrets.token_hex(8)
        self._name = re.sub(r"[^\w.@-]", "_", f"{peer_id}@{socket.gethostname()}")[:80]
        self._renewals = 0
        self._held = False
        self._stranger = False
        """A program that gives no name has it."""
        self._replaced_at: float | None = None
        self._seen = ""
        self._seen_at = 0.0

    async def take(self, ari: AriClient) -> None:
        """Before connecting: say that the application is ours from now on.

        Raises:
            AdapterReplacedError: another has it, and may be alive.
        """
        other = await self._other(ari)
        if (self._held and other) or self._stranger:
            if await self._lives(ari, other):
                raise self._replaced(other)
        elif other and not other.endswith(f" {self._name}"):
            logger.warning("the Stasis application %r was that of %s", self._app, _who(other))
        self._stranger, self._seen = False, ""
        await self.renew(ari)
        self._held = True

    async def renew(self, ari: AriClient) -> None:
        """Say that we are still there."""
        self._renewals += 1
        value = f"{self._token} {self._renewals} {self._name}"
        query = {"variable": self._variable, "value": value}
        try:
            await ari.request("POST", "/asterisk/variable", query)
        except AriError as error:
            logger.info("%s: %s", self._variable, error)

    async def lost(self, ari: AriClient) -> AdapterUnavailableError:
        """Asterisk says that we were replaced: by whom, and what follows from that."""
        other = await self._other(ari)
        if other:
            return self._replaced(other)
        # Perhaps by ourselves: an Asterisk that stood still takes up all our connections, in any
        # order, when it goes on.
        before, self._replaced_at = self._replaced_at, self._clock.now()
        if before is None or self._replaced_at - before > AGAIN_S:
            return AdapterUnavailableError(
                f"an older link of our own took the application {self._app!r}"
            )
        self._stranger = True
        return self._replaced("")

    def _replaced(self, other: str) -> AdapterReplacedError:
        return AdapterReplacedError(
            f"{_who(other)} has taken over the Stasis application {self._app!r}: give each an "
            "`app` of its own, or stop one; this one waits until the other is gone"
        )

    async def _other(self, ari: AriClient) -> str:
        """The name that another has left, "" where there is none."""
        try:
            answer: Any = await ari.request(
                "GET", "/asterisk/variable", {"variable": self._variable}
            )
        except AriError:
            return ""
        value = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(value, str) or value.startswith(self._token):
            return ""
        return value

    async def _lives(self, ari: AriClient, other: str) -> bool:
        if await ari.find(f"/applications/{segment(self._app)}") is None:
            return False
        now = self._clock.now()
        if not other or other != self._seen:
            self._seen, self._seen_at = other, now
        return now - self._seen_at < SILENT_S


def _who(other: str) -> str:
    name = other.rsplit(" ", maxsplit=1)[-1][:100]
    return f"linkage {name}" if name else "another program"
