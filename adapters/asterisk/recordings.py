"""Brings complete recordings from Asterisk into linkage's file store, and announces them.

What is to be fetched stands in the memory until it is done, so it survives a crash on either side:
`rec:<name>` with the `Fetch`, later with the file's id, size and SHA-256 as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from adapters.asterisk.ari import AriClient, AriError, segment
from adapters.asterisk.effects import Fetch, dump_effect, load_fetch
from adapters.asterisk.media import FORMAT
from adapters.asterisk.settings import Settings
from linkage.ports import AdapterContext, AdapterUnavailableError, Emit, StoredFile
from protocol.messages import RecordingNotice, RecordingNoticeAction
from protocol.reasons import Reason

logger = logging.getLogger("linkage.asterisk")

PREFIX: Final = "rec:"
WAV_HEADER_BYTES: Final = 44
WAV_BYTES_PER_S: Final = 16_000
"""Asterisk's `wav`: 8 kHz, 16 bit, mono."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A recording on its way; `saved` once linkage has the file, `failed` once that was told."""

    fetch: Fetch
    saved: dict[str, Any] | None = None
    failed: bool = False


class Recorder:
    """Fetches one recording after the other. `run` works until cancelled or the link is lost."""

    def __init__(
        self, context: AdapterContext, settings: Settings, ari: AriClient, emit: Emit
    ) -> None:
        self._context = context
        self._settings = settings
        self._ari = ari
        self._emit = emit
        self._jobs: dict[str, Job] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()

    async def add(self, fetch: Fetch) -> None:
        """Take note of a recording; returns when that is on disk. Twice is once."""
        if fetch.name not in self._jobs:
            self._jobs[fetch.name] = job = Job(fetch=fetch)
            await self._remember(job)

    def start(self, name: str) -> None:
        """Fetch one that was added: whoever asked for it has crossed that off by now.

        Before that, a crash would have it asked for again, perhaps when it is gone from Asterisk.
        """
        self._ready.put_nowait(name)

    def resume(self, record: Any) -> None:
        """Go on with one from the memory.

        Raises:
            ValueError: what stands there is none.
        """
        if not isinstance(record, dict) or not isinstance(record.get("fetch"), dict):
            raise ValueError("no record of a recording")  # noqa: TRY004 - what is on disk is data
        fetch, saved = load_fetch(record["fetch"]), record.get("saved")
        if saved is not None and not _is_saved(saved):
            raise ValueError("no record of a file")
        failed = record.get("failed") is True
        self._jobs[fetch.name] = Job(fetch=fetch, saved=saved, failed=failed)
        self._ready.put_nowait(fetch.name)

    async def run(self) -> None:
        """Fetch, announce, clean up; again and again."""
        while True:
            job = self._jobs.get(await self._ready.get())
            if job is not None:
                await self._work(job)
                self._jobs.pop(job.fetch.name, None)

    async def _work(self, job: Job) -> None:
        fetch = job.fetch
        path = f"/recordings/stored/{segment(fetch.name)}"
        if job.saved is None:
            try:
                job.saved = await self._save(fetch, path)
            except AriError as error:
                logger.warning("recording %s is not to be had: %s", fetch.name, error)
                await self._fail(job, _why_not(error))
                return
            except AdapterUnavailableError as error:
                # If Asterisk answers otherwise, it is this file with which something is wrong.
                await self._ari.ping()
                logger.warning("recording %s does not come: %s", fetch.name, error)
                await self._fail(job, Reason.RECORDING_UPLOAD)
                return
            except OSError as error:
                logger.error("recording %s cannot be kept: %s", fetch.name, error)  # noqa: TRY400 - the reason is in the error's text
                await self._fail(job, Reason.RECORDING_DISK)
                return
            await self._remember(job)
        await self._tell_saved(fetch, job.saved)
        if not self._settings.keep_recordings:
            await self._delete(path)
        await self._context.memory.delete(PREFIX + fetch.name)

    async def _fail(self, job: Job, reason: Reason) -> None:
        """108 failed, once; what is at Asterisk still is tried again by the next run."""
        if not job.failed:
            await self._tell_failed(job.fetch, reason)
        if reason is Reason.RECORDING_NO_MEDIA:
            await self._context.memory.delete(PREFIX + job.fetch.name)
        elif not job.failed:
            job.failed = True
            await self._remember(job)

    async def _save(self, fetch: Fetch, path: str) -> dict[str, Any]:
        pieces = _Pieces(self._ari.download(f"{path}/file"))
        await pieces.begin()
        stored: StoredFile = await self._context.files.save(f"{fetch.name}.{FORMAT}", pieces)
        return {
            "file_id": stored.file_id,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
        }

    async def _delete(self, path: str) -> None:
        try:
            await self._ari.request("DELETE", path)
        except AriError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                logger.warning("%s stays at Asterisk: %s", path, error)

    async def _remember(self, job: Job) -> None:
        record = {
            "fetch": dump_effect(job.fetch),
            "saved": job.saved,
            "failed": job.failed,
        }
        await self._context.memory.put(PREFIX + job.fetch.name, record)

    async def _tell_saved(self, fetch: Fetch, saved: dict[str, Any]) -> None:
        size = int(saved["size_bytes"])
        duration = fetch.duration_s
        if duration is None:
            duration = max(0, size - WAV_HEADER_BYTES) // WAV_BYTES_PER_S
        await self._tell(
            fetch,
            RecordingNoticeAction.SAVED,
            file_id=saved["file_id"],
            size=size,
            sha256=saved["sha256"],
            duration=duration,
        )

    async def _tell_failed(self, fetch: Fetch, reason: Reason) -> None:
        await self._tell(fetch, RecordingNoticeAction.FAILED, reason=reason)

    async def _tell(self, fetch: Fetch, action: RecordingNoticeAction, **fields: Any) -> None:
        await self._emit(
            RecordingNotice(
                call_id=fetch.call_id,
                conference_id=fetch.conference_id,
                login_id=fetch.login_id,
                record_id=fetch.name,
                action=action,
                format=FORMAT,
                start_time=fetch.started,
                **fields,
            ),
            time=self._context.clock.utc(),
            reconstructed=fetch.reconstructed,
        )


def _is_saved(saved: Any) -> bool:
    if not isinstance(saved, dict) or not isinstance(saved.get("size_bytes"), int):
        return False
    return all(isinstance(saved.get(key), str) for key in ("file_id", "sha256"))


def _why_not(error: AriError) -> Reason:
    """The reason for what Asterisk answers about the file of a recording."""
    match error.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Reason.RECORDING_FORBIDDEN  # Asterisk may not open this file
        case HTTPStatus.NOT_FOUND:
            return Reason.RECORDING_NO_MEDIA
        case _:
            return Reason.RECORDING_UPLOAD


class _Pieces:
    """A download whose first piece is waited for before a file is opened for it.

    A recording that is not there must not leave an empty file behind.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._first: bytes | None = None

    async def begin(self) -> None:
        self._first = await anext(self._pieces, b"")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for piece in self._pieces:
            yield piece
