"""What comes in, from wherever: 140 and its files, or 142 where it is a report on one of ours.

A mail is acknowledged when it is on disk. The same mail may come again: its acknowledgement was
lost, it has two addresses of ours, it was moved out of a folder and back, or all of a folder has
new numbers. It is known by what it says (`incoming.digest`), for the last `SEEN_MAX` mails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from adapters.mail import incoming
from adapters.mail.addresses import bare
from adapters.mail.incoming import Incoming, Kept
from adapters.mail.ledger import Ledger
from adapters.mail.settings import Settings
from adapters.messaging.recorder import Recorder
from linkage.ports import Clock
from linkage.ports.files import PIECE_BYTES, FilesPort
from protocol import messages as m

logger = logging.getLogger("adapters.mail")

SEEN: Final = "seen:"
SEEN_MAX: Final = 2_000
FILES_MAX: Final = 100
ORIGINAL: Final = "original.eml"
VENDOR: Final = "mail"


class Inbox:
    """Takes mails one at a time, so that what is held of them is bounded."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ledger: Ledger,
        recorder: Recorder,
        files: FilesPort,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._ledger, self._recorder, self._files = ledger, recorder, files
        self._turn = asyncio.Lock()
        self._seen: dict[str, int] = {}
        self._slots = count()
        self._numbers = count(1)

    def load(self, memory: Mapping[str, Any]) -> None:
        """Take over what an earlier run has kept."""
        found: list[tuple[int, str]] = []
        for key, record in memory.items():
            if not key.startswith(SEEN):
                continue
            try:
                digest, number = record
                found.append((int(number), str(digest)))
            except (TypeError, ValueError):
                logger.warning("memory: %s cannot be read, left", key)
        found.sort()
        self._seen = {digest: number for number, digest in found}
        self._slots = count(found[-1][0] + 1 if found else 0)

    async def take(
        self,
        mail: bytes,
        *,
        addressed: Sequence[str] = (),
        memory: Mapping[str, Any] | None = None,
        reconstructed: bool = False,
        left_out: str = "",
    ) -> None:
        """Return when a mail is told, or was told before, and that is on disk.

        Args:
            mail: as it came.
            addressed: the addresses of ours that it was handed over for.
            memory: what is to be on disk with it.
            reconstructed: a search has found it, after an outage.
            left_out: why only its headers are here; empty: it is whole.

        Raises:
            AdapterUnavailableError: the run ends.
            OSError: a file of it cannot be kept.
        """
        async with self._turn:
            digest = await asyncio.to_thread(incoming.digest, mail)
            draft = self._recorder.draft
            if digest in self._seen:
                logger.info("a mail came again that was told before")
            else:
                told = await self._told(mail, addressed, left_out)
                draft = self._recorder.draft
                number = next(self._slots)
                draft.memory[f"{SEEN}{number % SEEN_MAX}"] = [digest, number]
                self._seen[digest] = number
                if len(self._seen) > SEEN_MAX:
                    del self._seen[next(iter(self._seen))]
                draft.tell(*told, at=self._clock.utc(), reconstructed=reconstructed)
            draft.memory.update(memory or {})
            await self._recorder.commit()

    async def keep(self, memory: Mapping[str, Any]) -> None:
        """Have something on disk, beside no mail."""
        self._recorder.draft.memory.update(memory)
        await self._recorder.commit()

    async def _told(self, mail: bytes, addressed: Sequence[str], left_out: str) -> list[m.Message]:
        try:
            found = await asyncio.to_thread(
                incoming.read,
                mail,
                subject_tag=self._settings.subject_tag,
                domain=self._settings.domain,
            )
        except Exception:
            logger.exception("a mail cannot be read")
            found = Incoming(problems=("it cannot be read",))
        if found.report is not None and self._ledger.reported(found.report, self._recorder.draft):
            return []
        mail_id = f"I{int(self._clock.utc().timestamp() * 1000):x}.{next(self._numbers)}"
        kept = list(found.files)
        problems = list(found.problems)
        if len(kept) > FILES_MAX:
            problems.append(f"more than {FILES_MAX} files")
            del kept[FILES_MAX:]
        if (problems or self._settings.keep_original) and not left_out:
            kept.append(Kept(ORIGINAL, mail))
        notice = m.MailReceivedNotice(
            mail_id=mail_id,
            message_id=found.message_id,
            in_reply_to=_line(found.answers),
            sender=found.sender,
            to=_with(found.to, found.cc, addressed),
            cc=tuple(found.cc),
            subject=found.subject,
            text=found.text,
            files=tuple([await self._keep(each) for each in kept]),
        )
        told: list[m.Message] = [notice]
        if problems or left_out:
            where = left_out or f"it is kept whole as {ORIGINAL}"
            body = f"{mail_id}: {'; '.join([*problems, where])}"
            logger.warning("a mail is not quite read: %s", body)
            told.append(m.VendorNotice(vendor=VENDOR, name="limits", body=body))
        return told

    async def _keep(self, kept: Kept) -> m.FileRef:
        stored = await self._files.save(kept.name, _pieces(kept.octets))
        return m.FileRef(file_id=stored.file_id, name=kept.name, size=stored.size_bytes)


async def _pieces(octets: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(octets), PIECE_BYTES):
        yield octets[at : at + PIECE_BYTES]


def _line(ids: Sequence[str]) -> str | None:
    """As many Message-IDs as one element holds."""
    found = ""
    for each in ids:
        longer = f"{found} {each}".strip()
        if len(longer) > incoming.LINE_MAX:
            break
        found = longer
    return found or None


def _with(to: Sequence[str], cc: Sequence[str], addressed: Sequence[str]) -> tuple[str, ...]:
    """Whom a mail is for: its To, and the address it was handed over for where that is hidden."""
    shown = {_untagged(each) for each in (*to, *cc)}
    hidden = [each for each in addressed if bare(each) and _untagged(each) not in shown]
    return (*to, *hidden)


def _untagged(address: str) -> str:
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
