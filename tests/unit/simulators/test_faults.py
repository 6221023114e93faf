"""The fault proxy: what it does to frames, and that it does the same for the same seed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.client import Backoff, Platform
from protocol.frames import HEARTBEAT, Framer, Heartbeat, encode_frame, heartbeat
from protocol.messages import CallDirection, IncomingCallNotice
from simulators.faults import (
    Chances,
    Cutter,
    Direction,
    Fault,
    FaultError,
    FaultPlan,
    FaultProxy,
    Injector,
    Occurrence,
    Planned,
    load_script,
)
from simulators.faults.injector import Action, Cut, HalfOpen, Send, Stall
from tests.fakes.far_end import SECRET, Far, ScriptedLinkage

WITHIN_S = 30.0
MANY = 200


def frames(number: int) -> list[bytes]:
    return [encode_frame(1, f"message {index}".encode()) for index in range(number)]


def injector(*script: Planned, chances: Chances | None = None, **options: float) -> Injector:
    plan = FaultPlan(up=chances or Chances(), script=script, seed=7, **options)  # type: ignore[arg-type]  # figures
    return Injector(plan, 1, Direction.UP)


def sent(actions: list[Action]) -> list[bytes]:
    return [action.data for action in actions if isinstance(action, Send)]


def played(through: Injector, sequence: list[bytes]) -> list[bytes]:
    """What comes out of frames that go in, to the end."""
    out = [data for frame in sequence for data in sent(through.take(frame))]
    return out + sent(through.release())


# --- one frame at a time -------------------------------------------------------------------------
def test_without_a_plan_everything_passes_unchanged() -> None:
    assert played(injector(), frames(MANY)) == frames(MANY)


def test_a_duplicate_comes_twice() -> None:
    first, second = frames(2)
    through = injector(Planned(fault=Fault.DUPLICATE, frame=1))
    assert played(through, [first, second]) == [first, first, second]


def test_a_reordered_frame_comes_after_the_next() -> None:
    first, second, third = frames(3)
    through = injector(Planned(fault=Fault.REORDER, frame=1))
    assert played(through, [first, second, third]) == [second, first, third]


def test_a_frame_that_nothing_overtakes_comes_all_the_same() -> None:
    through = injector(Planned(fault=Fault.REORDER, frame=1))
    assert played(through, frames(1)) == frames(1)


def test_a_garbled_frame_keeps_its_length_and_loses_some_bits() -> None:
    (frame,) = frames(1)
    (garbled,) = played(injector(Planned(fault=Fault.GARBLE, frame=1)), [frame])
    assert garbled[:4] == frame[:4]
    wrong = sum((a ^ b).bit_count() for a, b in zip(garbled, frame, strict=True))
    assert 1 <= wrong <= 3


def test_a_garbled_heartbeat_has_another_flag() -> None:
    (garbled,) = played(injector(Planned(fault=Fault.GARBLE, frame=1)), [heartbeat()])
    assert len(garbled) == 4
    assert garbled[0] != heartbeat()[0]
    assert garbled[1:] == heartbeat()[1:]


def test_a_cut_ends_the_stream_at_most_in_the_middle_of_the_frame() -> None:
    first, second = frames(2)
    through = injector(Planned(fault=Fault.CUT, frame=2))
    assert sent(through.take(first)) == [first]
    actions = through.take(second)
    assert isinstance(actions[-1], Cut)
    assert sent(actions) in ([], [second[: len(second) // 2]])


def test_half_open_sends_nothing_of_the_frame() -> None:
    actions = injector(Planned(fault=Fault.HALF_OPEN, frame=1)).take(frames(1)[0])
    assert isinstance(actions[-1], HalfOpen)
    assert sent(actions) == []


def test_a_stall_comes_before_the_frame_and_lasts_as_long_as_it_says() -> None:
    through = injector(Planned(fault=Fault.STALL, frame=1, seconds=9), stall_s=2)
    actions = [action for action in through.take(frames(1)[0]) if isinstance(action, Stall | Send)]
    assert actions == [Stall(9), Send(frames(1)[0])]


def test_delay_and_jitter_make_frames_late() -> None:
    through = injector(delay_s=2.0, jitter_s=1.0)
    late = [
        action.delay_s
        for frame in frames(MANY)
        for action in through.take(frame)
        if isinstance(action, Send)
    ]
    assert min(late) >= 2.0
    assert max(late) <= 3.0
    assert max(late) - min(late) > 0.5


def test_a_script_may_mean_one_connection_and_one_direction_only() -> None:
    only = Planned(fault=Fault.CUT, frame=1, connection=2, direction=Direction.DOWN)
    plan = FaultPlan(script=(only,))
    (frame,) = frames(1)
    for connection, direction in ((1, Direction.DOWN), (2, Direction.UP)):
        assert sent(Injector(plan, connection, direction).take(frame)) == [frame]
    assert isinstance(Injector(plan, 2, Direction.DOWN).take(frame)[-1], Cut)


# --- lots ----------------------------------------------------------------------------------------
def test_chances_are_what_they_say() -> None:
    through = injector(chances=Chances(duplicate=0.25))
    out = played(through, frames(4000))
    assert 900 < len(out) - 4000 < 1100


def test_the_same_seed_gives_the_same_faults_and_another_does_not() -> None:
    chances = Chances(duplicate=0.2, reorder=0.2, garble=0.2)

    def run(seed: int, connection: int = 1) -> list[bytes]:
        plan = FaultPlan(seed=seed, up=chances)
        return played(Injector(plan, connection, Direction.UP), frames(MANY))

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1) != run(1, connection=2), "connections do not share their fate"


def test_what_a_frame_holds_does_not_change_the_fate_of_the_next() -> None:
    chances = Chances(duplicate=0.3, garble=0.3)
    short, long = frames(MANY), [encode_frame(1, b"x" * 1000)] * MANY
    plan = FaultPlan(seed=3, up=chances)
    of_short = [len(sent(Injector(plan, 1, Direction.UP).take(frame))) for frame in short[:1]]
    fates = []
    for sequence in (short, long):
        through = Injector(plan, 1, Direction.UP)
        fates.append([len(sent(through.take(frame))) for frame in sequence])
    assert fates[0] == fates[1]
    assert fates[0][:1] == of_short


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=20),
    cuts=st.lists(st.integers(0, 5000), max_size=20),
)
def test_frames_are_found_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    whole = [encode_frame(1, payload) for payload in payloads]
    stream = b"".join(whole)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    cutter = Cutter()
    found = [frame for start, end in pairwise(places) for frame in cutter.feed(stream[start:end])]
    assert found == whole
    assert cutter.rest == b""


def test_other_dialects_are_cut_as_they_are() -> None:
    little = Cutter("little", own=4)
    frame = bytes((1, 0, 9, 0)) + b"hello"
    assert list(little.feed(frame + frame[:3])) == [frame]
    assert little.rest == frame[:3]


# --- plans ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make",
    [
        lambda: Chances(cut=1.5),
        lambda: Chances(garble=-0.1),
        lambda: FaultPlan(delay_s=-1),
        lambda: Planned(fault=Fault.CUT),
        lambda: Planned(fault=Fault.CUT, frame=1, at_s=1.0),
        lambda: Planned(fault=Fault.CUT, frame=0),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(FaultError):
        make()


def test_a_script_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        '[[fault]]\nkind = "cut"\nframe = 10\ndirection = "down"\n\n'
        '[[fault]]\nkind = "stall"\nat_s = 2\nseconds = 3.5\nconnection = 1\n',
        encoding="utf-8",
    )
    assert load_script(path) == (
        Planned(fault=Fault.CUT, frame=10, direction=Direction.DOWN),
        Planned(fault=Fault.STALL, at_s=2, seconds=3.5, connection=1),
    )


def test_all_problems_of_a_script_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'x = 1\n[[fault]]\nkind = "melt"\nframe = 1\n[[fault]]\nkind = "cut"\n'
        '[[fault]]\nkind = "cut"\nframe = "one"\n[[fault]]\nkind = "cut"\nfrme = 1\n',
        encoding="utf-8",
    )
    with pytest.raises(FaultError) as raised:
        load_script(path)
    lines = str(raised.value).splitlines()
    assert len(lines) == 5
    assert all(line.startswith(str(path)) for line in lines)


@pytest.mark.parametrize("text", ["[[fault", "fault = 3", "\x00"])
def test_a_script_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FaultError, match=r"faults\.toml"):
        load_script(path)


# --- over TCP ------------------------------------------------------------------------------------
class Echo:
    """A target that sends everything back, and knows who is connected."""

    def __init__(self) -> None:
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.transport.abort()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Echo]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()


class End:
    """Our end of a connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()

    async def receive(self) -> bytes | Heartbeat:
        async with asyncio.timeout(WITHIN_S):
            while (found := self._framer.next_event()) is None:
                data = await self.reader.read(65_536)
                assert data, "the connection ended"
                self._framer.receive_data(data)
            return found

    async def ended(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def through(
    plan: FaultPlan, on_fault: Callable[[Occurrence], None] = lambda _: None
) -> AsyncIterator[tuple[FaultProxy, End, Echo]]:
    """A connection to an echo through the proxy."""
    async with (
        Echo().open() as echo,
        FaultProxy(("127.0.0.1", echo.port), plan, on_fault=on_fault) as proxy,
    ):
        end = End(*await asyncio.open_connection(*proxy.address))
        try:
            yield proxy, end, echo
        finally:
            end.writer.transport.abort()


async def test_frames_pass_and_are_counted() -> None:
    async with through(FaultPlan()) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one") + heartbeat() + encode_frame(1, b"two"))
        assert [await end.receive() for _ in range(3)] == [b"one", HEARTBEAT, b"two"]
        assert proxy.stats.up.frames == proxy.stats.down.frames == 3
        assert (proxy.stats.connections, proxy.stats.open) == (1, 1)


async def test_each_direction_has_its_own_faults_and_they_are_told() -> None:
    told: list[Occurrence] = []
    plan = FaultPlan(down=Chances(duplicate=1.0))
    async with through(plan, told.append) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one"))
        assert [await end.receive(), await end.receive()] == [b"one", b"one"]
        assert proxy.stats.up.faults == {}
        assert proxy.stats.down.faults == {"duplicate": 1}
    assert [(one.direction, one.frame, one.fault) for one in told[:1]] == [
        (Direction.DOWN, 1, Fault.DUPLICATE)
    ]


async def test_a_cut_resets_both_sides() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.CUT, frame=2, direction=Direction.UP),))
    async with through(plan) as (_, end, echo):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        end.writer.write(encode_frame(1, b"two"))
        await end.ended()
        await asyncio.wait_for(echo.ended.wait(), WITHIN_S)


