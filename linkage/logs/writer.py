"""Lines are written by a thread of their own: who reads the log too slowly holds up no call.

A pipe that nobody empties, a disk that hangs under a redirected stderr: a write to them blocks.
The lines wait in a bounded queue instead; beyond it they are dropped, and counted, and the log
says how many once it is read again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from typing import Final, TextIO

WAITING_MAX: Final = 10_000
LEAVE_WITHIN_S: Final = 2.0
"""What the last lines are given at the end."""


class BackgroundHandler(logging.Handler):
    """Formats where it is called, so that the context is right, and writes elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._closing = False
        self._stuck = False
        self._thread: threading.Thread | None = None
        self._told = 0
        self.lines: Counter[str] = Counter()
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, or drop it; never blocks."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a line that cannot be formatted costs that line only
            self.handleError(record)
            return
        self.lines[record.levelname.lower()] += 1
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(line)
        self._idle.clear()
        self._start()
        self._wake.set()

    def _start(self) -> None:
        # At the first line, and not before: whoever forks in between has no half of it.
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name="linkage-log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Wait until everything is written, in bounded time."""
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._stuck = not self._idle.wait(LEAVE_WITHIN_S)

    def close(self) -> None:
        """Write what waits, and end."""
        if not self._stuck:
            self.flush()
        self._closing = True
        self._wake.set()
        super().close()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            self._write_all()

    def _write_all(self) -> None:
        while self._waiting:
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            dropped = self.dropped
            if dropped > self._told:
                lines.append(self._dropped_here(dropped - self._told))
                self._told = dropped
            try:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()
            except Exception:  # noqa: BLE001 - whatever it is, the lines after these are written
                self.dropped += len(lines)  # nobody reads any more; there is nowhere to say so
        self._idle.set()
        if self._waiting:
            self._idle.clear()

    def _dropped_here(self, count: int) -> str:
        text = "%d lines of the log were dropped here: they could not be written"
        record = logging.LogRecord(
            "linkage.logs", logging.WARNING, __file__, 0, text, (count,), None
        )
        try:
            return self.format(record)
        except Exception:  # noqa: BLE001 - it must not end the thread
            return record.getMessage()


def log_writer() -> BackgroundHandler | None:
    """The handler that this process logs to, if it is one of these."""
    handlers = logging.getLogger().handlers
    return next((each for each in handlers if isinstance(each, BackgroundHandler)), None)
