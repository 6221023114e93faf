"""The seam between a session and its transport, over one that carries messages in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import GatewaySettings
from gateway.address_book import AddressBook
from gateway.context import GatewayContext
from gateway.session import Session
from gateway.session_factory import SessionFactory
from gateway.transport import Receiver
from linkage.clock import SystemClock
from linkage.ports import PeerProfile
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore
from tests.fakes.far_socket import incoming, registration


@dataclass
class Messages:
    """A `gateway.transport.Transport` that hands over what is written as one message each."""

    encrypted: bool = False
    certificate: Mapping[str, Any] | None = None
    host: str = "10.0.0.7"
    address: str = "10.0.0.7:40112"
    receiver: Receiver | None = None
    written: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    reads: bool = True
    closed_within_s: float | None = None
    cut_off: bool = False

    def attach(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def write(self, data: bytes, /) -> None:
        self.written.put_nowait(data)

    def is_closing(self) -> bool:
        return self.cut_off or self.closed_within_s is not None

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def close(self, within_s: float) -> None:
        self.closed_within_s = within_s

    def abort(self) -> None:
        self.cut_off = True

    @property
    def there(self) -> Receiver:
        assert self.receiver is not None, "a session attaches itself"
        return self.receiver

    async def message(self) -> bytes:
        """The next that was written."""
        async with asyncio.timeout(30):
            return await self.written.get()


def opened(
    core: FakeCore, transport: Messages, *peers: PeerProfile
) -> tuple[GatewayContext, Session]:
    context = GatewayContext(core, SystemClock(), GatewaySettings(), peers)
    session = SessionFactory(context, AddressBook()).accepted(transport.host)
    assert isinstance(session, Session)
    session.open(transport)
    return context, session


async def registered(core: FakeCore, transport: Messages) -> tuple[GatewayContext, Session]:
    context, session = opened(core, transport)
    transport.there.data_received(registration(190, "platform"))
    assert b'Result="0"' in await transport.message()
    return context, session


async def test_what_is_answered_in_one_turn_leaves_as_one_message(core: FakeCore) -> None:
    transport = Messages()
    await registered(core, transport)
    transport.there.data_received(incoming("1"))
    transport.there.data_received(incoming("2"))
    answers = await transport.message()
    assert b'RequestId="1"' in answers
    assert b'RequestId="2"' in answers
    assert transport.written.empty()


async def test_a_session_is_counted_until_its_transport_is_gone(core: FakeCore) -> None:
    transport = Messages()
    context, session = await registered(core, transport)
    session.close("enough")
    assert b'Type="299"' in await transport.message()
    assert transport.closed_within_s == context.settings.close_within_s
    assert len(context.connections) == 1
    transport.there.connection_lost(None)
    await session.gone
    assert len(context.connections) == 0
    await core.until(lambda: core.ends)
    assert core.ends == [(session, "enough")]


async def test_a_transport_with_too_much_unsent_is_not_read(core: FakeCore) -> None:
    transport = Messages()
    await registered(core, transport)
    transport.there.pause_writing()
    assert not transport.reads
    transport.there.resume_writing()
    assert transport.reads


async def test_who_sends_no_more_is_answered_and_then_closed(core: FakeCore) -> None:
    transport = Messages()
    await registered(core, transport)
    transport.there.data_received(incoming("1"))
    transport.there.eof_received()
    assert not transport.is_closing()
    assert b'RequestId="1"' in await transport.message()
    assert transport.closed_within_s is not None


async def test_the_transport_tells_how_the_peer_came(core: FakeCore) -> None:
    peer = PeerProfile(id="platform", role=Role.PLATFORM, require_tls=True)
    shown = {"subject": ((("commonName", "platform"),),)}
    for transport, result in (
        (Messages(), Result.BAD_CREDENTIALS),
        (Messages(encrypted=True), Result.OK),
        (Messages(encrypted=True, certificate=shown), Result.OK),
        (Messages(encrypted=True, certificate={"subject": ()}), Result.BAD_CREDENTIALS),
    ):
        opened(core, transport, peer)
        transport.there.data_received(registration(190, "platform"))
        assert f'Result="{int(result)}"'.encode() in await transport.message()