async def test_a_half_open_connection_stays_and_says_nothing() -> None:
    async with through(FaultPlan()) as (proxy, end, echo):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        proxy.half_open()
        end.writer.write(encode_frame(1, b"two"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await end.reader.read(1)
        end.writer.close()
        await end.writer.wait_closed()
        assert not echo.ended.is_set(), "the far side was not told"
        assert proxy.stats.open == 1


async def test_a_stalled_direction_does_not_hold_up_the_other() -> None:
    plan = FaultPlan(
        script=(Planned(fault=Fault.STALL, frame=1, direction=Direction.UP, seconds=3600),)
    )
    async with through(plan) as (_, end, echo):
        end.writer.write(encode_frame(1, b"stays"))
        async with asyncio.timeout(WITHIN_S):
            while not echo.writers:  # noqa: ASYNC110 - the proxy connects when it does
                await asyncio.sleep(0.01)
        echo.writers[0].write(encode_frame(1, b"comes"))
        assert await end.receive() == b"comes"


async def test_what_is_delayed_keeps_its_order() -> None:
    plan = FaultPlan(up=Chances(), down=Chances(delay=0), delay_s=0.05, jitter_s=0.05)
    async with through(plan) as (_, end, _):
        began = asyncio.get_running_loop().time()
        for index in range(10):
            end.writer.write(encode_frame(1, str(index).encode()))
        assert [await end.receive() for _ in range(10)] == [
            str(index).encode() for index in range(10)
        ]
        assert asyncio.get_running_loop().time() - began >= 0.05


async def test_a_frame_held_for_another_to_overtake_it_does_not_wait_for_ever() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.REORDER, frame=1, direction=Direction.UP),))
    async with through(plan) as (_, end, _):
        end.writer.write(encode_frame(1, b"alone"))
        assert await end.receive() == b"alone"


