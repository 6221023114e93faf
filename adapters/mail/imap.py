"""A folder that is read by IMAP (RFC 3501, IDLE: RFC 2177), by IMAPClient in a thread of its own.

| key of the memory | record |
|---|---|
| `imap:<user>@<host>/<folder>` | UIDVALIDITY, the last UID that was taken, when it came there |

The position is on disk with the mail that it stands behind. Where it is of no use any more (the
folder was made anew) what came since two days before the last mail is looked at again; what is
among the mails that are known is not told twice. The first time, unread mails are taken.
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError

from adapters.mail.headers import Fields, addresses, read_fields
from adapters.mail.inbox import Inbox
from adapters.mail.mime import HEADER_MAX
from adapters.mail.settings import Settings
from linkage.ports import AdapterRefusedError, AdapterUnavailableError, Clock

logger = logging.getLogger("adapters.mail")

IMAP: Final = "imap:"
CONNECT_S: Final = 15.0
READ_S: Final = 60.0
UNREAD: Final = "unread"
IDLE_MAX_S: Final = 29 * 60.0
"""RFC 2177: a server may hang up after half an hour."""
LOOK_BACK: Final = timedelta(days=2)
"""SINCE goes by days, and by the zone of the server."""
LITERAL_ROOM: Final = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a folder was read.

    `at`: seconds of the epoch, when the last mail came there. `backlog`: what is still to be
    looked at before it: `UNREAD`, or all since a day.
    """

    validity: int
    uid: int
    at: float
    backlog: str = ""


