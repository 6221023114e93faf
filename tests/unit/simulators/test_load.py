"""The load tool: its arithmetic, its timetable, and what it says of a server that stalls."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import linkage
from linkage.client import RegistrationRefusedError, ReplacedError
from linkage.config.secrets import Secret
from protocol.messages import AppLeave, HangupNotice, IncomingCallNotice
from protocol.results import Result
from simulators.load import (
    KNOWN,
    USUAL,
    Calls,
    Histogram,
    LoadError,
    LoadPeer,
    LoadPlan,
    LoadResult,
    due_times,
    parse_mix,
    run_load,
)
from tests.fakes.far_end import SECRET, Far, ScriptedLinkage

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 60.0


# --- the histogram -------------------------------------------------------------------------------
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=300), st.floats(0.1, 100))
def test_a_percentile_is_within_a_hundredth_of_the_true_one(
    durations: list[float], percent: float
) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.record(seconds)
    rank = max(1, -(-len(durations) * percent // 100))
    true = sorted(durations)[int(rank) - 1]
    assert histogram.percentile(percent) == pytest.approx(true, rel=0.01, abs=2e-6)
    assert histogram.max_s == max(durations)
    assert histogram.count == len(durations)


def test_an_empty_histogram_says_nothing() -> None:
    histogram = Histogram()
    assert (histogram.percentile(99), histogram.mean_s, histogram.max_s) == (0, 0, 0)


def test_memory_does_not_grow_with_the_number_of_durations() -> None:
    histogram = Histogram()
    for number in range(100_000):
        histogram.record(number * 1e-5)
    assert len(histogram._buckets) < 2000


def test_a_clock_that_steps_back_does_no_harm() -> None:
    histogram = Histogram()
    histogram.record(-5.0)
    assert histogram.percentile(50) == 0


# --- the mix -------------------------------------------------------------------------------------
def test_a_mix_is_read() -> None:
    assert parse_mix("100=1, 115=20,102=1") == {100: 1, 115: 20, 102: 1}


@pytest.mark.parametrize("text", ["", "100", "100=0", "100=-1", "x=1", "199=1", "100=1,,102=1"])
def test_a_mix_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LoadError):
        parse_mix(text)


def test_notices_come_in_the_proportions_of_the_mix() -> None:
    calls = Calls("x", {100: 1, 115: 2, 102: 1}, Random(1))
    counted = Counter(calls.next().number for _ in range(4000))
    assert counted[115] / 4000 == pytest.approx(0.5, abs=0.05)


def test_every_notice_is_of_a_call_that_goes_on() -> None:
    calls = Calls("x", dict.fromkeys(KNOWN, 1), Random(2))
    live: set[str] = set()
    for _ in range(3000):
        message = calls.next()
        call_id = message.call_id
        assert call_id is not None
        if isinstance(message, IncomingCallNotice):
            assert call_id not in live
            live.add(call_id)
        else:
            assert call_id in live
        if isinstance(message, HangupNotice):
            live.discard(call_id)


def test_a_mix_without_an_end_ends_calls_all_the_same() -> None:
    calls = Calls("x", {100: 1}, Random(3))
    counted = Counter(calls.next().number for _ in range(2000))
    assert counted[102] > 0


def test_the_same_seed_makes_the_same_notices() -> None:
    first, second = (Calls("x", USUAL, Random(4)) for _ in range(2))
    assert [first.next() for _ in range(500)] == [second.next() for _ in range(500)]


# --- the timetable -------------------------------------------------------------------------------
def plan(port: int = 1, *, peers: int = 1, **options: object) -> LoadPlan:
    given: dict[str, object] = {
        "platforms": [
            LoadPeer(id=f"load-{number}", secret=Secret(SECRET)) for number in range(peers)
        ],
        "rate": 200.0,
        "seconds": 1.0,
        "warm_up_s": 0.0,
    }
    return LoadPlan(host="127.0.0.1", port=port, **{**given, **options})  # type: ignore[arg-type]  # options of the tests


def test_an_even_timetable_does_not_drift() -> None:
    times = list(due_times(plan(rate=3.0, seconds=100.0), Random(5)))
    assert len(times) == 300
    assert times[-1] == pytest.approx(299 / 3)


def test_an_irregular_timetable_keeps_the_rate() -> None:
    times = list(due_times(plan(rate=50.0, seconds=100.0, poisson=True), Random(6)))
    assert len(times) == pytest.approx(5000, rel=0.1)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) < 0.002
    assert max(gaps) > 0.08


@pytest.mark.parametrize(
    "options", [{"rate": 0.0}, {"seconds": 0.0}, {"warm_up_s": -1.0}, {"platforms": []}]
)
def test_a_load_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(LoadError):
        plan(**options)  # type: ignore[arg-type]  # on purpose


# --- against a server of ours --------------------------------------------------------------------
class Server:
    """Answers everything, unless told to stall or refuse."""

    def __init__(self) -> None:
        self.scripted = ScriptedLinkage()
        self.heard = 0
        self.peers: set[str] = set()
        self.stall_at: int | None = None
        self.stall_s = 0.0
        self.result = Result.OK
        self.registration = Result.OK
        self.answers = True
        self.farewell_at: int | None = None

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._serve_one(await self.scripted.far()))

    async def _serve_one(self, far: Far) -> None:
        request = await far.register(self.registration)
        self.peers.add(str(getattr(request.message, "platform_id", "")))
        while True:
            request = await far.requests.get()
            self.heard += 1
            if self.heard == self.stall_at:
                await asyncio.sleep(self.stall_s)
            if self.heard == self.farewell_at:
                far.notify("bye", AppLeave(reason="replaced", result=Result.REPLACED))
            if self.answers and not far.connection.closed:
                far.answer(request, self.result)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    async with asyncio.timeout(WITHIN_S), server.scripted.listening():
        task = asyncio.get_running_loop().create_task(server.serve())
        try:
            yield server.scripted.port
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_all_that_is_due_is_sent_and_answered() -> None:
    server = Server()
    async with serving(server) as port:
        result = await run_load(plan(port, peers=3))
    assert result.complete
    assert (result.due, result.answered, server.heard) == (200, 200, 200)
    assert result.answers.count == 200
    assert server.peers == {"load-0", "load-1", "load-2"}


async def test_a_stall_shows_in_all_that_it_delayed() -> None:
    """A load that waits for its answers would see one late answer; here some ninety are late."""
    server = Server()
    server.stall_at, server.stall_s = 50, 0.5
    async with serving(server) as port:
        result = await run_load(plan(port))
    assert result.complete
    assert result.answers.max_s >= 0.45
    late = 100 * (1 - 60 / result.due)
    assert result.answers.percentile(late) >= 0.1, "the sixtieth of those late"


async def test_the_warm_up_does_not_count() -> None:
    server = Server()
    server.stall_at, server.stall_s = 5, 0.3
    async with serving(server) as port:
        result = await run_load(plan(port, warm_up_s=0.6, seconds=0.5))
    assert (result.due, result.answered) == (100, 100)
    assert server.heard == 220
    assert result.answers.percentile(50) < 0.2


async def test_what_is_refused_is_counted_by_its_result() -> None:
    server = Server()
    server.result = Result.NO_CALL
    async with serving(server) as port:
        result = await run_load(plan(port, seconds=0.2))
    assert result.refused == {301: 40}
    assert not result.complete


async def test_what_is_never_answered_counts_with_the_time_it_had() -> None:
    server = Server()
    server.answers = False
    async with serving(server) as port:
        result = await run_load(plan(port, seconds=0.2, drain_s=0.2))
    assert (result.answered, result.unanswered) == (0, 40)
    assert result.answers.count == 40
    assert result.answers.max_s >= 0.35
    assert not result.complete


async def test_progress_is_told_up_to_the_end() -> None:
    told: list[float] = []

    def tell(passed: float, _: LoadResult) -> None:
        told.append(passed)

    async with serving(Server()) as port:
        await run_load(plan(port, seconds=0.5), on_progress=tell)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == 1.0


async def test_a_peer_that_is_refused_ends_the_load_with_the_reason() -> None:
    server = Server()
    server.registration = Result.BAD_CREDENTIALS
    async with serving(server) as port:
        with pytest.raises(RegistrationRefusedError, match="load-0"):
            await run_load(plan(port))


async def test_a_peer_that_is_replaced_ends_the_load_with_the_reason() -> None:
    server = Server()
    server.farewell_at = 20
    async with serving(server) as port:
        with pytest.raises(ReplacedError):
            await run_load(plan(port))


# --- against linkage, by the command line --------------------------------------------------------
CONFIG = """
data = "data"
listen = ["127.0.0.1:0"]
[[peer]]
id = "desk"
role = "application"
secret = "{secret}"
[[peer]]
id = "load-1"
role = "platform"
secret = "{secret}"
[[peer]]
id = "load-2"
role = "platform"
secret = "{secret}"
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "linkage.toml"
    path.write_text(CONFIG.format(secret=SECRET), encoding="utf-8")
    return path


