"""Conferences and call-outs on an Asterisk in this process: how people are called, and join."""

from __future__ import annotations

from typing import Any

from linkage.ports import Outcome
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    Group,
    HangupNotice,
    HangupScope,
    Member,
    MemberAction,
    MemberNoticeAction,
    Phone,
    Staff,
)
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Running


def person(staff_id: str, *numbers: str) -> Staff:
    """Somebody with numbers of type 01, 02, …"""
    phones = (
        Phone(number=number, num_type=f"{place:02}")
        for place, number in enumerate(numbers, start=1)
    )
    return Staff(staff_id=staff_id, staff_name=f"Name {staff_id}", phone_nums=tuple(phones))


def group(mode: CallMode, *staff: Staff, wanted: int | None = None) -> Group:
    return Group(group_id=f"G{mode.value}", call_mode=mode, staff=staff, wanted=wanted)


async def convene(adapter: Running, *groups: Group, **more: Any) -> Outcome:
    command = CallOut(
        **{"call_type": CallOutType.CONFERENCE, "login_id": "99", "event_id": "E1", **more},
        groups=groups,
    )
    return await adapter.do(command)


async def rings(adapter: Running, number: str) -> None:
    """Wait until a telephone rings."""
    await adapter.notices.any(
        CallStateNotice, state=CallState.ALERTING, to_num=number.removesuffix("@trunk")
    )


async def joins(asterisk: FakeAsterisk, adapter: Running, number: str) -> str:
    """Somebody answers and is in; returns the channel."""
    await rings(adapter, number)
    channel = await asterisk.pick_up(number)
    await asterisk.until(lambda: asterisk.lines[channel].bridge is not None)
    await adapter.notices.any(
        ConferenceMemberNotice,
        action=MemberNoticeAction.JOINED,
        phone_num=number.removesuffix("@trunk"),
    )
    return channel


async def result(adapter: Running, staff_id: str) -> CallOutResultNotice:
    return await adapter.notices.any(CallOutResultNotice, staff_id=staff_id)


async def two(asterisk: FakeAsterisk, adapter: Running, **more: Any) -> tuple[str, str]:
    """A conference of 1001 and 1002; returns its CallId and ConferenceID."""
    outcome = await convene(
        adapter, group(CallMode.ALL, person("1", "1001"), person("2", "1002")), **more
    )
    await joins(asterisk, adapter, "1001")
    await joins(asterisk, adapter, "1002")
    await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.CONNECTED)
    await adapter.notices.any(CallStateNotice, state=CallState.BRIDGED)
    return outcome.ids["call_id"] or "", outcome.ids["conference_id"] or ""


async def ended(adapter: Running) -> tuple[ConferenceNotice, HangupNotice]:
    return (
        await adapter.notices.any(ConferenceNotice, action=ConferenceNoticeAction.ENDED),
        await adapter.notices.any(HangupNotice, scope=HangupScope.CALL),
    )


def control(conference_id: str, action: ConferenceAction, **more: Any) -> ConferenceControl:
    return ConferenceControl(conference_id=conference_id, action=action, **more)


def about(conference_id: str, action: MemberAction, **member: Any) -> ConferenceMemberControl:
    return ConferenceMemberControl(
        conference_id=conference_id, action=action, members=(Member(**member),)
    )


async def single(adapter: Running, *numbers: str, **more: Any) -> Outcome:
    command: dict[str, Any] = {"login_id": "23", "call_type": CallOutType.SINGLE, **more}
    return await convene(adapter, group(CallMode.ALL, person("1", *numbers)), **command)
