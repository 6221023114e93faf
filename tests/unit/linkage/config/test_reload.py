"""An adapter that was refused, or has new settings, is started again while others are served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters import registry
from linkage.client import (
    Application,
    CommandRefusedError,
    RegistrationRefusedError,
)
from linkage.config.file import Config
from linkage.config.reload import RESTART
from linkage.hosting import AdapterState
from linkage.ports import (
    Adapter,
    AdapterContext,
    AdapterPort,
    AdapterRefusedError,
    Capability,
    Notice,
    Outcome,
)
from linkage.server.adapter_part import AdapterPart
from linkage.server.process import open_part
from linkage.server.server import Server
from linkage.store.read.reader import StoreReader
from protocol.envelope import Request
from protocol.messages import (
    AlarmAction,
    AlarmNotice,
    CallDirection,
    Hangup,
    IncomingCallNotice,
    LinkState,
    PlatformLink,
    PlatformStatusNotice,
    RotateKey,
)
from protocol.results import Result
from tests.fakes.core_bench import SECRET, peer

WAIT_S = 30.0


class Vendor(Adapter):
    """A platform that takes one password, and misbehaves as its settings say."""

    name: ClassVar[str] = "vendor"
    capabilities: ClassVar[Capability] = {202: frozenset()}

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        if context.settings.get("password") == "":
            raise AdapterRefusedError("settings: a password is wanted")

    async def run(self, port: AdapterPort) -> None:
        settings = self.context.settings
        if settings["password"] != "right":
            raise AdapterRefusedError("wrong password")
        up = PlatformLink(id=self.context.peer_id, kind="x", state=LinkState.UP)
        await port.record([Notice(PlatformStatusNotice(links=(up,)))])
        manner: Callable[[AdapterPort], Any] = MANNERS[settings.get("manner", "well")]
        await manner(port)

    async def execute(self, request: Request) -> Outcome:  # noqa: ARG002 - the port's
        manner = self.context.settings.get("manner")
        if manner == "hangs":
            await asyncio.Event().wait()
        if manner == "exits":
            raise SystemExit(3)
        return Outcome()


async def _well(_port: AdapterPort) -> None:
    await asyncio.Event().wait()


async def _floods(port: AdapterPort) -> None:
    number = 0
    while True:
        number += 1
        direction = CallDirection.IN
        call = IncomingCallNotice(call_id=f"f{number}", direction=direction, to_num="9")
        await port.record([Notice(call)])


async def _raises(_port: AdapterPort) -> None:
    raise BaseExceptionGroup("nonsense", [KeyError("x"), ValueError("y")])


async def _exits(_port: AdapterPort) -> None:
    raise SystemExit(3)


async def _cancels(_port: AdapterPort) -> None:
    raise asyncio.CancelledError


async def _leaks(_port: AdapterPort) -> None:
    loop = asyncio.get_running_loop()
    LEAKED.extend(loop.create_task(asyncio.Event().wait()) for _ in range(100))
    raise OSError("the link is gone")


async def _drops_its_tasks(port: AdapterPort) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(_raises(port))


LEAKED: list[asyncio.Task[Any]] = []
MANNERS: dict[str, Callable[[AdapterPort], Any]] = {
    "well": _well, "hangs": _well, "floods": _floods, "raises": _raises, "leaks": _leaks,
    "drops": _drops_its_tasks, "exits": _exits, "cancels": _cancels,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.ADAPTERS, "vendor", f"{__name__}:Vendor")
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Vendor.__module__])


def config(folder: Path, *adapters: dict[str, Any], **more: Any) -> Config:
    items = [
        {"kind": "vendor", "id": f"pbx{n}", "settings": each} for n, each in enumerate(adapters)
    ]
    return Config.model_validate(
        {
            "source": folder / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "peer": [peer("desk", "application", numbers=["2222"])],
            "adapter": items,
            **more,
        }
    )


async def alarm(desk: Application) -> AlarmNotice:
    async with asyncio.timeout(WAIT_S):
        while True:
            message = (await desk.next_notice()).message
            if isinstance(message, AlarmNotice):
                return message


@pytest.fixture
async def refused(tmp_path: Path) -> AsyncIterator[tuple[Server, Application]]:
    """An adapter with a wrong password, and who hears of it."""
    async with Server(config(tmp_path, {"password": "wrong"}, {"password": "right"})) as server:
        host, port = server.addresses[0]
        async with Application(host, port, "desk", secret=SECRET) as desk:
            yield server, desk


async def test_a_refused_adapter_is_an_alarm_that_is_heard_and_shown(
    refused: tuple[Server, Application],
) -> None:
    server, desk = refused
    told = await alarm(desk)
    assert (told.alarm_id, told.action) == ("pbx0", AlarmAction.RAISE)
    assert "wrong password" in (told.text or "")
    with StoreReader.open(server.config.database_path) as reader:
        assert reader.alarms() == {"pbx0": told.text}


async def test_a_reload_starts_it_again_with_its_new_password_and_touches_no_other(
    refused: tuple[Server, Application], tmp_path: Path
) -> None:
    server, desk = refused
    await alarm(desk)
    other = server.hosts[1]
    new = config(tmp_path, {"password": "right"}, {"password": "right"})
    assert await server.reload(new) == ["adapter pbx0: restarted"]
    over = await alarm(desk)
    assert (over.alarm_id, over.action) == ("pbx0", AlarmAction.CLEAR)
    assert other in server.hosts
    assert {host.peer_id: host.state for host in server.hosts} == {
        "pbx0": AdapterState.UP,
        "pbx1": AdapterState.UP,
    }
    assert await server.reload(new) == []


async def test_a_reload_tries_a_refused_adapter_again_though_nothing_changed(
    refused: tuple[Server, Application],
) -> None:
    server, desk = refused
    await alarm(desk)
    assert await server.reload(server.config) == ["adapter pbx0: restarted"]


async def test_settings_that_an_adapter_does_not_take_leave_the_one_that_runs(
    refused: tuple[Server, Application], tmp_path: Path
) -> None:
    server, _ = refused
    before = server.hosts[1]
    new = config(tmp_path, {"password": "wrong"}, {"password": ""})
    lines = await server.reload(new)
    assert (
        "adapter pbx1: new settings refused, old ones kept: settings: a password is wanted"
        in lines
    )
    assert before in server.hosts
    assert "pbx1: new settings refused" in "".join(await server.reload(new)), "and is tried again"


async def test_what_a_reload_does_not_take_up_is_said(
    refused: tuple[Server, Application], tmp_path: Path
) -> None:
    server, desk = refused
    await alarm(desk)
    new = config(tmp_path, {"password": "right"}, {"password": "right"}, {}, id="other")
    assert await server.reload(new) == [
        "adapter pbx2: new, which takes effect after a restart of linkage",
        f"what changed beside adapters and who may come in {RESTART}",
        "adapter pbx0: restarted",
    ]
    lines = await server.reload(config(tmp_path, {"password": "right"}))
    assert lines == ["adapter pbx1: removed, which takes effect after a restart of linkage"]


@pytest.mark.parametrize("manner", sorted(MANNERS))
async def test_an_adapter_that_misbehaves_disturbs_no_other(tmp_path: Path, manner: str) -> None:
    ours = config(tmp_path, {"password": "right", "manner": manner}, {"password": "right"})
    async with Server(ours) as server:
        host, port = server.addresses[0]
        async with Application(host, port, "desk", secret=SECRET) as desk:
            good = next(each for each in server.hosts if each.peer_id == "pbx1")
            bad = next(each for each in server.hosts if each.peer_id == "pbx0")
            bad.push(Request(id="1", message=Hangup(call_id="x")))
            for number in range(20):
                call = IncomingCallNotice(
                    call_id=f"c{number}", direction=CallDirection.IN, to_num="2222"
                )
                async with asyncio.timeout(WAIT_S):
                    await good._port.record([Notice(call)])
                    while (await desk.next_notice()).message.call_id != call.call_id:
                        pass
            assert good.state is AdapterState.UP
            assert bad.state in {AdapterState.UP, AdapterState.DOWN, AdapterState.CONNECTING}
    for task in LEAKED:
        task.cancel()
    await asyncio.gather(*LEAKED, return_exceptions=True)
    LEAKED.clear()


# --- who may come in -----------------------------------------------------------------------------
DESK = peer("desk", "application", numbers=["2222"])
OTHER = peer("other", "application", numbers=["3333"])


@dataclass
class Serving:
    """A linkage in one process, or in parts that are told one after the other."""

    folder: Path
    address: tuple[str, int]
    reloads: list[Callable[[Config], Awaitable[list[str]]]]

    async def reload(self, *peers: dict[str, Any], **more: Any) -> list[str]:
        new = site_of(self.folder, *peers, **more)
        return [line for reload in self.reloads for line in await reload(new)]

    def desk(self, secret: str = SECRET) -> Application:
        return Application(*self.address, "desk", secret=secret)

    def other(self) -> Application:
        return Application(*self.address, "other", secret=SECRET)


def site_of(folder: Path, *peers: dict[str, Any], **more: Any) -> Config:
    document = {"source": folder / "linkage.toml", "listen": ["127.0.0.1:0"], "peer": list(peers)}
    return Config.model_validate(document | more)


@pytest.fixture(params=["whole", "parts"])
async def serving(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Serving]:
    ours = site_of(tmp_path, DESK, OTHER)
    async with AsyncExitStack() as stack:
        if request.param == "whole":
            server = await stack.enter_async_context(Server(ours))
            yield Serving(tmp_path, server.addresses[0], [server.reload])
            return
        core = await stack.enter_async_context(open_part(ours, "core"))
        gateway = await stack.enter_async_context(open_part(ours, "gateway"))
        yield Serving(tmp_path, gateway.addresses[0], [core.reload, gateway.reload])


async def ended(application: Application) -> None:
    """Its session was closed, and it is not let in again."""

    async def until_refused() -> None:
        while True:
            await application.next_notice()

    with pytest.raises(RegistrationRefusedError):
        await asyncio.wait_for(until_refused(), WAIT_S)


async def stays(application: Application) -> None:
    """It is answered on the session that it has."""
    with pytest.raises(CommandRefusedError):
        await application.send(RotateKey(key_id="2", digest="x" * 64))


async def test_a_peer_that_is_taken_out_is_shut_out_at_once_and_let_in_when_it_is_back(
    serving: Serving,
) -> None:
    async with serving.other() as other:
        async with serving.desk() as desk:
            lines = await serving.reload(OTHER)
            assert {line.partition(":")[0] for line in lines} == {"peer desk"}
            await ended(desk)
        await stays(other)
        await serving.reload(DESK, OTHER)
        async with serving.desk() as desk:
            await stays(desk)


async def test_a_secret_that_is_changed_in_the_file_ends_the_session_that_it_opened(
    serving: Serving,
) -> None:
    async with serving.other() as other, serving.desk() as desk:
        await serving.reload(DESK | {"secret": "another-secret-of-the-desk"}, OTHER)
        await ended(desk)
        await stays(other)
    async with serving.desk("another-secret-of-the-desk") as desk:
        await stays(desk)


@pytest.mark.parametrize(
    "changed", [{"allow": ["10.0.0.0/8"]}, {"require_tls": True}], ids=["allow", "tls"]
)
async def test_a_peer_that_would_not_come_in_any_more_goes(
    serving: Serving, changed: dict[str, Any]
) -> None:
    async with serving.other() as other, serving.desk() as desk:
        await serving.reload(DESK | changed, OTHER)
        await ended(desk)
        await stays(other)


async def test_who_is_not_allowed_to_connect_any_more_goes(serving: Serving) -> None:
    async with serving.desk() as desk:
        assert "`allow` applied" in await serving.reload(DESK, OTHER, allow=["10.0.0.0/8"])
        async with asyncio.timeout(WAIT_S):
            told = (await desk.next_notice()).message
        assert told.result == Result.SESSION_EXPIRED
        reader, writer = await asyncio.open_connection(*serving.address)
        assert await reader.read() == b""
        writer.close()
        await serving.reload(DESK, OTHER)
        async with asyncio.timeout(WAIT_S):
            await desk.wait_ready()


async def test_a_reload_without_a_change_touches_nobody(serving: Serving) -> None:
    async with serving.desk() as desk:
        assert await serving.reload(DESK, OTHER) == []
        await stays(desk)


async def test_the_part_of_an_adapter_takes_up_its_settings(tmp_path: Path) -> None:
    ours = config(tmp_path, {"password": "wrong"}, {"password": "right"})
    async with open_part(ours, "core"), open_part(ours, "adapter:pbx0") as part:
        assert isinstance(part, AdapterPart)

        async def until(state: AdapterState) -> None:
            async with asyncio.timeout(WAIT_S):
                while part.hosts[0].state is not state:  # noqa: ASYNC110 - a host sets no event
                    await asyncio.sleep(0.01)

        await until(AdapterState.REFUSED)
        lines = await part.reload(config(tmp_path, {"password": ""}, {"password": "changed"}))
        assert lines == [
            "adapter pbx0: new settings refused, old ones kept: settings: a password is wanted"
        ], "of the other adapter nothing is said"
        lines = await part.reload(config(tmp_path, {"password": "right"}, {"password": "right"}))
        assert lines == ["adapter pbx0: restarted"]
        await until(AdapterState.UP)
        assert await part.reload(part.config) == []
