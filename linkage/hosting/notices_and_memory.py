"""Notices and memory: adapter → core, in one transaction. A `linkage.ports.AdapterPort`."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from linkage.hosting.ids import RequestIds
from linkage.ports import AdapterCorePort, Clock, EntryKind, LinkPort, Notice, NoticeRequest
from linkage.ports.adapter import NOTHING
from linkage.supervision import Backoff, Jitter, Sleep
from protocol.envelope import Request
from protocol.results import Result

SUBMIT_BACKOFF: Final = Backoff(first_s=0.1, most_s=5.0)


class LinkClosedError(Exception):
    """The core has closed the link of an adapter: a record that met this may not be on disk."""


class NoticesAndMemory:
    """What one adapter tells and keeps.

    Args:
        core: takes it.
        link: the adapter's.
        peer_id: the adapter.
        clock: says when a notice without a time happened.
        begun: called before each record; raises `LinkClosedError` where there is no link.
        refused: writes down why a notice was refused.
        sleep: between two attempts.
        jitter: spreads them.
    """

    def __init__(
        self,
        core: AdapterCorePort,
        link: LinkPort,
        peer_id: str,
        clock: Clock,
        *,
        begun: Callable[[int], None],
        refused: Callable[[EntryKind, str, int], Awaitable[None]],
        sleep: Sleep = asyncio.sleep,
        jitter: Jitter = random.random,
    ) -> None:
        self._core = core
        self._link = link
        self._peer_id = peer_id
        self._clock = clock
        self._begun = begun
        self._refused = refused
        self._sleep = sleep
        self._jitter = jitter
        self._ids = RequestIds(clock.utc())

    async def load(self) -> dict[str, Any]:
        """See `AdapterPort.load`."""
        return await self._core.recall(self._peer_id)

    async def record(
        self, notices: Sequence[Notice] = (), memory: Mapping[str, Any | None] = NOTHING
    ) -> None:
        """See `AdapterPort.record`.

        An exception of the core goes through to the adapter: nothing is on disk, so the adapter
        must not go on as if it were; it is run again, and its resync tells what it missed. So it
        is where the core has closed the link (`LinkClosedError`).
        """
        texts = {
            key: None if value is None else json.dumps(value, ensure_ascii=False)
            for key, value in memory.items()
        }
        self._begun(len(notices))
        requests = [NoticeRequest(self._request(each), each.reconstructed) for each in notices]
        failures = 0
        while True:
            done = await self._core.record(self._link, requests, texts)
            if done.result == Result.SESSION_EXPIRED:
                raise LinkClosedError("a record met a closed link")
            if not done.result:
                break
            failures += 1
            pause = SUBMIT_BACKOFF.pause(failures, self._jitter())
            await self._sleep(max(pause, float(done.retry_after_s or 0)))
        for notice, response in zip(requests, done.responses, strict=True):
            if not response.accepted:
                request = notice.request
                what = f"notice {request.id} ({request.type}) of {self._peer_id}"
                detail = f"{what}: {response.detail or ''}"
                await self._refused(EntryKind.REFUSED, detail, response.result)

    def _request(self, notice: Notice) -> Request:
        time = notice.time or self._clock.utc()
        return Request(id=self._ids.take(), message=notice.message, time=time)
