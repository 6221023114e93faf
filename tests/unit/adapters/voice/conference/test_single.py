"""One dispatcher is connected with one number."""

from __future__ import annotations

import pytest

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    CancelCallOut,
    ConferenceAction,
    ConferenceControl,
    HangupNotice,
    HangupScope,
    HangupSide,
    IncomingCallNotice,
    RecordingNotice,
    RecordingNoticeAction,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.conference_scene import (
    group,
    person,
    result,
    rings,
    single,
)
from tests.fakes.running_adapter import Place, forgotten, refused


async def test_a_dispatcher_is_connected_with_a_number(
    asterisk: FakeAsterisk, place: Place
) -> None:
    asterisk.telephones["138@trunk"] = "busy"
    async with place.run() as adapter:
        outcome = await single(adapter, "138", "139", record=True)
        await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
        assert asterisk.dialled == ["1001"]
        await asterisk.pick_up("1001")
        await rings(adapter, "139")
        assert "tone:ring" in asterisk.plays.values()
        await asterisk.pick_up("139@trunk")
        told = await result(adapter, "1")
        bridged = await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
        assert "tone:ring" not in asterisk.plays.values()
        await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        call_id = outcome.ids["call_id"] or ""
        await adapter.do(Transfer(call_id=call_id, to_login_id="13", mode=TransferMode.BLIND))
        await adapter.notices.next(TransferNotice, phase=CallPhase.RINGING)
        await asterisk.pick_up("1002")
        await adapter.notices.next(TransferNotice, phase=CallPhase.DONE)
        await asterisk.hang_up(asterisk.leg("139@trunk").id)
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await forgotten(place, asterisk)
    assert outcome.ids.get("conference_id") is None
    assert (told.call_id, told.login_id, told.phone_num) == (call_id, "23", "139")
    assert (told.reason, told.attempt, told.conference_id) == (None, 2, None)
    assert (bridged.call_id, bridged.login_id, bridged.phone_num) == (call_id, "23", "1001")
    assert (end.call_id, end.reason, end.side) == (call_id, Reason.NORMAL, HangupSide.CALLEE)
    assert len(adapter.notices.of(CallOutResultNotice)) == 1


@pytest.mark.parametrize("who", ["dispatcher", "number", "dispatcher gives up", "cancelled"])
async def test_a_single_call_that_does_not_come_about_is_told(
    asterisk: FakeAsterisk, place: Place, who: str
) -> None:
    asterisk.telephones |= {
        "dispatcher": {"1001": "busy"},
        "number": {"139@trunk": "unallocated"},
    }.get(who, {})
    async with place.run() as adapter:
        await single(adapter, "139")
        if who != "dispatcher":
            await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
            channel = await asterisk.pick_up("1001")
        if who == "dispatcher gives up":
            await rings(adapter, "139")
            await asterisk.hang_up(channel)
        if who == "cancelled":
            await rings(adapter, "139")
            await adapter.do(CancelCallOut(request_id="C1"))
        told = await result(adapter, "1")
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await forgotten(place, asterisk)
    reasons = {
        "dispatcher": Reason.BUSY,
        "number": Reason.UNALLOCATED,
        "dispatcher gives up": Reason.NORMAL,
        "cancelled": Reason.OPERATOR_CANCELLED,
    }
    assert told.reason == reasons[who]
    assert end.reason is not None
    assert len(adapter.notices.of(CallOutResultNotice)) == 1


async def test_a_single_call_that_makes_no_sense_is_refused(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        one, other = person("1", "139"), person("2", "138")
        for groups, login, why in (
            ((group(CallMode.ALL, one),), None, Result.MISSING_FIELD),
            ((group(CallMode.ALL, one),), "98", Result.NO_LOGIN),
            ((group(CallMode.ALL, one, other),), "23", Result.BAD_VALUE),
            ((group(CallMode.ALL, person("1", "1001")),), "23", Result.BAD_VALUE),
        ):
            command = CallOut(call_type=CallOutType.SINGLE, login_id=login, groups=groups)
            assert await refused(adapter, command) == why
        assert place.memory.table.keys() == {"link"}
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        lock = ConferenceControl(call_id=call.call_id, action=ConferenceAction.LOCK)
        assert await refused(adapter, lock) == Result.NO_CONFERENCE
