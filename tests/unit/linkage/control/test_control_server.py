"""The door of a serving linkage: who may ask what, and what hostile visitors come to."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from linkage.client import Application, Platform
from linkage.config.file import Config
from linkage.control import ControlError, NotServingError, ask
from linkage.control.control_server import _listen
from linkage.control.socket_path import LINE_MAX, PATH_MAX, fitting
from linkage.server.server import Server
from linkage.store.read.reader import StoreReader
from linkage.store.sql.rebuild import differences, rebuild
from protocol.codec import encode
from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import (
    BindAction,
    BindEvent,
    CallDirection,
    CloseAction,
    CloseEvent,
    CreateEvent,
    EventBoundNotice,
    Hangup,
    IncomingCallNotice,
    LinkAction,
    LinkEvent,
    QueryCall,
)
from tests.fakes.core_bench import SECRET, peer

WAIT_S = 60.0
RESPONSE = b"""{"do": "command", "owner": "desk", \
"request": "<response RequestId='1' Type='201' Result='0'/>"}\n"""


def config(folder: Path, **settings: Any) -> Config:
    return Config.model_validate(
        {
            "source": folder / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "peer": [
                peer("desk", "application", numbers=["2222"]),
                peer("other", "application", numbers=["3333"]),
                peer("pbx", "platform"),
            ],
            **settings,
        }
    )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(config(tmp_path)) as serving:
        yield serving


def command(message: Message, owner: str = "desk", id_: str = "") -> dict[str, Any]:
    text = encode(Request(id=id_ or os.urandom(8).hex(), message=message)).decode()
    return {"do": "command", "owner": owner, "request": text}


async def said(server: Server, question: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(ask, server.config.control_path, question)


async def present(server: Server) -> dict[str, dict[str, Any]]:
    told = await said(server, {"do": "status"})
    return {one["id"]: one for one in told["peers"]}


async def call(server: Server, to: str = "2222", call_id: str = "c1") -> int:
    """A call comes in; its OpId."""
    host, port = server.addresses[0]
    async with Platform(host, port, "pbx", secret=SECRET) as pbx:
        told = await pbx.notify(
            IncomingCallNotice(
                call_id=call_id, direction=CallDirection.IN, phone_num="139", to_num=to
            )
        )
    assert told.op_id is not None
    return int(told.op_id)


async def test_it_says_who_is_connected_from_where_and_since_when(server: Server) -> None:
    assert await present(server) == {}
    host, port = server.addresses[0]
    async with Application(host, port, "desk", secret=SECRET):
        here = await present(server)
        assert set(here) == {"desk"}
        assert here["desk"]["address"].startswith("127.0.0.1:")
        assert here["desk"]["since"].endswith("+00:00")
    async with asyncio.timeout(WAIT_S):
        while await present(server):  # each look is a turn of the loop
            pass


async def test_only_its_user_can_open_it_and_it_is_gone_with_its_process(tmp_path: Path) -> None:
    settings = config(tmp_path)
    async with Server(settings):
        mode = settings.control_path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not settings.control_path.exists()
    with pytest.raises(NotServingError, match="no linkage serves this data"):
        ask(settings.control_path, {"do": "status"})


def test_it_is_made_for_its_user_before_anybody_can_connect_and_without_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another thread writes just then must not get the mode of the socket."""
    path = tmp_path / "control.sock"
    asked: list[int] = []
    monkeypatch.setattr(os, "umask", asked.append)
    with _listen(path), socket.socket(socket.AF_UNIX) as visitor:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(ConnectionRefusedError):
            visitor.connect(str(path))
    assert asked == []


async def test_what_a_killed_linkage_left_is_nobody_and_is_replaced(tmp_path: Path) -> None:
    settings = config(tmp_path)
    settings.data_path.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead, fitting(settings.control_path) as address:
        dead.bind(address)
    with pytest.raises(NotServingError):
        await asyncio.to_thread(ask, settings.control_path, {"do": "status"})
    async with Server(settings) as serving:
        assert await present(serving) == {}