async def test_a_fault_may_be_scripted_for_a_time() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.CUT, at_s=0.05),))
    async with through(plan) as (proxy, end, _):
        await end.ended()
        assert proxy.stats.up.faults["cut"] == 1


async def test_a_stall_at_a_time_holds_up_both_directions_together() -> None:
    told: asyncio.Queue[Occurrence] = asyncio.Queue()
    plan = FaultPlan(script=(Planned(fault=Fault.STALL, at_s=0, seconds=0.4),))
    began = asyncio.get_running_loop().time()
    async with through(plan, told.put_nowait) as (_, end, _):
        stalled = await asyncio.wait_for(told.get(), WITHIN_S)
        assert (stalled.direction, stalled.frame, stalled.fault) == (None, 0, Fault.STALL)
        end.writer.write(encode_frame(1, b"there and back"))
        assert await end.receive() == b"there and back"
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert told.empty(), "the answer was not held up once more"


async def test_the_plan_may_be_exchanged_while_it_runs() -> None:
    async with through(FaultPlan()) as (proxy, end, _):
        end.writer.write(encode_frame(1, b"one"))
        assert await end.receive() == b"one"
        proxy.set_plan(FaultPlan(down=Chances(duplicate=1.0)))
        end.writer.write(encode_frame(1, b"two"))
        assert [await end.receive(), await end.receive()] == [b"two", b"two"]


