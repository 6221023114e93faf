"""Asterisk behind `adapters.voice.driver`: actions become ARI requests, its events neutral."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, ClassVar, Final

from adapters.asterisk.ari_events import (
    KINDS,
    PARKING,
    REPLACED,
    arguments,
    entered,
    read_channel,
    read_event,
)
from adapters.asterisk.ari_requests import request_of
from adapters.asterisk.causes import reason_of
from adapters.asterisk.client import AriClient, AriError, segment
from adapters.asterisk.ownership import Ownership
from adapters.asterisk.settings import Settings
from adapters.voice.driver import Driver, Inventory, RecordingRefusedError
from adapters.voice.platform_actions import Action
from adapters.voice.platform_events import Channel, Event
from protocol.reasons import Reason

logger = logging.getLogger("linkage.asterisk")

REGISTERED: Final = re.compile(r"PJSIP/([A-Za-z0-9_.-]{1,80})")
"""An endpoint that is dialled where it is registered, perhaps at several places."""
HOLDS: Final = "CHANNEL(rtp,hold)"
"""What says of a channel, of PJSIP only, whether its telephone has put the other side on hold."""


class AsteriskDriver(Driver):
    """One link to one Asterisk, by a client that is connected."""

    platform: ClassVar[str] = "Asterisk"
    link_kind: ClassVar[str] = "ARI"

    def __init__(self, ari: AriClient, settings: Settings, ownership: Ownership) -> None:
        self._ari = ari
        self._settings = settings
        self._ownership = ownership
        self._entered: dict[str, Event] = {}
        """Of channels that came into our application before the events: as if told."""

    async def perform(self, action: Action, *, begin_within_s: float | None = None) -> None:
        """As `Driver.perform`: one request."""
        asked = request_of(action, self._settings)
        try:
            await self._ari.request(
                asked.method, asked.path, asked.query, asked.body, begin_within_s=begin_within_s
            )
        except AriError as error:
            if error.status not in asked.fine:
                raise

    async def ping(self, within_s: float | None = None) -> None:
        """As `Driver.ping`."""
        await self._ari.ping(within_s)

    async def renew(self) -> None:
        """Keep the Stasis application."""
        await self._ownership.renew(self._ari)

    # --- events ----------------------------------------------------------------------------------
    async def events(self) -> AsyncIterator[Event]:
        """As `Driver.events`; ends with an error also when another takes the application."""
        async for raw in self._ari.events():
            if raw.get("type") == REPLACED:
                raise await self._ownership.lost(self._ari)
            try:
                event = read_event(raw)
            except Exception:
                logger.exception("an event of Asterisk cannot be read, dropped: %.300r", raw)
                continue
            if event is not None:
                yield event

    def reason_of(
        self, cause: int | None, *, answered: bool, status: int | None, rang: bool
    ) -> Reason:
        """As `Driver.reason_of`."""
        return reason_of(cause, answered=answered, status=status, rang=rang)

    # --- what lives ------------------------------------------------------------------------------
    async def inventory(self) -> Inventory:
        """Channels and bridges; `startup` is when Asterisk was started."""
        info = await self._ari.request("GET", "/asterisk/info", {"only": "status"})
        try:
            await self._ari.request(
                "PUT",
                f"/applications/{segment(self._settings.app)}/eventFilter",
                body={"allowed": [{"type": kind} for kind in sorted(KINDS)]},
            )
        except AriError as error:
            logger.info("no event filter: %s", error)
        raw = await self._ari.request("GET", "/channels") or ()
        bridges = await self._bridges()
        status = info.get("status") if isinstance(info, dict) else None
        channels: dict[str, Channel] = {}
        for each in raw:
            channel = read_channel(each)
            if channel is not None:
                channels[channel.id] = channel
                args = arguments(each, self._settings.app)
                if args is not None:
                    self._entered[channel.id] = entered(channel, args)
        return Inventory(
            startup=str((status or {}).get("startup_time")),
            channels=channels,
            bridges={
                str(each.get("id")): frozenset(map(str, each.get("channels") or ()))
                for each in bridges
            },
        )

    def newcomer(self, channel: Channel) -> Event | None:
        """As `Driver.newcomer`, of a channel of the last inventory."""
        return self._entered.pop(channel.id, None)

    async def find_channel(self, channel: str) -> Channel | None:
        """As `Driver.find_channel`."""
        return read_channel(await self._ari.find(f"/channels/{segment(channel)}"))

    async def find_bridge(self, bridge: str) -> frozenset[str] | None:
        """As `Driver.find_bridge`."""
        found = await self._ari.find(f"/bridges/{segment(bridge)}")
        if found is None:
            return None
        inside = found.get("channels") if isinstance(found, dict) else None
        return frozenset(map(str, inside or ()))

    async def is_parked(self, channel: str) -> bool:
        """Whether it is in a bridge of parked channels."""
        return any(
            channel in each.get("channels", ()) and each.get("bridge_class") == PARKING
            for each in await self._bridges()
        )

    async def _bridges(self) -> list[dict[str, Any]]:
        found = await self._ari.request("GET", "/bridges")
        return [each for each in found or () if isinstance(each, dict)]

    async def has_hold(self, channel: str) -> bool:
        """As `Driver.has_hold`; a channel that is gone, or not of PJSIP, has none."""
        return await self._function(channel, HOLDS) == "1"

    async def variable(self, channel: str, name: str) -> str:
        """As `Driver.variable`."""
        path = f"/channels/{segment(channel)}/variable"
        try:
            answer = await self._ari.request("GET", path, {"variable": name})
        except AriError as error:
            # Also where the variable is not there. A channel that is not has none either.
            if error.status == HTTPStatus.NOT_FOUND:
                return ""
            raise
        return str(answer.get("value") or "") if isinstance(answer, dict) else ""

    async def contacts(self, channel: str, endpoint: str) -> list[str]:
        """Where an endpoint of PJSIP is registered: what `Dial()` is given to ring everywhere."""
        named = REGISTERED.fullmatch(endpoint)
        if named is None:
            return []
        found = await self._function(channel, f"PJSIP_DIAL_CONTACTS({named[1]})")
        return found.split("&")

    async def has_extension(self, channel: str, context: str, number: str) -> bool:
        """As `Driver.has_extension`."""
        return await self._function(channel, f"DIALPLAN_EXISTS({context},{number},1)") == "1"

    async def _function(self, channel: str, function: str) -> str:
        try:
            return await self.variable(channel, function)
        except AriError:  # the channel is gone, or Asterisk has no such function
            return ""

    # --- recordings ------------------------------------------------------------------------------
    async def is_recording(self, name: str) -> bool:
        """As `Driver.is_recording`."""
        return await self._is_there(f"/recordings/live/{segment(name)}")

    async def has_recording(self, name: str) -> bool:
        """As `Driver.has_recording`."""
        return await self._is_there(f"/recordings/stored/{segment(name)}")

    async def _is_there(self, path: str) -> bool:
        try:
            return await self._ari.find(path) is not None
        except AriError as error:
            logger.warning("%s: %s", path, error)
            return True

    async def download(self, name: str) -> AsyncIterator[bytes]:
        """As `Driver.download`."""
        try:
            async for piece in self._ari.download(f"/recordings/stored/{segment(name)}/file"):
                yield piece
        except AriError as error:
            raise RecordingRefusedError(_why_not(error), str(error)) from error

    async def delete_recording(self, name: str) -> None:
        """As `Driver.delete_recording`."""
        path = f"/recordings/stored/{segment(name)}"
        try:
            await self._ari.request("DELETE", path)
        except AriError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                logger.warning("%s stays at Asterisk: %s", path, error)


def _why_not(error: AriError) -> Reason:
    """The reason for what Asterisk answers about the file of a recording."""
    match error.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Reason.RECORDING_FORBIDDEN  # Asterisk may not open this file
        case HTTPStatus.NOT_FOUND:
            return Reason.RECORDING_NO_MEDIA
        case _:
            return Reason.RECORDING_UPLOAD
