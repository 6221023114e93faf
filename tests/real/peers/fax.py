"""HylaFAX with a modem in software, and an Asterisk whose spandsp is the fax machine it calls.

```
linkage ─▶ hfaxd ─▶ faxq, faxgetty ─▶ iaxmodem ─▶ IAX2 ─▶ Asterisk: ReceiveFAX, SendFAX
```
Everything runs in namespaces of its own (mounts, processes), so one SIGKILL ends all of it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.real.peers.asterisk import PeerError, asterisk_root, missing_peers
from tests.real.peers.ports import LOOPBACK, free_port

WITHIN_S: Final = 60.0
LOOK_S: Final = 0.1
SPOOL: Final = "var/spool/hylafax"
MODEM: Final = "ttyIAXlinkage"
BUSY_NUMBER: Final = "99"
ASTERISK_MODULES: Final = (
    "pbx_config", "pbx_spool", "chan_iax2", "res_fax", "res_fax_spandsp", "app_stack",
    "codec_alaw", "codec_ulaw", "format_pcm", "func_channel", "res_timing_timerfd",
)  # fmt: skip
SCRIPT: Final = """
set -e
mount -t tmpfs dev {root}/dev
mkdir {root}/dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts {root}/dev/pts
ln -s pts/ptmx {root}/dev/ptmx
for node in null zero full random urandom tty; do
    touch {root}/dev/$node
    mount --bind /dev/$node {root}/dev/$node
done
mount -t proc proc {root}/proc
mount -t tmpfs locks {root}/run/lock
mkdir -p {root}/linkage-run {root}/etc/iaxmodem
mount --bind {run} {root}/linkage-run
mount --bind {run}/spool {root}/{spool}
mount --bind {run}/iaxmodem {root}/etc/iaxmodem
exec chroot {root} /bin/sh -c '
iaxmodem {modem} >/linkage-run/iaxmodem.log 2>&1 &
until test -e /dev/{modem}; do sleep 0.1; done
/usr/sbin/faxq -D >/linkage-run/faxq.log 2>&1 &
/usr/sbin/faxgetty {modem} >/linkage-run/faxgetty.log 2>&1 &
/usr/sbin/hfaxd -d -l {host} -i {port} >/linkage-run/hfaxd.log 2>&1 &
wait
'
"""
"""The shell stays, as the first process of all: a server that changes its user would not hear that
its parent was killed, and all of them would outlive the test."""
EXTENSIONS: Final = """
[from-modem]
exten => {busy},1,Busy(3)
exten => _X.,1,Answer()
 same => n,ReceiveFAX({fax}/${{EXTEN}}.tif)
 same => n,Hangup()
[send]
exten => s,1,Set(FAXOPT(localstationid)=CITIZEN-1)
 same => n,SendFAX({fax}/out.tif)
 same => n,Hangup()
