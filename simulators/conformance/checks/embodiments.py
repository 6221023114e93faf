"""Both of the patent's embodiments, as far as the other side can be driven (steps 301 to 420)."""

from __future__ import annotations

import asyncio
from typing import Final

from protocol.envelope import Request, Response
from protocol.message import Message
from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceNoticeAction,
    CreateEvent,
    Group,
    Hangup,
    HangupNotice,
    IncomingCallNotice,
    Phone,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
)
from protocol.messages import ConferenceNotice as Conference
from protocol.reasons import Reason
from protocol.results import Result
from protocol.roles import Role
from simulators.conformance.checks.requests import CALLER, incoming
from simulators.conformance.harness import Harness, demand, describe
from simulators.conformance.model import Check, FailedError, SkippedError

EVENT_ID: Final = "1213243"
"""The patent's."""
AGAIN_S: Final = 0.5
"""Between two attempts of a command that came too early."""


# --- an application ------------------------------------------------------------------------------
async def _alarm(harness: Harness) -> str:
    """Embodiment 1: 100, their 201, 105, 102."""
    connection = await harness.connection()
    call_id, login_id = harness.new_call(), harness.settings.login_id
    mark = connection.mark
    await harness.accepted(incoming(harness, call_id))
    created = await harness.next_request(
        connection, mark, lambda request: _creates(request, call_id), harness.settings.quiet_s
    )
    event_id = EVENT_ID
    if created is not None:
        assert isinstance(created.message, CreateEvent)
        event_id = created.message.event_id
    if not harness.settings.legacy:
        await harness.accepted(
            CallStateNotice(call_id=call_id, event_id=event_id, state=CallState.ANSWERED)
        )
    await harness.accepted(
        TransferNotice(
            call_id=call_id,
            from_login_id=login_id,
            to_login_id="24",
            phone_num=CALLER,
            event_id=event_id,
            phase=None if harness.settings.legacy else CallPhase.DONE,
        )
    )
    await harness.accepted(
        HangupNotice(
            call_id=call_id,
            login_id="24",
            phone_num=CALLER,
            event_id=event_id,
            content="通话正常结束",
        )
    )
    return f"it created the event {event_id}" if created is not None else "it sent no 201"


def _creates(request: Request, call_id: str) -> bool:
    return isinstance(request.message, CreateEvent) and request.message.call_id == call_id


async def _conference(harness: Harness) -> str:
    """Embodiment 2, as it reaches the application: 103, 110 for each person, 102."""
    conference, call_id = harness.new_call(), harness.new_call()
    legacy = harness.settings.legacy

    def event(action: ConferenceNoticeAction) -> Message:
        return Conference(
            call_id=call_id,
            conference_id=conference,
            login_id=harness.settings.login_id,
            event_id=EVENT_ID,
            action=None if legacy else action,
        )

    def result(number: str, reason: Reason | None) -> Message:
        return CallOutResultNotice(
            event_id=EVENT_ID,
            call_id=call_id,
            conference_id=conference,
            phone_num=number,
            reason=reason,
        )

    await harness.accepted(event(ConferenceNoticeAction.CREATED))
    await harness.accepted(result(CALLER, None))
    await harness.accepted(result("13912344445", Reason.CALL_FAILED))
    if not legacy:
        await harness.accepted(
            CallOutProgressNotice(
                event_id=EVENT_ID, total=2, answered=1, failed=1, pending=0, finished=True
            )
        )
        await harness.accepted(event(ConferenceNoticeAction.ENDED))
    await harness.accepted(
        HangupNotice(call_id=call_id, conference_id=conference, event_id=EVENT_ID)
    )
    return "one joined, one did not"


# --- a platform ----------------------------------------------------------------------------------
async def _alarm_at_platform(harness: Harness) -> str:
    """Embodiment 1: a call there, our 201, our 205 and its 105, our 202 and its 102."""
    call = await _call(harness)
    call_id = call.call_id
    await _served(harness, CreateEvent(call_id=call_id, event_id=EVENT_ID))
    done = ["201"]
    transfer_to = harness.settings.transfer_to
    if transfer_to is not None and not harness.settings.legacy:
        transfer = Transfer(
            call_id=call_id,
            from_login_id=call.login_id,
            to_login_id=transfer_to,
            mode=TransferMode.BLIND,
            event_id=EVENT_ID,
        )
        await _command(harness, transfer, TransferNotice, call_id)
        done.append("205, and its 105")
    if not harness.settings.legacy:
        await _command(harness, Hangup(call_id=call_id), HangupNotice, call_id)
        done.append("202, and its 102")
    return f"call {call_id}: {', '.join(done)}"


async def _call(harness: Harness) -> IncomingCallNotice:
    within_s = harness.settings.call_within_s
    await harness.connection()
    call = await harness.wait_for_call(within_s)
    if call is None:
        raise SkippedError(
            f"nobody placed a call there within {within_s:g} s: place one while the kit waits "
            "(see --call-within)"
        )
    return call


