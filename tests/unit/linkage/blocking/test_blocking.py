"""The client without asyncio: the same rules, for scripts."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

import linkage
from linkage.blocking import Application, CommunicationScreen, Monitor, Platform
from linkage.blocking.loop import LoopThread, StoppedError
from linkage.client import ClosedError, CommandRefusedError, State, UnreachableError
from linkage.client import RegistrationRefusedError as Refused
from protocol.envelope import Response
from protocol.messages import (
    CallDirection,
    CapabilityNotice,
    CreateEvent,
    Hangup,
    HangupNotice,
    IncomingCallNotice,
    QueryCapability,
)
from protocol.results import Result
from tests.fakes.core_bench import SECRET
from tests.unit.linkage.blocking.conftest import Address

WITHIN_S = 30.0


def call(number: int = 1) -> IncomingCallNotice:
    return IncomingCallNotice(call_id=f"c{number}", direction=CallDirection.IN, login_id="13")


def desk(address: Address, **options: Any) -> Application:
    return Application(*address, "desk", secret=SECRET, **options)


def pbx(address: Address, **options: Any) -> Platform:
    return Platform(*address, "pbx", secret=SECRET, **options)


def test_a_script_sees_a_call_files_an_event_and_hears_what_comes_of_its_command(
    address: Address,
) -> None:
    with desk(address) as app, pbx(address) as platform:
        assert platform.notify(call(), timeout_s=WITHIN_S).accepted
        notice = app.next_notice(timeout_s=WITHIN_S)
        assert isinstance(notice.message, IncomingCallNotice)
        assert (notice.seq, notice.repeat, notice.resend) == (1, False, False)
        assert notice.time is not None
        assert app.send(CreateEvent(call_id="c1", event_id="E1")).accepted
        reply = app.send(Hangup(call_id="c1", login_id="13"))
        commands = platform.commands(timeout_s=WITHIN_S)
        assert isinstance(next(commands).message, CreateEvent)
        command = next(commands)
        assert command.answer(Result.OK)
        platform.notify(HangupNotice(call_id="c1", login_id="13", request_id=command.id))
        ended = reply.outcome(HangupNotice, timeout_s=WITHIN_S)
        assert ended.event_id == "E1"
        for seen in app.notices(timeout_s=WITHIN_S):
            if isinstance(seen.message, HangupNotice):
                break
        states = [app.state]
    assert [*states, app.state] == [State.READY, State.CLOSED]


def test_all_outcomes_of_a_command_are_iterated_up_to_the_last(address: Address) -> None:
    with desk(address) as app:
        reply = app.send(QueryCapability())
        notices = list(reply.outcomes(timeout_s=WITHIN_S))
        assert isinstance(notices[-1], CapabilityNotice)
        assert reply.request_id == notices[-1].request_id


def test_a_loop_ends_when_nothing_comes_and_one_step_says_so(address: Address) -> None:
    with desk(address) as app:
        assert list(app.notices(timeout_s=0.01)) == []
        with pytest.raises(TimeoutError):
            app.next_notice(timeout_s=0.01)
    with pbx(address) as platform:
        assert list(platform.commands(timeout_s=0.01)) == []


def test_what_a_script_came_through_with_does_not_come_again(address: Address) -> None:
    with pbx(address) as platform:
        for number in (1, 2, 3, 4):
            platform.notify(call(number))
    with desk(address) as app:
        for notice in app.notices(timeout_s=WITHIN_S):
            if notice.message.call_id == "c2":
                break
    with pytest.raises(ZeroDivisionError), desk(address) as app:
        assert app.next_notice(timeout_s=WITHIN_S).message.call_id == str(1 / 0)
    with desk(address) as app:
        again = app.next_notice(timeout_s=WITHIN_S)
        assert again.message.call_id == "c3"
        assert again.acknowledge()
        last = app.next_notice(timeout_s=WITHIN_S)
        assert last.refuse(Result.NO_LOGIN, "nobody here")
        assert not last.acknowledge(), "the first answer counts"
    with desk(address) as app, pytest.raises(TimeoutError):
        app.next_notice(timeout_s=0.05)


def test_what_an_interrupted_call_has_taken_is_handed_out_by_the_next(address: Address) -> None:
    with desk(address) as app, pbx(address) as platform:
        platform.notify(call(1))
        app.wait_ready(timeout_s=WITHIN_S)
        hand = app.hand()
        app.call(app._fetch(hand), WITHIN_S)  # as if Ctrl-C came before it was handed out
        assert app.next_notice(timeout_s=WITHIN_S).message.call_id == "c1"


def test_each_thread_has_what_it_took_in_its_own_hand(address: Address) -> None:
    with desk(address) as app, pbx(address) as platform:
        platform.notify(call(1))
        platform.notify(call(2))
        taken = app.next_notice(timeout_s=WITHIN_S)
        others: list[object] = []

        def work() -> None:
            others.append(app.next_notice(timeout_s=WITHIN_S).message.call_id)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(WITHIN_S)
        assert others == ["c2"]
        assert not taken._received.settled, "the other thread did not answer for this one"


def test_what_a_thread_had_in_hand_when_it_ended_is_handed_out_again(address: Address) -> None:
    with desk(address) as app, pbx(address) as platform:
        platform.notify(call(1))
        thread = threading.Thread(target=lambda: app.next_notice(timeout_s=WITHIN_S))
        thread.start()
        thread.join(WITHIN_S)
        again = app.next_notice(timeout_s=WITHIN_S)
        assert (again.message.call_id, again.resend) == ("c1", True)


def test_refusals_and_absence_raise_as_they_do_in_the_library(address: Address) -> None:
    with desk(address) as app:
        with pytest.raises(CommandRefusedError):
            app.send(Hangup(call_id="never heard of"))
        assert not app.send(Hangup(call_id="never heard of"), check=False).accepted
    with (
        pytest.raises(Refused, match="check that linkage's configuration"),
        Application(*address, "desk", secret="another secret altogether"),
    ):
        pytest.fail("it must not come in")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = ("127.0.0.1", probe.getsockname()[1])
        with pytest.raises(UnreachableError, match="Connection refused"):
            desk(nowhere, open_timeout_s=0.05).__enter__()
    assert not [each for each in threading.enumerate() if each.name == "linkage:desk"]


def test_a_client_is_used_inside_its_with_and_opened_once(address: Address) -> None:
    app = desk(address)
    with pytest.raises(ClosedError, match="use it inside its `with`"):
        app.send(CreateEvent(event_id="1"))
    app.close()
    with app, pytest.raises(ClosedError, match="once"):
        app.__enter__()
    with pytest.raises(ClosedError, match="was closed"):
        app.next_notice()
    assert list(app.notices()) == []
    app.close()


def test_a_waiting_thread_is_freed_when_another_closes_the_client(address: Address) -> None:
    seen: list[object] = []
    with desk(address) as app:
        thread = threading.Thread(target=lambda: seen.append(list(app.notices())))
        thread.start()
        app.close()
        thread.join(WITHIN_S)
    assert seen == [[]]


def test_a_keyword_that_does_not_exist_is_refused(address: Address) -> None:
    app: Any = desk(address)
    with pytest.raises(TypeError, match=r"'timeout': did you mean 'timeout_s'\?"):
        app.next_notice(timeout=3)
    with pytest.raises(TypeError, match=r"'secrt': did you mean 'secret'\?"):
        Application(*address, "desk", secrt=SECRET)  # type: ignore[call-arg]  # on purpose
    with pytest.raises(TypeError, match=r"'alow': did you mean 'allowed'\?"):
        Application.listen(*address, "desk", alow=())  # type: ignore[call-arg]  # on purpose


def test_all_roles_are_there(address: Address) -> None:
    with Monitor(*address, "all", secret=SECRET) as monitor, pbx(address) as platform:
        platform.notify(call())
        assert monitor.next_notice(timeout_s=WITHIN_S).message.call_id == "c1"
    screen = CommunicationScreen(*address, "s", secret=SECRET, login_id="13")
    assert screen.peer_id == "s"
    with Application.listen("127.0.0.1", 0, "desk", secret=SECRET) as listening:
        assert listening.address[1] > 0
        assert listening.state is State.LISTENING
    assert linkage.blocking.Application is Application


async def test_inside_asyncio_it_refuses_to_stop_the_loop() -> None:
    with pytest.raises(RuntimeError, match=r"use linkage\.client here"):
        desk(("127.0.0.1", 1)).__enter__()


def test_a_thread_that_has_stopped_may_be_stopped_again() -> None:
    thread = LoopThread("x")
    thread.stop()
    thread.stop()


def test_a_thread_is_not_left_waiting_for_a_loop_that_another_stops() -> None:
    """Whatever the order in which the two come."""
    ended: list[str] = []
    for _ in range(100):
        thread = LoopThread("x")
        ready = threading.Barrier(2)
        asking = threading.Thread(target=_ask, args=(thread, ready, ended), daemon=True)
        asking.start()
        ready.wait()
        thread.stop()
        asking.join(WITHIN_S)
    assert ended == ["StoppedError"] * 100


def _ask(thread: LoopThread, ready: threading.Barrier, ended: list[str]) -> None:
    ready.wait()
    try:
        thread.call(asyncio.sleep(3600))
    except StoppedError as error:
        ended.append(type(error).__name__)


SCRIPT = """
import signal, sys
from linkage.blocking import Application
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a script runs by "&"
try:
    with Application("127.0.0.1", int(sys.argv[1]), "desk", secret=sys.argv[2]) as app:
        print("waiting", flush=True)
        for notice in app.notices():
            print(notice)
except KeyboardInterrupt:
    print("stopped in order:", app.state.value, flush=True)
"""


def test_ctrl_c_ends_a_waiting_script_in_order(address: Address) -> None:
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(address[1]), SECRET],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with script:
        assert script.stdout is not None
        assert script.stdout.readline() == "waiting\n"
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=WITHIN_S)
    assert (out, err, script.returncode) == ("stopped in order: closed\n", "", 0)


def test_a_response_is_what_the_library_gives(address: Address) -> None:
    with pbx(address) as platform:
        response = platform.notify(call())
        assert isinstance(response, Response)
        assert response.accepted
