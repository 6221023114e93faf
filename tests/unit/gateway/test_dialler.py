from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from gateway import Gateway, GatewaySettings
from linkage.clock import SystemClock
from linkage.ports import EntryKind, PeerProfile
from protocol.dialect import DEFAULT, LEGACY, Dialect
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import Far, registration, request, response


@dataclass
class Application:
    """A business platform that listens, as the patent has it."""

    callers: asyncio.Queue[Far] = field(default_factory=asyncio.Queue)
    server: asyncio.Server | None = None
    port: int = 0
    open: list[Far] = field(default_factory=list)

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self._called, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = Far(reader, writer)
        self.open.append(far)
        self.callers.put_nowait(far)

    async def called(self) -> Far:
        async with asyncio.timeout(30):
            return await self.callers.get()

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for far in self.open:
            await far.close()


@dataclass
class Pauses:
    """Stands in for sleeping between attempts: remembers, and lets the test decide."""

    asked: list[float] = field(default_factory=list)
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.waiting.set()
        await self.go.acquire()

    async def next(self) -> None:
        async with asyncio.timeout(30):
            await self.waiting.wait()
        self.waiting.clear()
        self.go.release()


Dial = Callable[[Dialect], Awaitable[Gateway]]


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    application = Application()
    await application.listen()
    yield application
    await application.stop()


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def dial(core: FakeCore, application: Application, pauses: Pauses) -> AsyncIterator[Dial]:
    async with AsyncExitStack() as stack:

        async def dial(dialect: Dialect) -> Gateway:
            peer = PeerProfile(
                id="app",
                role=Role.APPLICATION,
                dialect=dialect,
                dial=("127.0.0.1", application.port),
            )
            gateway = Gateway(
                core,
                [peer],
                [],
                GatewaySettings(),
                SystemClock(),
                sleep=pauses.sleep,
                jitter=lambda: 1.0,
            )
            await gateway.start()
            stack.push_async_callback(gateway.close)
            return gateway

        yield dial


async def test_linkage_registers_as_a_platform_where_it_dials(
    dial: Dial, application: Application, core: FakeCore
) -> None:
    await dial(DEFAULT)
    far = await application.called()
    hello = await far.message()
    assert hello.attrib["Type"] == "190"
    assert hello.findtext("PlatformId") == "linkage"
    assert core.begun == []
    await far.send(response(190, hello.attrib["Id"]))
    await core.until(lambda: core.begun)
    await far.send(request(201, "1", "<EventId>e1</EventId>"))
    assert await far.result() == ("1", 0)


async def test_a_legacy_application_is_dialled_without_a_registration(
    dial: Dial, application: Application, core: FakeCore
) -> None:
    await dial(LEGACY)
    far = await application.called()
    await core.until(lambda: core.begun)
    await far.send(request(201, "1", "<EventId>e1</EventId>"))
    assert await far.result() == ("1", 0)
    assert core.introduced == 0


async def test_the_application_may_register_instead(
    dial: Dial, application: Application, core: FakeCore
) -> None:
    await dial(DEFAULT)
    far = await application.called()
    hello = await far.message()
    await far.register(290, "app")
    await far.send(response(190, hello.attrib["Id"]))
    await far.send(request(201, "1", "<EventId>e1</EventId>"))
    assert await far.result() == ("1", 0)
    assert core.begun == [core.live["app"]]


async def test_who_answers_may_not_register_as_somebody_else(
    dial: Dial, application: Application, core: FakeCore
) -> None:
    core.peers = ("app", "other")
    await dial(DEFAULT)
    far = await application.called()
    await far.message()
    await far.send(registration(290, "other"))
    assert await far.result() == ("r1", Result.FORBIDDEN)
    await far.ended()
    assert core.live == {}


async def test_a_lost_connection_is_made_again_after_a_growing_pause(
    dial: Dial, application: Application, core: FakeCore, pauses: Pauses
) -> None:
    await dial(LEGACY)
    for _ in range(3):
        far = await application.called()
        await core.until(lambda: core.live)
        await far.close()
        await core.until(lambda: not core.live)
        await pauses.next()
    await application.called()
    assert pauses.asked == [1, 2, 4]


async def test_an_application_that_is_not_there_is_tried_until_it_is(
    dial: Dial, application: Application, core: FakeCore, pauses: Pauses
) -> None:
    await application.stop()
    await dial(LEGACY)
    await pauses.next()
    await pauses.next()
    await application.listen()
    await pauses.next()
    await application.called()
    await core.until(lambda: core.begun)


async def test_a_refused_registration_is_journalled_and_tried_again(
    dial: Dial, application: Application, core: FakeCore, pauses: Pauses
) -> None:
    await dial(DEFAULT)
    far = await application.called()
    hello = await far.message()
    await far.send(response(190, hello.attrib["Id"], Result.BAD_CREDENTIALS))
    assert await far.ended() == b""
    await core.until(lambda: core.notes)
    assert (core.notes[0].kind, core.notes[0].result) == (EntryKind.REFUSED, 201)
    await pauses.next()
    again = await (await application.called()).message()
    assert again.attrib["Id"] != hello.attrib["Id"]
    assert core.begun == []


async def test_a_closed_gateway_dials_no_more_and_says_goodbye(
    dial: Dial, application: Application, core: FakeCore, pauses: Pauses
) -> None:
    gateway = await dial(DEFAULT)
    far = await application.called()
    hello = await far.message()
    await far.send(response(190, hello.attrib["Id"]))
    await core.until(lambda: core.begun)
    await gateway.close()
    assert (await far.message()).attrib["Type"] == "199"
    assert await far.ended() == b""
    assert application.callers.empty()
    assert core.live == {}


async def test_a_peer_that_the_core_cannot_introduce_is_hung_up(
    dial: Dial, application: Application, core: FakeCore, pauses: Pauses
) -> None:
    core.peers = ()
    await dial(DEFAULT)
    far = await application.called()
    assert await far.ended() == b""
