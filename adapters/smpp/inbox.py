"""What the centre delivers: receipts, and texts of citizens, which become 120.

A deliver_sm is answered when it is on disk: until then the centre keeps it, and offers it again.
Whether one is offered *again* or is as a former one by chance, no SMPP says. It is taken for the
same where the former of the same octets has no answer yet, or was answered less than a minute
before the link was lost, and the new one comes within two minutes of the new link.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from adapters.messaging import sms_text
from adapters.messaging.ledger import Ledger
from adapters.messaging.receipt_ids import Receipt
from adapters.messaging.recorder import Draft, Recorder
from adapters.smpp.connection import Delivered
from adapters.smpp.joining import Joining, Whole, take_apart
from adapters.smpp.link import Link
from adapters.smpp.pdu import Status
from adapters.smpp.receipts import read_receipt
from adapters.smpp.settings import Settings
from linkage.ports import Clock
from protocol.messages import SmsReceivedNotice

logger = logging.getLogger("adapters.smpp")

SEEN: Final = "seen:"
SEEN_MAX: Final = 64
IN_DOUBT_S: Final = 60.0
OFFERED_AGAIN_S: Final = 120.0
QUEUE_MAX: Final = 500
BATCH: Final = 100
TICK_S: Final = 1.0


class Inbox:
    """Takes deliver_sm of one link, some at a time, in their order."""

    def __init__(self, settings: Settings, clock: Clock, book: Ledger, recorder: Recorder) -> None:
        self._settings, self._clock = settings, clock
        self._ledger, self._recorder = book, recorder
        self._joining = Joining()
        self._queue: deque[Delivered] = deque()
        self._wanted = asyncio.Event()
        self._unanswered: dict[bytes, list[Delivered]] = {}
        self._in_doubt: set[str] = set()
        self._slots = count()
        self._numbers = count(1)
        self._began = clock.now()
        self.link: Link | None = None

    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has kept."""
        self._joining.load(memory, draft)
        seen: list[tuple[float, str, int]] = []
        for key, record in memory.items():
            if not key.startswith(SEEN):
                continue
            try:
                digest, at = record
                seen.append((float(at), str(digest), int(key.removeprefix(SEEN))))
            except (TypeError, ValueError):
                logger.warning("memory: %s cannot be read, dropped", key)
                draft.memory[key] = None
        last, _, slot = max(seen, default=(0.0, "", -1))
        self._in_doubt = {digest for at, digest, _ in seen if at >= last - IN_DOUBT_S}
        self._slots = count(slot + 1)

    # --- from the link ---------------------------------------------------------------------------
    def put(self, delivered: Delivered) -> None:
        """Take a deliver_sm; it is answered when it is on disk."""
        same = self._unanswered.get(delivered.body)
        if same is not None:
            same.append(delivered)
        elif len(self._queue) >= QUEUE_MAX:
            self._answer([delivered], Status.TRY_LATER)
        else:
            self._unanswered[delivered.body] = [delivered]
            self._queue.append(delivered)
            self._wanted.set()

    def _answer(self, delivered: list[Delivered], status: Status = Status.OK) -> None:
        if self.link is not None:
            for each in delivered:
                self.link.answer(each, status)

    # --- to the core -----------------------------------------------------------------------------
    async def run(self) -> None:
        """Tell and answer until cancelled."""
        while True:
            taken = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            draft = self._recorder.draft
            for each in taken:
                try:
                    self._take(each, draft)
                except Exception:  # one that cannot be read costs itself, whatever is wrong
                    logger.exception("a message of the SMS centre cannot be read, dropped")
            now = self._epoch()
            for whole in self._joining.expire(now - self._settings.join_within_s, draft):
                self._tell(whole, draft)
            if taken or draft.notices or draft.memory:
                await self._recorder.commit()
            for each in taken:
                self._answer(self._unanswered.pop(each.body))
            if not self._queue:
                self._wanted.clear()
                try:
                    async with asyncio.timeout(TICK_S):
                        await self._wanted.wait()
                except TimeoutError:
                    pass

    def _take(self, delivered: Delivered, draft: Draft) -> None:
        sm = delivered.message
        receipt = read_receipt(sm)
        if receipt is not None:
            self._take_receipt(receipt, draft)
            return
        if self._is_offered_again(delivered.body, draft):
            return
        place, octets = take_apart(sm)
        if place is not None:
            for whole in self._joining.add(place, sm, octets, self._epoch(), draft):
                self._tell(whole, draft)
            return
        whole = Whole(sm.source, sm.to, 1, self._epoch(), {1: (sm.coding, octets)})
        self._tell(whole, draft)

    def _take_receipt(self, receipt: Receipt, draft: Draft) -> None:
        if not self._ledger.receipt(receipt, draft) and not self._ledger.keep_early(
            receipt, draft
        ):
            logger.info("a receipt for %s is of no text that is open", receipt.id or "no id")

    def _is_offered_again(self, body: bytes, draft: Draft) -> bool:
        digest = hashlib.sha256(body).hexdigest()[:32]
        draft.memory[f"{SEEN}{next(self._slots) % SEEN_MAX}"] = [digest, self._epoch()]
        if digest not in self._in_doubt or self._clock.now() > self._began + OFFERED_AGAIN_S:
            return False
        self._in_doubt.discard(digest)
        return True

    def _tell(self, whole: Whole, draft: Draft) -> None:
        now = self._clock.utc()
        told = SmsReceivedNotice(
            sms_id=f"I{int(now.timestamp() * 1000):x}.{next(self._numbers)}",
            phone_num=_number(whole.source),
            to_num=_number(whole.to),
            content=sms_text.content(whole.content(self._settings.default_alphabet)),
            recv_time=now,
            parts=whole.parts,
        )
        draft.tell(told, at=now)

    def _epoch(self) -> float:
        return self._clock.utc().timestamp()


def _number(written: str) -> str | None:
    """A number as an element can hold it."""
    return "".join(filter(str.isprintable, written)).strip()[:25].strip() or None
