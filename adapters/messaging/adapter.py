"""What adapters of texts are alike in: their commands, and how a run ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

from adapters.messaging.outbox import Outbox
from adapters.messaging.recorder import UnsureError
from linkage import ports
from linkage.ports import AdapterError, AdapterUnavailableError, CommandError, Outcome
from protocol import messages as m
from protocol.message import Message
from protocol.results import Result

Do = Callable[[Outbox, ports.Command, Any], Awaitable[Outcome]]
COMMANDS: Final[dict[type[Message], Do]] = {
    m.SendSms: Outbox.send,
    m.CancelSms: Outbox.cancel,
    m.QuerySms: Outbox.query,
    m.SendSmsBatch: Outbox.send_batch,
}


class MessagingAdapter(ports.Adapter):
    """Does 220, 221, 222 and 224 by an `Outbox`, which a subclass has while it is linked."""

    capabilities: ClassVar[ports.Capability] = dict.fromkeys((220, 221, 222, 224), frozenset())

    def __init__(self, context: ports.AdapterContext) -> None:
        super().__init__(context)
        self.outbox: Outbox | None = None

    async def execute(self, request: ports.Command) -> Outcome:
        """Do a 220, 221, 222 or 224; see `linkage.ports.Adapter.execute`."""
        outbox = self.outbox
        if outbox is None:
            raise AdapterUnavailableError("the SMS centre is not connected")
        if self.context.clock.now() >= request.deadline:
            raise CommandError(Result.EXPIRED, "it expired before it could be done")
        try:
            return await COMMANDS[type(request.message)](outbox, request, request.message)
        except UnsureError as error:
            raise CommandError(Result.TIMEOUT, str(error)) from error

    def serial_key(self, message: Message) -> str | None:
        """What goes to one number goes in the order in which it came."""
        return message.receivers[0].phone_num if isinstance(message, m.SendSms) else None


def cause_of(group: ExceptionGroup[Exception]) -> Exception:
    """What brought the link down: of several errors the one that says what to do about it."""
    errors = [
        cause_of(each) if isinstance(each, ExceptionGroup) else each for each in group.exceptions
    ]
    return next((each for each in errors if isinstance(each, AdapterError)), errors[0])
