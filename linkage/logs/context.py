"""What a line of the log is about: peer, EventId, OpId, Trace and so on, as fields of the line.

Loggers are those of the standard library. The fields of a line come from three places, of which
the later one wins:

1. `subject.of`: the piece of work that this thread is at. The core's thread does a batch of many
   messages; it says at which one it is by one assignment, and the fields are made only where a
   line is written.
2. `structlog.contextvars`: what a task is about, such as an adapter's command, with all that it
   starts.
3. `extra=` of the call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any


class _Subject(threading.local):
    of: Any = None
    describe: Callable[[Any], Mapping[str, Any]] | None = None
    """Makes the fields of what it is about."""


subject = _Subject()
"""Of each thread its own."""


def add_subject(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor of structlog: the fields of this thread's subject."""
    if subject.of is not None and subject.describe is not None:
        for name, value in subject.describe(subject.of).items():
            event.setdefault(name, value)
    return event
