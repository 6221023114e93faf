"""The links of a part, made known to a core that has just come and knows nothing of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from linkage.bus.envelope import Kind
from linkage.bus.local_links import LocalLink, LocalLinks
from linkage.bus.pack import pack_request
from linkage.ports import REPLACED

AT_ONCE: Final = 256
"""Links that a new core is asked at a time to take over."""


async def bring_along(
    links: LocalLinks, call: Callable[..., asyncio.Future[Any]], goes_on: Callable[[], bool]
) -> int:
    """Have the core take over every link whose peer is known; close those that it does not take.

    Args:
        links: of the part.
        call: `CoreConnection.call`.
        goes_on: whether the conversation does in which this was begun; else the next one begins
            anew.

    Returns:
        How many it was asked about.
    """
    # A few at a time: the new core must not meet ten thousand of them in one turn of its loop.
    room = asyncio.Semaphore(AT_ONCE)
    asked: dict[LocalLink, asyncio.Future[Any]] = {}
    for local in [local for local in links if local.peer_id is not None]:
        await room.acquire()
        if not goes_on():
            break
        if links.numbered(local.number) is local:  # it has not ended meanwhile
            asked[local] = _ask_about(local, call)
            asked[local].add_done_callback(lambda _: room.release())
        else:
            room.release()
    taken = await asyncio.gather(*asked.values(), return_exceptions=True)
    if goes_on():
        for local, result in zip(asked, taken, strict=True):
            if result is not True and links.numbered(local.number) is local:
                local.link.close(REPLACED if result is False else f"not taken over: {result}")
    return len(asked)


def _ask_about(local: LocalLink, call: Callable[..., asyncio.Future[Any]]) -> asyncio.Future[Any]:
    told = tuple([(pack_request(request), came_at) for request, came_at in local.told])
    link = local.link
    return call(
        Kind.RESUME, local.number, link.address, link.window, local.peer_id, local.begun, told
    )
