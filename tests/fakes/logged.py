"""What was logged, line by line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from linkage.logs.setup import set_up_logging


class Log(io.StringIO):
    """A stream to log to."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines, which are JSON."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == logger]


@contextmanager
def logging_to(log: Log, **settings: Any) -> Iterator[Log]:
    """Log as a server does, and leave everything as it was."""
    names = ["", "alembic", "linkage.messages", *settings.get("levels", {})]
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    try:
        set_up_logging(stream=log, **{"as_json": True, **settings})
        yield log
    finally:
        logging.getLogger().handlers[:] = handlers
        for logger, level in before:
            logger.setLevel(level)
