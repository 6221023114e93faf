"""The Asterisk of these tests says what a real one said when the fixtures were recorded."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.asterisk.client import AriClient
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from tests.fakes import telephones
from tests.fakes.asterisk import FakeAsterisk

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ari"
COMPARED = {
    "StasisStart",
    "StasisEnd",
    "ChannelStateChange",
    "ChannelEnteredBridge",
    "ChannelLeftBridge",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
}
"""Kinds whose order for one channel the fake must keep. Recordings say nothing of a channel."""


def steps(events: list[dict[str, Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """What happens to each party, in its order: caller, first officer, second officer."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for event in events:
        if event["type"] in COMPARED:
            channel = event["channel"]
            party = "caller" if "caller-" in channel["name"] else channel["name"][6:10]
            # The recordings have `subscribeAll`: only there a caller's channel is "destroyed".
            if (party, event["type"]) != ("caller", "ChannelDestroyed"):
                cause = event.get("cause")
                found.setdefault(party, []).append((event["type"], channel["state"], cause))
    return found


async def ring(ari: AriClient, number: str, leg: str) -> None:
    query = {"endpoint": f"PJSIP/{number}", "app": "linkage", "appArgs": f"leg,{number}"}
    await ari.request("POST", f"/channels/{leg}", query, {"variables": {}})


async def talk(fake: FakeAsterisk, ari: AriClient) -> str:
    caller = await fake.call()
    await ring(ari, "1001", "leg-1")
    await fake.pick_up("1001")
    await ari.request("POST", f"/channels/{caller}/answer")
    await ari.request("POST", "/bridges", {"bridgeId": "bridge-1"})
    for channel in (caller, "leg-1"):
        await ari.request("POST", "/bridges/bridge-1/addChannel", {"channel": channel})
    return caller


