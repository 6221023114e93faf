"""Where a mail server hands mails to us: LMTP (RFC 2033) or SMTP, by aiosmtpd.

Each mail is answered 250 when it is on disk. The server keeps it until then, and offers it again
after every other answer but 5xx.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
from functools import partial
from typing import Any, Final

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.mail.inbox import Inbox
from adapters.mail.settings import Settings
from linkage.ports import AdapterUnavailableError

logger = logging.getLogger("adapters.mail")

IDENT: Final = "linkage"
IDLE_S: Final = 300.0
RECIPIENTS_MAX: Final = 100
LATER: Final = "451 4.3.0 cannot be kept now, try again later"
DOT: Final = b".\r\n"


class _Receiving(SMTP):
    """`SMTP`, but the text of a mail is gathered in one piece, whatever its lines are.

    The library makes an object of each line: of 25 MB of empty lines, a gigabyte.
    """

    answers_each = False

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library's
        """Take the text; `handle_DATA` answers it."""
        envelope = self.envelope
        if await self.check_helo_needed():
            return
        if arg or envelope is None or not envelope.rcpt_tos:
            await self.push("501 5.5.4 DATA" if arg else "503 5.5.1 RCPT first")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        text = await self._text()
        if text is None:
            said = "552 5.3.4 too large"
        else:
            envelope.content = envelope.original_content = bytes(text)
            del text
            said = await self._call_handler_hook("DATA")
        number = len(envelope.rcpt_tos) if self.answers_each else 1
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push("\r\n".join([said] * number))

    async def _text(self) -> bytearray | None:
        """The text without its last dot; None: it is too large, and was thrown away."""
        text: bytearray | None = bytearray()
        begins = True
        while True:
            try:
                line = await self._reader.readuntil(b"\r\n")
                ends = True
            except asyncio.LimitOverrunError as error:
                line, ends = await self._reader.read(error.consumed), False
            if begins and line == DOT:
                return text
            if text is not None:
                text += line[1:] if begins and line.startswith(b".") else line
                if len(text) > (self.data_size_limit or 0):
                    text = None
            begins = ends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up where too many are connected."""
        if len(self.event_handler.connected) >= self.event_handler.most:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"421 4.3.2 too many connections\r\n")
            transport.close()
            return
        self.event_handler.connected.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        if self.transport is not None:
            self.event_handler.connected.discard(self.transport)
            super().connection_lost(error)


class _LmtpReceiving(_Receiving, LMTP):
    answers_each = True


class Listener:
    """A socket, and who is connected to it."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._settings = settings
        self._handler = _Handler(settings, inbox)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            AdapterUnavailableError: it cannot be listened there.
        """
        if self._settings.listen is None:
            return
        host, port = self._settings.listen
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(partial(self._connection, loop), host, port)
        except OSError as error:
            raise AdapterUnavailableError(
                f"listen {host}:{port}: {error.strerror or error}"
            ) from error

    def close(self) -> None:
        """Listen no more, and hang up on all."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in list(self._handler.connected):
            each.abort()

    def _connection(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        kind = _LmtpReceiving if self._settings.listen_protocol == "lmtp" else _Receiving
        return kind(
            self._handler,
            data_size_limit=self._settings.max_mail_bytes,
            enable_SMTPUTF8=True,
            hostname=self._settings.domain,
            ident=IDENT,
            timeout=IDLE_S,
            loop=loop,
        )


class _Handler:
    """What aiosmtpd asks."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._settings, self._inbox = settings, inbox
        self.connected: set[Any] = set()
        self.most = settings.listen_connections

    async def handle_RCPT(  # noqa: N802 - the library's
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether it is for us."""
        del options
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return "452 4.5.3 too many recipients"
        accept = self._settings.accept
        if accept and not any(
            fnmatch.fnmatchcase(address.casefold(), each.casefold()) for each in accept
        ):
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 - the library's
        self, _: SMTP, __: Session, envelope: Envelope
    ) -> str:
        """Answered when it is on disk."""
        content = envelope.original_content or b""
        try:
            await self._inbox.take(content, addressed=tuple(envelope.rcpt_tos))
        except (OSError, AdapterUnavailableError) as error:
            logger.warning("a mail cannot be kept now: %s", error)
            return LATER
        return "250 2.0.0 kept"

    async def handle_exception(self, error: Exception) -> str:
        """Something in the library or in us: the mail is offered again."""
        logger.error("a mail was not taken: %r", error)
        return LATER
