"""Which Trace an entry of the journal carries, and with it all that is told because of it.

Without `[trace]` a message keeps the Trace of its sender, and the outcome of a command that of the
command. With it, every message is in a trace: `linkage.tracing.context` says in which.
"""

from __future__ import annotations

from linkage.correlation import Applied
from linkage.ports.store import Tx
from linkage.store.rows import JournalRow
from linkage.tracing.context import Conversations, TraceContext, parse_trace


class Traces:
    """Used within the open transaction; `conversations` None: linkage begins no traces."""

    def __init__(self, unit: Tx, conversations: Conversations | None = None) -> None:
        self._unit = unit
        self._conversations = conversations
        self._before: int | None = None
        self.begun = conversations is not None
        """Whether linkage itself begins traces."""

    def forget(self) -> None:
        """The transaction failed."""
        if self._conversations is not None:
            self._conversations.forget()

    def of_request(
        self, row: JournalRow, given: str | None, applied: Applied | None
    ) -> str | None:
        """For the entry of a peer's request, which has everything but its trace."""
        command = None
        if given is None and row.command_seq is not None:
            command = self._unit.journal.find(row.command_seq)
        if self._conversations is None:
            return given if command is None else command.trace
        return self._in_conversation(self._conversations, row, given, applied, command)

    def _in_conversation(
        self,
        conversations: Conversations,
        row: JournalRow,
        given: str | None,
        applied: Applied | None,
        command: JournalRow | None,
    ) -> str | None:
        text = given
        if command is not None:
            # Below the delivery of the command to the platform that answers it.
            text = conversations.outgoing(command.trace, command.seq, row.source)
        context = parse_trace(text)
        if text is not None and context is None:
            return text  # something of the peer's own: passed on as it is
        subject = _subject(self._unit, applied)
        if context is None:
            context = self._known(conversations, subject, row)
            context = context.at(conversations.ids.receive(row.seq))
        if subject is not None:
            conversations.remember(subject[0], subject[1], context)
        return str(context)

    def _known(
        self, conversations: Conversations, subject: tuple[str, int, int] | None, row: JournalRow
    ) -> TraceContext:
        if subject is None:
            return conversations.begin("entry", row.seq, row.recorded_at)
        kind, key, since_us = subject
        known = conversations.known(kind, key)
        if known is None and kind == "operation" and key <= self._newest_before():
            known = parse_trace(self._unit.journal.first_trace(key))
        return known or conversations.begin(kind, key, since_us)

    def _newest_before(self) -> int:
        """The newest call of a process before this one; of newer ones the trace is remembered."""
        if self._before is None:
            self._before = self._unit.records.newest_op_id()
        return self._before

    def of_own(self, cause: JournalRow | None) -> str | None:
        """For a message of linkage's own, because of another entry."""
        if cause is None:
            return None
        context = parse_trace(cause.trace)
        if self._conversations is None or context is None:
            return cause.trace
        return str(context.at(self._conversations.ids.receive(cause.seq)))

    def outgoing(self, row: JournalRow, receiver: str) -> str | None:
        """What a receiver of the entry's message is told."""
        if self._conversations is None:
            return row.trace
        return self._conversations.outgoing(row.trace, row.seq, receiver)


def _subject(unit: Tx, applied: Applied | None) -> tuple[str, int, int] | None:
    """The call that a message is about, else the event: kind, key, since when."""
    if applied is None:
        return None
    found, event = applied.operation, applied.event
    if found is not None:
        root = unit.records.operation(found.root) or found
        return "operation", root.op_id, root.started_at
    if event is not None:
        return "event", event.event_pk, event.opened_at
    return None
