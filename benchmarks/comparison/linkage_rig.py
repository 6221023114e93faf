"""Linkage itself, as `linkage serve` runs it; and the bare echo of the same frames."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import ClassVar, Final

from benchmarks.comparison.frames import SECRET, FramePeer, RegisteringPeer, answer_to, frame
from benchmarks.comparison.load import Flow, Line
from benchmarks.comparison.notice import make_notice, name_of
from benchmarks.comparison.rig import Rig
from benchmarks.process import LOAD_CORE, SERVER_CORE, Child
from benchmarks.serving import port_of, serve_command
from protocol.roles import Role

_ANSWER: Final = re.compile(rb'<response RequestId="([^"]+)"[^>]* Result="(\d+)"')


class Caller(RegisteringPeer, Line):
    """A platform that sends notices."""

    def __init__(self, peer_id: str, flow: Flow) -> None:
        super().__init__(Role.PLATFORM, peer_id)
        self._flow = flow

    def send(self, name: str) -> None:
        """At once; linkage reads on as far as it is able to."""
        self.transport.write(frame(make_notice(name)))

    def received(self, payload: bytes) -> None:
        """An answer, to a notice or to the registration."""
        found = _ANSWER.match(payload)
        if found is not None:
            self._flow.answered(found[1].decode(), accepted=found[2] == b"0")


class EchoCaller(Caller):
    """The same towards the echo, which nobody registers with."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say nothing."""
        FramePeer.connection_made(self, transport)
        self.registered.set_result(None)


class Desk(RegisteringPeer):
    """The application that gets the notices and acknowledges each."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(Role.APPLICATION, "desk")
        self._flow = flow

    def received(self, payload: bytes) -> None:
        """A notice."""
        answer = answer_to(payload)
        if answer is None:
            return
        self.transport.write(answer)
        self._flow.arrived(name_of(payload))


class FrameRig(Rig):
    """What speaks frames."""

    caller: ClassVar[type[Caller]]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # those of Rig
        self._peers: list[RegisteringPeer] = []
        self.port = 0

    async def connect(self, flow: Flow) -> Sequence[Line]:
        """See `Rig.connect`."""
        if self.delivers:
            await self._join(Desk(flow))
        callers = [self.caller(f"pbx{number}", flow) for number in range(self.connections)]
        for caller in callers:
            await self._join(caller)
        return callers

    async def _join(self, peer: RegisteringPeer) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: peer, "127.0.0.1", self.port)
        self._peers.append(peer)
        await peer.registered

    async def disconnect(self) -> None:
        """See `Rig.disconnect`."""
        for peer in self._peers:
            peer.transport.close()


class LinkageRig(FrameRig):
    """`linkage serve`, one process."""

    name = "linkage"
    title = "linkage"
    promise = "fsync before the answer; a receiver's answer is fsynced in the next batch"
    caller = Caller

    async def start(self) -> None:
        """See `Rig.start`."""
        self._write_config()
        await self._listen()

    def _write_config(self) -> None:
        peers = {f"pbx{number}": "platform" for number in range(self.connections)}
        tables = [
            f'[[peer]]\nid = "{peer}"\nsecret = "{SECRET}"\nrole = "{role}"\n'
            for peer, role in {"desk": "application", **peers}.items()
        ]
        path = self.folder / "linkage.toml"
        path.write_text('listen = ["127.0.0.1:0"]\n' + "".join(tables), encoding="utf-8")
        path.chmod(0o600)

    def _serve(self, *options: str, core: int = SERVER_CORE) -> Child:
        config = self.folder / "linkage.toml"
        return self.launch(*serve_command(config, *options, log_level="warning"), core=core)

    async def _listen(self, *options: str) -> None:
        self.port = await port_of(self._serve(*options))


class SplitRig(LinkageRig):
    """Gateway and core as two processes, both on the one core that the servers have."""

    name = "split"
    title = "linkage, split in two"

    core = SERVER_CORE
    """Where the core runs; the gateway has the servers' own."""

    async def start(self) -> None:
        """See `Rig.start`."""
        self._write_config()
        await self._serve("--only", "core", core=self.core).says('"serving"')
        await self._listen("--only", "gateway")


class TwoCoresRig(SplitRig):
    """The same on a core each; the load needs a third."""

    name = "two-cores"
    title = "linkage, on two cores"
    core = LOAD_CORE + 1


class EchoRig(FrameRig):
    """What asyncio, the kernel and the load itself cost: a server that only answers."""

    name = "echo"
    title = "bare uvloop echo"
    promise = "nothing is kept, nothing is delivered: the floor"
    delivers = False
    caller = EchoCaller

    async def start(self) -> None:
        """See `Rig.start`."""
        server = self.launch(sys.executable, "-m", "benchmarks.comparison.echo")
        self.port = int((await server.says("listens on")).split()[-1])
