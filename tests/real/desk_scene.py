"""A hotline on a real Asterisk with telephones that press keys, and the adapter's side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.messages import CallState, CallStateNotice, IncomingCallNotice
from tests.fakes.running_adapter import Place, Running
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.telephone import Line, Manner, Telephone

HOTLINE = "12345"
LOGINS = {"1001": "23", "1002": "13"}
OUTSIDE = "13912344444"
TONES_HZ = {"caller": 450, "1001": 1000, "1002": 1400, "outside": 700}


@dataclass
class Desk:
    """An Asterisk, two officers' telephones, one outside behind the trunk, and a caller's."""

    asterisk: AsteriskServer
    place: Place
    caller: Telephone
    first: Telephone
    second: Telephone
    outside: Telephone

    async def talk(self, adapter: Running) -> tuple[str, Line, Line]:
        """The caller speaks with the first officer; CallId, the caller's line, the officer's."""
        caller = await self.caller.dial(HOTLINE)
        officer = await self.first.rung()
        await caller.up()
        told = await adapter.notices.next(IncomingCallNotice)
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
        await caller.hears(self.first)
        await officer.hears(self.caller)
        return told.call_id, caller, officer


@asynccontextmanager
async def desk(
    folder: Path,
    *,
    caller: str = "13800138000",
    outside: Manner | None = None,
    first: Manner | None = None,
    settings: dict[str, Any] | None = None,
    **hotline: Any,
) -> AsyncIterator[Desk]:
    """Telephones that answer at once where nothing else is said."""
    phones = {
        "1001": Telephone("1001", tone_hz=TONES_HZ["1001"], manner=first),
        "1002": Telephone("1002", tone_hz=TONES_HZ["1002"]),
    }
    trunk = Telephone("trunk", tone_hz=TONES_HZ["outside"], manner=outside)
    outer = Telephone(caller, tone_hz=TONES_HZ["caller"])
    ports = {number: phone.port for number, phone in phones.items()}
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(
            AsteriskServer(officers=ports, trunk_port=trunk.port)
        )
        for phone in (outer, trunk, *phones.values()):
            await stack.enter_async_context(phone.at(asterisk))
        place = Place.at(
            folder,
            {
                "url": asterisk.ari_url.removesuffix("/ari"),
                "user": asterisk.ari_user,
                "password": asterisk.ari_password,
                "trunk": "PJSIP/{number}@trunk",
                "hotline": {HOTLINE: {"officers": list(LOGINS), "ring_s": 10, **hotline}},
                "officer": {
                    number: {"login": login, "endpoint": f"PJSIP/{number}"}
                    for number, login in LOGINS.items()
                },
                **(settings or {}),
            },
        )
        yield Desk(asterisk, place, outer, phones["1001"], phones["1002"], trunk)