async def test_who_sends_without_reading_is_held_back() -> None:
    plan = FaultPlan(script=(Planned(fault=Fault.STALL, frame=1, seconds=3600),))
    async with through(plan) as (proxy, end, _):
        flood = encode_frame(1, b"x" * 60_000) * 1000
        end.writer.write(flood)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(end.writer.drain(), 1.0)
        assert proxy.stats.up.bytes < 2 * 1024 * 1024, "the proxy read on"


async def test_a_target_that_is_not_there_closes_the_connection() -> None:
    async with FaultProxy(("127.0.0.1", 9)) as proxy:
        end = End(*await asyncio.open_connection(*proxy.address))
        assert await end.ended() == b""
        assert proxy.stats.unreachable == 1
        end.writer.transport.abort()


async def test_an_address_in_use_is_refused_with_a_remedy() -> None:
    async with FaultProxy(("127.0.0.1", 9)) as proxy:
        with pytest.raises(FaultError, match="name another address"):
            async with FaultProxy(("127.0.0.1", 9), listen=proxy.address):
                pass


async def answer_all(linkage: ScriptedLinkage, heard: set[str]) -> None:
    """Answer every notice on every connection, until cancelled."""

    async def answer(far: Far) -> None:
        await far.register()
        while True:
            request = await far.requests.get()
            heard.add(str(request.message.call_id))
            if not far.connection.closed:
                far.answer(request)

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(answer(await linkage.far()))


async def test_the_client_library_gets_every_notice_through_a_bad_network() -> None:
    """Cut again and again; each notice is answered in the end."""
    linkage = ScriptedLinkage()
    plan = FaultPlan(seed=11, up=Chances(cut=0.05), jitter_s=0.002)
    heard: set[str] = set()
    async with (
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
        linkage.listening(),
        FaultProxy(("127.0.0.1", linkage.port), plan) as proxy,
    ):
        answering = group.create_task(answer_all(linkage, heard))
        host, port = proxy.address
        async with Platform(
            host, port, "p", secret=SECRET, backoff=Backoff(first_s=0.01, most_s=0.05)
        ) as platform:
            for index in range(MANY):
                call = IncomingCallNotice(call_id=f"c{index}", direction=CallDirection.IN)
                assert (await platform.notify(call)).accepted
        answering.cancel()
        assert proxy.stats.connections > 1
    assert heard == {f"c{index}" for index in range(MANY)}


# --- by the command line -------------------------------------------------------------------------
ROOT = Path(__file__).resolve().parents[3]


async def test_the_command_plays_a_bad_network_until_it_is_stopped() -> None:
    async with Echo().open() as echo:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "linkage", "simulate", "fault", "--listen", "127.0.0.1:0"),
            *("--to", f"127.0.0.1:{echo.port}", "--duplicate", "down=1", "--seed", "7", "--json"),
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            began = json.loads(await process.stdout.readline())
            host, port = began["address"].split(":")
            end = End(*await asyncio.open_connection(host, int(port)))
            end.writer.write(encode_frame(1, b"one"))
            assert [await end.receive(), await end.receive()] == [b"one", b"one"]
            end.writer.transport.abort()
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
        told = [json.loads(line) for line in output.splitlines()]
    assert (began["event"], began["seed"]) == ("listening", 7)
    assert told[0]["fault"] == "duplicate"
    assert told[-1]["event"] == "stats"
    assert told[-1]["down"]["faults"] == {"duplicate": 1}
    assert process.returncode == 0


@pytest.mark.parametrize("chance", ["2", "up=x", "left=0.1"])
async def test_a_chance_that_is_none_is_misuse(chance: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkage", "simulate", "fault", "--listen", "127.0.0.1:0"),
        *("--to", "127.0.0.1:9", "--cut", chance),
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert b"a probability from 0 to 1" in errors
