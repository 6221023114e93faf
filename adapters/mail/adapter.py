"""One mail account: mails out by SMTP, and in by IMAP, LMTP or SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from adapters.mail.imap import ImapFolder
from adapters.mail.inbox import Inbox
from adapters.mail.ledger import Ledger
from adapters.mail.listener import Listener
from adapters.mail.outbox import Outbox
from adapters.mail.settings import Settings
from adapters.mail.submission import Submission
from adapters.messaging.adapter import cause_of
from adapters.messaging.recorder import Recorder, UnsureError
from linkage import ports
from linkage.clock import SystemClock
from linkage.ports import (
    AdapterRefusedError,
    AdapterUnavailableError,
    CommandError,
    Outcome,
)
from linkage.ports.probe import Finding, State
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result


class MailAdapter(ports.Adapter):
    """Mails: sent, cancelled, queried, reported on; and received, with what is attached."""

    name: ClassVar[str] = "mail"
    capabilities: ClassVar[ports.Capability] = dict.fromkeys((240, 241, 242), frozenset())
    settings_class: ClassVar[type[Any]] = Settings

    def __init__(self, context: ports.AdapterContext) -> None:
        super().__init__(context)
        self._settings: Settings = context.settings
        self._outbox: Outbox | None = None

    @classmethod
    def place_of(cls, settings: Any) -> str | None:
        """A mailbox is read by one: the other would tell each mail once more."""
        if settings.imap is None:
            return None
        host, port = settings.imap
        user = settings.imap_username or settings.username
        return f"the folder {settings.imap_folder} of {user} at {host}:{port}"

    @classmethod
    async def probe(cls, name: str, settings: Any) -> Sequence[Finding]:
        """Whether the servers are there and take us; nothing is sent and nothing is read."""
        host, port = settings.smtp
        submission = Submission(settings, SystemClock())
        found = [
            await _look(name, submission.connect, f"the mail server {host}:{port} takes our mails")
        ]
        submission.close()
        if settings.imap is not None:
            host, port = settings.imap
            read_only = replace(settings, imap_done="keep")
            folder = ImapFolder(read_only, SystemClock())
            fine = f"the folder {settings.imap_folder} at {host}:{port} can be read"
            found.append(await _look(name, folder.connect, fine))
            folder.close()
        return found

    async def run(self, port: ports.AdapterPort) -> None:
        """Connect, then tell what happens; see `linkage.ports.Adapter.run`."""
        clock, settings, files = self.context.clock, self._settings, self.context.files
        recorder = Recorder(port)
        ledger = Ledger(clock, report_within_s=settings.report_within_s)
        inbox = Inbox(settings, clock, ledger, recorder, files)
        submission = Submission(settings, clock)
        listener = Listener(settings, inbox)
        folder = ImapFolder(settings, clock) if settings.imap else None
        memory = await port.load()
        ledger.load(memory, recorder.draft)
        inbox.load(memory)
        if folder is not None:
            folder.load(memory)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(recorder.run(), name="recorder")
                await recorder.commit()
                await submission.connect()
                if folder is not None:
                    await folder.connect()
                    tasks.create_task(folder.run(inbox), name="folder")
                await listener.start()
                outbox = Outbox(settings, clock, ledger, recorder, submission, files)
                tasks.create_task(outbox.run(), name="outbox")
                self._outbox = outbox  # before its 191: whoever hears that may send commands
                up = m.PlatformLink(id=self.context.peer_id, kind="MAIL", state=m.LinkState.UP)
                recorder.draft.tell(m.PlatformStatusNotice(links=(up,)), at=clock.utc())
                await recorder.commit()
                await submission.watch()
        except ExceptionGroup as group:
            raise cause_of(group) from group
        finally:
            self._outbox = None
            if folder is not None:
                folder.close()
            listener.close()
            submission.close()

    async def execute(self, request: ports.Command) -> Outcome:
        """Do a 240, 241 or 242; see `linkage.ports.Adapter.execute`."""
        outbox = self._outbox
        if outbox is None:
            raise AdapterUnavailableError("the mail server is not connected")
        if self.context.clock.now() >= request.deadline:
            raise CommandError(Result.EXPIRED, "it expired before it could be done")
        try:
            return await COMMANDS[type(request.message)](outbox, request, request.message)
        except UnsureError as error:
            raise CommandError(Result.TIMEOUT, str(error)) from error


Do = Callable[[Outbox, ports.Command, Any], Awaitable[Outcome]]
COMMANDS: Final[dict[type[Message], Do]] = {
    m.SendMail: Outbox.send,
    m.CancelMail: Outbox.cancel,
    m.QueryMail: Outbox.query,
}


async def _look(name: str, connect: Callable[[], Awaitable[None]], fine: str) -> Finding:
    try:
        await connect()
    except AdapterRefusedError as error:
        return Finding(name, State.BROKEN, str(error), "correct the settings, or the server")
    except AdapterUnavailableError as error:
        remedy = "start it, or correct the settings; linkage goes on trying"
        return Finding(name, State.WARNING, str(error), remedy)
    return Finding(name, State.OK, fine)
