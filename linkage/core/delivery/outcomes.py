"""How the sender of a command learns that it came to nothing."""

from __future__ import annotations

import logging

from linkage.core.delivery.render import outcome_of, stored_message
from linkage.core.notify import Notifier
from linkage.core.scope import Scope
from linkage.store.rows import JournalRow
from protocol.kinds import is_command
from protocol.messages import CreateEvent, as_command

logger = logging.getLogger("linkage.core")


def report(
    scope: Scope, notifier: Notifier, row: JournalRow | None, result: int, detail: str
) -> None:
    """Tell the sender of a command that it came to nothing; `row` is its entry.

    The response it got said only «accepted». That a platform did not note an event's number (201)
    is nobody's failure: the event stands.
    """
    if row is None or row.type is None or row.source not in scope.peers.by_id:
        return
    if not is_command(row.type):
        return
    try:
        command = as_command(stored_message(row))
    except Exception:
        # Nor must it stop what else expires: whoever looks after linkage finds it here.
        logger.exception(
            "%s: its command failed and it cannot be told: %s",
            row.source,
            detail,
            extra={"seq": row.seq},
        )
        return
    if not isinstance(command, CreateEvent):
        notifier.tell_sender(outcome_of(command, str(row.seq), int(result), detail), row)
