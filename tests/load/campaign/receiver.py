"""A receiving application as a process of its own, which may be killed at any moment.

    python -m tests.load.campaign.receiver PORT PEER LEDGER [STATE]

It notes each notice in its ledger, syncs that, and acknowledges only then. STATE is the file in
which `linkage.client` keeps its `LastSeq`; without, linkage decides where to go on.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from linkage.client import Application, Backoff
from protocol.messages import AlarmNotice
from tests.load.campaign.ledger import Ledger
from tests.load.campaign.plan import SECRET, key_of

SOON: Final = Backoff(first_s=0.05, most_s=0.5)
WORKERS: Final = 32
"""Notices that are in hand at a time, and so share one sync."""


class Recorder:
    """Many hands, one ledger: whoever syncs does so for all that wrote before."""

    def __init__(self, desk: Application, ledger: Ledger) -> None:
        self._desk = desk
        self._ledger = ledger
        self._synced: asyncio.Future[None] | None = None

    async def work(self) -> None:
        """Take notices until the client is closed."""
        async for notice in self._desk.notices():
            if isinstance(notice.message, AlarmNotice):
                continue  # what linkage says of itself: that a part of it was missing for long
            # Nothing is awaited between the queue and the ledger: the ledger is in their order.
            self._ledger.write(notice.request, key_of(notice.message))
            await self._sync()

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        if self._synced is None:
            self._synced = loop.create_future()
            loop.call_soon(self._sync_now)
        await self._synced

    def _sync_now(self) -> None:
        synced, self._synced = self._synced, None
        self._ledger.sync()
        assert synced is not None
        synced.set_result(None)


async def receive(port: int, peer_id: str, path: Path, state: Path | None) -> None:
    """Until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    desk = Application(
        "127.0.0.1", port, peer_id, secret=SECRET, state_file=state, backoff=SOON,
        open_timeout_s=None,
    )  # fmt: skip
    with Ledger(path) as ledger:
        async with desk, asyncio.TaskGroup() as group:
            recorder = Recorder(desk, ledger)
            for _ in range(WORKERS):
                group.create_task(recorder.work())
            await stopped.wait()
            await desk.close()


if __name__ == "__main__":
    where, who, file, *rest = sys.argv[1:]
    asyncio.run(receive(int(where), who, Path(file), Path(rest[0]) if rest else None))
