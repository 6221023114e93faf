"""A job that is in no queue: nobody knows; that is told once, and its end if it is seen again."""

from __future__ import annotations

from adapters.hylafax.ledger import GRACE_S, Fax, Ledger, State
from adapters.hylafax.rows import JobRow
from adapters.messaging.recorder import Draft
from linkage.clock import ManualClock
from protocol.messages import FaxResultNotice, FaxStatus
from protocol.reasons import Reason


def fax(key: str = "fax:1.0") -> Fax:
    return Fax(key, "tag", 3, "1", "F1", "02012345600", at=ManualClock().utc().timestamp())


def row(state: str, sent: int = 0) -> JobRow:
    return JobRow(3, state, sent, 2, 1, 1, "tag", "")


def results(draft: Draft) -> list[FaxResultNotice]:
    return [each.message for each in draft.notices if isinstance(each.message, FaxResultNotice)]


def test_a_missing_job_is_unknown_after_a_while_and_its_end_is_told_if_it_is_seen() -> None:
    clock, draft = ManualClock(), Draft()
    ledger = Ledger(clock)
    ledger.begin(fax(), draft)
    ledger.compare([], draft)
    clock.advance(GRACE_S - 1)
    ledger.compare([], draft)
    assert not results(draft)

    clock.advance(2)
    ledger.compare([], draft)
    clock.advance(GRACE_S * 2)
    ledger.compare([], draft)
    (unknown,) = results(draft)
    assert (unknown.status, unknown.reason) == (FaxStatus.FAILED, Reason.OUTCOME_UNKNOWN)

    loaded = Ledger(clock)
    loaded.load(draft.memory, draft)
    assert [each.state for each in loaded.faxes.values()] == [State.UNKNOWN]
    loaded.compare([row("D", 2)], draft)
    assert results(draft)[-1].status is FaxStatus.DONE
    assert draft.memory == {"fax:1.0": None}


def test_a_job_that_moves_between_two_looks_is_not_missing() -> None:
    clock, draft = ManualClock(), Draft()
    ledger = Ledger(clock)
    ledger.begin(fax(), draft)
    for _ in range(3):
        ledger.compare([], draft)
        clock.advance(GRACE_S - 1)
        ledger.compare([row("R")], draft)
    assert not results(draft)


def test_what_a_command_is_about_to_submit_is_not_missing() -> None:
    clock, draft = ManualClock(), Draft()
    ledger = Ledger(clock)
    ledger.begin(fax(), draft)
    ledger.active.add("fax:1.0")
    for _ in range(2):
        ledger.compare([], draft)
        clock.advance(GRACE_S + 1)
    assert not results(draft)


def test_a_record_that_cannot_be_read_is_dropped() -> None:
    draft = Draft()
    ledger = Ledger(ManualClock())
    ledger.load({"fax:1": {"key": 1}, "fax:2": None, "other": {}}, draft)
    assert not ledger.faxes
    assert draft.memory == {"fax:1": None, "fax:2": None}
