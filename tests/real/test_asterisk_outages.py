"""A real Asterisk that stands still, takes nobody, gives a file to nobody, or has two linkages."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from linkage.client import Application
from protocol.message import Message
from protocol.messages import (
    AlarmAction,
    AlarmNotice,
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    Group,
    Hangup,
    HangupNotice,
    HangupScope,
    Hold,
    HoldAction,
    HoldNotice,
    IncomingCallNotice,
    MuteAction,
    MuteCall,
    MuteNotice,
    Phone,
    PlatformStatusNotice,
    RecordingNotice,
    RecordingNoticeAction,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from tests.real.peers.ari import AriProbe
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.linkage import LinkageProcess
from tests.real.peers.sipp import FOREVER_S, SippCaller, SippOfficer, Talk
from tests.real.test_main_job import Desk

OFFICERS = {"1001": "23", "1002": "13", "1003": "33"}
SHORT_S = 2
"""`Expire` of a command that is given while nobody answers."""


@dataclass
class Scene:
    """Asterisk, telephones that answer, and linkages with a desk each."""

    asterisk: AsteriskServer
    folder: Path
    stack: AsyncExitStack
    desks: list[Desk] = field(default_factory=list)

    async def linkage(self, **hotline: Any) -> tuple[LinkageProcess, Desk]:
        """One more linkage at the Asterisk, its desk registered and its adapter up."""
        folder = self.folder / f"linkage{len(self.desks)}"
        folder.mkdir()
        linkage = LinkageProcess(folder, self.asterisk, officers=OFFICERS, ring_s=10, **hotline)
        await self.stack.enter_async_context(linkage)
        return linkage, await self.desk(linkage)

    async def desk(self, linkage: LinkageProcess) -> Desk:
        """Its desk, once it is told that the adapter is up."""
        application = await self.stack.enter_async_context(
            Application("127.0.0.1", linkage.port, "desk", secret=linkage.secret)
        )
        desk = Desk(application)
        listening = asyncio.get_running_loop().create_task(desk.listen())
        self.stack.callback(listening.cancel)
        self.desks.append(desk)
        await desk.next(PlatformStatusNotice)
        return desk

    def caller(self, number: str = "13912344444") -> SippCaller:
        script = (Talk(FOREVER_S),)
        return SippCaller(self.asterisk.sip_port, dials="12345", number=number, script=script)

    async def talk(self, desk: Desk) -> str:
        """A caller and the first officer speak; returns the CallId."""
        await self.stack.enter_async_context(self.caller())
        incoming = await desk.next(IncomingCallNotice)
        await desk.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED)
        return incoming.call_id

    async def bridged(self) -> list[list[str]]:
        """Who speaks with whom, by Asterisk's ids."""
        async with AriProbe(self.asterisk, app="looks-only") as ari:
            return [sorted(each["channels"]) for each in await ari.get("/bridges")]

    async def numbers(self) -> list[str]:
        """Whose telephones Asterisk has channels to."""
        async with AriProbe(self.asterisk, app="looks-only") as ari:
            return sorted(each["name"].partition("-")[0] for each in await ari.get("/channels"))

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        pid = self.asterisk.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    phones = [
        SippOfficer(number, answer_after_s=0.3, script=(Talk(FOREVER_S),)) for number in OFFICERS
    ]
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(
            AsteriskServer(officers={phone.number: phone.port for phone in phones})
        )
        for phone in phones:
            await stack.enter_async_context(phone)
        yield Scene(asterisk, folder, stack)


def is_phase(phase: CallPhase) -> Any:
    return lambda item: item.phase is phase


def raised(item: AlarmNotice) -> bool:
    return item.action is AlarmAction.RAISE


def cleared(item: AlarmNotice) -> bool:
    return item.action is AlarmAction.CLEAR


def blind(call_id: str) -> Transfer:
    return Transfer(call_id=call_id, from_login_id="23", to_login_id="13", mode=TransferMode.BLIND)


def convene() -> CallOut:
    staff = Staff(staff_id="2", staff_name="B", phone_nums=(Phone(number="1003", num_type="01"),))
    group = Group(group_id="1", call_mode=CallMode.ALL, staff=(staff,))
    return CallOut(event_id="E9", login_id="33", call_type=CallOutType.CONFERENCE, groups=(group,))


