"""TLS that cannot be spoken yet: told at once, tried again and again, and opened when it can.

A certificate that expired is found at the next restart, which may be that of a machine at night.
It costs those who speak TLS their connection; plain listeners, adapters and whoever is dialled
without TLS have nothing to do with it. A renewal that cannot be used is told as well: while the
certificate from before is still valid there is time to mend it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.context import GatewayContext
from gateway.errors import ListenError
from gateway.transport.tls import LOOK_EVERY_S, Tls
from linkage.config.gateway import TlsFiles
from linkage.ports import Absent, EntryKind
from linkage.supervision import Sleep, TaskSet

logger = logging.getLogger("linkage.gateway")

ALARM: Final = "tls"
"""The AlarmId."""


class TlsWatch:
    """Looks after the certificate from the start of a gateway to its end.

    Args:
        context: of the gateway.
        files: where the material lies.
        opened: is given TLS once it can be spoken. Raises ListenError where its addresses cannot
            be bound.
        sleep: the pause between two looks, for tests.
    """

    def __init__(
        self,
        context: GatewayContext,
        files: TlsFiles,
        opened: Callable[[Tls], Awaitable[None]],
        sleep: Sleep,
    ) -> None:
        self._context = context
        self._files = files
        self._opened = opened
        self._sleep = sleep
        self._tls: Tls | None = None
        self._problem: str | None = None
        self._told: str | None = None
        self._tasks = TaskSet("tls")

    async def start(self, *, must: bool) -> None:
        """Open TLS, or begin to wait for it.

        Args:
            must: there is nothing else to be served.

        Raises:
            ListenError: TLS cannot be spoken and `must` be; or an address cannot be bound.
        """
        try:
            tls = Tls(self._files, self._context.clock)
        except ListenError as error:
            if must:
                raise
            self._note(str(error))
        else:
            await self._opened(tls)
            self._tls = tls
        self._tasks.start(self._look_after(), "renewal")

    async def stop(self) -> None:
        """Look no more."""
        await self._tasks.close()

    async def _look_after(self) -> None:
        while True:
            # Not at the start: whoever is to be told may not be there yet.
            if self._problem is not None:
                await self._tell()
            await self._sleep(LOOK_EVERY_S)
            self._note(await self._look() or "")

    async def _look(self) -> str | None:
        """What is wrong; where nothing is any more, TLS is opened."""
        if self._tls is not None:
            return self._tls.problem()
        try:
            tls = Tls(self._files, self._context.clock)
            await self._opened(tls)
        except (ListenError, OSError) as error:  # a file may go between one look and the next
            return str(error)
        self._tls = tls
        return None

    def _note(self, problem: str) -> None:
        """Keep what is wrong, "" for nothing, and log it where that is news."""
        if problem == self._problem:
            return
        if problem:
            logger.error("%s%s", problem, self._meanwhile)
        elif self._problem:
            logger.info("TLS: what was wrong is mended")
        self._problem = problem

    @property
    def _meanwhile(self) -> str:
        return "" if self._tls is not None else "; TLS is not spoken until then"

    async def _tell(self) -> None:
        """Journal it, once; that all is well, too: an earlier process may have raised it."""
        problem = self._problem
        if problem == self._told:
            return
        kind, text = EntryKind.ALARM_CLEARED, "TLS is spoken, and its certificate is valid"
        if problem:
            kind, text = EntryKind.ALARM, f"{problem}{self._meanwhile}"
        try:
            await self._context.core.note(Absent(ALARM), kind, text)
        except Exception:
            logger.exception("an entry was not journalled")
        else:
            self._told = problem
