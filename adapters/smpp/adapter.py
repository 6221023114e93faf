"""One account at an SMS centre, by SMPP 3.4."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from adapters.messaging.adapter import MessagingAdapter, cause_of
from adapters.messaging.ledger import Ledger
from adapters.messaging.outbox import Outbox
from adapters.messaging.recorder import Recorder
from adapters.smpp.channel import SmppChannel
from adapters.smpp.inbox import Inbox
from adapters.smpp.link import BoundAlreadyError, Link
from adapters.smpp.pdu import Command
from adapters.smpp.settings import Settings
from linkage import ports
from linkage.clock import SystemClock
from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from linkage.ports.probe import Finding, State
from protocol import messages as m


class SmppAdapter(MessagingAdapter):
    """Texts by an SMS centre: sent, in batches, scheduled, cancelled, queried; and received."""

    name: ClassVar[str] = "smpp"
    settings_class: ClassVar[type[Any]] = Settings
    concurrent_max: ClassVar[int] = 512

    def __init__(self, context: ports.AdapterContext) -> None:
        super().__init__(context)
        self._settings: Settings = context.settings

    @classmethod
    def place_of(cls, settings: Any) -> str | None:
        """An account has one link: a second one would get half of the receipts."""
        host, port = settings.address
        return f"the account {settings.system_id} at {host}:{port}"

    @classmethod
    async def probe(cls, name: str, settings: Any) -> Sequence[Finding]:
        """Whether the centre is there and takes us: as a transmitter, to whom it delivers nothing.

        What is delivered meanwhile goes to the linkage that serves, or waits for it.
        """
        host, port = settings.address
        where = f"the SMS centre {host}:{port}"
        link = Link(settings, SystemClock(), lambda _: None)
        try:
            await link.connect(Command.TRANSMITTER)
        except AdapterRefusedError as error:
            remedy = "make `system_id` and `password` those of our account there"
            return (Finding(name, State.BROKEN, str(error), remedy),)
        except BoundAlreadyError as error:
            remedy = "none, where a linkage serves with it; who else is bound must let go"
            return (Finding(name, State.NOTE, str(error), remedy),)
        except AdapterUnavailableError as error:
            remedy = "start it, or correct the settings; linkage goes on trying"
            return (Finding(name, State.WARNING, str(error), remedy),)
        finally:
            link.close()
        return (Finding(name, State.OK, f"{where} takes {settings.system_id}"),)

    async def run(self, port: ports.AdapterPort) -> None:
        """Bind, then tell what happens; see `linkage.ports.Adapter.run`."""
        clock, settings = self.context.clock, self._settings
        recorder = Recorder(port)
        ledger = Ledger(clock, receipt_within_s=settings.receipt_within_s)
        inbox = Inbox(settings, clock, ledger, recorder)
        link = inbox.link = Link(settings, clock, inbox.put)
        memory = await port.load()
        ledger.load(memory, recorder.draft)
        inbox.load(memory, recorder.draft)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(recorder.run(), name="recorder")
                await recorder.commit()
                await link.connect()
                channel = SmppChannel(settings, clock, link)
                outbox = Outbox(settings, clock, ledger, recorder, channel, sender=settings.sender)
                tasks.create_task(link.run(), name="link")
                tasks.create_task(inbox.run(), name="inbox")
                self.outbox = outbox  # before its 191: whoever hears that may send commands
                up = m.PlatformLink(id=self.context.peer_id, kind="SMPP", state=m.LinkState.UP)
                recorder.draft.tell(m.PlatformStatusNotice(links=(up,)), at=clock.utc())
                await recorder.commit()
                await outbox.run()
        except ExceptionGroup as group:
            raise cause_of(group) from group
        finally:
            self.outbox = None
            link.close()