async def _served(harness: Harness, command: Message) -> Response:
    """A command that was taken. Too early (306) is asked again.

    Raises:
        SkippedError: the platform does not serve it (501).
        FailedError: it is refused otherwise.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + harness.settings.call_within_s
    while True:
        response = await harness.ask(harness.make(command))
        if response.result != Result.WRONG_STATE or loop.time() > give_up:
            break
        await asyncio.sleep(AGAIN_S)
    if response.result == Result.NOT_SUPPORTED:
        raise SkippedError(f"it does not serve {command.number} (501)")
    demand(response.accepted, f"{command.number} taken (result 0–9)", describe(response))
    return response


async def _command(
    harness: Harness, command: Message, outcome: type[Message], call_id: str
) -> None:
    connection = await harness.connection()
    mark = connection.mark
    await _served(harness, command)
    notice = await harness.next_request(
        connection,
        mark,
        lambda request: (
            isinstance(request.message, outcome) and request.message.call_id == call_id
        ),
        harness.settings.call_within_s,
    )
    if notice is None:
        raise FailedError(
            f"a notice {outcome.number} with CallId {call_id}, as {command.number} was accepted",
            connection.end or f"none in {harness.settings.call_within_s:g} s",
        )


def call_out(harness: Harness, numbers: tuple[str, ...]) -> CallOut:
    """The patent's 210: everybody into one conference."""
    staff = tuple(
        Staff(staff_id=str(index), phone_nums=(Phone(num_type="01", number=number),))
        for index, number in enumerate(numbers, start=1)
    )
    return CallOut(
        event_id=EVENT_ID,
        login_id=harness.settings.login_id,
        call_type=CallOutType.CONFERENCE,
        groups=(Group(group_id="136", call_mode=CallMode.ALL, staff=staff),),
    )


async def _conference_at_platform(harness: Harness) -> str:
    """Embodiment 2: our 210, and a 110 for each number, with the EventId; told once only.

    The command is sent a second time as after a reconnect: nobody may be called twice.
    """
    numbers = harness.settings.numbers
    if not numbers:
        raise SkippedError("no numbers that may be called: give them with --number")
    connection = await harness.connection()
    mark = connection.mark
    request = harness.make(call_out(harness, numbers))
    first = await harness.ask(request)
    if first.result == Result.NOT_SUPPORTED:
        raise SkippedError("it does not serve 210 (501)")
    demand(first.accepted, "210 taken (result 0–9)", describe(first))
    again = Request(
        id=request.id,
        message=request.message,
        time=request.time,
        resend=not harness.settings.legacy,
    )
    second = await harness.ask(again)
    demand(second.accepted, "the same 210 again answered alike", describe(second))
    for number in numbers:
        await _result_of(harness, number, mark)
    await connection.stay(harness.settings.quiet_s)
    for number in numbers:
        told = len(_results(harness, number, mark))
        demand(told == 1, f"one 110 for {number}", f"{told}: a repeated 210 was done twice")
    return f"{len(numbers)} numbers called"


def _results(harness: Harness, number: str, mark: int) -> list[CallOutResultNotice]:
    live = harness.live
    items = [] if live is None else live.since(mark)
    messages = [item.message for item in items if isinstance(item, Request)]
    return [
        message
        for message in messages
        if isinstance(message, CallOutResultNotice) and message.phone_num == number
    ]


async def _result_of(harness: Harness, number: str, mark: int) -> None:
    connection = await harness.connection()
    within_s = harness.settings.call_within_s
    await connection.wait(lambda: bool(_results(harness, number, mark)), within_s)
    found = _results(harness, number, mark)
    demand(bool(found), f"a 110 for {number}", connection.end or f"none in {within_s:g} s")
    demand(
        found[0].event_id == EVENT_ID,
        f"EventId {EVENT_ID} in the 110 for {number}",
        f"EventId {found[0].event_id}",
    )


CHECKS: Final = (
    Check(
        name="embodiment-1",
        title="It follows a call from 100 to 102 (patent, steps 301–314)",
        section="the-patents-embodiments",
        remedy="Take 100, 115, 105 and 102 with Result 0; a 201 of yours names the CallId of the "
        "100 and your EventId of at most 20 characters.",
        run=_alarm,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="embodiment-2",
        title="It follows a conference from 103 to 102 (patent, steps 401–420)",
        section="the-patents-embodiments",
        remedy="Take 103, 110 (Reason NULL means joined), 116 and 102 with Result 0.",
        run=_conference,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="embodiment-1",
        title="It lets an event be created for a call, and transfers and ends it "
        "(patent, steps 301–314)",
        section="the-patents-embodiments",
        remedy="Announce each call by 100; take 201 for its CallId; after 205 send 105, after 202 "
        "send 102, each with that CallId.",
        run=_alarm_at_platform,
        roles=(Role.PLATFORM,),
    ),
    Check(
        name="embodiment-2",
        title="It calls people into a conference, and tells of each once (patent, steps 401–420)",
        section="the-patents-embodiments",
        remedy="Answer 210 with 0 or 1, send one 110 for each number, with the EventId of the "
        "210; recognise a 210 that is sent again by its Id, Type and body.",
        run=_conference_at_platform,
        roles=(Role.PLATFORM,),
    ),
)
