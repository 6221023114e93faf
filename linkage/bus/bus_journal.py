"""What the core's side of the bus writes down: parts that are missing, strangers, damage."""

from __future__ import annotations

import logging
import math
from typing import Final

from linkage.ports import Absent, Clock, CoreServicePort, EntryKind
from linkage.supervision import TaskSet

logger = logging.getLogger("linkage.bus")

COMPLAIN_EVERY_S: Final = 1.0
STRANGERS_EVERY_S: Final = 60.0
SOURCE_MAX: Final = 64
"""Characters of an alarm's id."""


class BusJournal:
    """Entries of the journal and lines of the log; neither can be filled from outside.

    `tasks` write the entries.
    """

    def __init__(self, core: CoreServicePort, clock: Clock, tasks: TaskSet) -> None:
        self._core = core
        self._clock = clock
        self._tasks = tasks
        self._complained_at = self._strangers_told_at = -math.inf
        self._strangers = 0

    def complain(self, text: str) -> None:
        """Log what somebody sent that cannot be used: one line a second."""
        now = self._clock.now()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.warning("bus: %s", text)

    def turned_away(self, host: str) -> None:
        """Somebody's key is nobody's. ZeroMQ tries again and again: told once a minute."""
        self._strangers += 1
        now = self._clock.now()
        if now - self._strangers_told_at < STRANGERS_EVERY_S:
            return
        text = f"{self._strangers} on the bus with a key that is nobody's, last from {host}"
        self._strangers, self._strangers_told_at = 0, now
        logger.warning("bus: turned away: %s", text)
        self._write(host, EntryKind.STRANGER, text)

    def missing(self, part: str) -> None:
        """A part that should be here is not: an alarm, until it is `here`."""
        text = f"{part} is not here: see whether `linkage serve --only {part}` runs"
        self._write(part, EntryKind.ALARM, text)

    def here(self, part: str) -> None:
        """It has said hello."""
        logger.info("bus: %s is here", part)
        self._write(part, EntryKind.ALARM_CLEARED, f"{part} is here again")

    def _write(self, source: str, kind: EntryKind, text: str) -> None:
        self._tasks.start(self._core.note(Absent(source[:SOURCE_MAX]), kind, text), "entry")
