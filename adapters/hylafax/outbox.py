"""What goes out: 230, and 231 and 232 about it."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from adapters.hylafax.client import Client, RefusedError
from adapters.hylafax.ledger import FAX, Fax, Ledger
from adapters.hylafax.settings import Settings
from adapters.messaging.recorder import Recorder
from adapters.phone_numbers import dialable
from linkage import ports
from linkage.ports import AdapterUnavailableError, CommandError, Outcome
from protocol import messages as m
from protocol.reasons import Reason
from protocol.results import Result

LINES_PER_INCH: Final = {"standard": 98, "fine": 196, "superfine": 391}
PAPER_MM: Final = {"a4": (209, 296), "letter": (216, 279)}
MAGIC: Final = (b"%PDF-", b"II*\0", b"MM\0*")
"""PDF and TIFF. PostScript is a program: a server would run it."""
RETRIES_MAX: Final = 99
WITHIN_S: Final = 28.0
"""A command is answered within this time: who has it done waits 30 s."""


class Outbox:
    """Submits faxes, a connection for each command: what hangs or fails costs only itself."""

    def __init__(
        self,
        peer_id: str,
        settings: Settings,
        files: ports.FilesPort,
        ledger: Ledger,
        recorder: Recorder,
        clock: ports.Clock,
    ) -> None:
        self._peer_id, self._settings, self._files = peer_id, settings, files
        self._ledger, self._recorder, self._clock = ledger, recorder, clock

    # --- 230 -------------------------------------------------------------------------------------
    async def send(self, request: ports.Command, message: m.SendFax) -> Outcome:
        """230: bring the document, then submit a job for each number."""
        if message.cover:
            raise CommandError(
                Result.NOT_SUPPORTED, "no cover pages are made here: put it into the file"
            )
        resolution = message.resolution or self._settings.resolution
        if resolution not in LINES_PER_INCH:
            known = ", ".join(LINES_PER_INCH)
            raise CommandError(Result.BAD_VALUE, f"Resolution {resolution} is none of {known}")
        document = self._files.open(message.file_id)
        try:
            first = await self._first(message.file_id, document)
            return await self._send_all(request, message, _whole(first, document))
        finally:
            await document.aclose()

    async def _first(self, file_id: str, document: AsyncGenerator[bytes, None]) -> bytes:
        try:
            found = await self._files.stat(file_id)
            if found is not None and found.size_bytes > self._settings.fax_bytes:
                most = self._settings.fax_bytes
                raise CommandError(
                    Result.TOO_LONG, f"FileId {file_id} is larger than {most} bytes"
                )
            first = await anext(document, b"")
        except FileNotFoundError:
            raise CommandError(Result.NO_FILE, f"FileId {file_id} is not here") from None
        except OSError as error:
            raise CommandError(
                Result.INTERNAL, f"FileId {file_id} cannot be read: {error}"
            ) from error
        if not first.startswith(MAGIC):
            raise CommandError(Result.BAD_VALUE, f"FileId {file_id} is neither PDF nor TIFF")
        return first

    async def _send_all(
        self, request: ports.Command, message: m.SendFax, content: AsyncIterator[bytes]
    ) -> Outcome:
        fax_id = message.fax_id or f"F{request.id}"
        until = min(request.deadline, self._clock.now() + WITHIN_S - self._settings.response_s)
        began = False
        try:
            async with self._client(until) as client:
                async with asyncio.timeout(max(until - self._clock.now(), 0)):
                    document = await client.store(content)
                for number, phone in enumerate(message.phone_nums):
                    fax = Fax(
                        key=f"{FAX}{request.id}.{number}",
                        tag=f"{self._peer_id}:{request.id}.{number}",
                        job=0, request_id=request.id, fax_id=fax_id,
                        to=phone.number, at=self._ledger.now(),
                    )  # fmt: skip
                    began = await self._send_one(client, fax, message, document, until) or began
        except RefusedError as error:
            if not began:
                raise CommandError(
                    Result.VENDOR, f"the fax server does not take the file: {error}"
                ) from error
        except TimeoutError:
            if not began:
                raise CommandError(
                    Result.EXPIRED, "it expired before the fax server had the file"
                ) from None
        return Outcome(ids={"fax_id": fax_id})

    def _client(self, until: float) -> Client:
        if self._clock.now() >= until:
            raise CommandError(Result.EXPIRED, "it expired before it could be done")
        return Client(self._settings)

    async def _send_one(
        self, client: Client, fax: Fax, message: m.SendFax, document: str, until: float
    ) -> bool:
        draft = self._recorder.draft
        refusal = self._refusal(fax.to)
        if refusal is not None:
            self._ledger.failed(fax, refusal, draft)
            await self._recorder.commit()
            return True
        try:
            parameters = {**self._parameters(fax, message), "DOCUMENT": document}
            fax.job = await client.new_job(parameters)
        except RefusedError:
            self._ledger.failed(fax, Reason.PLATFORM_FAULT, self._recorder.draft)
            await self._recorder.commit()
            return True
        self._ledger.active.add(fax.key)
        try:
            self._ledger.begin(fax, self._recorder.draft)
            await self._recorder.commit()
            return await self._submit(client, fax, until)
        finally:
            self._ledger.active.discard(fax.key)

    async def _submit(self, client: Client, fax: Fax, until: float) -> bool:
        if self._clock.now() >= until:
            self._ledger.take_back(fax, self._recorder.draft)
            self._recorder.write()
            raise TimeoutError
        try:
            await client.submit()
        except RefusedError:
            self._ledger.failed(fax, Reason.PLATFORM_FAULT, self._recorder.draft)
            await self._recorder.commit()
            return True
        except AdapterUnavailableError as error:
            raise CommandError(
                Result.TIMEOUT, "the fax server has not answered; a 131 tells of it"
            ) from error
        self._ledger.sent(fax, self._recorder.draft)
        self._recorder.write()  # the tag on the job says the same
        return True

    def _refusal(self, number: str) -> Reason | None:
        dialled = dialable(number) if number else None
        if dialled is None or not dialled.removeprefix("+").isdigit():
            return Reason.INVALID_FORMAT
        is_blocked = any(fnmatch.fnmatchcase(dialled, each) for each in self._settings.blocked)
        return Reason.BARRED if is_blocked else None

    def _parameters(self, fax: Fax, message: m.SendFax) -> dict[str, str]:
        """All that could be left from the job before is set."""
        ours = self._settings
        width, length = PAPER_MM[ours.paper]
        tries = 1 + min(ours.retries if message.retry is None else message.retry, RETRIES_MAX)
        number = dialable(fax.to) or fax.to
        send_time = "NOW"
        if message.send_time is not None and message.send_time > self._clock.utc():
            send_time = f"{message.send_time.astimezone(self._clock.utc().tzinfo):%Y%m%d%H%M}"
        return {
            "FROMUSER": ours.user, "EXTERNAL": number, "DIALSTRING": number,
            "SENDTIME": send_time, "LASTTIME": _days_hours_minutes(ours.give_up_after_s),
            "MAXDIALS": str(tries), "MAXTRIES": str(tries), "NOTIFY": "none",
            "VRES": str(LINES_PER_INCH[message.resolution or ours.resolution]),
            "PAGEWIDTH": str(width), "PAGELENGTH": str(length),
            "PAGECHOP": "none",  # a page arrives as long as it was
            "JOBINFO": fax.tag,
        }  # fmt: skip

    # --- 231 and 232 -----------------------------------------------------------------------------
    async def cancel(self, request: ports.Command, message: m.CancelFax) -> Outcome:
        """231: stop what is not over."""
        faxes = self._faxes(message)
        done = 0
        async with self._client(request.deadline) as client:
            for fax in faxes:
                try:
                    await client.kill(fax.job)
                except RefusedError:
                    continue
                self._ledger.cancelled(fax, self._recorder.draft)
                done += 1
        await self._recorder.commit()
        if not done:
            raise CommandError(Result.WRONG_STATE, "it is over already")
        if done < len(faxes):
            what = f"{len(faxes) - done} of {len(faxes)} are over already"
            raise CommandError(Result.PARTIAL, what)
        return Outcome()

    async def query(self, request: ports.Command, message: m.QueryFax) -> Outcome:
        """232: how far it is, by 131."""
        for fax in self._faxes(message):
            self._ledger.report(fax, request.id, self._recorder.draft)
        await self._recorder.commit()
        return Outcome()

    def _faxes(self, message: m.CancelFax | m.QueryFax) -> list[Fax]:
        found = self._ledger.of(fax_id=message.fax_id, request_id=message.request_id)
        if not found:
            raise CommandError(
                Result.WRONG_STATE, "nothing of that fax is open here; its end was told"
            )
        return found


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _days_hours_minutes(seconds: float) -> str:
    """`DDHHMM`, as the server wants it."""
    minutes = int(seconds // 60)
    days, minutes = divmod(minutes, 24 * 60)
    return f"{days:02}{minutes // 60:02}{minutes % 60:02}"
