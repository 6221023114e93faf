"""Brings complete recordings from the platform into linkage's file store, and announces them.

What is to be fetched stands in the memory until it is done, so it survives a crash on either side:
`rec:<name>` with the `Fetch`, later with the file's id, size and SHA-256 as well.

How long a recording is says the file itself (`wav`): the platform told of it, if at all, before
the file was closed, and one that was killed has left no length.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.voice.driver import Driver, RecordingRefusedError
from adapters.voice.media import wav
from adapters.voice.media.call_recording import FORMAT
from adapters.voice.step import Fetch, dump_effect, load_fetch
from linkage.ports import AdapterContext, AdapterPort, AdapterUnavailableError, Notice, StoredFile
from protocol.messages import RecordingNotice, RecordingNoticeAction
from protocol.reasons import Reason

logger = logging.getLogger("linkage.voice")

PREFIX: Final = "rec:"


class EmptyRecordingError(Exception):
    """Nothing was recorded: a header without sound, or what is no WAV at all."""


@dataclass(slots=True, kw_only=True)
class Job:
    """A recording on its way; `saved` once linkage has the file, `failed` once that was told."""

    fetch: Fetch
    saved: dict[str, Any] | None = None
    failed: bool = False


class RecordingDownload:
    """Fetches one recording after the other. `run` works until cancelled or the link is lost."""

    def __init__(
        self, context: AdapterContext, driver: Driver, port: AdapterPort, *, keep: bool
    ) -> None:
        self._context = context
        self._driver = driver
        self._port = port
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()

    def note(self, fetch: Fetch) -> Mapping[str, Any]:
        """What the memory must hold of a recording to be fetched; `start` once it does.

        Twice is once.
        """
        if fetch.name in self._jobs:
            return {}
        self._jobs[fetch.name] = job = Job(fetch=fetch)
        return _record(job)

    def start(self, name: str) -> None:
        """Fetch one that was noted, and that is on disk."""
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
        if job.saved is None:
            try:
                job.saved = await self._save(fetch)
            except RecordingRefusedError as error:
                logger.warning("recording %s is not to be had: %s", fetch.name, error)
                await self._fail(job, error.reason)
                return
            except AdapterUnavailableError as error:
                # If the platform answers otherwise, it is this file with which something is wrong.
                await self._driver.ping()
                logger.warning("recording %s does not come: %s", fetch.name, error)
                await self._fail(job, Reason.RECORDING_UPLOAD)
                return
            except EmptyRecordingError as error:
                logger.warning("recording %s: %s", fetch.name, error)
                await self._done(fetch, self._failed(fetch, Reason.RECORDING_NO_MEDIA))
                return
            except OSError as error:
                logger.error("recording %s cannot be kept: %s", fetch.name, error)  # noqa: TRY400 - the reason is in the error's text
                await self._fail(job, Reason.RECORDING_DISK)
                return
            await self._port.record(memory=_record(job))
        saved = job.saved
        told = self._notice(
            fetch,
            RecordingNoticeAction.SAVED,
            file_id=saved["file_id"],
            size=int(saved["size_bytes"]),
            sha256=saved["sha256"],
            duration=saved.get("duration_s", fetch.duration_s),
        )
        await self._done(fetch, told)

    async def _done(self, fetch: Fetch, told: Notice) -> None:
        if not self._keep:
            await self._driver.delete_recording(fetch.name)
        await self._port.record([told], {PREFIX + fetch.name: None})

    async def _fail(self, job: Job, reason: Reason) -> None:
        """108 failed, once; what is at the platform still is tried again by the next run."""
        told = [] if job.failed else [self._failed(job.fetch, reason)]
        job.failed = True
        gone = {PREFIX + job.fetch.name: None}
        memory = gone if reason is Reason.RECORDING_NO_MEDIA else _record(job)
        await self._port.record(told, memory)

    async def _save(self, fetch: Fetch) -> dict[str, Any]:
        pieces = _Pieces(self._driver.download(fetch.name))
        header = await pieces.begin()
        if not header.agrees_with(fetch.duration_s):
            # Whatever the header should say must be known before the rest comes: count first.
            size = sum([len(each) async for each in self._driver.download(fetch.name)])
            pieces.put_right(header, size)
        stored: StoredFile = await self._context.files.save(f"{fetch.name}.{FORMAT}", pieces)
        return {
            "file_id": stored.file_id,
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "duration_s": max(1, round(header.duration_s(stored.size_bytes))),
        }

    def _failed(self, fetch: Fetch, reason: Reason) -> Notice:
        return self._notice(fetch, RecordingNoticeAction.FAILED, reason=reason)

    def _notice(self, fetch: Fetch, action: RecordingNoticeAction, **fields: Any) -> Notice:
        notice = RecordingNotice(
            call_id=fetch.call_id,
            conference_id=fetch.conference_id,
            login_id=fetch.login_id,
            record_id=fetch.name,
            action=action,
            format=FORMAT,
            start_time=fetch.started,
            **fields,
        )
        return Notice(notice, self._context.clock.utc(), fetch.reconstructed)


def _record(job: Job) -> Mapping[str, Any]:
    fetch, saved, failed = dump_effect(job.fetch), job.saved, job.failed
    return {PREFIX + job.fetch.name: {"fetch": fetch, "saved": saved, "failed": failed}}


def _is_saved(saved: Any) -> bool:
    if not isinstance(saved, dict) or not isinstance(saved.get("size_bytes"), int):
        return False
    return all(isinstance(saved.get(key), str) for key in ("file_id", "sha256"))


class _Pieces:
    """A download whose beginning is looked at before a file is opened for it.

    A recording that is not there, or has nothing in it, must not leave an empty file behind.
    """

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._first = b""

    async def begin(self) -> wav.Header:
        """The header of the file.

        Raises:
            EmptyRecordingError: there is nothing to keep.
        """
        header: wav.Header | None = None
        async for piece in self._pieces:
            self._first += piece
            header = wav.read_header(self._first)
            if header is not None and len(self._first) > header.start:
                break
            if len(self._first) > wav.HEADER_MAX:
                raise EmptyRecordingError("what there is of it is no WAV file")
        if header is None or len(self._first) <= header.start:
            raise EmptyRecordingError("nothing was recorded")
        return header

    def put_right(self, header: wav.Header, size_bytes: int) -> None:
        """Let the file begin with a header that fits its size."""
        self._first = header.for_size(size_bytes) + self._first[header.start :]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        async for piece in self._pieces:
            yield piece
