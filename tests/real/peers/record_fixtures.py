"""Record what a real Asterisk says over ARI, for the adapter's unit tests.

    python -m tests.real.peers.record_fixtures [NAME ...]

writes `tests/fixtures/ari/NAME.jsonl`, one event per line as it came. Every function below is one
situation; its name is the file's. The telephones: 1001 and 1002 answer, 1003 is busy, 1004 rings
for ever, 1005 rejects, 1006 is not there, 1007 is unallocated, 1008 answers and hangs up after a
second, 1009 is unavailable, 1010 transfers to 2222 by its own key. At 1011 and 1012 a situation
presses the keys itself.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.real.peers.ari import AriProbe, about
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.ports import free_port
from tests.real.peers.sipp import (
    BUSY,
    FOREVER_S,
    REJECTED,
    UNALLOCATED,
    UNAVAILABLE,
    Dtmf,
    Hold,
    Refer,
    Script,
    SippCaller,
    SippOfficer,
    Talk,
    Unhold,
)
from tests.real.peers.telephone import Forwards, Rings, Telephone

FIXTURES: Final = Path(__file__).parents[2] / "fixtures" / "ari"
HOTLINE: Final = "12345"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a situation has at hand."""

    asterisk: AsteriskServer
    ari: AriProbe
    keys: dict[str, Telephone]
    answers: dict[str, object] = field(default_factory=dict)
    """What requests brought that belong to the situation."""

    def caller(self, *script: object, patience_s: float = 30.0) -> SippCaller:
        """Return somebody who will dial the hotline."""
        steps: Script = script or (Talk(FOREVER_S),)  # type: ignore[assignment]  # a tuple of steps is a script
        return SippCaller(
            self.asterisk.sip_port, dials=HOTLINE, script=steps, patience_s=patience_s
        )

    async def ring(self, number: str, leg: str, caller: str = "", **more: str) -> None:
        """Ring an officer on a leg of the application's."""
        if caller:
            more["originator"] = caller
        await self.ari.post(
            "/channels",
            endpoint=f"PJSIP/{number}",
            app=self.asterisk.app,
            appArgs=f"officer-leg,{number}",
            channelId=leg,
            **more,
        )

    async def leave_transfers_to_us(self, channel: str) -> None:
        """Have Asterisk tell of a telephone's transfer instead of making it."""
        await self.ari.post(
            f"/channels/{channel}/variable",
            variable="PJSIP_TRANSFER_HANDLING()",
            value="ari-only",
        )

    async def join(self, bridge: str, *channels: str) -> None:
        """Make a mixing bridge and put channels into it."""
        await self.ari.post("/bridges", type="mixing", bridgeId=bridge, name=bridge)
        await self.ari.post(f"/bridges/{bridge}/addChannel", channel=",".join(channels))

    async def talk(self, number: str = "1001") -> str:
        """Answer the caller, ring an officer, bridge both; return the caller's channel."""
        caller = await self.ari.start_of("caller")
        await self.ari.post(f"/channels/{caller}/ring")
        await self.ring(number, "leg-1", caller, timeout="30")
        await self.ari.start_of("officer-leg")
        await self.ari.post(f"/channels/{caller}/answer")
        await self.join("bridge-1", caller, "leg-1")
        await self.ari.next("ChannelEnteredBridge", about("leg-1"))
        return caller

    async def hang_up(self, *channels: str) -> None:
        """End channels that may have ended already, and see them go."""
        for channel in channels:
            status, _ = await self.ari.try_request("DELETE", f"/channels/{channel}")
            if status < 300:
                await self.ari.next("ChannelDestroyed", about(channel))


async def answered_and_recorded(stage: Stage) -> None:
    """Hotline → officer, bridged, recorded as a bridge and by channel; the caller hangs up."""
    async with stage.caller(Talk(2)) as phone:
        caller = await stage.talk()
        await stage.ari.post("/bridges/bridge-1/record", name="rec-bridge", format="wav")
        await stage.ari.post("/channels/leg-1/record", name="rec-channel", format="wav")
        await phone.wait()
        await stage.ari.next("StasisEnd", about(caller))
        await stage.hang_up("leg-1")
        await stage.ari.delete("/bridges/bridge-1")
        await stage.ari.next("BridgeDestroyed")


