"""The webhook: what many would build first, as somebody who knows FastAPI and SQLite builds it.

`POST /notices` is answered 200 when the notice is in the database (WAL, synchronous=FULL). It then
goes to the receiver as a POST, up to 64 at a time, and the receiver's 200 is kept in the database
as well; what was not delivered is tried again, also after a restart. Duplicates are known by their
Id. No order is kept, nobody has to register, nothing is correlated.

    python -m uvicorn benchmarks.comparison.webhook:app --loop uvloop --http httptools

Environment: `WEBHOOK_DATABASE`, `WEBHOOK_RECEIVER` (URL), `WEBHOOK_GROUPED` (1: one transaction
for all that has queued, as linkage does it; else one for each change).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from fastapi import FastAPI, Request, Response
from lxml import etree

DELIVERIES: Final = 64
RETRY_S: Final = 1.0
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True)
_ADD: Final = "INSERT OR IGNORE INTO notice (id, body) VALUES (?, ?)"
_DONE: Final = "UPDATE notice SET delivered = 1 WHERE id = ?"

Change = tuple[str, tuple[Any, ...]]


class Store:
    """One connection, used by one thread, so that the event loop never waits for the disk."""

    def __init__(self, path: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for line in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            (
                "CREATE TABLE IF NOT EXISTS notice"
                " (id TEXT PRIMARY KEY, body BLOB NOT NULL, delivered INTEGER NOT NULL DEFAULT 0)"
            ),
        ):
            self._database.execute(line)

    async def change(self, sql: str, values: tuple[Any, ...]) -> None:
        """Make a change; it is on disk when this returns."""
        await self._in_thread([(sql, values)])

    async def _in_thread(self, changes: list[Change]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, changes)

    def _write(self, changes: list[Change]) -> None:
        self._database.execute("BEGIN")
        for sql, values in changes:
            self._database.execute(sql, values)
        self._database.execute("COMMIT")

    def undelivered(self) -> list[tuple[str, bytes]]:
        """What was not delivered before the last end."""
        found = self._database.execute("SELECT id, body FROM notice WHERE delivered = 0")
        return found.fetchall()

    async def run(self) -> None:
        """Nothing to do in the background."""

    def close(self) -> None:
        """End the thread and the connection."""
        self._thread.shutdown()
        self._database.close()


class GroupedStore(Store):
    """All that queued while the last transaction ran goes into the next."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._queued: list[tuple[Change, asyncio.Future[None]]] = []
        self._wanted = asyncio.Event()

    async def change(self, sql: str, values: tuple[Any, ...]) -> None:
        """See `Store.change`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queued.append(((sql, values), done))
        self._wanted.set()
        await done

    async def run(self) -> None:
        """Write what queues."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            group, self._queued = self._queued, []
            await self._in_thread([change for change, _ in group])
            for _, done in group:
                if not done.done():
                    done.set_result(None)


class Webhook:
    """The store, and the tasks that deliver from it."""

    def __init__(self) -> None:
        kind = GroupedStore if os.environ.get("WEBHOOK_GROUPED") == "1" else Store
        self._store = kind(os.environ["WEBHOOK_DATABASE"])
        self._receiver = os.environ["WEBHOOK_RECEIVER"]
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def take(self, body: bytes) -> None:
        """Keep a notice, and have it delivered."""
        notice_id = str(etree.fromstring(body, _PARSER).attrib["Id"])
        await self._store.change(_ADD, (notice_id, body))
        self._waiting.put_nowait((notice_id, body))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the application runs."""
        for notice in self._store.undelivered():
            self._waiting.put_nowait(notice)
        limit = aiohttp.TCPConnector(limit=DELIVERIES)
        async with aiohttp.ClientSession(connector=limit) as session, asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._store.run())]
            running += [tasks.create_task(self._deliver(session)) for _ in range(DELIVERIES)]
            yield
            for task in running:
                task.cancel()
        self._store.close()

    async def _deliver(self, session: aiohttp.ClientSession) -> None:
        while True:
            notice_id, body = await self._waiting.get()
            try:
                async with session.post(self._receiver, data=body) as response:
                    response.raise_for_status()
            except aiohttp.ClientError:
                await asyncio.sleep(RETRY_S)
                self._waiting.put_nowait((notice_id, body))
            else:
                await self._store.change(_DONE, (notice_id,))


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    webhook = application.state.webhook = Webhook()
    async with webhook.running():
        yield


app = FastAPI(lifespan=_lifespan, openapi_url=None)


@app.post("/notices")
async def take(request: Request) -> Response:
    """Take a notice; 200 when it is on disk."""
    try:
        await request.app.state.webhook.take(await request.body())
    except (etree.XMLSyntaxError, KeyError):
        return Response(status_code=400)
    return Response(status_code=200)
