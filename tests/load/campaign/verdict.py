"""What must hold when a campaign is over, and the figures that it gave."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, func, select

from linkage.config.load import load_config
from linkage.store.sql import tables
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sqlite.database import open_for_reading
from tests.load.campaign.ledger import Seen
from tests.load.campaign.plan import Plan
from tests.load.campaign.platforms import Sent

NAMED_MOST: Final = 5
"""Examples of one kind of failure that are named; the rest is counted."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The verdict: `failures` in words (none: it passed), and the figures."""

    plan: Plan
    answered: int
    delivered: int
    kills: dict[str, int]
    sessions: int
    """Registrations of the platforms that were accepted."""
    resends_taken: int
    """Notices in the journal that came with `Resend`: the first had been lost with a process."""
    resends_discarded: int
    """Answered «duplicate»: the first was on disk, its answer was lost."""
    duplicates_discarded: int
    """By the receivers, by (Id, Type, body)."""
    longest_outage_s: float
    answered_s: float
    took_s: float
    journal_rows: int = 0
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {"ok": not self.failures, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """For people."""
        plan = self.plan
        split = " --split" if plan.split else ""
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.items())
        yield f"{plan.notices} notices over {plan.connections} connections, seed {plan.seed}"
        yield f"  kill -9                {sum(self.kills.values())} ({kills})"
        yield f"  answered 0             {self.answered} in {self.answered_s:.0f} s"
        yield f"  delivered              {self.delivered} in {self.took_s:.0f} s"
        yield f"  sessions of platforms  {self.sessions}"
        yield f"  sent again, taken      {self.resends_taken}"
        yield f"  sent again, discarded  {self.resends_discarded} (by linkage)"
        yield f"  came twice, discarded  {self.duplicates_discarded} (by the receivers)"
        yield f"  longest outage         {self.longest_outage_s:.1f} s without an answer"
        yield f"  journal                {self.journal_rows} rows"
        for failure in self.failures:
            yield f"FAILED: {failure}"
        if not self.failures:
            yield "nothing lost, nothing doubled, order kept, journal and tables hold"
        yield (
            f"again: python -m tests.load.campaign --notices {plan.notices} --connections "
            f"{plan.connections} --kills {plan.kills} --seed {plan.seed}{split}"
        )


def judge(
    plan: Plan,
    sent: Sent,
    ledgers: Mapping[str, list[Seen]],
    config: Path,
    *,
    kills: dict[str, int],
    answered_s: float,
    took_s: float,
) -> Report:
    """Hold what was seen against what was promised."""
    firsts = {name: [s for s in ledger if not s.again] for name, ledger in ledgers.items()}
    report = Report(
        plan=plan,
        answered=len(sent.answered),
        delivered=sum(map(len, firsts.values())),
        kills=kills,
        sessions=sent.sessions,
        resends_taken=0,
        resends_discarded=sent.duplicates,
        duplicates_discarded=sum(seen.again for ledger in ledgers.values() for seen in ledger),
        longest_outage_s=sent.longest_wait_s,
        answered_s=answered_s,
        took_s=took_s,
    )
    report.failures += [f"answered otherwise: {line}" for line in sent.refused[:NAMED_MOST]]
    report.failures += _lost(sent, firsts)
    report.failures += _doubled(firsts)
    report.failures += _disordered(sent, firsts)
    report.failures += _store(config, report)
    return report


def _named(what: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [f"{len(items)} {what}: {', '.join(items[:NAMED_MOST])}"]


def _lost(sent: Sent, firsts: Mapping[str, list[Seen]]) -> list[str]:
    """Each goes to the one receiver that it is for, and nowhere else."""
    arrived = {(name, seen.key) for name, ledger in firsts.items() for seen in ledger}
    wanted = {(notice.receiver, notice.key) for order in sent.order.values() for notice in order}
    answered = {(receiver, key) for receiver, key in wanted if key in sent.answered}
    lost = sorted(f"{key} for {receiver}" for receiver, key in answered - arrived)
    strange = sorted(f"{key} at {receiver}" for receiver, key in arrived - wanted)
    return _named("answered 0 and lost", lost) + _named("at the wrong receiver", strange)


def _doubled(firsts: Mapping[str, list[Seen]]) -> list[str]:
    """By what it says, not by its Id: twice in the journal under two Ids would be twice too."""
    counts = Counter(seen.key for ledger in firsts.values() for seen in ledger)
    return _named("seen twice", sorted(key for key, count in counts.items() if count > 1))


def _disordered(sent: Sent, firsts: Mapping[str, list[Seen]]) -> list[str]:
    """Per sending peer as sent; per receiver and so per EventID as journalled."""
    wrong = []
    for name, ledger in firsts.items():
        place = {seen.key: index for index, seen in reversed(list(enumerate(ledger)))}
        for platform, order in sent.order.items():
            mine = [notice.key for notice in order if notice.receiver == name]
            wrong += [
                f"{later} of {platform} before {earlier}"
                for earlier, later in pairwise(key for key in mine if key in place)
                if place[earlier] > place[later]
            ]
        for event, ids in _by_event(ledger).items():
            wrong += [
                f"{later} of {event} before {earlier}"
                for later, earlier in pairwise(ids)
                if int(later) > int(earlier)
            ]
    return _named("out of order", wrong)


def _by_event(ledger: list[Seen]) -> dict[str | None, list[str]]:
    """EventId → Ids in the order of arrival. An Id is the number of the row in the journal."""
    found: dict[str | None, list[str]] = {}
    for seen in ledger:
        found.setdefault(seen.event_id, []).append(seen.id)
    return found


def _store(config: Path, report: Report) -> Iterator[str]:
    verify = [sys.executable, "-m", "linkage", "journal", "verify", "--json", "-c", str(config)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    if verified.returncode:
        yield f"journal verify: {verified.stdout[:500]} {verified.stderr[:500]}"
    else:
        report.journal_rows = int(json.loads(verified.stdout)["entries"])
    store = open_for_reading(load_config(config).database_path)
    try:
        report.resends_taken = _resends(store)
        again = rebuild(store)
        yield from _named("rows differ from a rebuild", differences(store, again))
        again.dispose()
        yield from _still_open(store)
    finally:
        store.dispose()


def _resends(store: Engine) -> int:
    journal = tables.journal
    sent_before = func.instr(journal.c.body, b' Resend="1"') > 0
    with store.connect() as connection:
        counted = connection.execute(select(func.count()).where(sent_before)).scalar()
    return counted or 0


def _still_open(store: Engine) -> Iterator[str]:
    """Everything was acknowledged, so nothing may wait."""
    delivery = tables.delivery
    query = (
        select(delivery.c.receiver, func.count())
        .where(delivery.c.state == "open")
        .group_by(delivery.c.receiver)
    )
    with store.connect() as connection:
        for receiver, count in connection.execute(query):
            yield f"{count} deliveries to {receiver} are acknowledged and still open"