async def officer_hangs_up(stage: Stage) -> None:
    """The officer ends the call; the caller stays until the application lets go."""
    async with stage.caller() as phone:
        caller = await stage.talk("1008")
        await stage.ari.next("ChannelDestroyed", about("leg-1"))
        await stage.hang_up(caller)
        await phone.wait()


async def caller_gives_up(stage: Stage) -> None:
    """The caller cancels while the officer's telephone rings."""
    async with stage.caller(patience_s=0.7) as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ari.post(f"/channels/{caller}/ring")
        await stage.ring("1004", "leg-1", caller)
        await phone.wait()
        await stage.ari.next("StasisEnd", about(caller))
        await stage.hang_up("leg-1")


async def _failed(stage: Stage, number: str, **more: str) -> None:
    async with stage.caller() as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ari.post(f"/channels/{caller}/ring")
        await stage.ring(number, "leg-1", caller, **more)
        await stage.ari.next("ChannelDestroyed", about("leg-1"))
        await stage.ari.delete(f"/channels/{caller}", reason="busy")
        await stage.ari.next("ChannelDestroyed", about(caller))
        await phone.wait()


async def officer_busy(stage: Stage) -> None:
    """486 from the officer; the caller is told busy."""
    await _failed(stage, "1003")


async def officer_no_answer(stage: Stage) -> None:
    """The officer's telephone rings until the timeout given to `POST /channels` (2 s)."""
    await _failed(stage, "1004", timeout="2")


async def officer_rejects(stage: Stage) -> None:
    """603 from the officer."""
    await _failed(stage, "1005")


async def officer_unreachable(stage: Stage) -> None:
    """Nobody listens where the officer's telephone should be."""
    await _failed(stage, "1006")


async def officer_unallocated(stage: Stage) -> None:
    """404 from where the number should be."""
    await _failed(stage, "1007")


async def officer_unavailable(stage: Stage) -> None:
    """480 from the officer's telephone."""
    await _failed(stage, "1009")


async def ring_all(stage: Stage) -> None:
    """Two officers ring at once; the first to answer gets the call, the other leg is dropped."""
    async with stage.caller(Talk(1)) as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ring("1001", "leg-1", caller)
        await stage.ring("1004", "leg-2", caller)
        await stage.ari.start_of("officer-leg")
        await stage.hang_up("leg-2")
        await stage.ari.post(f"/channels/{caller}/answer")
        await stage.join("bridge-1", caller, "leg-1")
        await phone.wait()
        await stage.ari.next("StasisEnd", about(caller))
        await stage.hang_up("leg-1")


