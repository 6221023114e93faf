"""The accounts of the application and of the SMS centre, held against each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from simulators.sms_centre import SmsCentre
from tests.load.sms_campaign.desk import FINAL, Account, Word
from tests.load.sms_campaign.plan import Plan, is_refused

NAMED_MOST: Final = 5
"""Examples of one kind of failure that are named; the rest is counted."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The verdict: `failures` in words (none: it passed), and the figures."""

    plan: Plan
    kills: int
    taken: int
    """Texts that the centre has."""
    told: Mapping[str, int]
    """How many texts were told of with each word, at the end."""
    doubts: int
    """Texts of which it was told that nobody knows, at first."""
    sent_anew: int
    """Commands that were given again, because nothing had been done."""
    took_s: float
    journal_rows: int = 0
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {"ok": not self.failures, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.plan.texts} texts, seed {self.plan.seed}, in {self.took_s:.0f} s"
        yield f"  kill -9             {self.kills}"
        yield f"  taken by the centre {self.taken}"
        for word, count in self.told.items():
            yield f"  told as {word:11} {count}"
        yield f"  unknown at first    {self.doubts}"
        yield f"  commands given anew {self.sent_anew}"
        yield f"  journal             {self.journal_rows} rows"
        for failure in self.failures:
            yield f"FAILED: {failure}"
        if not self.failures:
            yield "nothing sent twice, nothing forgotten, nothing told that is not so"
        plan = self.plan
        yield (
            f"again: python -m tests.load.sms_campaign --texts {plan.texts} --kills {plan.kills} "
            f"--seed {plan.seed}"
        )


def judge(
    plan: Plan,
    account: Account,
    centre: SmsCentre,
    config: Path,
    *,
    kills: int,
    took_s: float,
    is_ended: bool,
) -> Report:
    """Hold what was told against what the centre has."""
    taken = Counter(each.to for each in centre.taken)
    last = Counter(words[-1].value for words in account.words.values() if words)
    report = Report(
        plan=plan, kills=kills, taken=len(taken), told=dict(sorted(last.items())),
        doubts=sum(Word.UNKNOWN in words for words in account.words.values()),
        sent_anew=account.sent_anew, took_s=took_s,
    )  # fmt: skip
    failures = report.failures
    if not is_ended:
        failures.append("it came to no end")
    failures += _wrong(account, taken)
    failures += _batches(plan, account)
    failures += _journal(config, report)
    return report


def _wrong(account: Account, taken: Counter[str]) -> Iterator[str]:
    words = {number: account.words.get(number, []) for number in account.asked}
    yield from _named("sent twice", [each for each, count in taken.items() if count > 1])
    yield from _named("sent unasked", sorted(taken.keys() - account.asked))
    forgotten = [each for each, told in words.items() if not FINAL & set(told)]
    yield from _named("never told the end of", forgotten)
    denied = [
        each for each, told in words.items()
        if each in taken and told and set(told) <= {Word.FAILED, Word.NEVER}
    ]  # fmt: skip
    yield from _named("sent, and told as not sent", denied)
    claimed = {Word.SENT, Word.DELIVERED, Word.NOT_DELIVERED}
    invented = [each for each, told in words.items() if each not in taken and claimed & set(told)]
    yield from _named("told as sent, and not there", invented)
    lost = [each for each in taken if not {Word.DELIVERED, Word.NOT_DELIVERED} & set(words[each])]
    yield from _named("receipts taken and not told", lost)
    # That nobody knows may be told of the command and of the text.
    ends = FINAL - {Word.UNKNOWN}
    twice = [each for each, told in words.items() if max(map(told.count, ends)) > 1]
    yield from _named("told the same end twice", twice)
    refused = [each for each in taken if is_refused(each)]
    yield from _named("taken though refused", refused)


def _batches(plan: Plan, account: Account) -> Iterator[str]:
    """The last figures of each batch are those of its texts."""
    wrong = []
    for index, numbers in enumerate(plan.batches()):
        name = f"batch{index}"
        finished = account.finished.get(name)
        if finished is None and all(
            set(account.words[each]) == {Word.UNKNOWN} for each in numbers
        ):
            continue  # it was never begun: had it been sent to anybody, its receipts say so
        if finished is None or finished.total != len(numbers):
            wrong.append(f"{name} is not finished")
            continue
        arrived = sum(Word.DELIVERED in account.words.get(each, ()) for each in numbers)
        if finished.delivered != arrived:
            wrong.append(f"{name}: {finished.delivered} delivered, not {arrived}")
    yield from _named("batches", wrong)


def _named(what: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"{len(items)} {what}: {', '.join(items[:NAMED_MOST])}"


def _journal(config: Path, report: Report) -> Iterator[str]:
    verify = [sys.executable, "-m", "linkage", "journal", "verify", "--json", "-c", str(config)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    if verified.returncode:
        yield f"journal verify: {verified.stdout[:500]} {verified.stderr[:500]}"
    else:
        found: dict[str, Any] = json.loads(verified.stdout)
        report.journal_rows = int(found["entries"])