"""


def fax_root() -> Path:
    """Where `provision-fax.sh` has put HylaFAX."""
    return Path(os.environ.get("LINKAGE_REAL_FAX", "/var/cache/linkage-real/fax"))


def missing_fax_peers() -> str | None:
    """What keeps them from running here; None: nothing does."""
    if not (fax_root() / ".linkage-provisioned").is_file():
        return f"no fax peers in {fax_root()}: run tests/real/provision-fax.sh"
    return missing_peers()


class FaxLine:
    """HylaFAX 6.0.7 with iaxmodem 1.2.0, at the end of a line of Asterisk."""

    def __init__(self, folder: Path) -> None:
        self.address = (LOOPBACK, free_port())
        self._run = folder / "hylafax"
        self._ports = {"asterisk": _free_udp(), "modem": _free_udp()}
        self._name = f"fax-{os.getpid()}-{self.address[1]}"
        self._asterisk_folder = asterisk_root() / "linkage-run" / self._name
        self._processes: list[Process] = []

    # --- life ------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        try:
            self._write_hylafax()
            self._write_asterisk()
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _start(self) -> None:
        inside = f"/linkage-run/{self._name}"
        await self._execute(
            ("chroot", str(asterisk_root()), "/usr/sbin/asterisk", "-f", "-C"),
            (f"{inside}/etc/asterisk.conf",),
        )
        script = SCRIPT.format(
            root=fax_root(), run=self._run, spool=SPOOL, modem=MODEM,
            host=self.address[0], port=self.address[1],
        )  # fmt: skip
        await self._execute(
            ("unshare", "--fork", "--pid", "--mount", "--kill-child", "/bin/sh", "-c"), (script,)
        )
        async with asyncio.timeout(WITHIN_S):
            while not await self._is_ready():  # noqa: ASYNC110 - it says so to nobody
                await asyncio.sleep(LOOK_S)

    async def _execute(self, command: Sequence[str], arguments: Sequence[str]) -> None:
        log = self._run / f"{Path(command[0]).name}.log"
        with log.open("ab") as out:
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    *command,
                    *arguments,
                    stdin=DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd="/",
                )
            )

    async def _is_ready(self) -> bool:
        if any(each.returncode is not None for each in self._processes):
            raise PeerError(self.log())
        status = self._run / "spool" / "status" / MODEM
        is_idle = status.is_file() and "Running and idle" in status.read_text(errors="replace")
        return is_idle and await self._listens()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self.address)
        except OSError:
            return False
        writer.close()
        return True

    async def _end(self) -> None:
        for process in reversed(self._processes):
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        shutil.rmtree(self._asterisk_folder, ignore_errors=True)
        async with asyncio.timeout(WITHIN_S):
            while await self._listens():  # noqa: ASYNC110 - it must not outlive the test
                await asyncio.sleep(LOOK_S)

    def log(self) -> str:
        """What all of them have printed."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-500:]}"
            for path in self._run.glob("*.log")
        )

    # --- what a test asks ------------------------------------------------------------------------
    def arrived(self, number: str) -> Path:
        """Where Asterisk keeps a fax to a number."""
        return self._asterisk_folder / "fax" / f"{number}.tif"

    def call(self, document: Path, caller: str) -> None:
        """Have Asterisk fax a document to HylaFAX."""
        shutil.copy(document, self._asterisk_folder / "fax" / "out.tif")
        outgoing = self._asterisk_folder / "spool" / "outgoing"
        written = self._asterisk_folder / "one.call"
        written.write_text(
            f'Channel: IAX2/iaxmodem/5550\nCallerID: "Citizen" <{caller}>\n'
            "Context: send\nExtension: s\nPriority: 1\n"
        )
        written.rename(outgoing / "one.call")

    async def tool(self, command: str, *arguments: str) -> str:
        """What a program of libtiff or ghostscript there prints; files are below `/exchange`."""
        process = await asyncio.create_subprocess_exec(
            "chroot", str(fax_root()), f"/usr/bin/{command}", *arguments,
            stdin=DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        return printed.decode(errors="replace")

    # --- configuration ---------------------------------------------------------------------------
    def _write_hylafax(self) -> None:
        root = fax_root()
        spool = self._run / "spool"
        shutil.copytree(root / SPOOL, spool, ignore=shutil.ignore_patterns("FIFO*"))
        shutil.copytree(root / "etc" / "hylafax", spool / "etc", dirs_exist_ok=True)
        sample = (root / "usr/share/doc/iaxmodem/examples/config.ttyIAX").read_text()
        sample = sample.replace("RecvFileMode:\t\t0600", "RecvFileMode:\t\t0644")
        (spool / "etc" / f"config.{MODEM}").write_text(sample)
        hosts = spool / "etc" / "hosts.hfaxd"
        hosts.write_text("localhost:0::\n127.0.0.1:0::\n")
        hosts.chmod(0o600)
        folder = self._run / "iaxmodem"
        folder.mkdir(parents=True)
        (folder / MODEM).write_text(
            f"device /dev/{MODEM}\nowner uucp:uucp\nmode 660\nport {self._ports['modem']}\n"
            f"refresh 0\nserver {LOOPBACK}:{self._ports['asterisk']}\npeername iaxmodem\n"
            "secret password\ncidname linkage\ncidnumber 12345\ncodec alaw\n"
        )
        uucp = _uucp(root)
        for path in (spool, *spool.rglob("*")):
            os.chown(path, *uucp, follow_symlinks=False)

    def _write_asterisk(self) -> None:
        root, folder = asterisk_root(), self._asterisk_folder
        inside = f"/{folder.relative_to(root)}"
        for name in ("etc", "lib", "run", "log", "cache", "spool/outgoing", "fax"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        modules = next(iter(sorted(root.glob("usr/lib/*/asterisk/modules")))).relative_to(root)
        load = "".join(f"load = {name}.so\n" for name in ASTERISK_MODULES)
        texts = {
            "asterisk.conf": (
                f"[directories]\nastcachedir => {inside}/cache\nastetcdir => {inside}/etc\n"
                f"astmoddir => /{modules}\nastvarlibdir => {inside}/lib\n"
                f"astdbdir => {inside}/lib\n"
                f"astkeydir => {inside}/lib\nastdatadir => /usr/share/asterisk\n"
                f"astspooldir => {inside}/spool\nastrundir => {inside}/run\n"
                f"astlogdir => {inside}/log\n[options]\nnocolor = yes\n"
            ),
            "modules.conf": f"[modules]\nautoload=no\n{load}",
            "logger.conf": "[logfiles]\nmessages.log => notice,warning,error,verbose(3)\n",
            "iax.conf": (
                # The port before the address: the address is bound as soon as it is read.
                f"[general]\nbindport={self._ports['asterisk']}\nbindaddr={LOOPBACK}\n"
                "disallow=all\nallow=alaw\njitterbuffer=no\nrequirecalltoken=no\n"
                f"[iaxmodem]\ntype=friend\nhost={LOOPBACK}\nport={self._ports['modem']}\n"
                "username=iaxmodem\nsecret=password\nauth=md5\ncontext=from-modem\n"
                "requirecalltoken=no\n"
            ),
            "extensions.conf": EXTENSIONS.format(busy=BUSY_NUMBER, fax=f"{inside}/fax"),
            "res_fax.conf": "[general]\n",
            "udptl.conf": "[general]\n",
            "acl.conf": "",
        }
        for name, text in texts.items():
            (folder / "etc" / name).write_text(text)
        shutil.copy(root / "etc/asterisk/indications.conf", folder / "etc")


def _uucp(root: Path) -> tuple[int, int]:
    for line in (root / "etc" / "passwd").read_text().splitlines():
        name, _, user, group, *_ = line.split(":")
        if name == "uucp":
            return int(user), int(group)
    raise PeerError(f"no user uucp in {root}")


def _free_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
