"""SMS software of others: npm's `smpp` as a centre, and Kannel, which is bound to ours."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.real.peers.ports import free_port

WITHIN_S: Final = 30.0
HERE: Final = Path(__file__).parent
SCRIPT: Final = HERE / "node_sms_centre.js"
LIBRARIES: Final = (
    "usr/lib/x86_64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
)


def sms_root() -> Path:
    """Where `provision-sms.sh` has put them."""
    return Path(os.environ.get("LINKAGE_REAL_SMS", "/var/cache/linkage-real/sms"))


def missing_sms_peers() -> str | None:
    """What keeps them from running here; None: nothing does."""
    if not (sms_root() / ".linkage-provisioned").is_file():
        return f"no SMS peers in {sms_root()}: run tests/real/provision-sms.sh"
    if shutil.which("node") is None:
        return "node is not on PATH"
    return None


class Program:
    """A process that ends with the test."""

    def __init__(self, *command: str, folder: Path, env: dict[str, str]) -> None:
        self._command, self._folder, self._env = command, folder, env
        self.process: Process | None = None

    async def start(self) -> Process:
        """Run it; its stderr goes to a log of its own."""
        log = self._folder / f"{Path(self._command[0]).name}.log"
        with log.open("ab") as stderr:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._folder, env=os.environ | self._env,
                stdin=PIPE, stdout=PIPE, stderr=stderr, limit=1 << 20,
            )  # fmt: skip
        return self.process

    async def stop(self) -> None:
        """End it and wait for that."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            await process.communicate()


class NodeSmsCentre:
    """The server of npm's `smpp` 0.5.1."""

    def __init__(self, folder: Path, password: str = "secret") -> None:
        self.address = ("127.0.0.1", free_port())
        self.events: list[dict[str, Any]] = []
        env = {"NODE_PATH": str(sms_root() / "node" / "node_modules")}
        command = ("node", str(SCRIPT), str(self.address[1]), password)
        self._program = Program(*command, folder=folder, env=env)
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        process = await self._program.start()
        self._reading = asyncio.get_running_loop().create_task(self._read(process))
        await self.heard("listening")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait({self._reading})
        await self._program.stop()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()

    async def heard(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """So many events of a kind."""

        def of_kind() -> list[dict[str, Any]]:
            return [each for each in self.events if each["event"] == event]

        async with asyncio.timeout(WITHIN_S), self._changed:
            while len(of_kind()) < count:
                await self._changed.wait()
        return of_kind()

    def tell(self, **what: Any) -> None:
        """Have it send a deliver_sm with these parameters, or `enquire`."""
        process = self._program.process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(json.dumps(what).encode() + b"\n")


KANNEL_CONF: Final = """
group = core
admin-port = {admin}
admin-password = bar
status-password = bar
smsbox-port = {box}
box-allow-ip = 127.0.0.1
log-level = 1

group = smsc
smsc = smpp
smsc-id = ours
host = 127.0.0.1
port = {smsc}
smsc-username = linkage
smsc-password = secret
system-type = ""
transceiver-mode = true
enquire-link-interval = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
log-level = 1

group = sendsms-user
username = tester
password = foobar
max-messages = 10
concatenation = true

group = sms-service
keyword = default
get-url = "http://127.0.0.1:{back}/mo?from=%p&to=%P&text=%a&coding=%c"
catch-all = true
max-messages = 0
omit-empty = true
"""


class Kannel:
    """Bearerbox and smsbox 1.4.5, bound to a centre of ours."""

    def __init__(self, folder: Path, smsc_port: int, back_port: int) -> None:
        self.http_port = free_port()
        self.admin_port = free_port()
        config = folder / "kannel.conf"
        config.write_text(
            KANNEL_CONF.format(
                admin=self.admin_port, box=free_port(), smsc=smsc_port,
                http=self.http_port, back=back_port,
            )
        )  # fmt: skip
        paths = ":".join(str(sms_root() / each) for each in LIBRARIES)
        env = {"LD_LIBRARY_PATH": paths}
        self._boxes = [
            Program(str(sms_root() / "usr/sbin" / box), str(config), folder=folder, env=env)
            for box in ("bearerbox", "smsbox")
        ]

    async def __aenter__(self) -> Self:
        for box, port in zip(self._boxes, (self.admin_port, self.http_port), strict=True):
            await box.start()
            async with asyncio.timeout(WITHIN_S):
                while not await _listens(port):  # noqa: ASYNC110 - it says so to nobody
                    await asyncio.sleep(0.1)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for box in reversed(self._boxes):
            await box.stop()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
