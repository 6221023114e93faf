"""An adapter in a process of its own: its memory, its files, its rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from linkage.bus.client import CoreClient
from linkage.bus.remote_files import RemoteFiles
from linkage.core import Core
from linkage.hosting import AdapterHost
from linkage.ports import Adapter, AdapterContext, AdapterPort, Notice, Outcome, Recorded
from linkage.ports.files import PIECE_BYTES
from protocol import messages as m
from protocol.envelope import Request
from tests.fakes.bus import Bus, Peer, until
from tests.fakes.said import hangup, incoming


class Sim(Adapter):
    """Tells one call; does hang-ups as soon as it is let."""

    name = "sim"
    capabilities = {202: frozenset[int]()}  # noqa: RUF012 - a class of a test

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self.let = asyncio.Event()
        self.asked: list[Request] = []

    async def run(self, port: AdapterPort) -> None:
        self.port = port
        await port.load()
        await port.record([Notice(incoming("C1"))])
        await asyncio.Event().wait()

    async def execute(self, request: Request) -> Outcome:
        self.asked.append(request)
        await self.let.wait()
        return Outcome()


def host(bus: Bus, client: CoreClient) -> tuple[AdapterHost, Sim]:
    clock = bus.site.clock  # of one host, one clock
    context = AdapterContext(
        peer_id="sim",
        settings={},
        clock=clock,
        files=RemoteFiles(client),
    )
    adapter = Sim(context)
    return AdapterHost(adapter, client, clock), adapter


async def at_work(bus: Bus) -> tuple[Peer, CoreClient, AdapterHost, Sim]:
    """A desk that was told of a call, and the adapter that told it, in a part of its own."""
    desk = await bus.join(await bus.connected(), "desk")
    desk.answers = True
    part = bus.part("adapter:sim", capabilities={"sim": Sim.capabilities})
    running, sim = host(bus, part)
    await running.start()
    await until(lambda: any(push.type == 100 for push in desk.pushed))
    return desk, part, running, sim


async def test_an_adapter_works_over_the_bus_as_beside_the_core(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        desk, _, running, sim = await at_work(bus)

        assert bus.site.core.peers.by_id["sim"].capability == {202: frozenset()}
        hangup = m.Hangup(call_id="C1")
        assert (await bus.say(desk, hangup)).result in {0, 1}
        await until(lambda: sim.asked)
        sim.let.set()
        await until(lambda: sum(bus.site.core.figures.deliveries.values()) >= 2)
        await running.stop()


async def test_a_command_in_work_when_the_part_dies_is_told_as_unknown(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        desk, first, running, sim = await at_work(bus)
        await bus.say(desk, m.Hangup(call_id="C1"))
        await until(lambda: sim.asked)

        # It is killed: nothing more is heard of it, and another takes its place.
        second = bus.part("adapter:sim", capabilities={"sim": Sim.capabilities})
        again, _ = host(bus, second)
        await again.start()
        await until(lambda: any(push.message.result == 503 for push in desk.pushed))

        assert first.connection.replaced.done()
        await again.stop()
        await running.stop()


async def test_an_adapter_whose_link_the_core_closed_is_adopted_again(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        desk, part, running, sim = await at_work(bus)
        await bus.say(desk, m.Hangup(call_id="C1"))
        await until(lambda: sim.asked)

        core = bus.site.core
        (link,) = [link for link, peer in core._links.peer_at.items() if peer.id == "sim"]
        core.closed(link, "internal error")  # as where a bug is met in its queue
        link.close("internal error")

        await until(lambda: [push.type for push in desk.pushed].count(100) == 2)
        await until(lambda: any(push.message.result == 503 for push in desk.pushed))
        await until(lambda: len(alarms_of(desk, "sim is ")) == 2)
        assert part.peers == ["sim"]
        assert len(sim.asked) == 1
        sim.let.set()
        await bus.say(desk, m.Hangup(call_id="C1"))
        await until(lambda: len(sim.asked) == 2)
        await running.stop()

    raised, cleared = alarms_of(desk, "sim is ")
    assert (raised.action, cleared.action) == (m.AlarmAction.RAISE, m.AlarmAction.CLEAR)
    assert sum(push.message.result == 503 for push in desk.pushed) == 1


def alarms_of(peer: Peer, text: str) -> list[m.AlarmNotice]:
    told = [push.message for push in peer.pushed]
    return [
        message
        for message in told
        if isinstance(message, m.AlarmNotice) and text in str(message.text)
    ]


async def test_an_adapters_memory_is_the_cores(tmp_path: Path) -> None:
    value = {"calls": ["C1", {"n": 1.5}], "名": None}
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        _, _, running, sim = await at_work(bus)
        assert await sim.port.load() == {}
        await sim.port.record(memory={"a": value, "b": 1})
        await sim.port.record(memory={"b": None})
        await bus.vanish()
        bus.open()

        assert await sim.port.load() == {"a": value}
        await running.stop()


async def test_a_record_whose_answer_was_lost_is_found_again_by_the_next_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        desk, _, running, sim = await at_work(bus)
        recorded, dying = Core.record, asyncio.Event()

        async def record_and_die(core: Core, *record: Any) -> Recorded:
            await recorded(core, *record)
            dying.set()
            await asyncio.Event().wait()
            raise AssertionError

        monkeypatch.setattr(Core, "record", record_and_die)
        told = [Notice(incoming("C2")), Notice(hangup("C2"))]
        telling = asyncio.ensure_future(sim.port.record(told, {"told": 2}))  # noqa: TID251 - awaited
        await dying.wait()
        monkeypatch.undo()
        assert not telling.done()
        await bus.vanish()
        bus.open()
        await telling

        assert await sim.port.load() == {"told": 2}
        await until(lambda: any(push.type == 102 for push in desk.pushed))
        journal = [row.type for row in bus.site.journal() if row.source == "sim" and row.type]
        assert [journal.count(type_) for type_ in (100, 102)] == [2, 1]
        await running.stop()


async def test_a_notice_that_cannot_cross_costs_neither_the_others_nor_the_memory(
    tmp_path: Path,
) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        _, _, running, sim = await at_work(bus)
        torn = incoming("C2")
        object.__setattr__(torn, "caller_name", object())

        await sim.port.record([Notice(torn), Notice(hangup("C1"))], {"told": 1})

        assert await sim.port.load() == {"told": 1}
        assert 102 in {row.type for row in bus.site.journal()}
        await running.stop()


async def test_an_adapter_speaks_for_itself_only(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        part = await bus.connected("adapter:sim")
        with pytest.raises(RuntimeError):
            await part.adopt(Peer(part, "desk"), "desk")
        with pytest.raises(RuntimeError):
            await part.recall("other")
        refused = await part.register(Peer(part, "desk"), bus.registration("desk"))
        with pytest.raises(RuntimeError):
            await RemoteFiles(await bus.connected()).save("a.wav", pieces(b"x"))

    assert refused.result == 500


async def test_an_adapter_that_nobody_configured_is_refused_in_words(tmp_path: Path) -> None:
    async with Bus(tmp_path) as bus:
        part = bus.part("adapter:other")
        await until(lambda: "no [[adapter]] 'other'" in str(part.connection.problem))


async def test_an_adapter_whose_part_is_not_there_raises_an_alarm_until_it_comes(
    tmp_path: Path,
) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        gateway = await bus.connected()
        desk = await bus.join(gateway, "desk")
        desk.answers = True
        await until(lambda: desk.pushed)
        part = await bus.connected("adapter:sim")
        await until(lambda: len(desk.pushed) == 2)

        assert part.connection.connected
    raised, cleared = [push.message for push in desk.pushed]
    assert isinstance(raised, m.AlarmNotice)
    assert isinstance(cleared, m.AlarmNotice)
    assert (raised.action, cleared.action) == (m.AlarmAction.RAISE, m.AlarmAction.CLEAR)
    assert "serve --only adapter:sim" in str(raised.text)


# --- files ---------------------------------------------------------------------------------------
async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        await asyncio.sleep(0)
        yield piece


async def test_a_file_is_kept_on_the_cores_host(tmp_path: Path) -> None:
    content = [b"RIFF", b"x" * (2 * PIECE_BYTES + 1), b""]
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        files = RemoteFiles(await bus.connected("adapter:sim"))
        stored = await files.save("../call.wav", pieces(*content))

    assert stored.path.read_bytes() == b"".join(content)
    assert stored.size_bytes == sum(map(len, content))
    assert stored.path.is_relative_to(tmp_path / "files")


async def breaking_off() -> AsyncIterator[bytes]:
    yield b"half"
    raise ConnectionResetError


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_file_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        files = RemoteFiles(await bus.connected("adapter:sim"))
        with pytest.raises(ConnectionResetError):
            await files.save("a.wav", breaking_off())
        await until(lambda: not files_in(tmp_path / "files"))


async def test_a_file_is_an_error_when_the_core_goes_away_under_it(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async with Bus(tmp_path, adapters=["sim"]) as bus:

        async def interrupted() -> AsyncIterator[bytes]:
            yield b"half"
            await bus.leave()
            gone.set()
            yield b"whole"

        files = RemoteFiles(await bus.connected("adapter:sim"))
        with pytest.raises(OSError, match="core"):
            await files.save("a.wav", interrupted())
        await until(lambda: not files_in(tmp_path / "files"))


async def test_the_rest_of_a_file_whose_core_went_away_goes_into_no_other_file(
    tmp_path: Path,
) -> None:
    goes_on = asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield b"of one "
        await goes_on.wait()
        yield b"recording"

    async def other() -> AsyncIterator[bytes]:
        yield b"of "
        goes_on.set()
        await asyncio.wait({first})
        yield b"another"

    async with Bus(tmp_path, adapters=["sim"]) as bus:
        part = await bus.connected("adapter:sim")
        files = RemoteFiles(part)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(held_back(files.save("a.wav", held())))
            await until(lambda: bus.core_server is not None and files_in(tmp_path / "files"))
            await bus.vanish()
            bus.open()
            await until(lambda: not part.connection.connected)
            await until(lambda: part.connection.connected)
            stored = await files.save("b.wav", other())
            content = stored.path.read_bytes()
    assert isinstance(first.result(), OSError)
    assert content == b"of another"


async def held_back(saving: Coroutine[Any, Any, Any]) -> Any:
    """What it returns, or the error that it raises."""
    try:
        return await saving
    except OSError as error:
        return error


async def test_a_disk_that_takes_no_file_is_an_oserror_here_too(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        (tmp_path / "files").write_text("not a directory")
        files = RemoteFiles(await bus.connected("adapter:sim"))
        with pytest.raises(OSError):  # noqa: PT011 - whichever the system names
            await files.save("a.wav", pieces(*[b"x" * 100] * 10))


async def test_what_is_kept_is_read_and_deleted_from_another_process(tmp_path: Path) -> None:
    content = b"RIFF" + b"x" * (2 * PIECE_BYTES)
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        files = RemoteFiles(await bus.connected("adapter:sim"))
        stored = await files.save("call.wav", pieces(content))

        found = await files.stat(stored.file_id)
        assert found is not None
        assert (found.path, found.size_bytes) == (stored.path, len(content))
        read = [piece async for piece in files.open(stored.file_id)]
        assert b"".join(read) == content
        assert max(map(len, read)) <= PIECE_BYTES
        assert [piece async for piece in files.open(stored.file_id, len(content) - 1)] == [b"x"]
        assert await files.delete(stored.file_id)
        assert not await files.delete(stored.file_id)
        assert await files.stat(stored.file_id) is None
        with pytest.raises(FileNotFoundError):
            await anext(files.open(stored.file_id))


@pytest.mark.parametrize("file_id", ["../x", "", "*", "\udcff"])
async def test_an_id_that_leads_nowhere_is_no_file_there_either(
    tmp_path: Path, file_id: str
) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        files = RemoteFiles(await bus.connected("adapter:sim"))
        assert await files.stat(file_id) is None
        assert not await files.delete(file_id)


async def test_a_gateway_reads_no_file(tmp_path: Path) -> None:
    async with Bus(tmp_path, adapters=["sim"]) as bus:
        theirs = RemoteFiles(await bus.connected("adapter:sim"))
        stored = await theirs.save("call.wav", pieces(b"x"))
        files = RemoteFiles(await bus.connected())
        with pytest.raises(Exception, match="not the part of adapter"):
            await files.stat(stored.file_id)
        with pytest.raises(Exception, match="not the part of adapter"):
            await anext(files.open(stored.file_id))
        with pytest.raises(Exception, match="not the part of adapter"):
            await files.delete(stored.file_id)
