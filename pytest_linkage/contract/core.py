"""What a core owes its adapters, beside it or over a wire."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from linkage.clock import SystemClock
from linkage.ports import REPLACED, AdapterCorePort, NoticeRequest, Recorded
from protocol import messages as m
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.results import Result

WAIT_S = 30.0


class CoreBench(ABC):
    """A core with one adapter configured, and an application that is told all of it."""

    adapter: str
    """The adapter's peer id."""

    @property
    @abstractmethod
    def core(self) -> AdapterCorePort:
        """As the adapter sees it: the same after `kill`, where it is reached over a wire."""

    @property
    @abstractmethod
    def heard(self) -> Sequence[Message]:
        """What the application was told so far, each Seq once; it accepts everything."""

    @abstractmethod
    async def command(self, message: Message) -> Response:
        """The application sends a command."""

    @abstractmethod
    async def kill(self) -> None:
        """The core is killed, and started again on what is on disk."""


class AdapterLink:
    """An adapter's link (`linkage.ports.LinkPort`) that remembers what reaches it."""

    address = "adapter"
    window = 64

    def __init__(self) -> None:
        self.pushed: list[Request] = []
        self.reasons: list[str] = []

    def push(self, request: Request) -> None:
        """Remember a command."""
        self.pushed.append(request)

    def close(self, reason: str) -> None:
        """Remember why."""
        self.reasons.append(reason)


class CoreContract(ABC):
    """Subclass it as `Test…` and say how the core is started."""

    pytestmark = pytest.mark.asyncio

    @abstractmethod
    def started(self, folder: Path) -> AbstractAsyncContextManager[CoreBench]:
        """A core whose store lies below `folder`."""

    async def test_a_record_is_told_and_kept(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            done = await bench.core.record(link, _call("C1"), {"a": '{"n": [1, "名"]}', "b": "1"})
            await bench.core.record(link, [], {"b": None})
            await _until(lambda: _calls(bench) == [(100, "C1"), (102, "C1")])
            memory = await bench.core.recall(bench.adapter)

        assert [response.result for response in done.responses] == [0, 0]
        assert memory == {"a": {"n": [1, "名"]}}

    async def test_what_was_recorded_outlives_a_kill(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            await bench.core.record(link, _call("C1"), {"a": "1"})
            await bench.kill()

            assert await bench.core.recall(bench.adapter) == {"a": 1}
            await _until(lambda: (102, "C1") in _calls(bench))

    async def test_the_same_record_again_is_told_once(self, tmp_path: Path) -> None:
        """As after a lost answer; also where a core was killed in between."""
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            told = _call("C1")
            await bench.core.record(link, told, {"a": "1"})
            again = [await bench.core.record(link, told, {"a": "1"})]
            await bench.kill()
            link = await _joined(bench)
            again.append(await bench.core.record(link, told, {"a": "1"}))
            await bench.core.record(link, _call("C2"), {})
            await _until(lambda: (102, "C2") in _calls(bench))

        for done in again:
            assert [(each.result, each.detail) for each in done.responses] == [
                (0, "duplicate")
            ] * 2
        assert [call for call in _calls(bench) if call[1] == "C1"] == [(100, "C1"), (102, "C1")]

    async def test_a_refused_notice_stops_nothing_else(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            forbidden = _notice(m.Hangup(call_id="C1"))  # a command is not an adapter's to send
            first, last = _call("C1")
            done = await bench.core.record(link, [first, forbidden, last], {"a": "1"})
            await _until(lambda: _calls(bench) == [(100, "C1"), (102, "C1")])

            assert [each.accepted for each in done.responses] == [True, False, True]
            assert await bench.core.recall(bench.adapter) == {"a": 1}

    async def test_a_record_of_a_link_that_is_gone_is_not_taken(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            bench.core.closed(link, "gone")
            done = await bench.core.record(link, _call("C1"), {"a": "1"})

            assert done == Recorded(result=Result.SESSION_EXPIRED)
            assert await bench.core.recall(bench.adapter) == {}
            assert _calls(bench) == []

    async def test_a_large_record_is_one(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            told = [notice for number in range(100) for notice in _call(f"C{number}")]
            memory = {f"k{number}": f'"{"x" * 10_000}"' for number in range(100)}
            done = await bench.core.record(link, told, memory)
            await _until(lambda: len(_calls(bench)) == len(told))

            assert [each.request_id for each in done.responses] == [
                each.request.id for each in told
            ]
            assert len(await bench.core.recall(bench.adapter)) == len(memory)

    async def test_a_newer_link_replaces_the_older(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            older = await _joined(bench)
            newer = await _joined(bench)
            await _until(lambda: older.reasons)
            bench.core.closed(older, REPLACED)
            done = await bench.core.record(newer, _call("C1"), {})

            assert older.reasons == [REPLACED]
            assert newer.reasons == []
            assert done.result == 0

    async def test_a_command_reaches_the_adapter_and_its_refusal_the_sender(
        self, tmp_path: Path
    ) -> None:
        async with self.started(tmp_path) as bench:
            link = await _joined(bench)
            await bench.core.record(link, _call("C1")[:1], {})
            accepted = await bench.command(m.Hangup(call_id="C1"))
            await _until(lambda: link.pushed)
            (pushed,) = link.pushed
            bench.core.answered(
                link, Response(request_id=pushed.id, type=pushed.type, result=Result.WRONG_STATE)
            )
            await _until(lambda: any(each.result == Result.WRONG_STATE for each in bench.heard))

            assert accepted.result == Result.ACCEPTED
            assert pushed.message.call_id == "C1"

    async def test_who_is_not_configured_is_not_adopted(self, tmp_path: Path) -> None:
        async with self.started(tmp_path) as bench:
            with pytest.raises((KeyError, RuntimeError)):
                await bench.core.adopt(AdapterLink(), "nobody")


_IDS = itertools.count(1)


def _notice(message: Message) -> NoticeRequest:
    number = next(_IDS)
    time = SystemClock().utc() + timedelta(milliseconds=number)
    return NoticeRequest(Request(id=f"n{number}", message=message, time=time))


def _call(call_id: str) -> list[NoticeRequest]:
    """A call that comes in and ends."""
    incoming = m.IncomingCallNotice(
        call_id=call_id, direction=m.CallDirection.IN, phone_num="139", to_num="2222"
    )
    return [_notice(incoming), _notice(m.HangupNotice(call_id=call_id, reason=100))]


def _calls(bench: CoreBench) -> list[tuple[int, str | None]]:
    """What the application was told of calls."""
    return [(each.number, each.call_id) for each in bench.heard if each.number in {100, 102}]


async def _joined(bench: CoreBench) -> AdapterLink:
    link = AdapterLink()
    await bench.core.adopt(link, bench.adapter)
    bench.core.begin(link)
    return link


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what happens over a wire sets no event
            await asyncio.sleep(0.005)
