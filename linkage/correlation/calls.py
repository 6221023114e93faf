"""Calls, their legs and transfers, from the first ring to the hang-up (100, 102, 105, 115)."""

from __future__ import annotations

from typing import Final

from linkage.correlation.journal_entry import Entry
from linkage.correlation.operations import attached, end, fill, make, open_transfers, us_of
from linkage.correlation.reused_ids import begins_call
from linkage.ports.records import RecordsPort
from linkage.store.rows import Operation, to_us
from protocol import messages as m

ENDING_PHASES: Final = (m.CallPhase.DONE, m.CallPhase.FAILED, m.CallPhase.CANCELLED)
TRANSFERRED: Final = 134
"""Reason of a leg that ended because its call went on elsewhere (protocol.md#reasons)."""


def find_or_make_call(records: RecordsPort, entry: Entry) -> tuple[Operation, bool]:
    """The call or leg of a notice.

    Made where the platform speaks of one that is not known (or has ended).
    """
    message = entry.message
    native = f"call:{message.call_id}"
    found = records.find_operation(entry.source, native)
    parent = None
    if message.parent_call_id is not None and message.parent_call_id != message.call_id:
        parent = records.find_operation(entry.source, f"call:{message.parent_call_id}")
    if found is not None and not (begins_call(message) and found.ended_at is not None):
        if parent is not None and found.ended_at is None:
            _put_under(records, found, parent)
        return found, False
    if parent is None and message.conference_id is not None:
        parent = records.find_operation(entry.source, f"conf:{message.conference_id}")
        # Small numbers are given again and again: an ended conference is not this one.
        if parent is not None and parent.ended_at is not None:
            parent = None
    return make(
        records,
        entry,
        "call" if parent is None or parent.kind == "conference" else "leg",
        native,
        parent,
        call_id=message.call_id,
        conference_id=message.conference_id,
    ), True


def _put_under(records: RecordsPort, operation: Operation, parent: Operation) -> None:
    """A call that was thought to stand alone turns out to be a leg of another."""
    if operation.root != operation.op_id or operation.root == parent.root:
        return
    records.graft(operation, parent)
    operation.kind = "leg"
    records.change_operation(operation)


def incoming_call(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """100: a call came in, or went out."""
    message = entry.message
    assert isinstance(message, m.IncomingCallNotice)
    operation, is_new = find_or_make_call(records, entry)
    operation.direction = "in" if message.direction is m.CallDirection.IN else "out"
    _fill_numbers(operation, message)
    return operation, is_new


def _fill_numbers(operation: Operation, message: m.IncomingCallNotice | m.CallStateNotice) -> None:
    """`fill`, written out for the two that are most of what comes."""
    if message.phone_num is not None:
        operation.from_num = message.phone_num
    if message.to_num is not None:
        operation.to_num = message.to_num
    if message.login_id is not None:
        operation.login_id = message.login_id


def call_state(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """115: a call rings, is answered, has failed."""
    message = entry.message
    assert isinstance(message, m.CallStateNotice)
    if message.call_id is None:
        return None, False
    operation, is_new = find_or_make_call(records, entry)
    caller = operation.from_num
    _fill_numbers(operation, message)
    if caller is not None:
        operation.from_num = caller  # who calls was said by the 100; a 115 may name the other side
    if message.state is not None:
        operation.state = message.state.name.lower()
    if message.state is m.CallState.ANSWERED and operation.answered_at is None:
        operation.answered_at = entry.at
    if message.state is m.CallState.FAILED:
        end(operation, entry.at, "failed", message.reason)
    return operation, is_new


def call_over(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """102: a call or leg ended, and its transfers with it; with no CallId, a conference."""
    message = entry.message
    assert isinstance(message, m.HangupNotice)
    if message.call_id is None:
        return _conference_over(records, entry, message), False
    operation, is_new = find_or_make_call(records, entry)
    if entry.reconstructed and operation.ended_at is not None:
        return operation, is_new  # what a resync makes up does not correct what was told
    fill(operation, from_num=message.phone_num, login_id=message.login_id, content=message.content)
    operation.answered_at = us_of(message.answer_time) or operation.answered_at
    if message.start_time is not None:
        operation.started_at = to_us(message.start_time)
    outcome = (
        "unanswered" if operation.answered_at is None and operation.kind == "leg" else "ended"
    )
    end(operation, us_of(message.end_time) or entry.at, outcome, message.reason)
    if entry.reconstructed:
        operation.reconstructed = True
    for transfer in open_transfers(records, operation):
        end(transfer, entry.at, "done" if message.reason == TRANSFERRED else "ended", None)
        records.change_operation(transfer)
    return operation, is_new


def _conference_over(
    records: RecordsPort, entry: Entry, message: m.HangupNotice
) -> Operation | None:
    """102 without a CallId tells of the conference that it names."""
    conference = attached(records, entry)
    if conference is not None and conference.ended_at is None:
        end(conference, us_of(message.end_time) or entry.at, "ended", message.reason)
    return conference


def call_transfer(records: RecordsPort, entry: Entry) -> tuple[Operation | None, bool]:
    """105: the transfer is an operation of its own under the call, and the new leg another."""
    message = entry.message
    assert isinstance(message, m.TransferNotice)
    if message.call_id is None:
        return attached(records, entry), False
    call, _ = find_or_make_call(records, entry)
    transfer = next(open_transfers(records, call), None)
    is_new = transfer is None
    if transfer is None:
        transfer = make(
            records,
            entry,
            "transfer",
            f"transfer:{call.op_id}/{entry.seq}",
            call,
            call_id=message.call_id,
        )
    target = message.to_num or message.to_login_id
    fill(
        transfer,
        from_num=message.from_ext or message.from_login_id,
        to_num=target,
        login_id=message.to_login_id,
    )
    phase = (
        message.phase or m.CallPhase.DONE
    )  # the patent's 105 has no phase: it tells of a transfer made
    transfer.state = phase.name.lower()
    if phase in ENDING_PHASES:
        end(transfer, entry.at, transfer.state, message.reason)
    if phase is m.CallPhase.DONE:
        transfer.answered_at = transfer.answered_at or entry.at
        fill(call, login_id=message.to_login_id)
        records.change_operation(call)
    if message.new_call_id is not None and message.new_call_id != message.call_id:
        _new_leg(records, entry, call, message)
    return transfer, is_new


def _new_leg(
    records: RecordsPort, entry: Entry, call: Operation, message: m.TransferNotice
) -> None:
    native = f"call:{message.new_call_id}"
    leg = records.find_operation(entry.source, native)
    if leg is not None and leg.root != call.root and leg.ended_at is not None:
        leg = None  # an earlier call's id, used again
    if leg is None:
        leg = make(records, entry, "leg", native, call, call_id=message.new_call_id)
    _put_under(records, leg, call)
    fill(leg, to_num=message.to_num, login_id=message.to_login_id)
    records.change_operation(leg)
