"""`kill -9` in the middle of a call: what was answered is there, and the call goes on.

A linkage in a process of its own, a platform and an application over TCP that live on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Engine, select

from linkage.client import Application, Backoff, Platform, Received
from linkage.store import tables
from linkage.store.chain import breaks
from linkage.store.database import open_for_reading
from linkage.store.rebuild import differences, rebuild
from protocol import messages as m
from tests.unit.linkage.bench import chain

SECRET = "a secret of the tests"
ROOT = Path(__file__).parents[2]
SOON = Backoff(first_s=0.02, most_s=0.1)
WAIT_S = 60


def write_config(folder: Path) -> tuple[Path, int]:
    with socket.socket() as probe:  # a port that a second process can have again
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    peers = "".join(
        f'[[peer]]\nid = "{name}"\nrole = "{role}"\nsecret = "{SECRET}"\n'
        for name, role in (("desk", "application"), ("pbx", "platform"))
    )
    path = folder / "linkage.toml"
    path.write_text(f'listen = ["127.0.0.1:{port}"]\n{peers}', encoding="utf-8")
    return path, port


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`linkage serve`, listening; killed without a word at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkage", "serve", "--json", "--log-level", "error", "-c", config,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = await process.stdout.readline()
        assert json.loads(line)["event"] == "listening"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


class Call:
    """Both ends of a call, remembering what they were told."""

    def __init__(self, pbx: Platform, desk: Application) -> None:
        self.pbx = pbx
        self.desk = desk
        self.answered: list[str] = []
        self.heard: list[Received] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        async for notice in self.desk.notices():
            self.heard.append(notice)
            self._changed.set()

    async def stamp(self) -> None:
        """The platform takes every command."""
        async for command in self.pbx.commands():
            await command.answer()

    async def hold(self, number: int) -> None:
        notice = m.HoldNotice(call_id="C1", login_id=str(number), action=m.HoldNoticeAction.HOLD)
        response = await self.pbx.notify(notice)
        assert response.result == 0, response
        self.answered.append(response.request_id)
        self._changed.set()

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def holds_heard(self) -> list[str]:
        return [
            str(notice.message.login_id)
            for notice in self.heard
            if isinstance(notice.message, m.HoldNotice)
        ]


@asynccontextmanager
async def call_of(port: int) -> AsyncIterator[Call]:
    async with (
        Platform("127.0.0.1", port, "pbx", secret=SECRET, backoff=SOON) as pbx,
        Application("127.0.0.1", port, "desk", secret=SECRET, backoff=SOON) as desk,
    ):
        call = Call(pbx, desk)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call.listen()), group.create_task(call.stamp())]
            yield call
            for task in tasks:
                task.cancel()


def requests_in(engine: Engine, type_: int) -> list[str]:
    table = tables.journal
    query = select(table.c.request_id).where(table.c.type == type_, table.c.kind == "Message")
    with engine.connect() as connection:
        return [str(found) for found in connection.execute(query.order_by(table.c.seq)).scalars()]


async def test_a_killed_linkage_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    config, port = write_config(tmp_path)
    database = tmp_path / "data" / "linkage.db"
    async with serving(config) as process, call_of(port) as call:
        await call.pbx.notify(
            m.IncomingCallNotice(
                call_id="C1",
                direction=m.CallDirection.IN,
                login_id="23",
                phone_num="139123444444",
                to_num="2222",
            )
        )
        await call.until(lambda: call.heard)
        reply = await call.desk.send(m.CreateEvent(call_id="C1", event_id="E1"))
        assert reply.response.result == 0

        async with asyncio.TaskGroup() as storm:
            for number in range(300):
                storm.create_task(call.hold(number))
            await call.until(lambda: len(call.answered) >= 100)
            process.send_signal(signal.SIGKILL)
            answered = list(call.answered)
            await process.wait()
            assert len(answered) < 300, "it was killed in the middle"

            dead = open_for_reading(database)
            assert set(answered) <= set(requests_in(dead, 106))
            dead.dispose()

            async with serving(config):
                # What was not answered is sent again by the platform's library, and only that.
                await call.until(lambda: len(call.answered) == 300)
                await call.pbx.notify(m.HangupNotice(call_id="C1", reason=100))
                await call.until(lambda: call.heard[-1].message.number == 102)

                check_heard(call)
                living = open_for_reading(database)
                check_store(living, call)
                living.dispose()


def check_heard(call: Call) -> None:
    # The library drops what comes twice, so each is heard once, in order, under the one EventID.
    assert call.holds_heard() == [str(number) for number in range(300)]
    after = call.heard[1:]
    assert {notice.message.event_id for notice in after} == {"E1"}
    assert len({notice.message.op_id for notice in after}) == 1


def check_store(engine: Engine, call: Call) -> None:
    journalled = requests_in(engine, 106)
    assert len(journalled) == len(set(journalled)) == 300
    assert set(journalled) == set(call.answered)
    assert list(breaks(chain(engine))) == []
    again = rebuild(engine)
    assert differences(engine, again) == []
    again.dispose()
    with engine.connect() as connection:
        rows = connection.execute(
            select(
                tables.operation.c.kind, tables.operation.c.state, tables.event.c.event_id
            ).join(tables.event, tables.event.c.event_pk == tables.operation.c.event_pk)
        ).all()
    assert [tuple(row) for row in rows] == [("call", "ended", "E1")]
