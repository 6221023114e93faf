"""Asterisk as the adapters' contract plays it: the unit tests' fake, with faults on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from protocol import messages as m
from protocol.message import Message
from protocol.messages import QueryCall
from pytest_linkage.contract.platform import Expected, PlatformDouble
from tests.fakes.asterisk import PASSWORD, FakeAsterisk

GARBAGE: Final = (
    "", "{", "null", "[]", '"text"', "{}", '{"type": 7}', '{"type": "StasisStart"}',
    '{"type": "StasisStart", "channel": null}', '{"type": "ChannelDestroyed", "channel": []}',
    '{"type": "NobodyKnows", "channel": {"id": "1"}}',
)  # fmt: skip


class _Asterisk(FakeAsterisk):
    """Says what it says by way of the contract."""

    def __init__(self, platform: AsteriskPlatform) -> None:
        super().__init__()
        self._platform = platform

    async def send(self, event: dict[str, Any]) -> None:
        await self._platform.pass_on(event)

    async def send_now(self, event: dict[str, Any]) -> None:
        await super().send(event)


class AsteriskPlatform(PlatformDouble):
    """Callers dial the hotline, and hang up; 210 calls numbers outside, whose owners answer."""

    def __init__(self) -> None:
        super().__init__()
        self._asterisk = _Asterisk(self)
        self._is_entered = self._is_open = False
        self._settings: Mapping[str, Any] = {}
        self._count = 0
        self._channels: dict[str, str] = {}
        """The number of a caller → the channel."""

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._settings

    @property
    def secrets(self) -> Sequence[str]:
        return ["wrong-password", f"linkage:{PASSWORD}"]

    @property
    def wrong_settings(self) -> Mapping[str, Any]:
        return {**self.settings, "password": "wrong-password"}

    async def start(self) -> None:
        if self._is_entered:
            await self._asterisk.open_door()
        else:
            await self._asterisk.__aenter__()
            self._is_entered = True
        self._is_open = True
        self._settings = self._asterisk.settings(trunk="PJSIP/{number}@trunk", timeout_s=1.0)

    async def stop(self) -> None:
        if self._is_open:
            await self._asterisk.cut()
            await self._asterisk.close_door()
        self._is_open = False

    def freeze(self) -> None:
        self._asterisk.freeze()

    def thaw(self) -> None:
        self._asterisk.thaw()

    async def emit(self, event: Any) -> None:
        await self._asterisk.send_now(event)

    async def garbage(self) -> None:
        for text in GARBAGE:
            await self._asterisk.send_raw(text)

    # --- what happens ----------------------------------------------------------------------------
    async def occur(self) -> Expected:
        self._count += 1
        number = f"1380000{self._count:04}"
        self._channels[number] = await self._asterisk.call(number=number)
        return Expected(m.IncomingCallNotice, {"phone_num": number})

    async def proceed(self, begun: Expected) -> Expected:
        number = begun.fields["phone_num"]
        channel = self._channels.pop(number)
        if channel in self._asterisk.lines:
            await self._asterisk.hang_up(channel)
        return Expected(m.HangupNotice, {"phone_num": number, "scope": m.HangupScope.CALL})

    def query(self, begun: Expected, told: Message) -> QueryCall:  # noqa: ARG002 - the contract's
        return QueryCall(call_id=told.call_id)

    def command(self) -> Message:
        self._count += 1
        phone = m.Phone(number=f"1390000{self._count:04}", num_type="01")
        staff = m.Staff(staff_id=str(self._count), phone_nums=(phone,))
        group = m.Group(group_id="G1", call_mode=m.CallMode.ALL, staff=(staff,))
        return m.CallOut(
            event_id="E1", login_id="23", call_type=m.CallOutType.CONFERENCE, groups=(group,)
        )

    def done(self, command: Message) -> int:
        return self._asterisk.dialled.count(_called(command))

    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        number = _called(command)
        ringing = [line for line in self._asterisk.lines.values() if line.number == number]
        if not ringing:
            return ()
        await self._asterisk.pick_up(number)
        assert isinstance(command, m.CallOut)
        staff_id = command.groups[0].staff[0].staff_id
        return (Expected(m.CallOutResultNotice, {"staff_id": staff_id, "request_id": request_id}),)


def _called(command: Message) -> str:
    assert isinstance(command, m.CallOut)
    return command.groups[0].staff[0].phone_nums[0].number + "@trunk"