async def load(config_file: Path, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkage", "simulate", "load", "-c", str(config_file), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    output, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
    return process.returncode, output.decode(), errors.decode()


async def test_linkage_carries_a_load_to_the_application(config_file: Path) -> None:
    async with linkage.Server(linkage.load_config(config_file)) as server:
        port = str(server.addresses[0][1])
        given = ("--port", port, "--rate", "100", "--seconds", "2", "--receive", "--json")
        status, output, errors = await load(config_file, *given)
    assert (status, errors) == (0, "")
    result = json.loads(output)
    assert result["peers"] == 2
    assert result["due"] == result["answered"] == 200
    assert result["delivered"] == 200
    assert 0 < result["delivery"]["p50_ms"] <= result["delivery"]["max_ms"]


async def test_people_are_shown_a_table(config_file: Path) -> None:
    async with linkage.Server(linkage.load_config(config_file)) as server:
        port = str(server.addresses[0][1])
        status, output, _ = await load(
            config_file, "--port", port, "--rate", "50", "--seconds", "0.5", "--peers", "1"
        )
    assert status == 0
    assert "25 due, 25 answered" in output
    assert "99.9 %" in output
    assert "to the answer" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "1", "--peers", "9"), "platform:load-1"),
        (("--port", "1", "--id", "nobody"), "there are: load-1, load-2"),
        (("--port", "1", "--mix", "7=7"), "no load is made of 7"),
        ((), "give --port"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    config_file: Path, arguments: tuple[str, ...], words: str
) -> None:
    status, _, errors = await load(config_file, *arguments)
    assert status == 1
    assert words in errors
    assert len(errors.splitlines()) == 1
