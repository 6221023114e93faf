"""Notices of calls, legs and recordings."""

from __future__ import annotations

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, incoming


def leg(call_id: str = "L1", parent: str = "C1", **fields: object) -> Message:
    return m.CallStateNotice(
        call_id=call_id,
        parent_call_id=parent,
        state=m.CallState.ALERTING,
        **fields,  # type: ignore[arg-type]  # the same
    )


def recording(action: m.RecordingNoticeAction, **fields: object) -> Message:
    values: dict[str, object] = {"call_id": "C1", "record_id": "R1", "action": action, **fields}
    return m.RecordingNotice(**values)  # type: ignore[arg-type]  # the same


START = m.RecordingNoticeAction.START


def two_events(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", call_id=None))
    bench.say("pbx", leg())
    bench.heard("desk")
