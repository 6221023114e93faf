"""One HylaFAX server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final

from adapters.hylafax.client import Client, RefusedError
from adapters.hylafax.inbox import Inbox
from adapters.hylafax.ledger import Ledger
from adapters.hylafax.outbox import Outbox
from adapters.hylafax.settings import Settings
from adapters.messaging.adapter import cause_of
from adapters.messaging.recorder import Recorder, UnsureError
from linkage import ports
from linkage.addresses import address_text
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


class HylafaxAdapter(ports.Adapter):
    """Faxes by a HylaFAX server: sent, stopped, asked about; and received."""

    name: ClassVar[str] = "hylafax"
    capabilities: ClassVar[ports.Capability] = dict.fromkeys((230, 231, 232), frozenset())
    settings_class: ClassVar[type[Any]] = Settings

    def __init__(self, context: ports.AdapterContext) -> None:
        super().__init__(context)
        self._settings: Settings = context.settings
        self._outbox: Outbox | None = None

    @classmethod
    def place_of(cls, settings: Any) -> str | None:
        """Two that take what comes in would both tell it."""
        where = address_text(*settings.address)
        return f"the received faxes of {where}" if settings.receive else None

    @classmethod
    async def probe(cls, name: str, settings: Any) -> Sequence[Finding]:
        """Whether the server is there and lets us in, and whether it has a modem."""
        where = f"the fax server {address_text(*settings.address)}"
        try:
            async with Client(settings) as client:
                modems = [piece async for piece in client.retrieve("LIST status")]
        except AdapterRefusedError as error:
            return (Finding(name, State.BROKEN, str(error), "linkage tries again"),)
        except (AdapterUnavailableError, RefusedError) as error:
            remedy = "start it, or correct the settings; linkage goes on trying"
            return (Finding(name, State.WARNING, str(error), remedy),)
        if not b"".join(modems).strip():
            remedy = "start faxgetty for its modem, or faxes wait there"
            return (Finding(name, State.WARNING, f"{where} has no modem", remedy),)
        return (Finding(name, State.OK, f"{where} takes {settings.user}"),)

    async def run(self, port: ports.AdapterPort) -> None:
        """Look through the queues, and tell; see `linkage.ports.Adapter.run`."""
        context, settings = self.context, self._settings
        recorder, ledger = Recorder(port), Ledger(context.clock)
        inbox = Inbox(settings, context.files, recorder, context.clock)
        memory = await port.load()
        ledger.load(memory, recorder.draft)
        inbox.load(memory, recorder.draft)
        try:
            async with Client(settings) as client, asyncio.TaskGroup() as tasks:
                tasks.create_task(recorder.run(), name="recorder")
                await self._look(client, ledger, inbox, recorder)
                self._outbox = Outbox(
                    context.peer_id, settings, context.files, ledger, recorder, context.clock
                )
                up = m.PlatformLink(id=context.peer_id, kind="HYLAFAX", state=m.LinkState.UP)
                notice = m.PlatformStatusNotice(links=(up,))
                recorder.draft.tell(notice, at=context.clock.utc())
                await recorder.commit()
                while True:
                    await asyncio.sleep(settings.poll_s)
                    await self._look(client, ledger, inbox, recorder)
        except ExceptionGroup as group:
            raise cause_of(group) from group
        finally:
            self._outbox = None

    async def _look(
        self, client: Client, ledger: Ledger, inbox: Inbox, recorder: Recorder
    ) -> None:
        try:
            ledger.compare(await client.jobs(), recorder.draft)
            if recorder.draft.notices or recorder.draft.memory:
                await recorder.commit()
            await inbox.look(client)
        except RefusedError as error:
            raise AdapterUnavailableError(f"the fax server does not list: {error}") from error

    async def execute(self, request: ports.Command) -> Outcome:
        """Do a 230, 231 or 232; see `linkage.ports.Adapter.execute`."""
        outbox = self._outbox
        if outbox is None:
            raise AdapterUnavailableError("the fax server is not connected")
        if self.context.clock.now() >= request.deadline:
            raise CommandError(Result.EXPIRED, "it expired before it could be done")
        try:
            return await COMMANDS[type(request.message)](outbox, request, request.message)
        except UnsureError as error:
            raise CommandError(Result.TIMEOUT, str(error)) from error


Do = Callable[[Outbox, ports.Command, Any], Awaitable[Outcome]]
COMMANDS: Final[dict[type[Message], Do]] = {
    m.SendFax: Outbox.send,
    m.CancelFax: Outbox.cancel,
    m.QueryFax: Outbox.query,
}
