"""Conferences and call-outs on a real Asterisk: the patent's second embodiment, and its variants.

1001 and 1002 answer, 1003 is busy, 1004 rings for ever, 1005 rejects, 1006 is not there.
"""

from __future__ import annotations

from pathlib import Path

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Group,
    HangupNotice,
    HangupScope,
    MemberNoticeAction,
    Phone,
    Staff,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.real.test_asterisk_adapter import nothing_left, scene


def staff(staff_id: str, name: str, *numbers: str) -> Staff:
    """Somebody with numbers of type 01, 02, …"""
    return Staff(
        staff_id=staff_id,
        staff_name=name,
        phone_nums=tuple(
            Phone(number=number, num_type=f"{place:02}")
            for place, number in enumerate(numbers, start=1)
        ),
    )


async def test_the_second_embodiment_convenes_an_emergency_conference(tmp_path: Path) -> None:
    """Steps 401 to 420: leader and department join, the expert is busy, his deputy joins."""
    async with scene(tmp_path, ["1001"]) as stage, stage.place.run() as adapter:
        outcome = await adapter.do(
            CallOut(
                event_id="1213243",
                login_id="13",
                call_type=CallOutType.CONFERENCE,
                groups=(
                    Group(
                        group_id="136",
                        group_name="领导",
                        call_mode=CallMode.ALL,
                        staff=(staff("123", "指挥大厅领导", "1001", "1004"),),
                    ),
                    Group(
                        group_id="137",
                        group_name="专家组",
                        call_mode=CallMode.SEQUENTIAL,
                        staff=(staff("138", "专家", "1003"), staff("139", "备选专家", "1002")),
                    ),
                ),
            )
        )
        assert outcome.result is Result.ACCEPTED
        created = await adapter.notices.next(ConferenceNotice)
        stands = await adapter.notices.next(
            ConferenceNotice, action=ConferenceNoticeAction.CONNECTED
        )
        results = {
            each.staff_id: (each.reason, each.phone_num, each.attempt)
            for each in adapter.notices.of(CallOutResultNotice)
        }
        assert len(await stage.channels()) == 2
        await adapter.do(
            ConferenceControl(conference_id=outcome.conference_id, action=ConferenceAction.END)
        )
        end = await adapter.notices.any(HangupNotice, scope=HangupScope.CALL)
        await nothing_left(stage.place)
        assert not await stage.channels()
        joined = adapter.notices.of(ConferenceMemberNotice, action=MemberNoticeAction.JOINED)
        left = adapter.notices.of(HangupNotice, reason=Reason.CONFERENCE_ENDED)
        over = adapter.notices.of(ConferenceNotice, action=ConferenceNoticeAction.ENDED)
    assert (created.action, created.event_id) == (ConferenceNoticeAction.CREATED, "1213243")
    assert (created.conference_id, created.call_id) == (outcome.conference_id, outcome.call_id)
    assert (stands.member_count, stands.request_id) == (2, "C1")
    assert results == {
        "123": (None, "1001", 1),
        "138": (Reason.BUSY, "1003", 1),
        "139": (None, "1002", 1),
    }
    assert {each.phone_num for each in joined} == {"1001", "1002"}
    assert {each.scope for each in left} == {HangupScope.LEG, HangupScope.CALL}
    assert (len(left), len(over)) == (3, 1)
    assert (end.call_id, end.conference_id) == (outcome.call_id, outcome.conference_id)