async def blind_transfer(stage: Stage) -> None:
    """The application moves the caller from one officer to another."""
    async with stage.caller() as phone:
        caller = await stage.talk()
        await stage.hang_up("leg-1")
        await stage.ring("1002", "leg-2", caller)
        await stage.ari.start_of("officer-leg")
        await stage.ari.post("/bridges/bridge-1/addChannel", channel="leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.hang_up(caller, "leg-2")
        await phone.wait()


async def attended_transfer(stage: Stage) -> None:
    """Caller to music; the officers consult in a second bridge; then caller and second officer."""
    async with stage.caller() as phone:
        caller = await stage.talk()
        await stage.ari.post("/bridges/bridge-1/removeChannel", channel="leg-1")
        await stage.ari.next("ChannelLeftBridge", about("leg-1"))
        await stage.ari.post("/bridges/bridge-1/moh")
        await stage.ring("1002", "leg-2", "leg-1")
        await stage.ari.start_of("officer-leg")
        await stage.join("bridge-2", "leg-1", "leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.ari.delete("/bridges/bridge-1/moh")
        # Straight from bridge to bridge: no removeChannel needed.
        await stage.ari.post("/bridges/bridge-1/addChannel", channel="leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.hang_up("leg-1")
        await stage.ari.delete("/bridges/bridge-2")
        await stage.hang_up(caller, "leg-2")
        await phone.wait()


async def hold_and_keys(stage: Stage) -> None:
    """Digits and hold by the caller's telephone, then hold, music, digits by the application."""
    async with stage.caller(Talk(0.5), Dtmf("5#"), Hold(), Talk(0.5), Unhold(), Talk(60)) as phone:
        caller = await stage.talk()
        await stage.ari.next("ChannelUnhold")
        for path in ("hold", "moh"):
            await stage.ari.post(f"/channels/{caller}/{path}")
            await stage.ari.delete(f"/channels/{caller}/{path}")
        await stage.ari.post("/channels/leg-1/dtmf", dtmf="12")
        await stage.ari.post(f"/channels/{caller}/mute", direction="in")
        await stage.ari.delete(f"/channels/{caller}/mute", direction="in")
        await stage.hang_up(caller, "leg-1")
        await phone.wait()


async def playback(stage: Stage) -> None:
    """A tone, a sound, a sound that is not there, a stopped one; on a channel and a bridge."""
    async with stage.caller() as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ari.post(f"/channels/{caller}/answer")
        for number, media in enumerate(("sound:beep", "sound:not-there", "digits:12")):
            await stage.ari.post(f"/channels/{caller}/play/play-{number}", media=media)
            await stage.ari.next("PlaybackFinished")
        await stage.ari.post(f"/channels/{caller}/play/play-tone", media="tone:ring")
        await stage.ari.next("PlaybackStarted")
        await stage.ari.delete("/playbacks/play-tone")
        await stage.ari.next("PlaybackFinished")
        await stage.join("bridge-1", caller)
        await stage.ari.post("/bridges/bridge-1/play/play-bridge", media="sound:beep")
        await stage.ari.next("PlaybackFinished")
        await stage.hang_up(caller)
        await phone.wait()


async def supervision(stage: Stage) -> None:
    """A snoop channel listens to the officer and is recorded."""
    async with stage.caller() as phone:
        caller = await stage.talk()
        await stage.ari.post(
            "/channels/leg-1/snoop/snoop-1", app=stage.asterisk.app, spy="both", appArgs="snoop"
        )
        await stage.ari.start_of("snoop")
        await stage.ari.post("/channels/snoop-1/record", name="rec-snoop", format="wav")
        await stage.ari.next("RecordingStarted")
        await stage.ari.post("/recordings/live/rec-snoop/stop")
        await stage.ari.next("RecordingFinished")
        await stage.hang_up("snoop-1", caller, "leg-1")
        await phone.wait()


async def link_lost(stage: Stage) -> None:
    """The WebSocket goes while two talk, comes again, and only then the caller hangs up."""
    async with stage.caller(Talk(3)) as phone:
        caller = await stage.talk()
        await stage.ari.disconnect()
        await stage.ari.connect()
        for what in ("applications", "bridges", "channels"):
            stage.answers[f"GET /{what}"] = await stage.ari.get(f"/{what}")
        await phone.wait()
        await stage.ari.next("ChannelLeftBridge", about(caller))
        await stage.hang_up("leg-1")


async def officer_transfers(stage: Stage) -> None:
    """The officer presses the transfer key of the telephone (REFER to another number)."""
    async with stage.caller() as phone:
        caller = await stage.talk("1010")
        await stage.ari.next("BridgeBlindTransfer")
        # The two halves of the Local channel start in either order.
        stage.ari.rewind()
        replacement = await stage.ari.next("StasisStart", lambda event: "replace_channel" in event)
        stage.ari.rewind()
        transferred = await stage.ari.start_of("officer")
        await stage.ari.next("BridgeBlindTransfer")
        await stage.ari.post(f"/channels/{transferred}/answer")
        await stage.ring("1002", "leg-2", transferred)
        await stage.ari.start_of("officer-leg")
        await stage.join("bridge-2", transferred, "leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.hang_up(caller, "leg-2", transferred, replacement["channel"]["id"], "leg-1")
        await phone.wait()


async def asterisk_stopped(stage: Stage) -> None:
    """Asterisk is told to stop while two talk and are recorded."""
    async with stage.caller() as phone:
        await stage.talk()
        await stage.ari.post("/bridges/bridge-1/record", name="rec-bridge", format="wav")
        await stage.ari.next("RecordingStarted")
        await stage.asterisk.stop()
        await stage.ari.closed()
        await phone.wait()


async def asterisk_killed(stage: Stage) -> None:
    """Asterisk is killed while two talk: the stream just ends."""
    async with stage.caller():
        await stage.talk()
        await stage.asterisk.kill()
        await stage.ari.closed()


async def conference(stage: Stage) -> None:
    """Three in one bridge; one leaves, one is thrown out, the bridge is taken down."""
    async with stage.caller() as phone:
        caller = await stage.talk()
        await stage.ring("1002", "leg-2", caller)
        await stage.ari.start_of("officer-leg")
        await stage.ari.post("/bridges/bridge-1/addChannel", channel="leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.hang_up("leg-2")
        await stage.ari.post("/bridges/bridge-1/removeChannel", channel="leg-1")
        await stage.ari.next("ChannelLeftBridge", about("leg-1"))
        await stage.ari.delete("/bridges/bridge-1")
        await stage.ari.next("BridgeDestroyed")
        await stage.hang_up(caller, "leg-1")
        await phone.wait()


async def officer_consults(stage: Stage) -> None:
    """The officer calls a colleague and presses the transfer key; Asterisk leaves it to us."""
    async with stage.caller() as phone:
        caller = await stage.talk("1011")
        await stage.leave_transfers_to_us("leg-1")
        first = await stage.keys["1011"].rung()
        await first.hold()
        second = await stage.keys["1011"].dial("1012")
        officer = await stage.ari.start_of("officer")
        await stage.ring("1012", "leg-2", officer)
        await stage.ari.start_of("officer-leg")
        await stage.ari.post(f"/channels/{officer}/answer")
        await stage.join("bridge-2", officer, "leg-2")
        await second.up()
        await first.transfer_to(second)
        await stage.ari.next("ChannelTransfer")
        path = "/channels/leg-1/transfer_progress"
        await stage.ari.post(path, states="channel_answered")
        await stage.ari.next("ChannelTransfer")
        await first.told_of_transfer()
        await stage.ari.post("/bridges/bridge-1/addChannel", channel="leg-2")
        await stage.ari.next("ChannelEnteredBridge", about("leg-2"))
        await stage.hang_up("leg-1", officer, caller, "leg-2")
        await phone.wait()


async def officer_sends_on(stage: Stage) -> None:
    """The officer presses the transfer key for a number; Asterisk leaves it to us."""
    async with stage.caller() as phone:
        caller = await stage.talk("1011")
        await stage.leave_transfers_to_us("leg-1")
        line = await stage.keys["1011"].rung()
        await line.transfer("1012")
        await stage.ari.next("ChannelTransfer")
        await stage.hang_up("leg-1", caller)
        await phone.wait()


async def officer_forwards(stage: Stage) -> None:
    """302 from the officer's telephone: Asterisk dials the other one by a Local channel."""
    stage.keys["1011"].manner = Forwards("1012")
    async with stage.caller() as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ring("1011", "leg-1", caller)
        event = await stage.ari.next("Dial", lambda event: "forwarded" in event)
        await stage.ari.next("ChannelDestroyed", about("leg-1"))
        await stage.hang_up(event["forwarded"]["id"], caller)
        await phone.wait()


async def colleague_picks_up(stage: Stage) -> None:
    """The officer's telephone rings, and a colleague takes the call by `Pickup()`."""
    stage.keys["1011"].manner = Rings()
    async with stage.caller() as phone:
        caller = await stage.ari.start_of("caller")
        await stage.ring("1011", "leg-1", caller)
        await stage.ari.next("Dial", lambda event: event["dialstatus"] == "RINGING")
        await stage.keys["1012"].dial("*8")
        picker = await stage.ari.start_of("officer-leg")
        stage.ari.rewind()
        await stage.ari.next("ChannelDestroyed", about("leg-1"))
        await stage.hang_up(picker, caller)
        await phone.wait()


async def caller_parked(stage: Stage) -> None:
    """Another program parks the caller, and a colleague fetches them."""
    async with stage.caller() as phone:
        caller = await stage.talk()
        name = (await stage.ari.get(f"/channels/{caller}"))["name"]
        await stage.asterisk.cli(f"channel redirect {name} elsewhere,park,1")
        await stage.ari.next("StasisEnd", about(caller))
        await stage.ari.next("ChannelEnteredBridge", about(caller))
        for what in ("channels", "bridges"):
            stage.answers[f"GET /{what}"] = await stage.ari.get(f"/{what}")
        line = await stage.keys["1012"].dial("*701")
        await stage.ari.next("ChannelEnteredBridge", about(caller))
        await stage.ari.next(
            "ChannelEnteredBridge", lambda event: "/1012-" in event["channel"]["name"]
        )
        await line.up()
        await stage.hang_up("leg-1", caller)
        await phone.wait()


SITUATIONS: Final[tuple[Callable[[Stage], Awaitable[None]], ...]] = (
    answered_and_recorded,
    officer_hangs_up,
    caller_gives_up,
    officer_busy,
    officer_no_answer,
    officer_rejects,
    officer_unreachable,
    officer_unallocated,
    officer_unavailable,
    ring_all,
    blind_transfer,
    attended_transfer,
    hold_and_keys,
    playback,
    supervision,
    link_lost,
    officer_transfers,
    asterisk_stopped,
    asterisk_killed,
    conference,
    officer_consults,
    officer_sends_on,
    officer_forwards,
    colleague_picks_up,
    caller_parked,
)

FEATURES: Final = """
[from-officers]
exten => *8,1,Pickup()
exten => _*7XX,1,ParkedCall(default,${EXTEN:1})
[elsewhere]
exten => park,1,Park()
"""
"""What the dialplan has beside the numbers that lead into the application."""


def telephones() -> list[SippOfficer]:
    """Return the officers' telephones, not yet started."""
    return [
        SippOfficer("1001"),
        SippOfficer("1002"),
        SippOfficer("1003", refuses=BUSY),
        SippOfficer("1004", answer_after_s=FOREVER_S),
        SippOfficer("1005", refuses=REJECTED),
        SippOfficer("1007", refuses=UNALLOCATED),
        SippOfficer("1008", script=(Talk(1),)),
        SippOfficer("1009", refuses=UNAVAILABLE),
        SippOfficer("1010", script=(Talk(0.5), Refer("2222"), Talk(5))),
    ]


async def record(situation: Callable[[Stage], Awaitable[None]]) -> tuple[str, str]:
    """Play one situation against an Asterisk of its own; return events and answers as JSON."""
    phones = telephones()
    keys = {number: Telephone(number, tone_hz=600) for number in ("1011", "1012")}
    officers = {phone.number: phone.port for phone in phones} | {"1006": free_port()}
    officers |= {number: phone.port for number, phone in keys.items()}
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(
            AsteriskServer(officers=officers, dialplan=FEATURES)
        )
        for phone in phones:
            await stack.enter_async_context(phone)
        for telephone in keys.values():
            await stack.enter_async_context(telephone.at(asterisk))
        ari = await stack.enter_async_context(AriProbe(asterisk, subscribe_all=True))
        stage = Stage(asterisk, ari, keys)
        await situation(stage)
        for phone in phones:
            phone.check()
        events = list(ari.events)
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    return lines, json.dumps(stage.answers, indent=2) + "\n" if stage.answers else ""


async def main(names: list[str]) -> None:
    """Record the named situations, or all."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for situation in SITUATIONS:
        name = getattr(situation, "__name__", "")
        if not names or name in names:
            lines, answers = await record(situation)
            (FIXTURES / f"{name}.jsonl").write_text(lines)
            if answers:
                (FIXTURES / f"{name}.answers.json").write_text(answers)
            print(f"{name}: {lines.count(chr(10))} events")  # noqa: T201 - a command


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
