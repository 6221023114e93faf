"""What the blocking client hands out: notices, commands, and what comes of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import datetime
from typing import Any, TypeVar, overload

from linkage import client
from linkage.blocking.base import Client
from linkage.client import Received
from linkage.client.replies import OUTCOME_TIMEOUT_S
from protocol.envelope import Response
from protocol.message import Message
from protocol.results import Result
from protocol.suggest import suggesting

M = TypeVar("M", bound=Message)


class Notice:
    """A notice, a push to a screen, or a screen's action; see `linkage.client.Received`.

    Acknowledged when this thread asks for the next one, or leaves the `with` without an error,
    unless it was answered before. A script that fails did not do so: linkage delivers it again.
    """

    def __init__(self, owner: Client[Any], received: Received) -> None:
        self._owner = owner
        self._received = received

    def __repr__(self) -> str:
        return repr(self._received)

    @property
    def message(self) -> Message:
        """The typed message."""
        return self._received.message

    @property
    def time(self) -> datetime | None:
        """When it happened at its source; None from peers that do not say."""
        return self._received.time

    @property
    def seq(self) -> int | None:
        """Its number in the delivery queue."""
        return self._received.seq

    @property
    def resend(self) -> bool:
        """True when it may have been handed out before."""
        return self._received.resend

    @property
    def repeat(self) -> bool:
        """True when its source may have told it before: decide yourself."""
        return self._received.repeat

    def acknowledge(self) -> bool:
        """Answer Result 0 now. False when no session is left to say it to: it will come again."""
        return self._owner.call(self._received.acknowledge())

    @suggesting
    def refuse(self, result: int, detail: str | None = None) -> bool:
        """Answer with a result of protocol.md#results, and one line for a person."""
        return self._owner.call(self._received.refuse(result, detail))


class Command:
    """A command for a platform, which must be answered; see `linkage.client.Command`."""

    def __init__(self, owner: Client[Any], command: client.Command) -> None:
        self._owner = owner
        self._command = command

    def __repr__(self) -> str:
        return repr(self._command)

    @property
    def id(self) -> str:
        """Its Id: the `request_id` of the notices about what comes of it."""
        return self._command.id

    @property
    def message(self) -> Message:
        """The typed message."""
        return self._command.message

    @suggesting
    def answer(
        self,
        result: int = Result.OK,
        *,
        detail: str | None = None,
        call_id: str | None = None,
        conference_id: str | None = None,
        op_id: str | None = None,
    ) -> bool:
        """Accept or refuse it. False when linkage is not there to hear it."""
        answering = self._command.answer(
            result, detail=detail, call_id=call_id, conference_id=conference_id, op_id=op_id
        )
        return self._owner.call(answering)


class Reply:
    """The answer to a command, and access to what comes of it; see `linkage.client.Reply`."""

    def __init__(self, owner: Client[Any], reply: client.Reply) -> None:
        self._owner = owner
        self._reply = reply

    def __repr__(self) -> str:
        return repr(self._reply)

    @property
    def command(self) -> Message:
        """What was sent."""
        return self._reply.command

    @property
    def response(self) -> Response:
        """What linkage answered."""
        return self._reply.response

    @property
    def request_id(self) -> str:
        """The command's Id, which its outcomes carry as `request_id`."""
        return self._reply.request_id

    @property
    def result(self) -> int:
        """Section 7: 0–9 taken, else refused."""
        return self._reply.result

    @property
    def accepted(self) -> bool:
        """True for the results 0–9."""
        return self._reply.accepted

    @overload
    def outcome(self, *, timeout_s: float = ...) -> Message: ...

    @overload
    def outcome(self, kind: type[M], *, timeout_s: float = ...) -> M: ...

    @suggesting
    def outcome(
        self, kind: type[Message] | None = None, *, timeout_s: float = OUTCOME_TIMEOUT_S
    ) -> Message:
        """The notice that tells what came of the command, of `kind`, else of the paired number.

        Raises:
            TimeoutError: nothing came within `timeout_s` seconds.
            CommandFailedError: a failure was reported by a notice of another type than `kind`.
        """
        waiting: Coroutine[Any, Any, Message] = (
            self._reply.outcome(timeout_s=timeout_s)
            if kind is None
            else self._reply.outcome(kind, timeout_s=timeout_s)
        )
        return self._owner.call(waiting)

    @suggesting
    def outcomes(self, *, timeout_s: float = OUTCOME_TIMEOUT_S) -> Iterator[Message]:
        """All notices of the command, progress included, up to the last.

        Raises:
            TimeoutError: none came within `timeout_s` seconds after the one before.
        """
        found = self._reply.outcomes(timeout_s=timeout_s)
        while True:
            notice = self._owner.call(_step(found))
            if notice is None:
                return
            yield notice


async def _step(found: AsyncIterator[Message]) -> Message | None:
    return await anext(found, None)