async def answered_and_recorded(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await talk(fake, ari)
    await fake.hang_up(caller)
    await ari.request("DELETE", "/channels/leg-1")


async def caller_gives_up(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    await ring(ari, "1004", "leg-1")
    await fake.hang_up(caller, 127)
    await ari.request("DELETE", "/channels/leg-1")


async def officer_busy(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    fake.telephones["1003"] = "busy"
    await ring(ari, "1003", "leg-1")
    await ari.request("DELETE", f"/channels/{caller}")


async def officer_rejects(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    fake.telephones["1005"] = "rejected"
    await ring(ari, "1005", "leg-1")
    await ari.request("DELETE", f"/channels/{caller}")


async def ring_all(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    await ring(ari, "1001", "leg-1")
    await ring(ari, "1004", "leg-2")
    await fake.pick_up("1001")
    await ari.request("DELETE", "/channels/leg-2")
    await ari.request("POST", f"/channels/{caller}/answer")
    await ari.request("POST", "/bridges", {"bridgeId": "bridge-1"})
    for channel in (caller, "leg-1"):
        await ari.request("POST", "/bridges/bridge-1/addChannel", {"channel": channel})
    await fake.hang_up(caller)
    await ari.request("DELETE", "/channels/leg-1")


async def blind_transfer(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await talk(fake, ari)
    await ari.request("DELETE", "/channels/leg-1")
    await ring(ari, "1002", "leg-2")
    await fake.pick_up("1002")
    await ari.request("POST", "/bridges/bridge-1/addChannel", {"channel": "leg-2"})
    await ari.request("DELETE", f"/channels/{caller}")
    await ari.request("DELETE", "/channels/leg-2")


async def officer_consults(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    await ring(ari, "1011", "leg-1")
    await fake.pick_up("1011")
    await ari.request("POST", f"/channels/{caller}/answer")
    await ari.request("POST", "/bridges", {"bridgeId": "bridge-1"})
    for channel in (caller, "leg-1"):
        await ari.request("POST", "/bridges/bridge-1/addChannel", {"channel": channel})
    function = {"variable": "PJSIP_TRANSFER_HANDLING()", "value": "ari-only"}
    await ari.request("POST", "/channels/leg-1/variable", function)
    officer = await fake.call("1012", "1011", "officer")
    await ring(ari, "1012", "leg-2")
    await fake.pick_up("1012")
    await ari.request("POST", f"/channels/{officer}/answer")
    await ari.request("POST", "/bridges", {"bridgeId": "bridge-2"})
    for channel in (officer, "leg-2"):
        await ari.request("POST", "/bridges/bridge-2/addChannel", {"channel": channel})
    await telephones.press_transfer(fake, "leg-1", "1012", officer)
    answered = {"states": "channel_answered"}
    await ari.request("POST", "/channels/leg-1/transfer_progress", answered)
    await ari.request("POST", "/bridges/bridge-1/addChannel", {"channel": "leg-2"})
    fake.watched.add(officer)
    for channel in ("leg-1", officer, caller, "leg-2"):
        await ari.request("DELETE", f"/channels/{channel}")


async def officer_forwards(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    fake.telephones["1011"] = "dialled"
    await ring(ari, "1011", "leg-1")
    await telephones.send_on(fake, "1011", "1012")
    (half,) = [each for each in fake.lines if each.endswith(";1")]
    await ari.request("DELETE", f"/channels/{half}")
    await ari.request("DELETE", f"/channels/{caller}")


async def colleague_picks_up(fake: FakeAsterisk, ari: AriClient) -> None:
    caller = await fake.call()
    await ring(ari, "1011", "leg-1")
    picker = await telephones.pick_up_for(fake, "1011", "1012")
    await ari.request("DELETE", f"/channels/{picker}")
    await ari.request("DELETE", f"/channels/{caller}")


async def caller_parked(fake: FakeAsterisk, ari: AriClient) -> None:
    await ari.request("POST", "/applications/linkage/subscription", {"eventSource": "bridge:"})
    caller = await talk(fake, ari)
    await telephones.park(fake, caller)
    colleague = await telephones.fetch(fake, caller, "1012")
    fake.watched.add(colleague)
    for channel in ("leg-1", caller, colleague):
        await ari.request("DELETE", f"/channels/{channel}")


SITUATIONS: list[Callable[[FakeAsterisk, AriClient], Awaitable[None]]] = [
    answered_and_recorded,
    caller_gives_up,
    officer_busy,
    officer_rejects,
    ring_all,
    blind_transfer,
    officer_consults,
    officer_forwards,
    colleague_picks_up,
    caller_parked,
]


def shapes(events: list[dict[str, Any]]) -> list[Any]:
    """Which names the events have that say what a telephone wants, below their own."""

    def names(value: Any) -> Any:
        if not isinstance(value, dict) or "technology" in value or "bridge_class" in value:
            return "…"
        if "dialplan" in value:
            return "channel"
        return {key: names(value[key]) for key in value.keys() - {"additional_protocol_params"}}

    told = ("refer_to", "referred_by", "forward", "forwarded", "state")
    return [
        {key: names(event[key]) for key in told if key in event}
        for event in events
        if event["type"] == "ChannelTransfer" or "forwarded" in event
    ]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
async def test_the_fake_says_what_the_real_one_said(
    situation: Callable[[FakeAsterisk, AriClient], Awaitable[None]],
) -> None:
    name = getattr(situation, "__name__", "")
    recorded = (FIXTURES / f"{name}.jsonl").read_text().splitlines()
    async with (
        FakeAsterisk() as fake,
        AriClient(read_settings(Settings, "pbx", fake.settings())) as ari,
    ):
        await ari.connect()
        await situation(fake, ari)
        real = [json.loads(line) for line in recorded]
        assert steps(fake.events) == steps(real)
        assert shapes(fake.events) == shapes(real)


async def test_the_fake_wants_the_right_password() -> None:
    async with (
        FakeAsterisk() as fake,
        aiohttp.ClientSession() as http,
        http.get(f"{fake.url}/ari/channels") as response,
    ):
        assert response.status == 401
