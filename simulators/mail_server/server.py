"""The server: what it was handed, what becomes of that, and what it still has to deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from simulators.clock import RealClock, ScenarioClock
from simulators.mail_server import reports
from simulators.mail_server.behaviour import Behaviour, behaviour_of
from simulators.mail_server.folder import Folder
from simulators.mail_server.imap_session import ImapSession
from simulators.mail_server.lmtp_client import HandOverError, hand_over
from simulators.mail_server.reports import Taken
from simulators.mail_server.smtp_session import SmtpSession

LINE_MAX: Final = 1_000_000
RETRY_S: Final = 1.0
APART_S: Final = 0.05
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(eq=False)
class Stored:
    """A mail for whoever uses the server."""

    sender: str
    to: str
    octets: bytes


class MailServer:
    """An SMTP server on a socket of this host, with the mailbox of whoever sends by it.

    Args:
        host, port: where mails are handed to it; port 0: any that is free.
        accounts: name → password; none: nobody need log in.
        imap_port: where its user reads them; 0: any that is free.
        deliver_to: where mails to its user go, by LMTP; None: into `folder`.
        clock: the time that it lives in; None: real time.
        behaviour: address → what becomes of a mail to it.
        on_event: told of each thing that happens, in words.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        imap_port: int = 0,
        accounts: Mapping[str, str] | None = None,
        deliver_to: tuple[str, int] | None = None,
        clock: ScenarioClock | None = None,
        behaviour: Callable[[str], Behaviour] = behaviour_of,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self.accounts = {"linkage": "secret"} if accounts is None else dict(accounts)
        self.taken: list[Taken] = []
        """Every mail that was taken, in order."""
        self.stored: list[Stored] = []
        """Mails to whoever uses the server, that were not delivered yet."""
        self.folder = Folder()
        self.deliver_to = deliver_to
        self.greeting = "LHLO"
        """How it begins there: `LHLO` (LMTP) or `EHLO` (SMTP)."""
        self._host, self._port, self._imap_port = host, port, imap_port
        self._clock, self._behaviour, self._on_event = clock, behaviour, on_event
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._servers: list[asyncio.Server] = []
        self._changed = asyncio.Condition()
        self._flows = asyncio.Event()
        self._flows.set()
        self._answers = asyncio.Event()
        self._answers.set()
        self._waiting = asyncio.Event()
        self._delivering: asyncio.Task[None] | None = None

    # --- life ------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.thaw()
        await self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where it takes mails."""
        return self._host, self._port

    @property
    def imap_address(self) -> tuple[str, int]:
        """Where the folder is read."""
        return self._host, self._imap_port

    @property
    def clock(self) -> ScenarioClock:
        """The time that it lives in."""
        if self._clock is None:
            self._clock = RealClock()
        return self._clock

    async def start(self) -> None:
        """Listen, for the first time or again; what it has taken and stored is kept."""
        smtp = await asyncio.start_server(
            partial(self._serve, self._talk), self._host, self._port, limit=LINE_MAX
        )
        imap = await asyncio.start_server(
            partial(self._serve, self._read), self._host, self._imap_port
        )
        self._servers = [smtp, imap]
        self._port, self._imap_port = (each.sockets[0].getsockname()[1] for each in self._servers)
        self._delivering = asyncio.get_running_loop().create_task(self._deliver())

    async def stop(self) -> None:
        """Hang up on everybody, and listen no more."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self.hang_up()
        if self._delivering is not None:
            self._delivering.cancel()
            self._tasks.add(self._delivering)
            self._delivering = None
        tasks = {each for each in self._tasks if not each.done()}
        self._tasks.clear()
        if tasks and self._flows.is_set():
            await asyncio.wait(tasks)

    def freeze(self) -> None:
        """Take what comes, and do and say nothing."""
        self._flows.clear()

    def hold_answers(self) -> None:
        """Take mails, and do not say so before `thaw`."""
        self._answers.clear()

    def thaw(self) -> None:
        """Go on; what came meanwhile is done now."""
        self._flows.set()
        self._answers.set()

    def hang_up(self) -> None:
        """Close all connections; new ones are taken."""
        for writer in list(self._writers):
            writer.close()

    # --- what a test asks ------------------------------------------------------------------------
    def mails_to(self, address: str) -> list[Taken]:
        """The mails that were taken for an address."""
        return [each for each in self.taken if address in each.recipients]

    async def wait_for_mail(self, address: str, *, within_s: float = 10.0) -> Taken:
        """The first mail to an address."""
        async with asyncio.timeout(within_s), self._changed:
            while not (found := self.mails_to(address)):
                await self._changed.wait()
        return found[0]

    def receive(self, sender: str, to: str, subject: str, text: str) -> Stored:
        """Somebody has sent a mail; it goes to whoever uses the server, now or later."""
        return self.store(sender, to, reports.mail(sender, to, subject, text, self.clock.utc()))

    def store(self, sender: str, to: str, octets: bytes) -> Stored:
        """Have a mail delivered, its octets as they are."""
        stored = Stored(sender, to, octets)
        if self.deliver_to is None:
            self.folder.append(octets, self.clock.utc())
        else:
            self.stored.append(stored)
            self._waiting.set()
        return stored

    # --- mails in --------------------------------------------------------------------------------
    async def _serve(
        self, talk: Talk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await talk(reader, writer)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = SmtpSession(self.accounts, lambda address: self._behaviour(address).refusal)
        await self._flows.wait()
        writer.write(b"220 mail.example ESMTP\r\n")
        while line := await reader.readline():
            await self._flows.wait()
            said = session.line(line.removesuffix(b"\n").removesuffix(b"\r"))
            if said.taken is not None:
                said.lines = await self._take(said.taken)
                await self._answers.wait()
                said.closes = not said.lines
            if said.lines and not writer.is_closing():
                writer.write(f"{said.lines}\r\n".encode())
            if said.closes:
                return

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ImapSession(reader, writer, self.accounts, self.folder, self._flows).run()

    async def _take(self, taken: Taken) -> str:
        """The answer to a mail; empty: none."""
        what = {each: self._behaviour(each) for each in taken.recipients}
        refusal = next((each.data_refusal for each in what.values() if each.data_refusal), "")
        if refusal:
            self._tell(f"a mail to {', '.join(what)} was refused: {refusal}")
            return refusal
        self.taken.append(taken)
        for address, each in what.items():
            self._tell(f"mail to {address}: {taken.header('Subject')} ({each.meaning})")
            self._go_on(taken, address, each)
        async with self._changed:
            self._changed.notify_all()
        return "" if any(each.drops_link for each in what.values()) else "250 2.0.0 taken"

    def _go_on(self, taken: Taken, address: str, what: Behaviour) -> None:
        after = what.after_s
        for number, action in enumerate(what.reports):
            status = what.status if number == len(what.reports) - 1 else "4.4.1"
            told = partial(self.report, taken, address, action, status)
            self._later(after + number * APART_S, told)
        if what.is_read:
            self._later(2 * after, lambda: self._store_for(taken, address, reports.was_read))
        if what.reply is not None:
            text = what.reply
            self._later(
                2 * after,
                lambda: self.store(
                    address,
                    taken.sender,
                    reports.answer(taken, address, text, self.clock.utc()),
                ),
            )

    def report(self, taken: Taken, address: str, action: str, status: str) -> Stored | None:
        """What became of a mail; None: nobody has asked for such reports."""
        wanted = {"delivered": "SUCCESS", "delayed": "DELAY"}.get(action, "FAILURE")
        if wanted not in taken.notify.get(address, "FAILURE"):
            return None
        self._tell(f"report on {address}: {action} {status}")
        told = reports.report(taken, address, action, status, self.clock.utc())
        return self.store("", taken.sender, told)

    def _store_for(self, taken: Taken, address: str, write: Callable[..., bytes]) -> Stored:
        return self.store("", taken.sender, write(taken, address, self.clock.utc()))

    def _later(self, seconds: float, action: Callable[[], Any]) -> None:
        self.clock.call_at(self.clock.now() + seconds, action)

    # --- mails out -------------------------------------------------------------------------------
    async def _deliver(self) -> None:
        """Offer what is stored until it is taken, each again and again."""
        while True:
            await self._flows.wait()
            self._waiting.clear()
            failed = False
            for stored in list(self.stored):
                failed = not await self._offer(stored) or failed
            if failed:
                await asyncio.sleep(RETRY_S / 10)
            else:
                await self._waiting.wait()

    async def _offer(self, stored: Stored) -> bool:
        assert self.deliver_to is not None
        try:
            await hand_over(
                self.deliver_to, stored.sender, [stored.to], stored.octets, greeting=self.greeting
            )
        except HandOverError as error:
            if not error.is_final:
                return False
            self._tell(f"a mail to {stored.to} was refused: {error}")
        if stored in self.stored:
            self.stored.remove(stored)
        return True

    def _tell(self, what: str) -> None:
        if self._on_event is not None:
            self._on_event(what)
