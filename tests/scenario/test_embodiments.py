"""The patent's two embodiments through the whole system, over loopback TCP.

Once with an application that knows nothing but the patent, compared byte by byte with transcripts
written by hand; once as the profile has them, by what is seen at either end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from linkage.config.file import Config
from linkage.server.server import Server
from protocol.messages import (
    CallOutResultNotice,
    ConferenceNotice,
    HangupNotice,
    IncomingCallNotice,
    TransferNotice,
)
from simulators.background import Background
from simulators.clock import VirtualClock
from simulators.message_values import texts
from simulators.platform.simulated_platform import open_platform
from simulators.runner import ScenarioResult, run_scenario
from simulators.scenario import built_in_scenarios, load_scenario
from simulators.watch import Way
from tests.scenario.transcript import FRAME_MESSAGE, Bindings, Line, read_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "fixtures" / "transcripts"
PLATFORM_SECRET = "the secret of the platform"
APPLICATION_SECRET = "the secret of the desk"
FLAG_HEARTBEAT = 0x02
TIMEOUT_S = 30.0
PLAYED = [name for name in built_in_scenarios() if load_scenario(name).expects]


def config(data: Path, **application: Any) -> Config:
    peers = [
        {"id": "dispatch", "role": "platform", "secret": PLATFORM_SECRET},
        {"id": "duty-desk", "role": "application", "platform": "dispatch", **application},
    ]
    return Config.model_validate({"data": data, "listen": ["127.0.0.1:0"], "peer": peers})


# --- only the patent -----------------------------------------------------------------------------
class LegacyApplication:
    """A business platform as the patent has it: a TCP server that plays its part of a transcript.

    It frames by hand and shares no code with linkage.
    """

    def __init__(self, lines: list[Line], clock: VirtualClock) -> None:
        self.done = asyncio.Event()
        self.gone = asyncio.Event()
        self.begin = asyncio.Event()
        """Set when the platform is there: linkage dials the application whether it is or not."""
        self.problem: Exception | None = None
        self._lines = lines
        self._clock = clock
        self._bindings = Bindings()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.begin.wait()
            await self._play(reader, writer)
        except (AssertionError, asyncio.IncompleteReadError) as problem:
            self.problem = problem
        self.done.set()
        # Nothing more may come but heartbeats, until linkage ends the connection.
        while header := await reader.read(4):
            if header[0] != FLAG_HEARTBEAT:
                self.problem = self.problem or AssertionError(f"too much: {header!r}")
        writer.close()
        await writer.wait_closed()
        self.gone.set()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for index, line in enumerate(self._lines):
            if line.seconds:
                await self._pass(line.seconds)
            elif line.sender == "application":
                writer.write(self._bindings.frame(line))
            else:
                await self._expect(reader, line)
            self._account(index)

    async def _expect(self, reader: asyncio.StreamReader, line: Line) -> None:
        received = await read_frame(reader)
        self._bindings.bind(line, received[4:])
        assert received == self._bindings.frame(line), f"step {line.step}"

    def _account(self, index: int) -> None:
        """Let time go on once everything that a notice causes has been sent."""
        line = self._lines[index]
        following = self._lines[index + 1 : index + 2]
        if line.sender == "application" and not line.is_request:
            self._clock.seen(int(line.payload.split(b'Type="')[1][:3]))
        if following and following[0].sender == "application":
            self._clock.sent(0)
            self._clock.seen(0)

    async def _pass(self, seconds: float) -> None:
        passed = asyncio.Event()
        self._clock.call_at(self._clock.now() + seconds, passed.set)
        await passed.wait()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame that is no heartbeat, with its header."""
    while True:
        header = await reader.readexactly(4)
        payload = await reader.readexactly(int.from_bytes(header[2:]))
        if header[0] != FLAG_HEARTBEAT:
            assert header[0] == FRAME_MESSAGE
            return header + payload


@asynccontextmanager
async def legacy_run(name: str, data: Path) -> AsyncIterator[LegacyApplication]:
    """Linkage between a legacy application, which it dials, and a native platform."""
    clock = VirtualClock()
    lines = read_transcript(TRANSCRIPTS / f"{name}.txt")
    application = LegacyApplication(lines, clock)
    listener = await asyncio.start_server(application.serve, "127.0.0.1", 0)
    dial = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    scenario = load_scenario(f"patent-{name}")
    background = Background()
    async with listener:
        async with (
            Server(config(data, legacy=True, dial=dial)) as server,
            open_platform(
                *server.addresses[0],
                "dispatch",
                secret=PLATFORM_SECRET,
                site=scenario.site,
                clock=clock,
                accounted=True,
            ) as platform,
        ):
            platform.play(scenario.calls)
            background.start(clock.run(), "clock")
            application.begin.set()
            try:
                yield application
            finally:
                await background.stop()
        async with asyncio.timeout(TIMEOUT_S):
            await application.gone.wait()