class ImapFolder:
    """One folder."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        assert settings.imap is not None
        self._settings, self._clock = settings, clock
        self._inbox: Inbox | None = None
        host, port = settings.imap
        self._user = settings.imap_username or settings.username
        self._where = f"the mailbox {self._user} at {host}:{port}"
        self._key = f"{IMAP}{self._user}@{host}/{settings.imap_folder}"
        self._thread = ThreadPoolExecutor(1, "imap")
        self._client: _Client | None = None
        self._position: Position | None = None
        self._validity = 0
        self._next_uid = 1

    def load(self, memory: Mapping[str, Any]) -> None:
        """Take over how far an earlier run has read."""
        try:
            validity, uid, at, backlog = memory[self._key]
            if backlog not in {"", UNREAD}:
                date.fromisoformat(backlog)
            self._position = Position(int(validity), int(uid), float(at), backlog)
        except KeyError:
            pass
        except (TypeError, ValueError):
            logger.warning("memory: %s cannot be read: unread mails are looked for", self._key)

    # --- the link --------------------------------------------------------------------------------
    async def connect(self) -> None:
        """Log in and open the folder.

        Raises:
            AdapterRefusedError: it does not take our account, or has no such folder.
            AdapterUnavailableError: it cannot be reached.
        """
        await self._do(self._connect)

    def close(self) -> None:
        """Hang up; the thread ends by that."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError):  # it is closed already
                client.socket().shutdown(socket.SHUT_RDWR)
            self._thread.submit(_end, client)
        self._thread.shutdown(wait=False)

    async def _do(self, what: Callable[[], T]) -> T:
        """Do something in the thread, and say what went wrong as adapters do."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, what)
        except LoginError as error:
            if "UNAVAILABLE" in str(error).upper():
                raise AdapterUnavailableError(f"{self._where}: no login now") from None
            raise AdapterRefusedError(
                f"{self._where} is refused: mend imap_username and imap_password"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise AdapterRefusedError(
                f"{self._where}: its certificate is not trusted ({error.verify_message}): set `ca`"
            ) from error
        except (IMAPClientError, imaplib.IMAP4.error, OSError, ValueError, LookupError) as error:
            raise AdapterUnavailableError(
                f"{self._where}: {type(error).__name__}: {str(error)[:200]}"
            ) from error

    def _connect(self) -> None:
        settings = self._settings
        assert settings.imap is not None
        host, port = settings.imap
        password = settings.imap_password or settings.password
        assert password is not None
        context = None
        if settings.imap_tls != "none":
            context = ssl.create_default_context(cafile=settings.ca)
        client = _Client(
            host,
            port,
            ssl=settings.imap_tls == "tls",
            ssl_context=context,
            timeout=SocketTimeout(CONNECT_S, READ_S),
        )
        client.literal_max = settings.max_mail_bytes + LITERAL_ROOM
        self._client = client
        if settings.imap_tls == "starttls":
            client.starttls(context)
        client.login(self._user, password.get_secret_value())
        try:
            opened = client.select_folder(
                settings.imap_folder, readonly=settings.imap_done == "keep"
            )
        except imaplib.IMAP4.abort:
            raise
        except IMAPClientError as error:
            raise AdapterRefusedError(
                f"{self._where} has no folder {settings.imap_folder}: {str(error)[:200]}"
            ) from error
        self._validity = int(opened[b"UIDVALIDITY"])
        self._next_uid = int(opened.get(b"UIDNEXT", 1))

    @property
    def _linked(self) -> _Client:
        if self._client is None:
            raise AdapterUnavailableError(f"{self._where}: not connected")
        return self._client

    @property
    def _told_to(self) -> Inbox:
        assert self._inbox is not None
        return self._inbox

    # --- mails -----------------------------------------------------------------------------------
    async def run(self, inbox: Inbox) -> None:
        """Take what is there and what comes, until cancelled."""
        self._inbox = inbox
        position = await self._begin()
        if position.backlog:
            await self._take_backlog(position)
        while True:
            while await self._take_new():
                pass
            await self._wait()

    async def _begin(self) -> Position:
        """Where to read on; what lies before that and is to be looked at is said with it."""
        position = self._position
        if position is not None and position.validity == self._validity:
            return position
        last, now = self._next_uid - 1, self._clock.utc().timestamp()
        if position is None:
            position = Position(self._validity, last, now, UNREAD)
        else:
            logger.warning("%s: the folder was made anew, it is looked through", self._where)
            since = datetime.fromtimestamp(position.at, UTC) - LOOK_BACK
            position = Position(self._validity, last, position.at, since.date().isoformat())
        self._position = position
        await self._told_to.keep(self._memory())
        return position

    async def _take_backlog(self, position: Position) -> None:
        """Take what lies before; who is stopped on the way does it again, and knows each."""
        is_first = position.backlog == UNREAD
        criteria: list[Any] = ["UNSEEN"]
        if not is_first:
            criteria = ["SINCE", date.fromisoformat(position.backlog)]
        for uid in await self._search(criteria):
            if uid <= position.uid:
                await self._take(uid, reconstructed=not is_first, memory={})
        self._position = replace(position, backlog="")
        await self._told_to.keep(self._memory())

    async def _take_new(self) -> bool:
        """Take what came behind the last mail; False: nothing."""
        assert self._position is not None
        after = self._position.uid + 1
        # The last mail is always among the found.
        found = [uid for uid in await self._search(["UID", f"{after}:*"]) if uid >= after]
        for uid in found:
            await self._take(uid)
        return bool(found)

    def _memory(self) -> dict[str, Any]:
        return {} if self._position is None else {self._key: list(astuple(self._position))}

    async def _search(self, criteria: Sequence[Any]) -> list[int]:
        client = self._linked
        found = await self._do(lambda: client.search(criteria))
        return sorted(int(each) for each in found)

    async def _take(
        self, uid: int, *, reconstructed: bool = False, memory: Mapping[str, Any] | None = None
    ) -> None:
        """Tell one mail; where it is gone meanwhile, go on behind it."""
        client, most = self._linked, self._settings.max_mail_bytes
        said = await self._do(lambda: client.fetch([uid], ["RFC822.SIZE", "INTERNALDATE"]))
        about = said.get(uid, {})
        is_large = int(about.get(b"RFC822.SIZE", 0)) > most
        wanted = f"BODY.PEEK[HEADER]<0.{HEADER_MAX}>" if is_large else f"BODY.PEEK[]<0.{most + 1}>"
        said = await self._do(lambda: client.fetch([uid], [wanted])) if about else {}
        mail = _body(said.get(uid, {}))
        if memory is None:
            self._position = Position(self._validity, uid, _epoch(about, self._clock))
            memory = self._memory()
        if mail is None:
            return await self._told_to.keep(memory)
        await self._told_to.take(
            mail,
            addressed=delivered_to(mail),
            memory=memory,
            reconstructed=reconstructed,
            left_out=f"larger than {most} bytes: UID {uid} of the folder" if is_large else "",
        )
        if not is_large:
            await self._do(lambda: self._finish(client, uid))
        return None

    def _finish(self, client: IMAPClient, uid: int) -> None:
        match self._settings.imap_done:
            case "seen":
                client.add_flags([uid], [rb"\Seen"], silent=True)
            case "delete":
                client.delete_messages([uid], silent=True)
                if client.has_capability("UIDPLUS"):
                    client.uid_expunge([uid])
                else:
                    client.expunge()
            case _:
                pass

    async def _wait(self) -> None:
        """Until something may have come."""
        client, within_s = self._linked, min(self._settings.imap_poll_s, IDLE_MAX_S)
        if not await self._do(lambda: client.has_capability("IDLE")):
            await asyncio.sleep(within_s)
            await self._do(client.noop)
            return
        await self._do(lambda: _idle(client, within_s))


class _Client(IMAPClient):  # type: ignore[misc]  # the library has no types
    """`IMAPClient`, but no server makes it read more at once than it may hold."""

    literal_max = LITERAL_ROOM

    def _create_IMAP4(self) -> Any:  # noqa: N802 - the library's
        made = super()._create_IMAP4()
        read = made.read

        def bounded(size: int) -> bytes:
            if size > self.literal_max:
                raise imaplib.IMAP4.abort(f"a text of {size} bytes is too large")
            return bytes(read(size))

        made.read = bounded
        return made

    def said_more(self) -> bool:
        """Whether it has told of a mail beside the answer to another command."""
        _, numbers = self._imap.response("EXISTS")
        return bool(numbers != [None])


def _end(client: IMAPClient) -> None:
    with suppress(OSError, imaplib.IMAP4.error):
        client.shutdown()


def _idle(client: _Client, within_s: float) -> None:
    if client.said_more():
        return
    client.idle()
    client.idle_check(timeout=within_s)
    client.idle_done()


def _body(said: Mapping[bytes, Any]) -> bytes | None:
    for name, value in said.items():
        if name.startswith(b"BODY[") and isinstance(value, bytes):
            return value
    return None


def _epoch(about: Mapping[bytes, Any], clock: Clock) -> float:
    """When the server got a mail; IMAPClient gives it in the zone of this machine."""
    at = about.get(b"INTERNALDATE")
    now = clock.utc().timestamp()
    try:
        return min(at.timestamp(), now) if isinstance(at, datetime) else now
    except (OverflowError, ValueError):
        return now


def delivered_to(mail: bytes) -> tuple[str, ...]:
    """The address that the last server delivered it for, where it says so."""
    head = mail[:HEADER_MAX].partition(b"\r\n\r\n")[0]
    fields = Fields(read_fields(head))
    return tuple(addresses(fields.raw("delivered-to"))[:1])
