"""Calls to a hotline of the fake Asterisk, from the first ring to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocol.messages import (
    CallState,
    CallStateNotice,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
    Transfer,
    TransferMode,
)
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place, Running


def hotline(asterisk: FakeAsterisk, tmp_path: Path, **more: Any) -> Place:
    """A place whose hotline is as said."""
    settings = {"officers": ["1001", "1002"], **more}
    return Place.at(tmp_path, asterisk.settings(hotline={"12345": settings}))


async def speak(asterisk: FakeAsterisk, adapter: Running) -> tuple[str, str]:
    """A caller and the first officer are connected; returns CallId and the caller's channel."""
    channel = await asterisk.call()
    call = await adapter.notices.next(IncomingCallNotice)
    await adapter.notices.next(CallStateNotice, state=CallState.ALERTING)
    await asterisk.pick_up("1001")
    await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)
    return call.call_id, channel


async def over(adapter: Running, call_id: str) -> HangupNotice:
    return await adapter.notices.any(HangupNotice, call_id=call_id, scope=HangupScope.CALL)


async def transfer(adapter: Running, call_id: str, mode: TransferMode, **more: Any) -> None:
    await adapter.do(Transfer(call_id=call_id, mode=mode, **more))
