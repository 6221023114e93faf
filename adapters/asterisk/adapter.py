"""The adapter for Asterisk: one link to one Asterisk, served by `adapters.voice`."""

from __future__ import annotations

from typing import ClassVar

from adapters.asterisk.ari import AriClient
from adapters.asterisk.driver import AsteriskDriver
from adapters.asterisk.ownership import Ownership
from adapters.asterisk.settings import read_settings
from adapters.voice.adapter import VoiceAdapter
from linkage.ports import AdapterContext, AdapterPort


class AsteriskAdapter(VoiceAdapter):
    """Asterisk 18–22 over ARI: hotlines, transfers, holding, conferences, recordings.

    Raises `SettingsError` (an `AdapterRefusedError`) on construction when the settings are wrong.
    """

    name: ClassVar[str] = "asterisk"
    platform: ClassVar[str] = "Asterisk"

    def __init__(self, context: AdapterContext) -> None:
        self._settings = read_settings(context.peer_id, context.settings, context.folder)
        super().__init__(context, self._settings)
        self._ownership = Ownership(self._settings.app, context.peer_id, context.clock)

    async def run(self, port: AdapterPort) -> None:
        """Connect, resync, and translate until cancelled or the link is lost."""
        async with AriClient(self._settings) as ari:
            await self._ownership.take(ari)
            await ari.connect()
            await self.serve(AsteriskDriver(ari, self._settings, self._ownership), port)
