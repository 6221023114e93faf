"""Call-outs that are cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages import (
    CallMode,
    CallOutProgressNotice,
    CallOutResultNotice,
    CancelCallOut,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.conference_scene import (
    convene,
    ended,
    group,
    joins,
    person,
    result,
    rings,
)
from tests.fakes.running_adapter import Place, forgotten, refused


@pytest.mark.parametrize("named", ["request_id", "event_id", "conference_id", "call_id"])
async def test_a_call_out_is_cancelled_and_who_is_in_stays(
    asterisk: FakeAsterisk, place: Place, named: str
) -> None:
    async with place.run() as adapter:
        outcome = await convene(
            adapter,
            group(CallMode.ALL, person("1", "1001"), person("2", "1002")),
            group(CallMode.SEQUENTIAL, person("3", "1003", "139")),
        )
        for number in ("1002", "1003"):
            await rings(adapter, number)
        await joins(asterisk, adapter, "1001")
        whom = {
            "request_id": "C1",
            "event_id": "E1",
            "conference_id": outcome.ids["conference_id"],
            "call_id": outcome.ids["call_id"],
        }
        cancel: dict[str, Any] = {named: whom[named]}
        await adapter.do(CancelCallOut(**cancel, staff_id="2"))
        assert (await result(adapter, "2")).reason == Reason.OPERATOR_CANCELLED
        assert not adapter.notices.of(CallOutResultNotice, staff_id="3")
        await adapter.do(CancelCallOut(**cancel))
        assert (await result(adapter, "3")).reason == Reason.OPERATOR_CANCELLED
        await adapter.notices.any(CallOutProgressNotice, finished=True, answered=1, failed=2)
        assert await refused(adapter, CancelCallOut(**cancel)) == Result.WRONG_STATE
        await asterisk.until(lambda: len(asterisk.lines) == 1)
    assert asterisk.dialled == ["1001", "1002", "1003"]


async def test_a_conference_to_which_nobody_is_called_any_more_ends(
    asterisk: FakeAsterisk, place: Place
) -> None:
    async with place.run() as adapter:
        await convene(adapter, group(CallMode.ALL, person("1", "1001")))
        await rings(adapter, "1001")
        await adapter.do(CancelCallOut(request_id="C1"))
        await ended(adapter)
        await forgotten(place, asterisk)
