"""A hotline as the target of a transfer or a deflection: its officers ring, the call stays one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    Transfer,
    TransferMode,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running, refused


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


def place(asterisk: FakeAsterisk, folder: Path, strategy: str = "in-order") -> Place:
    """12345 rings 1001 only; 12346 rings all three."""
    every = {"officers": ["1001", "1002", "1003"], "strategy": strategy}
    lines = {"12345": {"officers": ["1001"]}, "12346": every}
    return Place.at(folder, asterisk.settings(hotline=lines, ring_s=5))


async def speak(asterisk: FakeAsterisk, adapter: Running) -> str:
    await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id


def to(call_id: str, mode: TransferMode, **where: Any) -> Transfer:
    return Transfer(call_id=call_id, mode=mode, **where)


async def rings(asterisk: FakeAsterisk, adapter: Running, *numbers: str) -> None:
    for number in numbers:
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING, to_num=number)


async def phase(adapter: Running, phase: CallPhase) -> TransferNotice:
    return await adapter.notices.any(TransferNotice, phase=phase)


@pytest.mark.parametrize(
    ("mode", "where"),
    [
        (TransferMode.BLIND, {"to_num": "123 46"}),
        (TransferMode.TO_QUEUE, {"queue_id": "12346"}),
    ],
)
async def test_its_officers_ring_one_after_the_other_until_one_answers(
    asterisk: FakeAsterisk, tmp_path: Path, mode: TransferMode, where: dict[str, str]
) -> None:
    asterisk.telephones["1002"] = "busy"
    async with place(asterisk, tmp_path).run() as adapter:
        call_id = await speak(asterisk, adapter)
        await adapter.do(to(call_id, mode, **where))
        await rings(asterisk, adapter, "1003")
        await asterisk.pick_up("1003")
        done = await phase(adapter, CallPhase.DONE)
        await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED, login_id="33")
    assert (done.mode, done.to_num) == (TransferNoticeMode.QUEUE, "12346")
    assert (done.call_id, done.request_id) == (call_id, "C1")
    assert asterisk.dialled == ["1001", "1002", "1003"]
    assert adapter.notices.of(TransferNotice, phase=CallPhase.FAILED) == []
    assert adapter.notices.of(HangupNotice, scope=HangupScope.CALL) == []


async def test_all_ring_at_once_and_whoever_answers_first_has_it(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with place(asterisk, tmp_path, "all").run() as adapter:
        call_id = await speak(asterisk, adapter)
        await adapter.do(to(call_id, TransferMode.BLIND, to_num="12346"))
        await rings(asterisk, adapter, "1002", "1003")
        await asterisk.pick_up("1003")
        await phase(adapter, CallPhase.DONE)
        other = await adapter.notices.any(HangupNotice, phone_num="1002")
        await asterisk.until(lambda: len(asterisk.bridges[f"linkage-{call_id}-b"].members) == 2)
    assert other.reason == Reason.ANSWERED_ELSEWHERE
    assert asterisk.dialled == ["1001", "1002", "1003"]


async def test_it_is_consulted_and_completed_by_the_one_who_answered(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with place(asterisk, tmp_path, "all").run() as adapter:
        call_id = await speak(asterisk, adapter)
        await adapter.do(to(call_id, TransferMode.CONSULT, to_num="12346"))
        await rings(asterisk, adapter, "1002", "1003")
        await asterisk.pick_up("1003")
        await phase(adapter, CallPhase.CONSULTING)
        await adapter.notices.any(HangupNotice, phone_num="1002")
        outcome = await adapter.do(to(call_id, TransferMode.COMPLETE))
        done = await phase(adapter, CallPhase.DONE)
        answered = adapter.notices.of(CallStateNotice, state=CallState.ANSWERED, to_num="1003")
    assert outcome.ids["call_id"] == done.new_call_id == answered[0].call_id


async def test_a_consultation_that_is_cancelled_stops_all_that_ring(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with place(asterisk, tmp_path, "all").run() as adapter:
        call_id = await speak(asterisk, adapter)
        await adapter.do(to(call_id, TransferMode.CONSULT, to_num="12346"))
        await rings(asterisk, adapter, "1002", "1003")
        await adapter.do(to(call_id, TransferMode.CANCEL))
        for number in ("1002", "1003"):
            gone = await adapter.notices.any(HangupNotice, phone_num=number)
            assert gone.reason == Reason.OPERATOR_CANCELLED
        await asterisk.until(lambda: len(asterisk.bridges[f"linkage-{call_id}-b"].members) == 2)
    assert len(adapter.notices.of(TransferNotice, phase=CallPhase.CANCELLED)) == 1


async def test_nobody_of_it_answers_and_the_officer_has_the_caller_again(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    asterisk.telephones |= {"1002": "busy", "1003": "rejected"}
    async with place(asterisk, tmp_path).run() as adapter:
        call_id = await speak(asterisk, adapter)
        await adapter.do(to(call_id, TransferMode.BLIND, to_num="12346"))
        failed = await phase(adapter, CallPhase.FAILED)
        await asterisk.until(lambda: asterisk.dialled[-1] == "1001")
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED, login_id="23")
    assert failed.reason == Reason.REJECTED


async def test_a_ringing_call_is_deflected_to_a_hotline(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with place(asterisk, tmp_path, "all").run() as adapter:
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        await rings(asterisk, adapter, "1001")
        deflect = AnswerCall(call_id=call.call_id, action=AnswerAction.DEFLECT, to_num="12346")
        await adapter.do(deflect)
        await rings(asterisk, adapter, "1002", "1003")


async def test_what_leads_back_to_the_same_officer_or_nowhere_is_refused(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with place(asterisk, tmp_path).run() as adapter:
        call_id = await speak(asterisk, adapter)
        alone = to(call_id, TransferMode.BLIND, to_num="12345")
        assert await refused(adapter, alone) == Result.BAD_VALUE
        none = to(call_id, TransferMode.TO_QUEUE, queue_id="9")
        assert await refused(adapter, none) == Result.BAD_VALUE
        assert await refused(adapter, to(call_id, TransferMode.TO_QUEUE)) == Result.MISSING_FIELD
