"""A real Asterisk for a test: own folder, own ports on loopback, gone afterwards.

::

    async with AsteriskServer(officers={"1001": phone.port}) as asterisk:
        ...   # asterisk.ari_url, .ari_user, .ari_password, .app, .sip_port

Who calls `sip:NUMBER@127.0.0.1:{sip_port}` comes in by the context `from-callers` (or, with the
number of an officer as its From user, `from-officers`), where every number leads to
`Stasis(linkage,caller,NUMBER,CALLERID)` (or `officer` as the first argument). Officers are rung
as `PJSIP/1001`, outside numbers as `PJSIP/NUMBER@trunk`.

What we learnt of ARI by it stands in README.md beside this file.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final, Self

from tests.real.peers.asterisk_config import Settings, files
from tests.real.peers.ports import LOOPBACK, free_port, free_ports

ROOT_VARIABLE: Final = "LINKAGE_REAL_ROOT"
DEFAULT_ROOT: Final = "/var/cache/linkage-real/asterisk"
# As seen inside the chroot.
RUN_FOLDER: Final = PurePosixPath("/linkage-run")
RTP_PORTS: Final = 200
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
RECORD_TIMEOUT_S: Final = 60.0
RECORD_LOOK_S: Final = 0.05
RECORDING_BYTES_PER_S: Final = 16_000
"""16 bit, mono, 8 kHz."""
LOG_TAIL: Final = 30
# 100 ms is the least that Asterisk takes; an invitation to a dead address then costs 6.4 s.
TIMER_T1_MS: Final = 100


class PeerError(Exception):
    """A real peer did not do what it was started for; the message holds its own words."""


def asterisk_root() -> Path:
    """Return the folder into which `provision.sh` unpacks Asterisk."""
    return Path(os.environ.get(ROOT_VARIABLE, DEFAULT_ROOT))


def missing_peers() -> str | None:
    """Say in one line what keeps real peers from running here; None when nothing does."""
    if os.name != "posix" or os.geteuid() != 0:
        return "real peers need root (chroot)"
    if not (asterisk_root() / ".linkage-provisioned").is_file():
        return f"no Asterisk in {asterisk_root()}: run tests/real/provision.sh"
    for tool in ("sipp", "chroot", "setpriv"):
        if shutil.which(tool) is None:
            return f"{tool} is not on PATH: run tests/real/provision.sh"
    return None


class AsteriskServer:
    """One Asterisk process. Ports, credentials and recordings outlive `kill` and `restart`."""

    def __init__(
        self,
        *,
        officers: Mapping[str, int | Sequence[int]] | None = None,
        trunk_port: int | None = None,
        app: str = "linkage",
        dialplan: str = "",
        timer_t1_ms: int = TIMER_T1_MS,
        root: Path | None = None,
    ) -> None:
        """Choose ports and credentials; nothing is written or started yet."""
        self.app = app
        self.ari_user = "linkage-test"
        self.ari_password = secrets.token_urlsafe(16)
        http_port = free_port()
        self.sip_port = free_port()
        self.ari_url = f"http://{LOOPBACK}:{http_port}/ari"
        self._root = root or asterisk_root()
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        inside = RUN_FOLDER / self._name
        self.folder = self._root / inside.relative_to("/")
        self.log_path = self.folder / "log" / "messages.log"
        self.recordings = self.folder / "spool" / "recording"
        self._inside = inside
        self._settings = Settings(
            folder=inside,
            modules=self._modules(),
            app=app,
            ari_user=self.ari_user,
            ari_password=self.ari_password,
            sip_port=self.sip_port,
            http_port=http_port,
            rtp_ports=free_ports(RTP_PORTS),
            officers=dict(officers or {}),
            trunk_port=trunk_port,
            timer_t1_ms=timer_t1_ms,
            dialplan=dialplan,
        )
        self._process: asyncio.subprocess.Process | None = None
        self._ready: socket.socket | None = None

    async def __aenter__(self) -> Self:
        """Start, and return when calls and ARI requests are taken."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop and remove everything."""
        await self.aclose()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the process is there (which says nothing about whether it answers)."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it is fully booted."""
        if self.running:
            return
        self._write()
        # Asterisk tells a service manager when it has booted; here we are the service manager.
        # The name is abstract (leading NUL), so it reaches into the chroot.
        self._close_ready()
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.setblocking(False)  # noqa: FBT003 - the stdlib's signature
        notify = f"linkage-asterisk-{self._name}-{secrets.token_hex(2)}"
        self._ready.bind(f"\0{notify}")
        with (self.folder / "log" / "console.log").open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                # Should the tests themselves be killed, Asterisk goes with them.
                *("setpriv", "--pdeathsig", "KILL"),
                *("chroot", str(self._root), "/usr/sbin/asterisk"),
                *("-f", "-C", str(self._inside / "etc" / "asterisk.conf")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd="/",
                env={"NOTIFY_SOCKET": f"@{notify}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        await self.wait_ready()

    async def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return when Asterisk has said that it is ready.

        Raises `PeerError`, with the end of its log, when it ends or takes too long instead.
        """
        if self._ready is None:  # said so before
            return
        process = self._process
        if process is None:
            message = "Asterisk was not started"
            raise PeerError(message)
        async with asyncio.TaskGroup() as tasks:
            said = tasks.create_task(self._read_ready(self._ready))
            ended = tasks.create_task(process.wait())
            done, pending = await asyncio.wait(
                {said, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in pending:
                task.cancel()
        self._close_ready()
        if said not in done:
            what = "ended" if ended in done else f"was not ready after {timeout_s:g} s"
            tail = self.log_tail()
            await self.kill()
            message = f"Asterisk {what}:\n{tail}"
            raise PeerError(message)

    async def kill(self) -> None:
        """End it as a power cut would (SIGKILL) and wait until it is gone."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it as a service manager would; calls are hung up. The folder stays."""
        if not await self._signal(signal.SIGTERM):
            await self.kill()
        self._close_ready()

    async def restart(self) -> None:
        """Stop and start again with the same configuration, ports and recordings."""
        await self.stop()
        await self.start()

    async def aclose(self) -> None:
        """Stop and remove the folder."""
        await self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def recorded(self, seconds: float = 1.5, timeout_s: float = RECORD_TIMEOUT_S) -> None:
        """Return when a recording has that much more in it than now.

        Real audio takes real time, and more of it where the machine is busy. Asterisk writes to
        the file what fills a buffer: about two seconds.
        """
        before = self._recording_bytes()
        more = round(seconds * RECORDING_BYTES_PER_S)
        async with asyncio.timeout(timeout_s):
            while not self._has_grown(before, more):  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(RECORD_LOOK_S)

    def _has_grown(self, before: Mapping[Path, int], more: int) -> bool:
        now = self._recording_bytes()
        return any(size >= before.get(path, 0) + more for path, size in now.items())

    def _recording_bytes(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.recordings.rglob("*.wav")}

    async def cli(self, command: str) -> str:
        """Return what Asterisk's console answers to `command`, e.g. `core show channels`."""
        process = await asyncio.create_subprocess_exec(
            *("chroot", str(self._root), "/usr/sbin/asterisk"),
            *("-C", str(self._inside / "etc" / "asterisk.conf"), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
        )
        output, _ = await process.communicate()
        return output.decode(errors="replace")

    def log_tail(self, lines: int = LOG_TAIL) -> str:
        """Return the last lines of its log and of what it printed."""
        text = ""
        for path in (self.folder / "log" / "console.log", self.log_path):
            with suppress(OSError):
                text += path.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _modules(self) -> PurePosixPath:
        found = sorted(self._root.glob("usr/lib/*/asterisk/modules"))
        if not found:
            message = f"no Asterisk in {self._root}: run tests/real/provision.sh"
            raise PeerError(message)
        return PurePosixPath("/") / found[0].relative_to(self._root)

    def _write(self) -> None:
        for name in ("etc", "lib", "run", "log", "cache", "spool/recording", "spool/monitor"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        etc = self.folder / "etc"
        for name, text in files(self._settings).items():
            (etc / name).write_text(text)
        shutil.copy(self._root / "etc/asterisk/indications.conf", etc)

    async def _signal(self, number: signal.Signals) -> bool:
        """Send a signal and wait; return whether the process is gone."""
        process = self._process
        if process is None or process.returncode is not None:
            return True
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            return False
        return True

    @staticmethod
    async def _read_ready(ready: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while b"READY=1" not in await loop.sock_recv(ready, 4096):
            pass

    def _close_ready(self) -> None:
        if self._ready is not None:
            self._ready.close()
            self._ready = None