# --- it stands still -----------------------------------------------------------------------------
async def test_nothing_of_what_it_was_asked_for_while_it_stood_still_is_done_when_it_goes_on(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as stage:
        _, desk = await stage.linkage()
        call_id = await stage.talk(desk)
        together = await stage.bridged()
        given: list[tuple[Message, type[Message]]] = [
            (blind(call_id), TransferNotice),
            (convene(), CallOutResultNotice),
            (Hold(call_id=call_id, login_id="23", action=HoldAction.HOLD), HoldNotice),
            (MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE), MuteNotice),
            (Hangup(call_id=call_id), HangupNotice),
        ]
        with stage.standing_still():
            for message, _ in given:
                await desk.application.send(message, expire_s=SHORT_S)
            outcomes = [
                await desk.next(notice, lambda item: item.result is not None)
                for _, notice in given
            ]
        assert {each.result for each in outcomes} == {Result.EXPIRED}
        after = len(desk.told)
        await desk.application.send(blind(call_id))  # in time, and done after all that was before
        await desk.next(TransferNotice, is_phase(CallPhase.DONE), after)
        await desk.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED, after)
        assert await stage.numbers() == ["PJSIP/1002", "PJSIP/caller"]
        (now,) = await stage.bridged()
        assert set(now) & set(together[0]), "the caller is still there"
        assert len([each for each in desk.told if isinstance(each, CallOutResultNotice)]) == 1


async def test_calls_live_on_when_it_stood_still_for_so_long_that_the_link_was_given_up(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as stage:
        _, desk = await stage.linkage()
        call_id = await stage.talk(desk)
        together = await stage.bridged()
        with stage.standing_still():
            await desk.application.send(blind(call_id), expire_s=SHORT_S)
            await desk.next(AlarmNotice, raised)
        await desk.next(AlarmNotice, cleared)
        assert await stage.bridged() == together
        await desk.application.send(blind(call_id))
        await desk.next(TransferNotice, is_phase(CallPhase.DONE))


# --- it takes nobody, or gives one file to nobody ------------------------------------------------
async def test_a_password_that_is_wrong_for_a_while_is_an_alarm_and_no_more(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as stage:
        _, desk = await stage.linkage()
        call_id = await stage.talk(desk)
        conf = stage.asterisk.folder / "etc" / "ari.conf"
        right = conf.read_text()
        conf.write_text(right.replace(stage.asterisk.ari_password, "quite-another-password"))
        await stage.asterisk.cli("module reload res_ari.so")
        mute = MuteCall(call_id=call_id, login_id="23", action=MuteAction.MUTE)
        await desk.application.send(mute)
        alarm = await desk.next(AlarmNotice, raised)
        assert alarm.text is not None
        assert "ari.conf" in alarm.text
        conf.write_text(right)
        await stage.asterisk.cli("module reload res_ari.so")
        await desk.next(AlarmNotice, cleared)
        # The call that was up is told of on, and a new one is served.
        await desk.application.send(Hangup(call_id=call_id))
        end = await desk.next(
            HangupNotice, lambda item: item.call_id == call_id and item.scope is HangupScope.CALL
        )
        after = len(desk.told)
        async with stage.caller("13800138000"):
            await desk.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED, after)
    assert end.reason == Reason.NORMAL


async def test_a_recording_that_it_may_not_open_is_that_recordings(tmp_path: Path) -> None:
    """As root it may open anything, so its answer is had by a directory of that name."""
    async with scene(tmp_path) as stage:
        _, desk = await stage.linkage(record=True)
        call_id = await stage.talk(desk)
        await desk.next(RecordingNotice, lambda item: item.action is RecordingNoticeAction.START)
        await stage.asterisk.recorded()
        (path,) = stage.asterisk.recordings.rglob("*.wav")
        path.unlink()
        path.mkdir()
        await desk.application.send(Hangup(call_id=call_id))
        failed = await desk.next(
            RecordingNotice, lambda item: item.action is RecordingNoticeAction.FAILED
        )
        after = len(desk.told)
        async with stage.caller("13800138000"):
            await desk.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED, after)
        assert not [each for each in desk.told if isinstance(each, AlarmNotice) and raised(each)]
    assert failed.reason is not None


# --- two linkages --------------------------------------------------------------------------------
@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGKILL])
async def test_the_older_of_two_linkages_stops_and_no_call_is_cut_off(
    tmp_path: Path, ends: signal.Signals
) -> None:
    async with scene(tmp_path) as stage:
        _, first = await stage.linkage()
        call_id = await stage.talk(first)
        together = await stage.bridged()
        other, second = await stage.linkage()
        alarm = await first.next(AlarmNotice, raised)
        assert alarm.text is not None
        assert "app" in alarm.text
        async with stage.caller("13800138000"):
            await second.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED)
            calls = [each for each in second.told if isinstance(each, IncomingCallNotice)]
            assert [each.phone_num for each in calls] == ["13800138000"]
            assert together[0] in await stage.bridged()
            assert not [
                each for each in second.told if isinstance(each, AlarmNotice) if raised(each)
            ]
            assert not [each for each in first.told if isinstance(each, HangupNotice)]
            if ends is signal.SIGTERM:
                await second.application.send(Hangup(call_id=calls[0].call_id))
                await second.next(HangupNotice, lambda item: item.scope is HangupScope.CALL)
            await other.kill(ends)
        await first.next(AlarmNotice, cleared)
        assert together[0] in await stage.bridged()
        await first.application.send(Hangup(call_id=call_id))
        end = await first.next(HangupNotice, lambda item: item.scope is HangupScope.CALL)
    assert end.call_id == call_id
