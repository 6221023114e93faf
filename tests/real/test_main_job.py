"""The main job, on real input: a telephone call, linked to a business event, end to end.

SIPp calls the hotline through Asterisk, with audio; `linkage serve` stands between Asterisk and an
application; everything that happened is found again under the EventID.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from linkage.client import Application
from protocol.message import Message
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceAction,
    ConferenceControl,
    ConferenceNotice,
    ConferenceNoticeAction,
    CreateEvent,
    Group,
    Hangup,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
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
from tests.real.peers.asterisk import AsteriskServer
from tests.real.peers.audio import loudness, samples_of
from tests.real.peers.linkage import LinkageProcess
from tests.real.peers.sipp import BUSY, FOREVER_S, SippCaller, SippOfficer, Talk

EVENT = "1213243"
CALLER = "13912344444"
OFFICERS = {"1001": "23", "1002": "13"}
EXPERT = "1003"
"""Whose telephone is busy."""
WITHIN_S = 30.0
RATE_HZ = 8000
M = TypeVar("M", bound=Message)


@dataclass
class Desk:
    """The application at work.

    Keeps all it was told, and lets a test wait for the next that fits.
    """

    application: Application
    told: list[Message] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        async for notice in self.application.notices():
            async with self._more:
                self.told.append(notice.message)
                self._more.notify_all()

    async def next(
        self, kind: type[M], fits: Callable[[M], bool] = lambda _: True, after: int = 0
    ) -> M:
        """The first notice of that kind that fits, from a position on; waits for it."""

        def found() -> M | None:
            return next(
                (item for item in self.told[after:] if isinstance(item, kind) and fits(item)), None
            )

        async with asyncio.timeout(WITHIN_S), self._more:
            await self._more.wait_for(lambda: found() is not None)
        message = found()
        assert message is not None
        return message


@dataclass
class Scene:
    """Everything that stands while a call is made."""

    asterisk: AsteriskServer
    linkage: LinkageProcess
    desk: Desk


@asynccontextmanager
async def scene(folder: Path, *more: SippOfficer) -> AsyncIterator[Scene]:
    """Asterisk with two officers who answer, linkage with its adapter.

    An application that listens. `more` telephones have their number for a LoginId.
    """
    phones = [
        SippOfficer(number, answer_after_s=0.3, script=(Talk(FOREVER_S),)) for number in OFFICERS
    ]
    phones += more
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(
            AsteriskServer(officers={phone.number: phone.port for phone in phones})
        )
        for phone in phones:
            await stack.enter_async_context(phone)
        officers = OFFICERS | {phone.number: phone.number for phone in more}
        linkage = LinkageProcess(folder, asterisk, officers=officers, record=True, ring_s=10)
        await stack.enter_async_context(linkage)
        application = await stack.enter_async_context(
            Application("127.0.0.1", linkage.port, "desk", secret=linkage.secret)
        )
        desk = Desk(application)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        listening = group.create_task(desk.listen())
        stack.callback(listening.cancel)
        yield Scene(asterisk, linkage, desk)


def call(asterisk: AsteriskServer) -> SippCaller:
    """A caller who talks until the other side hangs up."""
    return SippCaller(
        asterisk.sip_port, dials="12345", number=CALLER, script=(Talk(FOREVER_S),), patience_s=20
    )


async def open_event(desk: Desk) -> str:
    """The call arrives, is answered by the first officer.

    And the application creates its event.
    """
    incoming = await desk.next(IncomingCallNotice)
    assert incoming.phone_num == CALLER
    assert incoming.to_num == "12345"
    assert incoming.event_id is None
    call_id = incoming.call_id
    await desk.next(CallStateNotice, lambda item: item.state is CallState.BRIDGED)
    reply = await desk.application.send(
        CreateEvent(call_id=call_id, login_id="23", event_id=EVENT, title="火警 fire")
    )
    assert reply.result == 0
    return call_id


def is_phase(phase: CallPhase) -> Callable[[TransferNotice], bool]:
    return lambda item: item.phase is phase


async def shown_with_recording(linkage: LinkageProcess) -> Any:
    """`linkage event show`, checked for what every call of this file must leave behind."""
    shown = await linkage.run("event", "show", EVENT)
    operations = shown["operations"]
    kinds = {operation["kind"] for operation in operations}
    assert {"call", "leg", "transfer", "recording"} <= kinds
    assert all(operation["cause"] for operation in operations)
    (caller,) = [item for item in operations if item["kind"] == "call"]
    assert caller["cause"] == "created"
    assert caller["from"] == CALLER
    legs = {item["login_id"] for item in operations if item["kind"] == "leg"}
    assert legs == {"23", "13"}
    files = [file for operation in operations for file in operation["files"]]
    assert files
    for file in files:
        check_recording(Path(file["path"]), file["size"], file["sha256"])
    return shown


def check_recording(path: Path, size: int, sha256: str) -> None:
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256
    assert len(content) == size
    samples = samples_of(path)
    assert len(samples) > RATE_HZ, "the recording is longer than a second"
    assert loudness(samples) > 100, "the recording is not silent"


async def test_a_blind_transfer_keeps_the_event_and_everything_is_found_under_it(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at, call(at.asterisk) as caller:
        call_id = await open_event(at.desk)
        reply = await at.desk.application.send(
            Transfer(
                call_id=call_id, from_login_id="23", to_login_id="13", mode=TransferMode.BLIND
            )
        )
        done = await at.desk.next(TransferNotice, is_phase(CallPhase.DONE))
        assert done.event_id == EVENT
        assert done.to_login_id == "13"
        assert done.request_id == reply.request_id
        # Both talk for a while after the transfer, so that there is something to record.
        await at.desk.next(
            CallStateNotice, lambda item: item.state is CallState.BRIDGED and item.login_id == "13"
        )
        await at.asterisk.recorded()
        await at.desk.application.send(Hangup(call_id=call_id, scope=HangupScope.CALL))
        ended = await at.desk.next(HangupNotice, lambda item: item.call_id == call_id)
        assert ended.event_id == EVENT
        await caller.wait()
        await at.desk.next(
            RecordingNotice, lambda item: item.action is RecordingNoticeAction.SAVED
        )
        shown = await shown_with_recording(at.linkage)
        types = [entry["type"] for entry in shown["entries"] if entry["type"]]
        assert {100, 201, 205, 105, 202, 102, 108} <= set(types)
        times = [entry["at"] for entry in shown["entries"]]
        assert times == sorted(times)


async def test_an_attended_transfer_keeps_the_event(tmp_path: Path) -> None:
    async with scene(tmp_path) as at, call(at.asterisk) as caller:
        call_id = await open_event(at.desk)

        async def transfer(mode: TransferMode) -> None:
            await at.desk.application.send(
                Transfer(call_id=call_id, from_login_id="23", to_login_id="13", mode=mode)
            )

        await transfer(TransferMode.CONSULT)
        consulting = await at.desk.next(TransferNotice, is_phase(CallPhase.CONSULTING))
        assert consulting.event_id == EVENT
        await transfer(TransferMode.COMPLETE)
        done = await at.desk.next(TransferNotice, is_phase(CallPhase.DONE))
        assert done.event_id == EVENT
        await at.asterisk.recorded()
        await at.desk.application.send(Hangup(call_id=call_id, scope=HangupScope.CALL))
        ended = await at.desk.next(HangupNotice, lambda item: item.call_id == call_id)
        assert ended.event_id == EVENT
        await caller.wait()
        await at.desk.next(
            RecordingNotice, lambda item: item.action is RecordingNoticeAction.SAVED
        )
        await shown_with_recording(at.linkage)


async def test_a_call_goes_on_under_its_event_when_linkage_is_killed_in_the_middle(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at, call(at.asterisk) as caller:
        call_id = await open_event(at.desk)
        before = len(at.desk.told)
        await at.linkage.kill()
        await at.linkage.start()
        await at.desk.application.wait_ready()
        # Commands are not kept for a platform that is still connecting.
        await at.desk.next(PlatformStatusNotice, after=before)
        after = len(at.desk.told)
        reply = await at.desk.application.send(
            Transfer(
                call_id=call_id, from_login_id="23", to_login_id="13", mode=TransferMode.BLIND
            )
        )
        assert reply.accepted
        done = await at.desk.next(TransferNotice, is_phase(CallPhase.DONE), after)
        assert done.event_id == EVENT
        await at.asterisk.recorded()
        await at.desk.application.send(Hangup(call_id=call_id, scope=HangupScope.CALL))
        ended = await at.desk.next(HangupNotice, lambda item: item.call_id == call_id, after)
        assert ended.event_id == EVENT
        await caller.wait()
        await at.desk.next(
            RecordingNotice, lambda item: item.action is RecordingNoticeAction.SAVED
        )
        shown = await shown_with_recording(at.linkage)
        assert {entry["kind"] for entry in shown["entries"]} >= {"Message"}
        verified = await at.linkage.run("journal", "verify")
        assert verified["breaks"] == []


async def test_a_conference_is_convened_for_an_event_and_found_again_under_it(
    tmp_path: Path,
) -> None:
    """Patent steps 401 to 420: leader joins, expert is busy, his deputy joins."""
    async with scene(tmp_path, SippOfficer(EXPERT, refuses=BUSY)) as at:
        staff = {
            number: Staff(staff_id=f"S{number}", phone_nums=(Phone(number=number, num_type="01"),))
            for number in (*OFFICERS, EXPERT)
        }
        # Commands are not kept for a platform that is still connecting.
        await at.desk.next(PlatformStatusNotice)
        reply = await at.desk.application.send(
            CallOut(
                event_id=EVENT,
                login_id="99",
                call_type=CallOutType.CONFERENCE,
                record=True,
                groups=(
                    Group(group_id="136", call_mode=CallMode.ALL, staff=(staff["1001"],)),
                    Group(
                        group_id="137",
                        call_mode=CallMode.SEQUENTIAL,
                        staff=(staff[EXPERT], staff["1002"]),
                    ),
                ),
            )
        )
        assert reply.accepted
        stands = await at.desk.next(
            ConferenceNotice, lambda item: item.action is ConferenceNoticeAction.CONNECTED
        )
        assert (stands.event_id, stands.member_count) == (EVENT, 2)
        assert stands.request_id == reply.request_id
        results = [item for item in at.desk.told if isinstance(item, CallOutResultNotice)]
        assert {(item.staff_id, item.reason, item.event_id) for item in results} == {
            ("S1001", None, EVENT),
            ("S1003", Reason.BUSY, EVENT),
            ("S1002", None, EVENT),
        }
        await at.asterisk.recorded()
        await at.desk.application.send(
            ConferenceControl(
                call_id=stands.call_id,
                conference_id=stands.conference_id,
                action=ConferenceAction.END,
            )
        )
        ended = await at.desk.next(HangupNotice, lambda item: item.scope is HangupScope.CALL)
        assert ended.event_id == EVENT
        saved = await at.desk.next(
            RecordingNotice, lambda item: item.action is RecordingNoticeAction.SAVED
        )
        assert (saved.event_id, saved.conference_id) == (EVENT, stands.conference_id)
        shown = await at.linkage.run("event", "show", EVENT)
    operations = shown["operations"]
    assert {item["cause"] for item in operations} <= {"command", "derived", "explicit"}
    found = [(item["kind"], item["to"]) for item in operations if item["kind"] != "recording"]
    numbers = (*OFFICERS, EXPERT)
    assert sorted(found, key=str) == sorted(
        [
            ("call", None),
            ("conference", None),
            *(("leg", number) for number in numbers),
            *(("member", number) for number in numbers),
        ],
        key=str,
    )
    assert all(item["conference_id"] == stands.conference_id for item in operations)
    assert all(item["state"] == "ended" for item in operations if item["kind"] != "recording")
    (file,) = [file for item in operations for file in item["files"]]
    check_recording(Path(file["path"]), file["size"], file["sha256"])
    types = {entry["type"] for entry in shown["entries"] if entry["type"]}
    assert {210, 103, 104, 110, 116, 115, 203, 102, 108} <= types


async def test_the_plain_socket_client_does_the_same_work(tmp_path: Path) -> None:
    """The vendor's quickstart, word for word: no library of ours, no package at all."""
    phone = SippOfficer("1001", answer_after_s=0.3, script=(Talk(2),))
    program = Path(__file__).parents[2] / "examples" / "python" / "plain_client.py"
    async with AsteriskServer(officers={"1001": phone.port}) as asterisk, phone:
        linkage = LinkageProcess(tmp_path, asterisk, officers={"1001": "23"}, record=True)
        async with linkage:
            vendor = await asyncio.create_subprocess_exec(
                sys.executable, str(program), "127.0.0.1", str(linkage.port), "desk", EVENT,
                stdout=PIPE, env=os.environ | {"LINKAGE_SECRET": linkage.secret},
            )  # fmt: skip
            assert vendor.stdout is not None
            async with asyncio.timeout(WITHIN_S):
                assert b"290" in await vendor.stdout.readline()
                async with call(asterisk) as caller:
                    printed = await vendor.stdout.read()
                    await caller.wait()
                assert await vendor.wait() == 0, printed.decode()
            assert f"'EventId': '{EVENT}'" in printed.decode()
            shown = await linkage.run("event", "show", EVENT)
            assert "call" in {operation["kind"] for operation in shown["operations"]}
