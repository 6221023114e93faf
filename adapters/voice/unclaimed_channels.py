"""What lives at the platform and is no call of ours."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Container
from typing import Final

from adapters.voice.call_registry import CallRegistry
from adapters.voice.driver import Inventory, PlatformRefusedError
from adapters.voice.platform_events import Channel

logger = logging.getLogger("linkage.voice")

CALL_VARIABLE: Final = "LINKAGE_CALLID"
"""Stands on every channel of a call, and says that somebody has seen to it."""


async def see_to_the_rest(
    registry: CallRegistry, found: Inventory, unreadable: Container[str]
) -> None:
    """Channels without a call: new callers become calls, all others are left alone.

    Another linkage may speak for them, or have spoken until a moment ago: two people in talk must
    not be cut off because we know nothing of them.
    """
    left: list[str] = []
    for channel in found.channels.values():
        if registry.knows(channel.id):
            continue
        if channel.id in registry.revoked:
            await registry.drop(channel.id)
            continue
        event = registry.driver.newcomer(channel)
        if event is None:
            continue
        if await _is_new(registry, found, channel, unreadable):
            registry.newcomer(dataclasses.replace(event, at=registry.clock.utc()))
        else:
            left.append(channel.id)
    if left:
        logger.warning(
            "%d channels in the application %r belong to no call of ours, and are left alone: "
            "of another linkage? %s",
            len(left),
            registry.names.app,
            " ".join(left[:20]),
        )


async def _is_new(
    registry: CallRegistry, found: Inventory, channel: Channel, unreadable: Container[str]
) -> bool:
    """Whether nobody has seen to a channel yet, or it was we and that cannot be read any more."""
    if registry.names.call_of(channel.id) is not None:
        return False
    call_id = await _call_of(registry, channel)
    if not call_id:
        return call_id is not None
    alone = not any(channel.id in each and len(each) > 1 for each in found.bridges.values())
    return call_id in unreadable and alone


async def _call_of(registry: CallRegistry, channel: Channel) -> str | None:
    """The CallId that stands on a channel, "" where there is none; None: that cannot be said."""
    try:
        return await registry.driver.variable(channel.id, CALL_VARIABLE)
    except PlatformRefusedError:
        return None
