"""The adapter for Asterisk: one link to one Asterisk, served by `adapters.voice`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from adapters.asterisk.client import AriClient
from adapters.asterisk.driver import AsteriskDriver
from adapters.asterisk.ownership import Ownership
from adapters.asterisk.probe import probe
from adapters.asterisk.settings import Settings
from adapters.voice.adapter import VoiceAdapter
from linkage.ports import AdapterContext, AdapterPort
from linkage.ports.probe import Finding


class AsteriskAdapter(VoiceAdapter):
    """Asterisk 18–22 over ARI: hotlines, transfers, holding, conferences, recordings."""

    name: ClassVar[str] = "asterisk"
    platform: ClassVar[str] = "Asterisk"
    settings_class: ClassVar[type[Settings]] = Settings

    def __init__(self, context: AdapterContext) -> None:
        self._settings: Settings = context.settings
        super().__init__(context, self._settings)
        self._ownership = Ownership(self._settings.app, context.peer_id, context.clock)
        self._ari: AriClient | None = None

    @classmethod
    def place_of(cls, settings: Settings) -> str:
        """The application: Asterisk gives it to who connects last."""
        return f"the application {settings.app} of {settings.base_url}"

    @classmethod
    async def probe(cls, name: str, settings: Settings) -> Sequence[Finding]:
        """See `adapters.asterisk.probe`."""
        return [finding async for finding in probe(name, settings)]

    def take_up(self, settings: Settings) -> bool:
        """Credentials alone: the requests from now on have them, the event stream stays open."""
        now = self._settings
        if dataclasses.replace(settings, user=now.user, password=now.password) != now:
            return False
        self._settings = settings
        if self._ari is not None:
            self._ari.authorize(settings)
        return True

    async def run(self, port: AdapterPort) -> None:
        """Connect, resync, and translate until cancelled or the link is lost."""
        async with AriClient(self._settings) as ari:
            self._ari = ari
            try:
                await self._ownership.take(ari)
                await ari.connect()
                await self.serve(AsteriskDriver(ari, self._settings, self._ownership), port)
            finally:
                self._ari = None
