"""The simulators against a real linkage: served until stopped, recording, refused, misled."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import simulators.application
import simulators.platform
import simulators.screen
from linkage.client import RegistrationRefusedError
from linkage.config.file import Config
from linkage.server.server import Server
from protocol.messages import CreateEvent, RecordingAction, RecordingControl, RecordingNotice
from simulators.application import open_application
from simulators.background import Background
from simulators.clock import RealClock, VirtualClock
from simulators.platform import open_platform, with_fresh_ids
from simulators.runner import run_scenario
from simulators.scenario import Expectation, Place, load_scenario, parse_scenario
from simulators.screen import ScreenKind, open_screen
from simulators.watch import Sighting, Way

SECRET = "a secret for the tests"
SPEED = 50.0
TIMEOUT_S = 30.0


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """Where a linkage listens that knows a platform, a desk, and a screen of each kind."""
    peers = [
        {"id": "dispatch", "role": "platform", "secret": SECRET},
        {"id": "duty-desk", "role": "application", "secret": SECRET, "platform": "dispatch"},
        {"id": "panel", "role": "communication-screen", "secret": SECRET, "login": "23"},
        {"id": "desk-1", "role": "business-screen", "secret": SECRET, "application": "duty-desk"},
    ]
    config = {"data": tmp_path / "data", "listen": ["127.0.0.1:0"], "peer": peers}
    async with Server(Config.model_validate(config)) as server:
        yield server.addresses[0]


class Seen:
    """Sightings of a served simulator, to wait for."""

    def __init__(self) -> None:
        self._sightings: list[Sighting] = []
        self._woken = asyncio.Event()

    def __call__(self, sighting: Sighting) -> None:
        self._sightings.append(sighting)
        self._woken.set()

    async def wait_for(self, number: int, way: Way) -> Sighting:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                self._woken.clear()
                for sighting in self._sightings:
                    if sighting.message.number == number and sighting.way is way:
                        return sighting
                await self._woken.wait()


async def test_platform_desk_and_screen_are_served_until_they_are_stopped(
    address: tuple[str, int],
) -> None:
    scenario = load_scenario("playground")
    desk, platform, panel = Seen(), Seen(), Seen()
    works: dict[str, Coroutine[Any, Any, None]] = {
        "desk": simulators.application.serve(
            *address, "duty-desk", secret=SECRET, scenario=scenario, speed=SPEED, on_sighting=desk
        ),
        "panel": simulators.screen.serve(
            *address, "panel", secret=SECRET, kind=ScreenKind.COMMUNICATION, on_sighting=panel
        ),
        "platform": simulators.platform.serve(
            *address,
            "dispatch",
            secret=SECRET,
            scenario=scenario,
            speed=SPEED,
            on_sighting=platform,
        ),
    }
    background = Background()
    for name, work in works.items():
        background.start(work, name)
    incoming = await desk.wait_for(100, Way.RECEIVED)
    created = await desk.wait_for(201, Way.SENT)
    assert isinstance(created.message, CreateEvent)
    assert created.message.event_id == incoming.message.call_id
    assert (await platform.wait_for(201, Way.RECEIVED)).result == 0
    assert (await panel.wait_for(300, Way.RECEIVED)).message.call_id == incoming.message.call_id
    await background.stop()


async def test_a_recording_is_a_file_with_the_size_and_digest_that_were_told(
    address: tuple[str, int], tmp_path: Path
) -> None:
    site = load_scenario("playground").site
    clock = RealClock(speed=SPEED)
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    async with (
        open_application(*address, "duty-desk", secret=SECRET, clock=clock) as desk,
        open_platform(
            *address, "dispatch", secret=SECRET, site=site, clock=clock, folder=recordings
        ) as platform,
    ):
        call_id = platform.call("13900000001", "2222")
        await desk.watch.wait_for(115, CallId=call_id, State=4)
        assert (
            await desk.send(RecordingControl(call_id=call_id, action=RecordingAction.START)) == 1
        )
        await desk.watch.wait_for(108, Action=1)
        platform.hang_up("13900000001")
        saved = await desk.watch.wait_for(108, Action=5)
    assert isinstance(saved, RecordingNotice)
    (file,) = recordings.iterdir()
    assert saved.size == file.stat().st_size
    assert saved.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


async def test_a_recording_that_cannot_be_written_is_told_as_failed(
    address: tuple[str, int], tmp_path: Path
) -> None:
    site = load_scenario("playground").site
    clock = RealClock(speed=SPEED)
    async with (
        open_application(*address, "duty-desk", secret=SECRET, clock=clock) as desk,
        open_platform(
            *address, "dispatch", secret=SECRET, site=site, clock=clock, folder=tmp_path / "none"
        ) as platform,
    ):
        call_id = platform.call("13900000001", "2222")
        await desk.watch.wait_for(115, CallId=call_id, State=4)
        await desk.send(RecordingControl(call_id=call_id, action=RecordingAction.START))
        await desk.watch.wait_for(108, Action=1)
        platform.hang_up("13900000001")
        await desk.watch.wait_for(108, Action=6, Reason=300)


async def test_a_screen_acts_and_is_told_what_is_refused(address: tuple[str, int]) -> None:
    async with open_screen(
        *address, "panel", secret=SECRET, kind=ScreenKind.COMMUNICATION
    ) as screen:
        result = await screen.act(402, CallId="12345")
        assert result >= 100
        assert screen.watch.sightings[-1].way is Way.REFUSED
        with pytest.raises(ValueError, match="no message type"):
            await screen.act(999)
        with pytest.raises(ValueError, match="has no Colour"):
            await screen.act(402, Colour="red")


async def test_a_business_screen_logs_in(address: tuple[str, int]) -> None:
    async with open_screen(*address, "desk-1", secret=SECRET) as screen:
        assert screen.client.peer_id == "desk-1"


async def test_a_wrong_secret_is_told_with_its_remedy(address: tuple[str, int]) -> None:
    site = load_scenario("playground").site
    with pytest.raises(RegistrationRefusedError, match=r"\[\[peer\]\]"):
        async with open_platform(
            *address, "dispatch", secret="x" * 20, site=site, clock=RealClock()
        ):
            pytest.fail("must not be let in")


async def test_a_scenario_that_goes_otherwise_says_what_was_missing_and_what_was_not(
    address: tuple[str, int],
) -> None:
    scenario = load_scenario("no-answer")
    wrong = replace(
        scenario,
        expects=(Expectation(at=Place.APPLICATION, number=105),),
        nevers=(Expectation(at=Place.APPLICATION, number=102, where={"Reason": 102}),),
        limit_s=60.0,
    )
    result = await run_scenario(wrong, address, platform_secret=SECRET, application_secret=SECRET)
    assert not result.passed
    assert [str(one) for one in result.missing] == ["105 at the application"]
    assert [sighting.message.number for sighting in result.unexpected] == [102]
    described = result.describe()
    assert "no-answer: FAILED" in described
    assert "missing:    105 at the application" in described
    assert result.took_s == pytest.approx(60.0)


async def test_nothing_of_a_scenario_happens_before_both_ends_are_there(
    address: tuple[str, int],
) -> None:
    """Its clock jumps as soon as nothing stirs, and while one still connects, nothing does."""
    sent: list[Sighting] = []
    await run_scenario(
        replace(load_scenario("conference"), limit_s=2.0),
        address,
        platform_secret=SECRET,
        application_secret=SECRET,
        clock=VirtualClock(quiet_s=0.0),
        on_sighting=sent.append,
    )
    assert sent
    assert (sent[0].message.number, sent[0].way) == (210, Way.SENT)


async def test_an_error_in_a_script_ends_the_run_with_it(address: tuple[str, int]) -> None:
    scenario = parse_scenario(
        {
            "name": "broken",
            "platform": {"id": "dispatch"},
            "application": {
                "id": "duty-desk",
                "rule": [{"send": 201, "with": {"EventId": "$Nothing"}}],
            },
            "expect": [{"type": 100}],
        },
        "broken.toml",
    )
    with pytest.raises(ValueError, match="EventId"):
        async with asyncio.timeout(TIMEOUT_S):
            await run_scenario(
                scenario, address, platform_secret=SECRET, application_secret=SECRET
            )


async def test_ids_do_not_come_again_from_run_to_run(address: tuple[str, int]) -> None:
    for _ in range(2):
        result = await run_scenario(
            load_scenario("no-answer"),
            address,
            platform_secret=SECRET,
            application_secret=SECRET,
        )
        assert result.passed, result.describe()
    site = load_scenario("playground").site
    assert with_fresh_ids(site, RealClock()).first_call_id > 10**9
