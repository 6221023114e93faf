"""How far the deliveries to us are answered.

The `LastSeq` of the next registration (protocol.md#resuming).
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

logger = logging.getLogger("linkage.client")


class Position:
    """The highest number up to which every delivery was answered.

    Deliveries may be answered out of order; the position stays below the lowest that is still
    open, so that a resume after it never skips one.
    """

    def __init__(self, last_seq: int | None = None) -> None:
        self._settled = last_seq
        self._open: set[int] = set()
        self._changed = asyncio.Event()

    @property
    def last_seq(self) -> int | None:
        """None: nothing was ever answered."""
        if not self._open or self._settled is None:
            return self._settled
        return min(self._settled, min(self._open) - 1)

    def delivered(self, seq: int) -> None:
        """A delivery came and is to be answered."""
        if self._settled is None:
            # The first ever: what lies before it is not ours to ask for again.
            self._settled = seq - 1
        self._open.add(seq)

    def settle(self, seq: int) -> None:
        """A delivery was answered."""
        self._open.discard(seq)
        self._settled = max(seq, self._settled or 0)
        self._changed.set()

    def resume(self, last_seq: int) -> bool:
        """Linkage says from where it will deliver.

        Where that is before our position, its numbers were reset: True.
        """
        if self._settled is not None and last_seq < self._settled:
            logger.warning(
                "linkage numbers its deliveries anew: it resumes at %d, this client was at %d",
                last_seq,
                self._settled,
            )
            self._settled = last_seq
            self._open = {seq for seq in self._open if seq <= last_seq}
            self._changed.set()
            return True
        return False

    async def changed(self) -> None:
        """Wait until it may have moved since the last call returned."""
        await self._changed.wait()
        self._changed.clear()


class PositionFile:
    """Keeps a position over restarts of the process: JSON in a file that is replaced atomically.

    It may lag behind after a crash; then some notices come twice, which they may at any time.
    """

    def __init__(self, path: Path, peer_id: str) -> None:
        self._path = path
        self._peer_id = peer_id
        self._writing = threading.Lock()  # `follow` writes in a thread, the last save does not

    def load(self) -> int | None:
        """The position kept; None where there is none for this peer, or none that can be read.

        Raises:
            OSError: the folder is missing or not readable: better now than after the first notice.
        """
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"state_file: no folder {self._path.parent}")
        try:
            kept: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            logger.warning(
                "state_file %s is damaged and not used: linkage resumes where it stands",
                self._path,
            )
            return None
        if not isinstance(kept, dict) or kept.get("peer") != self._peer_id:
            logger.warning("state_file %s belongs to another peer and is not used", self._path)
            return None
        last_seq = kept.get("last_seq")
        return last_seq if isinstance(last_seq, int) and last_seq >= 0 else None

    def save(self, last_seq: int) -> None:
        """Replace what is kept.

        Raises:
            OSError: disk full, not writable.
        """
        written = json.dumps({"peer": self._peer_id, "last_seq": last_seq})
        beside = self._path.with_name(self._path.name + ".new")
        with self._writing:
            beside.write_text(written + "\n", encoding="utf-8")
            beside.replace(self._path)

    async def follow(self, position: Position) -> None:
        """Save whenever the position moves, until cancelled.

        Many moves during one write become one.
        """
        while True:
            await position.changed()
            last_seq = position.last_seq
            if last_seq is None:
                continue
            try:
                await asyncio.to_thread(self.save, last_seq)
            except OSError as error:
                logger.warning(
                    "state_file %s not written: %s; retrying with the next notice",
                    self._path,
                    error,
                )
