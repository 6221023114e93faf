"""What the clients of the quickstarts take for a repetition (protocol.md#repetitions).

A linkage of a few lines sends them what a telephone system that restarts leads to.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

from linkage.clock import SystemClock
from protocol.connection import Connection, ConnectionState, Side
from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import CallDirection, HangupNotice, IncomingCallNotice
from tests.scenario.test_quickstarts import (
    DUTY_DESK,
    EVENT_ID,
    PLAIN_JAVA,
    PLAIN_NODE,
    PLAIN_PYTHON,
    WITHIN_S,
    java,
    node,
    running,
)

READ_BYTES: Final = 65_536
ALARM: Final = IncomingCallNotice(
    call_id="1", direction=CallDirection.IN, login_id="13", phone_num="13912344444"
)
LEG_ENDED: Final = HangupNotice(call_id="9", parent_call_id="1", login_id="14")
CALL_ENDED: Final = HangupNotice(call_id="1", login_id="13")
STARTS: Final[dict[str, Callable[[], tuple[str, ...]]]] = {
    "python": lambda: (sys.executable, str(PLAIN_PYTHON)),
    "node": lambda: (node(), str(PLAIN_NODE)),
    "java": lambda: (java("java"), str(PLAIN_JAVA)),
    "library": lambda: (sys.executable, str(DUTY_DESK)),
}


@dataclass
class Linkage:
    """It takes a registration, answers every command, and delivers what the test says."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: Connection = field(
        default_factory=lambda: Connection(side=Side.LINKAGE, role=None, now=0.0)
    )
    answers: list[Response] = field(default_factory=list)
    created: int = 0

    async def listen(self, enough: Callable[[], bool]) -> None:
        """Take what the client sends until that is enough."""
        while not enough():
            data = await self.reader.read(READ_BYTES)
            assert data, "the client has closed the connection"
            self.connection.receive_data(data, 0.0)
            for event in self.connection.events():
                if isinstance(event, Response):
                    self.answers.append(event)
                elif isinstance(event, Request):
                    self.created += event.type == 201
                    answer = Response(request_id=event.id, type=event.type, result=0)
                    self._send(answer)

    async def deliver(self, seq: int, message: Message, *, resend: bool = False) -> int:
        """A notice, and the result that it is answered with. Every Id is the same."""
        before = len(self.answers)
        time = SystemClock().utc()
        self._send(Request(id="7", message=message, seq=seq, time=time, resend=resend))
        await self.listen(lambda: len(self.answers) > before)
        return self.answers[-1].result

    def _send(self, item: Request | Response) -> None:
        self.connection.send(item, 0.0)
        self.writer.write(self.connection.data_to_send())


@pytest.mark.parametrize("client", STARTS)
async def test_the_same_alarm_under_the_same_id_counts_again_and_its_repetition_does_not(
    client: str,
) -> None:
    come: asyncio.Queue[Linkage] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: come.put_nowait(Linkage(reader, writer)), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    command = (*STARTS[client](), "127.0.0.1", str(port), "desk", EVENT_ID)
    async with server, asyncio.timeout(WITHIN_S), running(*command) as desk:
        linkage = await come.get()
        await linkage.listen(lambda: linkage.connection.state is ConnectionState.REGISTERED)
        assert await linkage.deliver(1, ALARM) == 0
        await linkage.listen(lambda: linkage.created == 1)
        assert await linkage.deliver(2, ALARM) == 0
        await linkage.listen(lambda: linkage.created == 2)
        assert await linkage.deliver(2, ALARM, resend=True) == 0
        assert await linkage.deliver(3, LEG_ENDED) == 0
        assert linkage.created == 2, "a Seq that was answered is a repetition"
        assert await linkage.deliver(4, CALL_ENDED) == 0
        ended = await desk
        linkage.writer.close()
    assert (ended.status, ended.errors) == (0, "")
