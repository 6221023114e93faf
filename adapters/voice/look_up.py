"""Answers what a call wants to know of its platform, as an event of the call."""

from __future__ import annotations

import logging

from adapters.voice.driver import Driver, PlatformRefusedError
from adapters.voice.platform_actions import FindChannel, FindContacts, FindExtension, LookUp
from adapters.voice.platform_events import Channel, Event, EventKind

logger = logging.getLogger("linkage.voice")


async def look_up(driver: Driver, call_id: str, sought: LookUp) -> Event | None:
    """What is there; None where the platform will not say: that is no reason to end anything."""
    try:
        match sought:
            case FindChannel():
                return await _find_channel(driver, sought.channel)
            case FindContacts():
                found = await driver.contacts(sought.channel, sought.endpoint)
                if not found:
                    return None
                return Event(
                    kind=EventKind.CONTACTS_FOUND, leg_id=sought.leg_id, contacts=tuple(found)
                )
            case FindExtension(channel=channel, context=context, number=number):
                exists = await driver.has_extension(channel, context, number)
                return Event(kind=EventKind.EXTENSION_FOUND, number=number, exists=exists)
            case _:
                return None
    except PlatformRefusedError as error:
        logger.warning("call %s: %s: %s", call_id, sought.channel, error)
        return None


async def _find_channel(driver: Driver, channel: str) -> Event:
    there = await driver.find_channel(channel)
    if there is None:
        return Event(kind=EventKind.FOUND, channel=Channel(id=channel, alive=False))
    parked = await driver.is_parked(channel)
    return Event(kind=EventKind.FOUND, channel=there, parking=parked)
