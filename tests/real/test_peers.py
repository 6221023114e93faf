"""The harness itself: SIPp → Asterisk → Stasis → ARI, and back."""

from collections.abc import AsyncIterator

import pytest

from tests.real.peers.ari import AriProbe, about
from tests.real.peers.asterisk import AsteriskServer, PeerError
from tests.real.peers.audio import loudness, samples_of, share_of
from tests.real.peers.sipp import (
    BUSY,
    CALLER_TONE_HZ,
    FOREVER_S,
    OFFICER_TONE_HZ,
    Dtmf,
    Hold,
    SippCaller,
    SippOfficer,
    Talk,
    Unhold,
)

HOTLINE = "12345"


@pytest.fixture
async def officer() -> AsyncIterator[SippOfficer]:
    """An officer who answers and talks until hung up on."""
    async with SippOfficer("1001") as phone:
        yield phone


@pytest.fixture
async def staffed(officer: SippOfficer) -> AsyncIterator[AsteriskServer]:
    """An Asterisk that knows the officer."""
    async with AsteriskServer(officers={officer.number: officer.port}) as server:
        yield server


async def talk(ari: AriProbe) -> str:
    """Bridge the caller and the officer; return the caller's channel."""
    caller = await ari.start_of("caller")
    await ari.post(f"/channels/{caller}/answer")
    await ari.post(
        "/channels", endpoint="PJSIP/1001", app="linkage", appArgs="leg", channelId="leg"
    )
    await ari.start_of("leg")
    await ari.post("/bridges", type="mixing", bridgeId="bridge")
    await ari.post("/bridges/bridge/addChannel", channel=f"{caller},leg")
    await ari.next("ChannelEnteredBridge", about("leg"))
    return caller


async def test_both_voices_are_in_the_recording(
    staffed: AsteriskServer, officer: SippOfficer
) -> None:
    async with AriProbe(staffed) as ari:
        async with SippCaller(staffed.sip_port, dials=HOTLINE, script=(Talk(60),)) as caller:
            channel = await talk(ari)
            await ari.post("/bridges/bridge/record", name="both", format="wav")
            await staffed.recorded()
            await ari.delete(f"/channels/{channel}")
            await caller.wait()
            await ari.next("StasisEnd", about(channel))
            await ari.delete("/channels/leg")
            await ari.next("RecordingFinished")
        samples = samples_of(staffed.recordings / "both.wav")
        assert await ari.get("/recordings/stored/both/file")
    assert caller.log == ["answered", "was hung up"]
    assert officer.log[:2] == ["invited", "answered"]
    assert len(samples) > 8000  # a second
    assert loudness(samples) > 1000
    assert share_of(samples, CALLER_TONE_HZ) > 0.2
    assert share_of(samples, OFFICER_TONE_HZ) > 0.2


async def test_digits_and_hold_reach_the_application(asterisk: AsteriskServer) -> None:
    script = (Talk(0.3), Dtmf("5"), Hold(), Unhold())
    async with (
        AriProbe(asterisk) as ari,
        SippCaller(asterisk.sip_port, dials=HOTLINE, number="222", script=script) as caller,
    ):
        start = await ari.next("StasisStart")
        assert start["args"] == ["caller", HOTLINE, "222"]
        await ari.post(f"/channels/{start['channel']['id']}/answer")
        assert (await ari.next("ChannelDtmfReceived"))["digit"] == "5"
        ari.rewind()  # a key is told when it is let go, which may be after the hold
        await ari.next("ChannelHold")
        await ari.next("ChannelUnhold")
        await caller.wait()


async def test_a_caller_who_gives_up_is_told_from_one_who_hangs_up(
    asterisk: AsteriskServer,
) -> None:
    async with (
        AriProbe(asterisk, subscribe_all=True) as ari,
        SippCaller(asterisk.sip_port, dials=HOTLINE, patience_s=1.5) as caller,
    ):
        await ari.start_of("caller")
        assert (await ari.next("ChannelDestroyed"))["tech_cause"] == 487
        await caller.wait()
        assert caller.log == ["cancelled"]


async def test_a_busy_officer_is_busy() -> None:
    busy = SippOfficer("1002", refuses=BUSY)
    silent = SippOfficer("1003", answer_after_s=FOREVER_S)
    officers = {"1002": busy.port, "1003": silent.port}
    causes = {}
    async with (
        AsteriskServer(officers=officers) as asterisk,
        busy,
        silent,
        AriProbe(asterisk) as ari,
    ):
        for number in officers:
            await ari.post(
                "/channels",
                endpoint=f"PJSIP/{number}",
                app="linkage",
                channelId=number,
                timeout="3",
            )
            causes[number] = (await ari.next("ChannelDestroyed", about(number)))["cause"]
    assert causes == {"1002": 17, "1003": 19}


async def test_a_lost_link_leaves_the_call_alone(
    staffed: AsteriskServer, officer: SippOfficer
) -> None:
    async with (
        AriProbe(staffed) as ari,
        SippCaller(staffed.sip_port, dials=HOTLINE, script=(Talk(60),)) as caller,
    ):
        channel = await talk(ari)
        await ari.disconnect()
        bridge = await ari.get("/bridges/bridge")
        assert sorted(bridge["channels"]) == sorted([channel, "leg"])
        await ari.connect()
        await ari.delete(f"/channels/{channel}")
        await ari.next("StasisEnd", about(channel))
        await caller.wait()
    assert caller.log == ["answered", "was hung up"]
    officer.check()


async def test_a_killed_asterisk_starts_again_on_the_same_ports(
    asterisk: AsteriskServer,
) -> None:
    async with AriProbe(asterisk) as ari:
        async with SippCaller(asterisk.sip_port, dials=HOTLINE, script=(Talk(60),)):
            await ari.start_of("caller")
            await asterisk.kill()
            await ari.closed()
        assert not asterisk.running
        await asterisk.start()
        await ari.connect()
        assert await ari.get("/channels") == []


async def test_a_telephone_that_fails_says_why(asterisk: AsteriskServer) -> None:
    async with SippCaller(asterisk.sip_port, dials=HOTLINE, script=(Talk(0),)) as caller:
        await caller.wait()  # nobody has connected the application
        assert caller.log == ["refused 603"]
    bad = SippOfficer("1009", refuses='<broken "')
    with pytest.raises(PeerError, match="1009"):
        async with bad:
            await bad.wait()