async def test_data_may_lie_deeper_than_a_sockets_address_reaches(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("deeper" * 10)
    deep.mkdir(parents=True)
    settings = config(deep)
    assert len(os.fsencode(settings.control_path)) > PATH_MAX
    async with Server(settings) as serving:
        assert await present(serving) == {}


async def test_an_operator_opens_binds_merges_and_closes_as_the_author_of_it(
    server: Server,
) -> None:
    op_id = await call(server)
    for message in (
        CreateEvent(event_id="77", title="火灾"),
        CreateEvent(event_id="78"),
        BindEvent(event_id="77", op_id=str(op_id), action=BindAction.BIND),
        LinkEvent(event_id="78", other_event_id="77", action=LinkAction.MERGE),
        CloseEvent(event_id="77", action=CloseAction.CLOSE),
    ):
        assert (await said(server, command(message)))["result"] == 0
    with StoreReader.open(server.config.database_path) as reader:
        history = reader.history("77")
    (operation,) = history.operations
    assert (history.event.owner, history.event.status) == ("desk", "closed")
    assert [merged.event_id for merged in history.merged] == ["78"]
    assert operation.cause == "manual"
    assert operation.author is not None
    assert operation.author.startswith("operator:")
    assert {entry.source for entry in history.entries if entry.type in {201, 281, 283, 284}} == {
        operation.author
    }


async def test_what_an_operator_did_is_played_again_by_a_rebuild(tmp_path: Path) -> None:
    settings = config(tmp_path)
    async with Server(settings) as serving:
        op_id = await call(serving)
        for message in (
            CreateEvent(event_id="77"),
            CreateEvent(event_id="78"),
            BindEvent(event_id="77", op_id=str(op_id), action=BindAction.BIND),
            LinkEvent(event_id="78", other_event_id="77", action=LinkAction.MERGE),
        ):
            await said(serving, command(message))
    engine = create_engine(f"sqlite:///{settings.database_path}")
    again = rebuild(engine)
    assert differences(engine, again) == []
    engine.dispose()
    again.dispose()


async def test_the_application_is_told_what_an_operator_bound(server: Server) -> None:
    op_id = await call(server)
    host, port = server.addresses[0]
    async with Application(host, port, "desk", secret=SECRET) as desk:
        await said(server, command(CreateEvent(event_id="77", call_id="c1")))
        async with asyncio.timeout(WAIT_S):
            while True:
                message = (await desk.next_notice()).message
                if isinstance(message, EventBoundNotice):
                    break
    assert (message.event_id, message.op_id) == ("77", str(op_id))


@pytest.mark.parametrize(
    ("message", "owner", "result"),
    [
        (QueryCall(call_id="c1"), "desk", 202),
        (Hangup(call_id="c1"), "desk", 202),
        (CreateEvent(event_id="77"), "nobody", 203),
        (CreateEvent(event_id="77"), "pbx", 203),
        (CreateEvent(event_id="77", call_id="c1"), "other", 203),
        (CreateEvent(event_id="77", call_id="none"), "desk", 301),
        (CloseEvent(event_id="none", action=CloseAction.CLOSE), "desk", 300),
    ],
)
async def test_the_rules_for_everybody_hold_for_an_operator(
    server: Server, message: Message, owner: str, result: int
) -> None:
    await call(server)
    assert (await said(server, command(message, owner)))["result"] == result


async def test_the_same_request_again_changes_nothing(server: Server) -> None:
    question = command(CreateEvent(event_id="77"), id_="0123456789abcdef")
    assert (await said(server, question))["result"] == 0
    await said(server, question)
    with StoreReader.open(server.config.database_path) as reader:
        assert [event.event_id for event in reader.list_events()] == ["77"]


def raw(path: Path, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as visitor, fitting(path) as address:
        visitor.settimeout(WAIT_S)
        visitor.connect(address)
        try:
            visitor.sendall(sent)
            return visitor.recv(LINE_MAX)
        except (BrokenPipeError, ConnectionResetError):
            return b""


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b"{}\n",
        b'{"do": []}\n',
        b'{"do": "command"}\n',
        b'{"do": "command", "owner": 7, "request": "x"}\n',
        b'{"do": "command", "owner": "desk", "request": "<request"}\n',
        b'{"do": "command", "owner": "desk", "request": "\\ud800"}\n',
        b'{"do": "command", "owner": "desk", "request": "<!DOCTYPE a><a/>"}\n',
        RESPONSE,
        b'{"do": "reload"}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
async def test_what_is_no_question_is_answered_so(server: Server, line: bytes) -> None:
    answer = await asyncio.to_thread(raw, server.config.control_path, line)
    assert json.loads(answer)["error"]
    assert await present(server) == {}


async def test_a_line_without_end_costs_its_visitor_alone(server: Server) -> None:
    path = server.config.control_path
    assert await asyncio.to_thread(raw, path, b"x" * (2 * LINE_MAX)) == b""
    assert await present(server) == {}


async def test_a_crowd_of_visitors_is_turned_away_and_hinders_nobody_for_long(
    server: Server,
) -> None:
    path = server.config.control_path
    visitors = [await asyncio.open_unix_connection(str(path)) for _ in range(40)]
    turned_away = 0
    for reader, writer in visitors:
        writer.write(b'{"do": "status"}\n')
        try:
            turned_away += not await asyncio.wait_for(reader.read(10), WAIT_S)
        except OSError:
            turned_away += 1
    assert turned_away == 40 - 16
    for _, writer in visitors:
        writer.close()
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                assert await present(server) == {}
                break
            except ControlError:
                await asyncio.sleep(0)


async def test_an_answer_may_be_as_long_as_there_are_peers(tmp_path: Path) -> None:
    """Ten thousand that are connected take a megabyte."""
    told = {"peers": [{"id": f"peer-{number}", "address": "a" * 60} for number in range(10_000)]}
    path = tmp_path / "control.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(json.dumps(told).encode() + b"\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        assert await asyncio.to_thread(ask, path, {"do": "status"}) == told
