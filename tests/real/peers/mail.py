"""A real Postfix and a real Dovecot for a test: own folder and ports, gone afterwards.

```
adapter ─SMTP─▶ Postfix ────────▶ folders   hospital.example (WARDS)
                   ├───LMTP─▶ Dovecot   office.example (USERS)
                   ├───LMTP─▶ adapter   city.example
                   └───SMTP─▶ nobody    slow.example (a port that is closed)
adapter ─IMAP─▶ Dovecot
```
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final, Self

from tests.real.peers.ports import LOOPBACK, free_port

WITHIN_S: Final = 30.0
LOOK_S: Final = 0.1
USERS: Final = ("desk@office.example",)
WARDS: Final = ("ward@hospital.example", "报修@hospital.example")
PASSWORD: Final = "secret"
MAIL_UID: Final = 8
INSIDE: Final = PurePosixPath("/linkage-run")


class MailPeerError(Exception):
    """A server did not do what it was started for; the message holds its own words."""


def mail_root() -> Path:
    """Where `provision-mail.sh` has put them."""
    return Path(os.environ.get("LINKAGE_REAL_MAIL", "/var/cache/linkage-real/mail"))


def missing_mail_peers() -> str | None:
    """What keeps them from running here; None: nothing does."""
    if os.name != "posix" or os.geteuid() != 0:
        return "real mail servers need root (chroot)"
    if not (mail_root() / ".linkage-provisioned").is_file():
        return f"no mail servers in {mail_root()}: run tests/real/provision-mail.sh"
    return None


class MailHost:
    """Both servers. `adapter_port` is where our adapter takes mails for city.example."""

    def __init__(self) -> None:
        self.adapter_port = free_port()
        self.smtp_port, self.imap_port, self.lmtp_port, self._nobody = (
            free_port() for _ in range(4)
        )
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._inside = INSIDE / name
        self.folder = mail_root() / "linkage-run" / name
        self._dovecot: Process | None = None

    async def __aenter__(self) -> Self:
        self._write()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where Postfix takes mails."""
        return LOOPBACK, self.smtp_port

    def maildir(self, user: str) -> list[bytes]:
        """The mails that lie in a mailbox of Dovecot."""
        folder = self.folder / "mail" / user
        found = [each for box in ("new", "cur") for each in sorted((folder / box).glob("*"))]
        return [each.read_bytes() for each in found]

    async def wait_for_mail(self, user: str) -> bytes:
        """The first mail in a mailbox."""
        async with asyncio.timeout(WITHIN_S):
            while not (found := self.maildir(user)):  # noqa: ASYNC110 - a folder of another program
                await asyncio.sleep(LOOK_S)
        return found[0]

    async def doveadm(self, *words: str) -> None:
        """Have Dovecot's own tool do something."""
        await self._run("doveadm", "-c", str(self._inside / "dovecot.conf"), *words)

    async def flush(self) -> None:
        """Have Postfix try again what it has put off."""
        await self._run("postqueue", "-c", str(self._inside / "postfix"), "-f")

    def log(self) -> str:
        """What both have written."""
        found = [self.folder / "dovecot.log", self.folder / "postfix.log"]
        return "\n".join(each.read_text("utf-8", "replace") for each in found if each.exists())

    # --- life ------------------------------------------------------------------------------------
    def _write(self) -> None:
        for each in ("mail", "spool", "data", "postfix", "run"):
            (self.folder / each).mkdir(parents=True)
        for folder in (self.folder, self.folder.parent):
            folder.chmod(0o755)
        os.chown(self.folder / "mail", MAIL_UID, MAIL_UID)
        passwords = self.folder / "users"
        passwords.write_text(
            "".join(f"{each}:{{PLAIN}}{PASSWORD}:{MAIL_UID}:{MAIL_UID}::::\n" for each in USERS),
            "utf-8",
        )
        passwords.chmod(0o644)
        (self.folder / "dovecot.conf").write_text(self._dovecot_conf())
        (self.folder / "postfix" / "main.cf").write_text(self._main_cf())
        (self.folder / "postfix" / "master.cf").write_text(self._master_cf())
        data = self.folder / "data"
        owner = (mail_root() / "var/lib/postfix").stat()
        os.chown(data, owner.st_uid, owner.st_gid)

    async def _start(self) -> None:
        conf = str(self._inside / "dovecot.conf")
        self._dovecot = await asyncio.create_subprocess_exec(
            "chroot", str(mail_root()), "/usr/sbin/dovecot", "-F", "-c", conf,
            start_new_session=True,
        )  # fmt: skip
        await self._run("postfix", "-c", str(self._inside / "postfix"), "start")
        for port in (self.smtp_port, self.imap_port, self.lmtp_port):
            await self._listens(port)

    async def _listens(self, port: int) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    with suppress(OSError):
                        _, writer = await asyncio.open_connection(LOOPBACK, port)
                        writer.close()
                        return
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise MailPeerError(f"nobody listens at {port}:\n{self.log()}") from None

    async def _stop(self) -> None:
        with suppress(MailPeerError):
            await self._run("postfix", "-c", str(self._inside / "postfix"), "abort")
        dovecot, self._dovecot = self._dovecot, None
        if dovecot is not None and dovecot.returncode is None:
            dovecot.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(WITHIN_S):
                    await dovecot.wait()
            except TimeoutError:
                dovecot.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _run(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "chroot", str(mail_root()), *command,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise MailPeerError(f"{' '.join(command)}: {said.decode('utf-8', 'replace')}")

    # --- configuration ---------------------------------------------------------------------------
    def _dovecot_conf(self) -> str:
        inside = self._inside
        return f"""
protocols = imap lmtp
listen = {LOOPBACK}
base_dir = {inside}/run
log_path = {inside}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_username_chars =
mail_location = maildir:{inside}/mail/%u
first_valid_uid = {MAIL_UID}
mail_uid = {MAIL_UID}
mail_gid = {MAIL_UID}
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
passdb {{
  driver = passwd-file
  args = {inside}/users
}}
userdb {{
  driver = passwd-file
  args = {inside}/users
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.lmtp_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""

    def _main_cf(self) -> str:
        inside = self._inside
        transports: Sequence[tuple[str, str]] = (
            ("city.example", f"lmtp:inet:{LOOPBACK}:{self.adapter_port}"),
            ("office.example", f"lmtp:inet:{LOOPBACK}:{self.lmtp_port}"),
            ("slow.example", f"smtp:[{LOOPBACK}]:{self._nobody}"),
        )
        wards = ", ".join(f"{{ {each} = {each}/ }}" for each in WARDS)
        table = ", ".join(f"{{ {name} = {where} }}" for name, where in transports)
        return f"""
compatibility_level = 3.6
queue_directory = {inside}/spool
data_directory = {inside}/data
maillog_file = {inside}/postfix.log
maillog_file_prefixes = {INSIDE}
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.city.example
myorigin = city.example
mydestination =
mynetworks = {LOOPBACK}/32
inet_interfaces = {LOOPBACK}
inet_protocols = ipv4
alias_maps =
relay_domains = {", ".join(name for name, _ in transports)}
virtual_mailbox_domains = hospital.example
virtual_mailbox_base = {inside}/mail
virtual_mailbox_maps = inline:{{ {wards} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{MAIL_UID}
virtual_gid_maps = static:{MAIL_UID}
transport_maps = inline:{{ {table} }}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
recipient_delimiter = +
delay_warning_time = 1s
confirm_delay_cleared = yes
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
message_size_limit = 200000
smtputf8_autodetect_classes = all
biff = no
"""

    def _master_cf(self) -> str:
        services = (
            f"{LOOPBACK}:{self.smtp_port} inet n - n - - smtpd",
            "pickup unix n - n 60 1 pickup",
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 1 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "verify unix - - n - 1 verify",
            "flush unix n - n 1000? 0 flush",
            "proxymap unix - - n - - proxymap",
            "smtp unix - - n - - smtp",
            "lmtp unix - - n - - lmtp",
            "relay unix - - n - - smtp",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "discard unix - - n - - discard",
            "virtual unix - n n - - virtual",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "showq unix n - n - - showq",
            "postlog unix-dgram n - n - 1 postlogd",
        )
        return "\n".join(services) + "\n"
