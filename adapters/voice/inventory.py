"""What lives at Asterisk, and what of it is no call of ours."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from adapters.asterisk.ari import AriError, segment
from adapters.voice.call_registry import CallRegistry
from adapters.voice.events import KINDS, Channel, Event, read_channel

logger = logging.getLogger("linkage.asterisk")

CALL_VARIABLE: Final = "LINKAGE_CALLID"
"""Stands on every channel of a call, and says that somebody has seen to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lives at Asterisk. `startup` tells one run of Asterisk from another."""

    startup: str
    channels: Mapping[str, Channel]
    bridges: Mapping[str, frozenset[str]]

    def without_life(self) -> Found:
        """The same run with nothing in it."""
        return Found(startup=self.startup, channels={}, bridges={})


async def look(registry: CallRegistry) -> Found:
    """List what lives, and ask Asterisk to send only what we use."""
    info = await registry.ari.request("GET", "/asterisk/info", {"only": "status"})
    app = segment(registry.names.app)
    try:
        await registry.ari.request(
            "PUT",
            f"/applications/{app}/eventFilter",
            body={"allowed": [{"type": kind} for kind in sorted(KINDS)]},
        )
    except AriError as error:
        logger.info("no event filter: %s", error)
    channels = await registry.ari.request("GET", "/channels")
    bridges = await registry.ari.request("GET", "/bridges")
    status = info.get("status") if isinstance(info, dict) else None
    return Found(
        startup=str((status or {}).get("startup_time")),
        channels={each.id: each for each in map(read_channel, channels or ()) if each},
        bridges={
            str(each.get("id")): frozenset(map(str, each.get("channels") or ()))
            for each in bridges or ()
            if isinstance(each, dict)
        },
    )


async def see_to_the_rest(
    registry: CallRegistry, found: Found, unreadable: Container[str]
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
            await registry.drop("channels", channel.id)
            continue
        app, *args = channel.app_data.split(",")
        if channel.app != "Stasis" or app != registry.names.app:
            continue
        if await _is_new(registry, found, channel, unreadable):
            at = registry.clock.utc()
            registry.newcomer(Event(kind="StasisStart", at=at, channel=channel, args=tuple(args)))
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
    registry: CallRegistry, found: Found, channel: Channel, unreadable: Container[str]
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
    path, query = f"/channels/{segment(channel.id)}/variable", {"variable": CALL_VARIABLE}
    try:
        answer = await registry.ari.request("GET", path, query)
    except AriError as error:
        # Also where the variable is not there. A channel that is not is no caller any more.
        return "" if error.status == HTTPStatus.NOT_FOUND else None
    return str(answer.get("value") or "") if isinstance(answer, dict) else None
