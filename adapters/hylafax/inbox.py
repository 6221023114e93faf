"""What comes in: each fax in `recvq`, once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from adapters.hylafax.client import Client, RefusedError
from adapters.hylafax.rows import ReceivedRow
from adapters.hylafax.settings import Settings
from adapters.messaging.recorder import Draft, Recorder
from linkage import ports
from protocol.messages import FaxReceivedNotice

logger = logging.getLogger("adapters.hylafax")

IN: Final = "in:"
SINCE: Final = "since"
FIRST_LOOK_S: Final = 86_400.0
"""Of what came in before linkage was there, the last day is told."""
CALLER_MAX, STATION_MAX = 32, 64


class Inbox:
    """Saves received faxes and tells them; what was told is in the memory with it."""

    def __init__(
        self,
        settings: Settings,
        files: ports.FilesPort,
        recorder: Recorder,
        clock: ports.Clock,
    ) -> None:
        self._settings, self._files = settings, files
        self._recorder, self._clock = recorder, clock
        self._told: dict[str, int] = {}
        self._unreadable: set[str] = set()
        self._since = 0.0

    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has told."""
        for key, record in memory.items():
            if key.startswith(IN):
                if isinstance(record, int):
                    self._told[key.removeprefix(IN)] = record
                else:
                    logger.warning("memory: %s cannot be read, dropped", key)
                    draft.memory[key] = None
        since = memory.get(SINCE)
        if not isinstance(since, int | float):
            since = draft.memory[SINCE] = self._clock.utc().timestamp() - FIRST_LOOK_S
        self._since = since

    async def look(self, client: Client) -> None:
        """Take what is new."""
        if not self._settings.receive:
            return
        rows = [row for row in await client.received() if not row.is_coming]
        listed = {row.file for row in rows}
        for file in self._told.keys() - listed:
            del self._told[file]
            self._recorder.draft.memory[IN + file] = None
        self._unreadable &= listed
        for row in rows:
            if row.time >= self._since and self._told.get(row.file) != row.time:
                await self._take(client, row)

    async def _take(self, client: Client, row: ReceivedRow) -> None:
        if not _is_plain(row.file) or row.size_bytes > self._settings.fax_bytes:
            self._cannot(row, "its name or size is not one of a fax")
            return
        content = client.retrieve(f"RETR recvq/{row.file}", self._settings.fax_bytes)
        try:
            stored = await self._files.save(row.file, content)
        except RefusedError as error:
            self._cannot(row, f"{error}; set RecvFileMode to 0644 in the modem's configuration")
            return
        finally:
            await content.aclose()
        told = FaxReceivedNotice(
            fax_id=f"{PurePosixPath(row.file).stem}.{row.time}",
            phone_num=row.caller[:CALLER_MAX] or None,
            to_num=self._settings.number or None,
            pages=row.pages,
            file_id=stored.file_id,
            csid=_shown(row.station)[:STATION_MAX] or None,
            recv_time=datetime.fromtimestamp(row.time, UTC),
        )
        self._told[row.file] = row.time
        draft = self._recorder.draft
        draft.tell(told, at=self._clock.utc())
        draft.memory[IN + row.file] = row.time
        await self._recorder.commit()

    def _cannot(self, row: ReceivedRow, why: str) -> None:
        if row.file not in self._unreadable:
            self._unreadable.add(row.file)
            logger.warning("the received fax %s is not taken: %s", row.file, why)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace(".", "").isalnum() and not name.startswith(".")


def _shown(written: str) -> str:
    return "".join(each for each in written if each.isprintable())
