"""The connections to the mail server, and a mail handed over by one of them (RFC 5321, 3461)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import aiosmtplib
from aiosmtplib import SMTP, SMTPResponseException

from adapters.mail.model import Answer
from adapters.mail.reasons import answer_of
from adapters.mail.settings import Settings
from linkage.ports import AdapterRefusedError, AdapterUnavailableError, Clock

CONNECT_S: Final = 15.0
ANSWER_S: Final = 20.0
"""For each answer but the last one."""
LATE_S: Final = 600.0
"""How long a server may take to say that it has a mail (RFC 5321, 4.5.3.2.6)."""
CLOSING: Final = 421
TOO_LARGE: Final = Answer(552, "5.3.4")
NO_UTF8: Final = Answer(553, "5.6.7")
WRONG_ACCOUNT: Final = frozenset({530, 534, 535, 538})
Errors: Final = (aiosmtplib.SMTPException, OSError, ValueError)


class NotBegunError(Exception):
    """The server has nothing of a mail: the connection was lost before, or time was up."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail as it is handed over. Addresses may hold Chinese; the octets are whole lines."""

    sender: str
    recipients: Sequence[str]
    octets: bytes
    token: str


class Submission:
    """So many connections to one server; those that are not in use stay open."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._room = asyncio.Semaphore(settings.connections)
        self._idle: list[SMTP] = []
        self._late: set[asyncio.Task[Answer]] = set()

    # --- connections -----------------------------------------------------------------------------
    async def connect(self) -> None:
        """Whether the server is there and takes us; the connection is kept.

        Raises:
            AdapterRefusedError: it does not take our account, or its certificate is not trusted.
            AdapterUnavailableError: it cannot be reached.
        """
        self._idle.append(await self._open())

    async def watch(self) -> None:
        """Ask the server now and then, until it is gone; raises as `connect`."""
        while True:
            await asyncio.sleep(self._settings.check_s)
            await self.check()

    async def check(self) -> None:
        """Ask it now: by a connection that is open, else by a new one."""
        while self._idle:
            client = self._idle.pop()
            try:
                await client.noop(timeout=ANSWER_S)
            except Errors:  # it was closed for having been idle, perhaps
                client.close()
            else:
                self._idle.append(client)
                return
        await self.connect()

    def close(self) -> None:
        """Hang up on all."""
        for task in self._late:
            task.cancel()
        for client in self._idle:
            client.close()
        self._idle.clear()

    async def _open(self) -> SMTP:
        settings = self._settings
        host, port = settings.smtp
        where = f"the mail server {host}:{port}"
        password = settings.password
        client = SMTP(
            hostname=host,
            port=port,
            username=settings.username or None,
            password=password.get_secret_value() if settings.username and password else None,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=tls_context(settings) if settings.smtp_tls != "none" else None,
            local_hostname=settings.domain,
            timeout=CONNECT_S,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            if error.code in WRONG_ACCOUNT:
                raise AdapterRefusedError(
                    f"{where} does not take {settings.username}: mend username and password"
                ) from None
            raise AdapterUnavailableError(f"{where}: no login now ({error.code})") from None
        except ssl.SSLCertVerificationError as error:
            client.close()
            raise AdapterRefusedError(
                f"{where}: its certificate is not trusted ({error.verify_message}): set `ca`"
            ) from error
        except Errors as error:
            client.close()
            raise AdapterUnavailableError(f"{where}: {_words(error)}") from None
        except BaseException:
            client.close()
            raise
        return client

    # --- one mail --------------------------------------------------------------------------------
    async def hand_over(
        self, envelope: Envelope, deadline: float, is_wanted: Callable[[], bool]
    ) -> list[Answer]:
        """Hand a mail over; what the server says of it, for each recipient.

        Args:
            envelope: the mail.
            deadline: monotonic; its text is sent before that or never.
            is_wanted: asked just before that; False: it is not sent.

        Raises:
            NotBegunError: the server has nothing of it.
            LostAnswerError: the server may have it.
            AdapterRefusedError, AdapterUnavailableError: as of `connect`; it has nothing.
        """
        client: SMTP | None = None
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(max(deadline - self._clock.now(), 0)):
                    await stack.enter_async_context(self._room)
                    client, answers = await self._addressed(envelope)
            except TimeoutError:
                raise NotBegunError("its time is over") from None
            if not any(each.is_taken for each in answers):
                await self._give_back(client)
                return answers
            if self._clock.now() >= deadline or not is_wanted():
                client.close()
                raise NotBegunError("it is not wanted any more")
            return await self._send(client, envelope, answers)

    async def _addressed(self, envelope: Envelope) -> tuple[SMTP, list[Answer]]:
        """A connection that knows from whom and to whom; one that went stale is passed over."""
        while True:
            is_new = not self._idle
            client = await self._open() if is_new else self._idle.pop()
            try:
                return client, await self._address(client, envelope)
            except _StaleError as error:
                client.close()
                if is_new:
                    raise AdapterUnavailableError(f"the mail server hangs up: {error}") from error
            except BaseException:
                client.close()
                raise

    async def _send(self, client: SMTP, envelope: Envelope, answers: list[Answer]) -> list[Answer]:
        sending = asyncio.get_running_loop().create_task(_data(client, envelope.octets))
        self._late.add(sending)
        sending.add_done_callback(self._late.discard)
        try:
            await asyncio.wait({sending}, timeout=self._settings.response_s)
        except asyncio.CancelledError:
            sending.cancel()
            client.close()
            raise
        if sending.done() and sending.exception() is None:
            self._keep(client)
            return combined(answers, sending.result())
        sending.add_done_callback(lambda _: client.close())
        raise LostAnswerError(answers, sending)

    def _keep(self, client: SMTP) -> None:
        if client.is_connected:
            self._idle.append(client)

    async def _give_back(self, client: SMTP) -> None:
        try:
            await client.rset(timeout=ANSWER_S)
        except Errors:
            client.close()
        self._keep(client)

    async def _address(self, client: SMTP, envelope: Envelope) -> list[Answer]:
        """MAIL and RCPT."""
        size = client.esmtp_extensions.get("size", "")
        if size.isdigit() and 0 < int(size) < len(envelope.octets):
            return [TOO_LARGE] * len(envelope.recipients)
        has_dsn, has_utf8 = map(client.supports_extension, ("dsn", "smtputf8"))
        needs_utf8 = not all(map(str.isascii, envelope.recipients))
        options = [f"SIZE={len(envelope.octets)}"] if "size" in client.esmtp_extensions else []
        if has_dsn:
            options += ["RET=HDRS", f"ENVID={envelope.token}"]
        if needs_utf8 and has_utf8:
            options.append("SMTPUTF8")
        try:
            await client.mail(envelope.sender, options=options, timeout=ANSWER_S)
        except SMTPResponseException as error:
            _check_open(error)
            return [answer_of(error.code, error.message)] * len(envelope.recipients)
        except Errors as error:
            raise _StaleError(_words(error)) from error
        return [
            await self._recipient(client, each, has_dsn=has_dsn, has_utf8=has_utf8)
            for each in envelope.recipients
        ]

    async def _recipient(
        self, client: SMTP, address: str, *, has_dsn: bool, has_utf8: bool
    ) -> Answer:
        written = wire_address(address)
        if not written.isascii() and not has_utf8:
            return NO_UTF8
        options = []
        if has_dsn:
            notify = "SUCCESS,FAILURE,DELAY" if self._settings.reports else "FAILURE,DELAY"
            options = [f"NOTIFY={notify}", f"ORCPT={original(address)}"]
        try:
            response = await client.rcpt(
                written, options=options, encoding="utf-8", timeout=ANSWER_S
            )
        except SMTPResponseException as error:
            _check_open(error)
            return answer_of(error.code, error.message)
        except Errors as error:
            raise _StaleError(_words(error)) from error
        return answer_of(response.code, response.message)


class _StaleError(Exception):
    """A connection that was open for a while is of no use any more; nothing was begun."""


class LostAnswerError(Exception):
    """The server may have a mail. `late` gives its answer, if that still comes."""

    def __init__(self, answers: Sequence[Answer], late: asyncio.Task[Answer]) -> None:
        super().__init__("the mail server did not answer")
        self.answers, self.late = answers, late


async def _data(client: SMTP, octets: bytes) -> Answer:
    """Send it, and wait for as long as the standard wants; raises what of the wire goes wrong."""
    try:
        response = await client.data(octets, timeout=LATE_S)
    except SMTPResponseException as error:
        return answer_of(error.code, error.message)
    return answer_of(response.code, response.message)


def combined(answers: Sequence[Answer], last: Answer) -> list[Answer]:
    """The answer to the text is of all whose address was taken."""
    return [last if each.is_taken else each for each in answers]


def _check_open(error: SMTPResponseException) -> None:
    if error.code == CLOSING or error.code < 0:
        raise _StaleError(_words(error)) from error


def wire_address(address: str) -> str:
    """An address as SMTP writes it: a domain in Chinese in its ASCII form."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return address


def original(address: str) -> str:
    """ORCPT: an address in xtext (RFC 3461, 4; RFC 6533, 3)."""
    if not address.isascii():
        written = "".join(
            each if "!" <= each <= "~" and each not in "\\+=" else f"\\x{{{ord(each):X}}}"
            for each in address
        )
        return f"utf-8;{written}"
    written = "".join(
        each if "!" <= each <= "~" and each not in "+=" else f"+{ord(each):02X}"
        for each in address
    )
    return f"rfc822;{written}"


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Whom to trust."""
    return ssl.create_default_context(cafile=settings.ca)


def _words(error: BaseException) -> str:
    """What went wrong, without what was sent."""
    if isinstance(error, SMTPResponseException):
        return f"it answers {error.code}"
    return str(error) or type(error).__name__
