"""An adapter, a real Asterisk, and telephones that do things by themselves: what tests share.

Who hears whom is told by the tone that each telephone sends, never by what Asterisk claims.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters.asterisk.client import AriClient
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from protocol.messages import CallState, CallStateNotice, HangupNotice, HangupScope
from tests.fakes.running_adapter import Place, Running
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.telephone import Line, Telephone

HOTLINE: Final = "12345"
OTHER_HOTLINE: Final = "54321"
CALLER: Final = "13800138000"
OUTSIDE: Final = "13912344444"
LOGINS: Final = {"1001": "23", "1002": "13", "1003": "33"}
TONES_HZ: Final = {"1001": 600, "1002": 900, "1003": 1300}
LOOK_S: Final = 0.05
WAIT_S: Final = 30.0


@dataclass
class Stage:
    """Three officers' telephones, a caller's, and one behind the trunk."""

    asterisk: AsteriskServer
    place: Place
    officers: dict[str, Telephone]
    caller: Telephone
    outside: Telephone

    async def channels(self) -> list[str]:
        """Names of the channels that live at Asterisk."""
        return [each["name"] for each in await self.ask("GET", "/channels")]

    async def left(self) -> list[str]:
        """What lives at Asterisk, channels and bridges of ours."""
        bridges = [each["id"] for each in await self.ask("GET", "/bridges")]
        return [*await self.channels(), *(each for each in bridges if each.startswith("linkage"))]

    async def of(self, line: Line) -> str:
        """The name of the channel that a line has at Asterisk."""
        for each in await self.ask("GET", "/channels"):
            if each["protocol_id"] == line.call_id:
                return str(each["name"])
        raise AssertionError(f"no channel of {line.phone.number}")

    async def ask(self, method: str, path: str, **query: str) -> Any:
        """A request to Asterisk beside the adapter's."""
        async with AriClient(read_settings(Settings, "pbx", self.place.settings)) as ari:
            return await ari.request(method, path, query)

    async def transfers_by_itself(self) -> None:
        """Let every channel that lives now be as one of an older Asterisk (before 20.13, 22.3)."""
        for each in await self.ask("GET", "/channels"):
            if each["dialplan"]["app_name"] != "Stasis":
                continue  # it rings, and transfers nobody
            path = f"/channels/{each['id']}/variable"
            await self.ask("POST", path, variable="PJSIP_TRANSFER_HANDLING()", value="core")

    async def talk(
        self, adapter: Running, dials: str = HOTLINE, number: str = "1001"
    ) -> tuple[str, Line, Line]:
        """The caller and an officer speak: CallId, the caller's line, the officer's."""
        line = await self.caller.dial(dials)
        call_id = await bridged(adapter)
        officer = await self.officers[number].rung()
        await together(line, officer)
        return call_id, line, officer

    async def over(self, adapter: Running, call_id: str) -> HangupNotice:
        """Wait until a call is over and nothing is left of any, here and at Asterisk."""
        end = await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)
        await self.nobody_is_left_hanging()
        return end

    async def nobody_is_left_hanging(self) -> None:
        """Wait until no channel lives and the adapter remembers no call."""
        memory = self.place.memory
        await memory.until(lambda: memory.table.keys() == {"link"})
        try:
            async with asyncio.timeout(WAIT_S):
                while await self.left():  # noqa: ASYNC110 - nobody tells of foreign channels
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(await self.left()) from None


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    trunk: bool = False,
    dialplan: str = "",
    hotline: dict[str, Any] | None = None,
    second: Telephone | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Everything plugged in; officer 1001 has the hotline, 1002 the other one.

    `second` is one more telephone that is registered for 1001.
    """
    officers = {number: Telephone(number, tone_hz=hz) for number, hz in TONES_HZ.items()}
    caller, outside = Telephone(CALLER, tone_hz=400), Telephone(OUTSIDE, tone_hz=1700)
    ports: dict[str, int | list[int]] = {number: phone.port for number, phone in officers.items()}
    more = [] if second is None else [second]
    ports["1001"] = [officers["1001"].port, *(phone.port for phone in more)]
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(
            AsteriskServer(
                officers=ports,
                trunk_port=outside.port,
                dialplan=dialplan,
            )
        )
        for phone in (*officers.values(), caller, outside, *more):
            await stack.enter_async_context(phone.at(asterisk))
        made = {
            "url": asterisk.ari_url.removesuffix("/ari"),
            "user": asterisk.ari_user,
            "password": asterisk.ari_password,
            "ring_s": 10,
            "hotline": {
                HOTLINE: {"officers": ["1001"], "ring_s": 10, **(hotline or {})},
                OTHER_HOTLINE: {"officers": ["1002"], "ring_s": 10},
            },
            "officer": {
                number: {"login": login, "endpoint": f"PJSIP/{number}"}
                for number, login in LOGINS.items()
            },
            **({"trunk": "PJSIP/{number}@trunk"} if trunk else {}),
            **settings,
        }
        yield Stage(asterisk, Place.at(folder, made), officers, caller, outside)


async def bridged(adapter: Running) -> str:
    """Wait until the two of a call speak; its CallId."""
    return (await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)).call_id or ""


async def together(*lines: Line) -> None:
    """Return when all of these hear each other."""
    for line in lines:
        await line.hears(*(other.phone for other in lines if other is not line))
