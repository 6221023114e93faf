"""What every adapter owes linkage, whatever platform it speaks to.

```python
class TestBeeper(AdapterContract):
    adapter = BeeperAdapter

    def make_platform(self) -> PlatformDouble:
        return BeeperPlatform()
```
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from linkage.hosting import AdapterHost
from linkage.ports import (
    Adapter,
    AdapterRefusedError,
    AdapterUnavailableError,
    CommandError,
    Outcome,
    Snapshots,
)
from protocol import messages as m
from protocol.envelope import Request
from protocol.kinds import COMMANDS
from protocol.message import Message
from protocol.messages import message_class
from protocol.results import Result
from pytest_linkage.contract.bench import Bench, Running
from pytest_linkage.contract.host_core import HostCore
from pytest_linkage.contract.platform import Delivery, Expected, PlatformDouble

FOREIGN: tuple[Message, ...] = (
    m.MapMark(geometry="{}"),
    m.NearbyQuery(geometry="{}"),
    m.Locate(phone_num="1", mode=m.LocateMode.ONCE),
)
NEVER_BEGUN = frozenset({Result.EXPIRED, Result.UNREACHABLE})
"""What says to a command's sender that nothing was begun, so that it may be sent again."""


class AdapterContract(ABC):
    """Subclass it as `Test…` and say of which adapter, against a double of which platform."""

    pytestmark = pytest.mark.asyncio
    adapter: ClassVar[type[Adapter]]
    patience_s: ClassVar[float] = 20.0
    """How long is waited for what must come; longer than the adapter's own timeouts."""

    @abstractmethod
    def make_platform(self) -> PlatformDouble:
        """A new platform, not started."""

    @asynccontextmanager
    async def bench(self, folder: Path) -> AsyncIterator[Bench]:
        """A new platform, started, and nothing on disk."""
        platform = self.make_platform()
        await platform.start()
        try:
            bench = Bench(self.adapter, platform, folder, self.patience_s)
            await platform.prepare(bench.files)
            yield bench
        finally:
            platform.thaw()
            await platform.stop()

    # --- what it says it can do ------------------------------------------------------------------
    async def test_it_serves_commands_of_the_catalogue(self) -> None:
        served = self.adapter.capabilities
        assert served, "an adapter that does nothing"
        for number in served:
            assert number in COMMANDS, f"{number} is no command to a platform"
            assert message_class(number) is not None, f"{number} is not in the catalogue"
        assert self.make_platform().command().number in served

    async def test_a_command_that_it_does_not_serve_is_refused_501(self, tmp_path: Path) -> None:
        foreign = next(each for each in FOREIGN if each.number not in self.adapter.capabilities)
        async with self.bench(tmp_path) as bench, _hosted(bench) as (host, core):
            host.push(Request(id="1", message=foreign))
            refused = await core.answer("1")
            own = bench.platform.command()
            host.push(Request(id="2", message=own, expire_s=30))
            accepted = await core.answer("2")

            assert refused.result == Result.NOT_SUPPORTED
            assert accepted.accepted, accepted
            assert bench.platform.done(own) == 1

    # --- events ----------------------------------------------------------------------------------
    async def test_what_happens_is_told_once(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running():
            told = [await _story(bench) for _ in range(3)]
            await bench.settled()
            for story in told:
                bench.assert_once(*story)

    async def test_an_event_that_comes_twice_is_told_once(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running():
            bench.platform.delivery = Delivery.TWICE
            told = await _story(bench)
            await bench.settled()
            bench.assert_once(*told)

    async def test_an_event_that_is_late_is_told_behind_a_later_one(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running():
            bench.platform.delivery = Delivery.HELD
            late = await bench.platform.occur()
            bench.platform.delivery = Delivery.ONCE
            later = await bench.platform.occur()
            await bench.told(later)
            await bench.platform.release()
            await bench.told(late)
            ends = [await bench.platform.proceed(each) for each in (late, later)]
            told = [late, later, *(each for each in ends if each is not None)]
            await bench.told(*told)
            await bench.settled()
            bench.assert_once(*told)

    async def test_what_a_slow_core_has_no_time_for_waits(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running() as running:
            bench.disk.open.clear()
            told = [await bench.platform.occur() for _ in range(3)]
            await asyncio.sleep(0.2)
            assert not running.task.done()
            bench.disk.open.set()
            await bench.told(*told)
            await bench.settled()
            bench.assert_once(*told)

    async def test_garbage_costs_nothing_but_itself(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running() as running:
            await bench.platform.garbage()
            told = await _story(bench)
            assert not running.task.done()
            bench.assert_once(*told)

    # --- losses ----------------------------------------------------------------------------------
    async def test_a_lost_link_ends_the_run_and_the_next_goes_on(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            async with bench.running() as first:
                begun = await bench.platform.occur()
                await bench.told(begun)
                await bench.platform.stop()
                error = await first.ended()
                assert isinstance(error, AdapterUnavailableError), repr(error)
                again = bench.make().run(bench.disk)
                with pytest.raises(AdapterUnavailableError):
                    await asyncio.wait_for(again, self.patience_s)
                await bench.platform.start()
            async with bench.running():
                ended = await bench.platform.proceed(begun)
                told = [begun, *await _story(bench), *([] if ended is None else [ended])]
                await bench.told(*told)
                await bench.settled()
                bench.assert_once(*told)

    @pytest.mark.parametrize("restarted", [False, True])
    async def test_a_lost_event_is_found_by_the_next_run_or_said_to_be_lost(
        self, tmp_path: Path, restarted: bool
    ) -> None:
        """The same adapter runs again after an outage, or a new one after a kill."""
        async with self.bench(tmp_path) as bench:
            async with bench.running() as running:
                begun = await bench.platform.occur()
                await bench.told(begun)
                if restarted:
                    running.task.cancel()
                    await asyncio.wait({running.task})
                bench.platform.delivery = Delivery.LOST
                ended = await bench.platform.proceed(begun)
                ended = ended or await bench.platform.occur()
                bench.platform.delivery = Delivery.ONCE
                await bench.platform.stop()
                await bench.platform.start()
                await asyncio.wait({running.task}, timeout=self.patience_s)
            async with bench.running():
                await bench.told_or_gap(ended)
                await bench.settled()
                assert bench.disk.count(ended) <= 1
                bench.assert_once(begun)
                made_up = [each for each in bench.disk.notices if ended.fits(each.message)]
                if not bench.platform.tells_again:
                    assert all(each.reconstructed for each in made_up), (
                        "say that a resync found it"
                    )

    async def test_what_ends_between_two_runs_is_told_by_the_second(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            command, request_id = bench.platform.command(), bench.request_id()
            async with bench.running() as first:
                outcome = await first.do(command, request_id)
                assert isinstance(outcome, Outcome), repr(outcome)
                await bench.settled()
            expected = await bench.platform.conclude(command, request_id)
            assert expected, "nothing ended the command"
            async with bench.running():
                await bench.told(*expected)
                await bench.settled()
                bench.assert_once(*expected)
                assert bench.platform.done(command) == 1

    async def test_a_memory_that_cannot_be_read_spoils_only_itself(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            async with bench.running() as first:
                await first.do(bench.platform.command(), bench.request_id())
                await bench.told(await bench.platform.occur())
            for damage in ("null", '"damaged"', "[1]", '{"version": 99}'):
                bench.disk.memory = dict.fromkeys([*bench.disk.memory, "not-ours"], damage)
                async with bench.running() as running:
                    told = await _story(bench)
                    assert not running.task.done()
                    bench.assert_once(*told)

    # --- kills -----------------------------------------------------------------------------------
    @pytest.mark.parametrize("committed", [False, True])
    async def test_a_kill_at_any_write_doubles_and_loses_no_event(
        self, tmp_path: Path, committed: bool
    ) -> None:
        for write in count():
            async with self.bench(tmp_path / str(write)) as bench:
                platform = bench.platform
                ended: Expected | None = None
                async with bench.running() as first:
                    bench.disk.kill_at(write, committed=committed)
                    begun = await platform.occur()
                    await bench.told_or_over(lambda b=begun: bench.disk.count(b), first)
                    if not first.task.done():
                        ended = await platform.proceed(begun)
                        if ended is not None:
                            await bench.told_or_over(lambda e=ended: bench.disk.count(e), first)
                        await bench.settled()
                    was_killed = bench.disk.killed
                bench.disk.kill_at(None)
                if not was_killed:
                    assert write > 0, "nothing was recorded"
                    return
                async with bench.running():
                    await bench.told_or_gap(begun)
                    ended = ended or await platform.proceed(begun)
                    if ended is not None:
                        await bench.told_or_gap(ended)
                    await bench.settled()
                    for each in (begun, ended):
                        if each is not None and not _may_be_lost(bench, each):
                            bench.assert_once(each)

    @pytest.mark.parametrize("committed", [False, True])
    async def test_a_kill_at_any_write_neither_repeats_a_command_nor_doubles_what_came_of_it(
        self, tmp_path: Path, committed: bool
    ) -> None:
        for write in count():
            async with self.bench(tmp_path / str(write)) as bench:
                platform, request_id = bench.platform, bench.request_id()
                command = platform.command()
                async with bench.running() as first:
                    bench.disk.kill_at(write, committed=committed)
                    outcome = await first.do(command, request_id)
                    await bench.settled()
                    was_killed = bench.disk.killed
                bench.disk.kill_at(None)
                async with bench.running():
                    await bench.settled()
                    expected = await platform.conclude(command, request_id)
                    await bench.told(*expected)
                    await bench.settled()
                    bench.assert_once(*expected)
                    assert platform.done(command) <= 1, f"done twice, killed at write {write}"
                    if isinstance(outcome, Outcome):
                        assert platform.done(command) == 1
                if not was_killed:
                    assert expected, "nothing came of the command"
                    return

    # --- commands --------------------------------------------------------------------------------
    async def test_a_command_is_done_once_and_what_comes_of_it_is_told(
        self, tmp_path: Path
    ) -> None:
        async with self.bench(tmp_path) as bench, bench.running() as running:
            command, request_id = bench.platform.command(), bench.request_id()
            outcome = await running.do(command, request_id)
            assert isinstance(outcome, Outcome), repr(outcome)
            assert outcome.result < 10, "a refusal is a CommandError"
            expected = await bench.platform.conclude(command, request_id)
            await bench.told(*expected)
            await bench.settled()
            assert expected
            bench.assert_once(*expected)
            assert any(
                each.request_id == request_id
                for each in bench.disk.messages
                if any(one.fits(each) for one in expected)
            ), "an outcome names its command (request_id)"
            assert bench.platform.done(command) == 1

    async def test_commands_are_taken_as_soon_as_the_191_is_told(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            bench.disk.answers_after_s = 0.1  # an application is quicker than the core's answer
            async with bench.running() as running:
                outcome = await running.do(bench.platform.command(), bench.request_id())
        assert isinstance(outcome, Outcome), f"refused just after the 191: {outcome!r}"

    async def test_commands_at_once_are_each_done_once(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running() as running:
            commands = [bench.platform.command() for _ in range(5)]
            keys = [running.adapter.serial_key(command) for command in commands]
            assert all(key is None or isinstance(key, str) for key in keys)
            outcomes = await asyncio.gather(
                *(running.do(command, bench.request_id()) for command in commands)
            )
            assert all(isinstance(each, Outcome) for each in outcomes), outcomes
            assert [bench.platform.done(command) for command in commands] == [1] * 5

    async def test_an_expired_command_is_never_begun(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            command = bench.platform.command()
            async with bench.running() as running:
                result = await running.do(command, bench.request_id(), expire_s=-0.001)
                assert _result_of(result) in NEVER_BEGUN, repr(result)
                await bench.settled()
            async with bench.running():
                await bench.settled()
                assert bench.platform.done(command) == 0

    async def test_a_command_without_a_platform_is_unreachable_and_never_begun(
        self, tmp_path: Path
    ) -> None:
        async with self.bench(tmp_path) as bench:
            commands = [bench.platform.command() for _ in range(3)]
            async with bench.running() as running:
                never_run = Running(bench.make(), running.task, self.patience_s)
                results = [await never_run.do(commands[0], bench.request_id())]
                await bench.platform.stop()
                results.append(await running.do(commands[1], bench.request_id()))
                await running.ended()
                results.append(await running.do(commands[2], bench.request_id()))
                await bench.platform.start()
            for number, result in enumerate(results):
                assert isinstance(result, AdapterUnavailableError | CommandError), repr(result)
                # The second met a link that was cut: it may say that nobody knows.
                unsure = {Result.TIMEOUT} if number == 1 else set()
                assert _result_of(result) in NEVER_BEGUN | unsure, repr(result)
            async with bench.running():
                await bench.settled()
                assert [bench.platform.done(command) for command in commands] == [0, 0, 0]

    @pytest.mark.parametrize("cut", [False, True])
    async def test_a_command_in_an_outage_is_not_said_never_to_have_been_begun(
        self, tmp_path: Path, cut: bool
    ) -> None:
        async with self.bench(tmp_path) as bench:
            platform, request_id = bench.platform, bench.request_id()
            command = platform.command()
            async with bench.running() as running:
                platform.freeze()
                doing = asyncio.get_running_loop().create_task(
                    running.do(command, request_id, expire_s=0.5)
                )
                await asyncio.sleep(0.2)
                if cut:
                    await platform.stop()
                await asyncio.wait({doing}, timeout=self.patience_s)
                assert doing.done(), "the command hangs with its platform"
                result = doing.result()
                assert not isinstance(result, Outcome), "it cannot know"
                platform.thaw()
                if cut:
                    await platform.start()
                await asyncio.wait({running.task}, timeout=0.5)
            async with bench.running():
                await bench.settled()
                done = platform.done(command)
                assert done <= 1
                if done:
                    assert _result_of(result) not in NEVER_BEGUN, repr(result)
                    # What came of it is told as of any other command.
                    expected = await platform.conclude(command, request_id)
                    await bench.told(*expected)
                    await bench.settled()
                    bench.assert_once(*expected)

    async def test_what_lives_is_in_its_snapshot(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench, bench.running() as running:
            begun = await bench.platform.occur()
            await bench.told(begun)
            told = next(each for each in bench.disk.messages if begun.fits(each))
            query = bench.platform.query(begun, told)
            adapter = running.adapter
            if query is None or not isinstance(adapter, Snapshots):
                assert query is None, "the platform can be asked what lives: be a Snapshots"
                pytest.skip("nothing lives on this platform")
            alive = await adapter.snapshot(query)
            ended = await bench.platform.proceed(begun)
            assert ended is not None
            await bench.told(ended)
            await bench.settled()
            dead = await adapter.snapshot(query)
            assert alive.calls or alive.conferences
            assert not dead.calls
            assert not dead.conferences

    # --- secrets, and the end --------------------------------------------------------------------
    async def test_a_refusal_of_the_whole_is_said_so(self, tmp_path: Path) -> None:
        async with self.bench(tmp_path) as bench:
            wrong = bench.platform.wrong_settings
            if wrong is None:
                pytest.skip("this platform lets everybody in")
            adapter = bench.make(wrong)
            with pytest.raises(AdapterRefusedError) as error:
                await asyncio.wait_for(adapter.run(bench.disk), self.patience_s)
            assert str(error.value), "say what is to be done about it"

    async def test_no_secret_is_ever_logged_or_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        errors: list[object] = []
        async with self.bench(tmp_path) as bench:
            platform = bench.platform
            secrets = platform.secrets
            assert secrets
            async with bench.running() as running:
                await platform.garbage()
                await _story(bench)
                errors.append(await running.do(platform.command(), bench.request_id()))
                errors.append(repr(running.adapter))
                await platform.stop()
                errors.append(await running.do(platform.command(), bench.request_id()))
                errors.append(await running.ended())
                await platform.start()
            wrong = platform.wrong_settings
            if wrong is not None:
                with pytest.raises(AdapterRefusedError) as error:
                    await asyncio.wait_for(bench.make(wrong).run(bench.disk), self.patience_s)
                errors.append(error.value)
            told = [str(message) for message in bench.disk.messages]
            texts = [caplog.text, *map(repr, errors), *map(str, errors), *told]
            texts += bench.disk.memory.values()
        for secret in secrets:
            assert secret
            assert not [text for text in texts if secret in text]

    async def test_it_ends_when_it_is_cancelled_and_leaves_nothing_behind(
        self, tmp_path: Path
    ) -> None:
        async with self.bench(tmp_path) as bench:
            before = asyncio.all_tasks()
            async with bench.running() as running:
                await bench.platform.occur()
                running.task.cancel()
                await asyncio.wait({running.task}, timeout=5.0)
                assert running.task.cancelled(), "it let go of its cancellation"
            await bench.platform.stop()
            async with asyncio.timeout(self.patience_s):
                while left := asyncio.all_tasks() - before:
                    await asyncio.wait(left, timeout=0.1)
            await bench.platform.start()


# --- what the tests share ------------------------------------------------------------------------
async def _story(bench: Bench) -> list[Expected]:
    """Something begins and ends; what was told of it."""
    begun = await bench.platform.occur()
    await bench.told(begun)
    ended = await bench.platform.proceed(begun)
    if ended is None:
        return [begun]
    await bench.told(ended)
    return [begun, ended]


def _may_be_lost(bench: Bench, expected: Expected) -> bool:
    """It was not told, but that something may not have been."""
    return not bench.disk.count(expected) and bool(bench.disk.count(Expected(m.GapNotice)))


def _result_of(outcome: Outcome | BaseException) -> int:
    """What the sender of a command is answered."""
    match outcome:
        case Outcome() | CommandError():
            return int(outcome.result)
        case AdapterUnavailableError():
            return int(Result.UNREACHABLE)
        case _:
            raise AssertionError(f"no answer to a command: {outcome!r}")


@asynccontextmanager
async def _hosted(bench: Bench) -> AsyncIterator[tuple[AdapterHost, HostCore]]:
    """The adapter as linkage runs it."""
    core = HostCore(bench.disk)
    adapter = bench.make()
    host = AdapterHost(adapter, core, adapter.context.clock)
    await host.start()
    try:
        await bench.told(Expected(m.PlatformStatusNotice))
        yield host, core
    finally:
        await host.stop()
