"""Both ends of a call that lives on while linkage is killed; and what must hold after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Engine, select

from benchmarks.process import free_port
from linkage.client import Application, Backoff, Platform, Received
from linkage.store.chain import breaks
from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from protocol import messages as m
from tests.fakes.core_bench import chain

SECRET = "a secret of the tests"
HOLDS = 300
SOON = Backoff(first_s=0.02, most_s=0.1)
WAIT_S = 60


def write_config(folder: Path) -> tuple[Path, int]:
    port = free_port()  # not any: a second process must have it again
    peers = "".join(
        f'[[peer]]\nid = "{name}"\nrole = "{role}"\nsecret = "{SECRET}"\n'
        for name, role in (("desk", "application"), ("pbx", "platform"))
    )
    path = folder / "linkage.toml"
    path.write_text(f'listen = ["127.0.0.1:{port}"]\n{peers}', encoding="utf-8")
    return path, port


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
            if not isinstance(notice.message, m.AlarmNotice):  # of linkage's own parts
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

    async def begin(self) -> None:
        """The call comes in, and the application gives it an EventID."""
        await self.pbx.notify(
            m.IncomingCallNotice(
                call_id="C1",
                direction=m.CallDirection.IN,
                login_id="23",
                phone_num="139123444444",
                to_num="2222",
            )
        )
        await self.until(lambda: self.heard)
        reply = await self.desk.send(m.CreateEvent(call_id="C1", event_id="E1"))
        assert reply.response.result == 0

    async def end(self) -> None:
        """It ends once every hold of it was answered."""
        await self.until(lambda: len(self.answered) == HOLDS)
        await self.pbx.notify(m.HangupNotice(call_id="C1", reason=100))
        await self.until(lambda: self.heard[-1].message.number == 102)

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


def check_heard(call: Call) -> None:
    # The library drops what comes twice, so each is heard once, in order, under the one EventID.
    assert call.holds_heard() == [str(number) for number in range(HOLDS)]
    after = call.heard[1:]
    assert {notice.message.event_id for notice in after} == {"E1"}
    assert len({notice.message.op_id for notice in after}) == 1


def check_store(engine: Engine, call: Call) -> None:
    journalled = requests_in(engine, 106)
    assert len(journalled) == len(set(journalled)) == HOLDS
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