@pytest.mark.parametrize("name", ["alarm", "conference"])
async def test_an_application_of_the_patent_gets_the_patents_bytes(
    name: str, tmp_path: Path
) -> None:
    async with legacy_run(name, tmp_path) as application:
        async with asyncio.timeout(TIMEOUT_S):
            await application.done.wait()
        assert application.problem is None, application.problem


@pytest.mark.parametrize(("name", "messages", "steps"), [("alarm", 10, 6), ("conference", 12, 6)])
def test_the_transcripts_are_complete(name: str, messages: int, steps: int) -> None:
    lines = [line for line in read_transcript(TRANSCRIPTS / f"{name}.txt") if line.payload]
    assert len(lines) == messages
    assert len({line.step for line in lines}) >= steps - 1
    assert all(line.sender in {"linkage", "application"} for line in lines)


# --- the profile ---------------------------------------------------------------------------------
async def play(name: str, data: Path) -> ScenarioResult:
    async with (
        asyncio.timeout(TIMEOUT_S),
        Server(config(data, secret=APPLICATION_SECRET)) as server,
    ):
        return await run_scenario(
            load_scenario(name),
            server.addresses[0],
            platform_secret=PLATFORM_SECRET,
            application_secret=APPLICATION_SECRET,
        )


def sequence(result: ScenarioResult, place: str, way: Way) -> list[int]:
    return [
        sighting.message.number
        for sighting in result.sightings
        if sighting.place == place and sighting.way is way
    ]


@pytest.mark.parametrize("name", PLAYED)
async def test_every_built_in_scenario_plays_as_it_expects(name: str, tmp_path: Path) -> None:
    result = await play(name, tmp_path)
    assert result.passed, result.describe()


@pytest.mark.parametrize("name", ["alarm", "conference"])
async def test_linkage_delivers_what_the_platform_said_in_its_order(
    name: str, tmp_path: Path
) -> None:
    result = await play(name, tmp_path)
    said = sequence(result, "platform", Way.SENT)
    heard = [n for n in sequence(result, "application", Way.RECEIVED) if n != 101]
    assert len(said) > 10
    assert heard == said


async def test_the_alarm_is_one_event_with_an_operation_for_each_leg(tmp_path: Path) -> None:
    result = await play("alarm", tmp_path)
    heard = [
        sighting.message
        for sighting in result.sightings
        if sighting.place == "application" and sighting.way is Way.RECEIVED
    ]
    call = next(notice for notice in heard if isinstance(notice, IncomingCallNotice))
    transfers = [notice for notice in heard if isinstance(notice, TransferNotice)]
    ends = [notice for notice in heard if isinstance(notice, HangupNotice)]
    assert call.op_id is not None
    assert {notice.event_id for notice in [*transfers, *ends]} == {"1213243"}
    whole = [notice for notice in ends if notice.call_id == call.call_id]
    assert [notice.op_id for notice in whole] == [call.op_id]
    legs = {notice.call_id: notice.op_id for notice in ends if notice.parent_call_id is not None}
    assert len(legs) == 2
    assert len({call.op_id, *legs.values()}) == 3


async def test_the_conference_tells_who_joined_and_who_did_not(tmp_path: Path) -> None:
    result = await play("conference", tmp_path)
    heard = [
        sighting.message
        for sighting in result.sightings
        if sighting.place == "application" and sighting.way is Way.RECEIVED
    ]
    persons = [texts(notice) for notice in heard if isinstance(notice, CallOutResultNotice)]
    assert [(one["StaffId"], one["Reason"]) for one in persons] == [
        ("123", "NULL"),
        ("124", "NULL"),
        ("138", "123"),
        ("139", "NULL"),
    ]
    assert {one["EventId"] for one in persons} == {"1213243"}
    stages = [notice.action for notice in heard if isinstance(notice, ConferenceNotice)]
    assert stages == [1, 2, 3]
    asked = {one["RequestId"] for one in persons}
    assert len(asked) == 1
    assert asked != {"NULL"}
