"""Texts whose fate is open: what was asked, what the centre said, what is still to be heard.

| key of the memory | record |
|---|---|
| `job:<RequestId>` | a 220 or 224: the text, what holds for all its receivers, how far it is |
| `sms:<RequestId>.<n>` | one receiver of it, until the last that is to be told of it was told |
| `early:<id>` | a receipt that came before the answer which says whose it is |

Every change goes to the memory in the draft that tells it. A text is *unknown* where the centre
was asked and its answer is not known; such a text is never submitted again.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from adapters.messaging.model import OPEN, Job, Part, State, Target
from adapters.messaging.notices import progress, report, result
from adapters.messaging.receipt_ids import Form, Receipt, forms, plain, same_number
from adapters.messaging.recorder import Draft
from linkage.ports import Clock
from protocol.message import Message
from protocol.messages import SmsReportStatus as Fate
from protocol.reasons import Reason

logger = logging.getLogger("adapters.messaging")

JOB, SMS, EARLY = "job:", "sms:", "early:"
EARLY_MAX: Final = 1_000
WORST_FIRST: Final = (
    Fate.REJECTED, Fate.UNDELIVERABLE, Fate.EXPIRED, Fate.UNKNOWN, Fate.DELIVERED,
)  # fmt: skip
CORRECTED_WITHIN_S: Final = 3_600.0
"""A centre may say "rejected" and then "delivered"; the last word is told."""


class Ledger:
    """All that is open. Its methods change it and put what is told of that into a draft."""

    def __init__(self, clock: Clock, *, receipt_within_s: float) -> None:
        self._clock, self._receipt_within_s = clock, receipt_within_s
        self.jobs: dict[str, Job] = {}
        self.targets: dict[str, Target] = {}
        self._of_job: defaultdict[str, dict[str, Target]] = defaultdict(dict)
        self._waiting: dict[str, Target] = {}
        self._by_id: defaultdict[str, list[tuple[Target, Part]]] = defaultdict(list)
        self._by_reference: dict[int, tuple[Target, Part]] = {}
        self._early: dict[str, Receipt] = {}
        self._seen_forms: Counter[Form] = Counter()
        self._reference = int(self._epoch() * 8)

    def _epoch(self) -> float:
        return self._clock.utc().timestamp()

    # --- memory ----------------------------------------------------------------------------------
    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has left, and tell what that run cannot tell any more."""
        for prefix, load in ((JOB, self._load_job), (EARLY, self._load_early), (SMS, self._load)):
            for key, record in memory.items():
                try:
                    if key.startswith(prefix):
                        load(key, record)
                except (AttributeError, KeyError, TypeError, ValueError):
                    logger.warning("memory: %s cannot be read, dropped", key)
                    draft.memory[key] = None
        for job in list(self.jobs.values()):
            if not self._of_job[job.id]:
                self._forget_job(job, draft)
        for target in list(self.targets.values()):
            job = self.jobs[target.job]
            if target.state is State.BEGUN:
                self.lost(target, draft, reconstructed=True)
            elif target.state is State.WAITING and job.due is None:
                self.failed(target, Reason.SMS_LINK_DOWN, draft, reconstructed=True)

    def _load_job(self, _: str, record: Any) -> None:
        job = Job(**record)
        self.jobs[job.id] = job

    def _load_early(self, key: str, record: Any) -> None:
        receipt = Receipt(**{**record, "fate": Fate(record["fate"])})
        self._early[key.removeprefix(EARLY)] = receipt

    def _load(self, _: str, record: Any) -> None:
        target = Target(**record)
        target.state = State(target.state)
        target.parts = [Part(*each) for each in record["parts"]]
        self._add(target)

    def _add(self, target: Target) -> None:
        self._of_job[self.jobs[target.job].id][target.key] = target  # KeyError: no such job
        self.targets[target.key] = target
        if target.state is State.WAITING:
            self._waiting[target.key] = target
        for part in target.parts:
            self._index(target, part)

    def _index(self, target: Target, part: Part) -> None:
        if part.id:
            self._by_id[plain(part.id)].append((target, part))
            self._free(part)
        else:
            self._by_reference[part.reference] = (target, part)

    def _keep(self, target: Target, draft: Draft) -> None:
        parts = [[each.reference, each.id, each.fate] for each in target.parts]
        draft.memory[target.key] = {**vars(target), "parts": parts}

    def _keep_job(self, job: Job, draft: Draft) -> None:
        draft.memory[JOB + job.id] = dict(vars(job))

    def _forget(self, target: Target, draft: Draft) -> None:
        job = self.jobs[target.job]
        draft.memory[target.key] = None
        del self.targets[target.key], self._of_job[job.id][target.key]
        self._waiting.pop(target.key, None)
        for part in target.parts:
            self._free(part)
            same = [each for each in self._by_id.pop(plain(part.id), ()) if each[0] is not target]
            if same:
                self._by_id[plain(part.id)] = same
        if not self._of_job[job.id]:
            self._forget_job(job, draft)

    def _forget_job(self, job: Job, draft: Draft) -> None:
        draft.memory[JOB + job.id] = None
        del self.jobs[job.id], self._of_job[job.id]

    # --- what is asked ---------------------------------------------------------------------------
    def open(self, job: Job, targets: Iterable[Target], draft: Draft) -> None:
        """A new job with its receivers, which wait."""
        self.jobs[job.id] = job
        for target in targets:
            self._add(target)
            self._keep(target, draft)
        job.total = len(self._of_job[job.id])
        self._keep_job(job, draft)

    def begin(self, target: Target, parts: int, draft: Draft) -> None:
        """It is about to be submitted; on disk before that is."""
        target.state, target.at = State.BEGUN, self._epoch()
        self._waiting.pop(target.key, None)
        target.parts = [Part(self._free_reference()) for _ in range(parts)]
        for part in target.parts:
            self._index(target, part)
        self._keep(target, draft)

    def _free(self, part: Part) -> None:
        """It is not looked for by its reference any more; another may be, that had the same."""
        _, holder = self._by_reference.get(part.reference, (None, None))
        if holder is part:
            del self._by_reference[part.reference]

    def _free_reference(self) -> int:
        for _ in range(0x10000):
            self._reference = (self._reference + 1) & 0xFFFF
            if self._reference not in self._by_reference:
                break
        return self._reference

    def take_back(self, target: Target, draft: Draft) -> None:
        """Nothing of it was submitted: it waits again, or was never there."""
        for part in target.parts:
            self._free(part)
        target.parts = []
        if self.jobs[target.job].due is None:
            self._forget(target, draft)
        else:
            target.state = State.WAITING
            self._waiting[target.key] = target
            self._keep(target, draft)

    def due(self, now: float, most: int) -> list[Target]:
        """Receivers whose time has come, of one job, that which waits longest."""
        found: list[Target] = []
        for target in self._waiting.values():
            due = self.jobs[target.job].due
            if due is not None and due <= now and (not found or found[0].job == target.job):
                found.append(target)
                if len(found) == most:
                    break
        return found

    def of(self, *, sms_id: str | None, request_id: str | None) -> list[Target]:
        """The receivers of a message that are not forgotten yet."""
        return [
            target
            for job in self.jobs.values()
            if (request_id == job.id if sms_id is None else sms_id == job.sms_id)
            for target in self._of_job[job.id].values()
        ]

    # --- what the centre says --------------------------------------------------------------------
    def took(self, target: Target, part: Part, message_id: str, draft: Draft) -> None:
        """The centre has a part, under this id."""
        if target.key not in self.targets or part.id:
            return
        part.id = message_id or "?"
        self._index(target, part)
        self._keep(target, draft)
        if all(each.id for each in target.parts):
            self._sent(target, draft)
        for key, early in list(self._early.items()):
            if plain(message_id) in forms(early.id).values() and self.receipt(early, draft):
                del self._early[key]
                draft.memory[EARLY + key] = None

    def _sent(self, target: Target, draft: Draft) -> None:
        job = self.jobs[target.job]
        target.state = State.SENT
        job.sent += 1
        self._tell(draft, result(target, job))
        self._count(job, draft)
        if job.report:
            self._keep(target, draft)
        else:
            self._forget(target, draft)

    def failed(
        self, target: Target, reason: Reason, draft: Draft, *, reconstructed: bool = False
    ) -> None:
        """The centre does not take it, or it was not asked at all."""
        if target.key not in self.targets:
            return
        job = self.jobs[target.job]
        job.failed += 1
        self._tell(draft, result(target, job, reason), reconstructed=reconstructed)
        self._count(job, draft, without=target)
        self._forget(target, draft)

    def lost(self, target: Target, draft: Draft, *, reconstructed: bool = False) -> None:
        """What the centre answered nobody knows."""
        if target.state is not State.BEGUN or target.key not in self.targets:
            return
        job = self.jobs[target.job]
        target.state = State.UNKNOWN
        self._report(target, Fate.UNKNOWN, draft, reconstructed=reconstructed)
        self._keep(target, draft)
        self._count(job, draft)

    def receipt(self, receipt: Receipt, draft: Draft) -> bool:
        """What became of a part. False: of none that is known."""
        found = self._find(receipt)
        if found is None:
            return False
        target, part = found
        if receipt.fate is None:
            return True
        if part.fate not in {receipt.fate, Fate.DELIVERED}:
            part.fate = receipt.fate
            if not part.id:
                part.id = receipt.id or "?"
                self._index(target, part)
            self._sum_up(target, draft)
        return True

    def keep_early(self, receipt: Receipt, draft: Draft) -> bool:
        """Keep a receipt that may be of a part whose answer is to come; False: there is none."""
        awaited = any(
            same_number(target.to, receipt.number) for target, _ in self._by_reference.values()
        )
        if not awaited or not receipt.id or receipt.fate is None:
            return False
        if len(self._early) >= EARLY_MAX:
            oldest = next(iter(self._early))
            del self._early[oldest]
            draft.memory[EARLY + oldest] = None
        key = plain(receipt.id)
        self._early[key] = receipt
        draft.memory[EARLY + key] = {**asdict(receipt), "fate": int(receipt.fate)}
        return True

    def _find(self, receipt: Receipt) -> tuple[Target, Part] | None:
        named = forms(receipt.id) if receipt.id else {}
        found = [
            (form, each)
            for form, written in named.items()
            for each in self._by_id.get(written, ())
            if same_number(each[0].to, receipt.number)
        ]
        if not found:
            reference = -1 if receipt.reference is None else receipt.reference
            by_reference = self._by_reference.get(reference)
            if by_reference and same_number(by_reference[0].to, receipt.number):
                return by_reference
            return None
        form, newest = max(found, key=lambda each: (self._seen_forms[each[0]], each[1][0].at))
        if len({form for form, _ in found}) == 1:
            self._seen_forms[form] += 1
        return newest

    def _sum_up(self, target: Target, draft: Draft) -> None:
        job = self.jobs[target.job]
        self._keep(target, draft)
        if any(each.fate is None for each in target.parts):
            return
        if target.state in {State.BEGUN, State.UNKNOWN}:
            self._sent(target, draft)  # what has a receipt was taken
            if target.key not in self.targets:
                return
        fates = {each.fate for each in target.parts}
        fate = next(each for each in WORST_FIRST if each in fates)
        was_failed = target.state is State.FAILED
        self._report(target, fate, draft)
        if fate is Fate.DELIVERED:
            job.delivered += 1
            job.failed -= was_failed
            self._count(job, draft, without=target)
            self._forget(target, draft)
            return
        target.state, target.at = State.FAILED, self._epoch()
        self._keep(target, draft)
        if not was_failed:  # else the figures are what they were, and the batch is where it was
            job.failed += 1
            self._count(job, draft)

    def expire(self, draft: Draft) -> None:
        """Give up what was waited for too long."""
        now = self._epoch()
        for target in list(self.targets.values()):
            job = self.jobs[target.job]
            if target.state is State.WAITING and job.is_over(now):
                self.failed(target, Reason.SMS_EXPIRED, draft)
            elif target.state is State.FAILED and now > target.at + CORRECTED_WITHIN_S:
                self._forget(target, draft)
            elif target.state in {State.SENT, State.UNKNOWN}:
                if now <= target.at + self._receipt_within_s + (job.valid_s or 0):
                    continue
                if target.state is State.SENT:
                    self._report(target, Fate.UNKNOWN, draft)
                    self._count(job, draft, without=target)
                self._forget(target, draft)
        if not self._by_reference:
            draft.memory.update(dict.fromkeys(map(EARLY.__add__, self._early)))
            self._early.clear()

    # --- what is told ----------------------------------------------------------------------------
    def _tell(self, draft: Draft, *messages: Message, reconstructed: bool = False) -> None:
        draft.tell(*messages, at=self._clock.utc(), reconstructed=reconstructed)

    def _report(
        self, target: Target, fate: Fate, draft: Draft, *, reconstructed: bool = False
    ) -> None:
        told = report(target, self.jobs[target.job], fate, self._clock.utc())
        self._tell(draft, told, reconstructed=reconstructed)

    def _count(self, job: Job, draft: Draft, *, without: Target | None = None) -> None:
        """Keep how far a batch is, and tell its end; again, where a late receipt changed it."""
        if job.batch_id is None:
            return
        self._keep_job(job, draft)
        if not any(
            each.state in OPEN for each in self._of_job[job.id].values() if each is not without
        ):
            self._tell(draft, progress(job, finished=True))

    def batches(self) -> Iterator[Job]:
        """Those of which something is to come."""
        for job in self.jobs.values():
            if job.batch_id is not None and any(
                each.state in OPEN for each in self._of_job[job.id].values()
            ):
                yield job
