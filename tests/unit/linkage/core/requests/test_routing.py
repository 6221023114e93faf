"""Who is told of a notice, and which platform gets a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from linkage.core.peers import Peers
from protocol import messages as m
from protocol.message import Message
from protocol.messages import message_class
from tests.fakes.core_bench import Bench, config, legacy, peer
from tests.fakes.said import call_out, create, hangup, incoming, transfer

Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A bench with the peers of a test."""
    made: list[Bench] = []

    def with_peers(*peers: dict[str, Any]) -> Bench:
        made.append(Bench(tmp_path, peers))
        return made[0]

    yield with_peers
    for bench in made:
        bench.check()
        bench.close()


# --- whose call it is ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "login", "takes"),
    [
        ("2222", None, ["exact"]),
        ("2223", None, ["prefix"]),
        ("22", None, ["prefix"]),
        ("3333", None, ["all", "all2"]),
        (None, None, ["all", "all2"]),
        ("3333", "23", ["login"]),
        ("2222", "23", ["exact"]),
    ],
)
def test_a_new_call_is_of_who_takes_its_number_most_exactly_then_of_its_login(
    tmp_path: Path, number: str | None, login: str | None, takes: list[str]
) -> None:
    peers = Peers.of(
        config(
            tmp_path,
            [
                peer("all", "application"),
                peer("all2", "application"),
                peer("prefix", "application", numbers=["22*"]),
                peer("exact", "application", numbers=["2222", "9*"]),
                peer("login", "application", numbers=[], logins=["23"]),
                peer("watch", "monitor"),
            ],
        ),
        {},
    )

    assert [item.id for item in peers.takers(number, login).peers] == takes


def test_a_call_that_two_take_is_nobody_s_until_one_makes_its_event(make: Make) -> None:
    bench = make(peer("a", "application"), peer("b", "application"), peer("pbx", "platform"))
    bench.say("pbx", incoming())
    assert (bench.types("a"), bench.types("b")) == ([100], [100])

    bench.say("b", create())
    bench.say("pbx", hangup())

    assert bench.types("a") == []
    assert bench.types("b") == [101, 102]


def test_an_outgoing_call_is_of_the_number_it_comes_from(bench: Bench) -> None:
    bench.say("pbx", incoming(direction=m.CallDirection.OUT, phone_num="3333", to_num="2222"))

    assert bench.types("other") == [100]


def test_notices_go_to_the_owner_of_the_event_whatever_the_number(bench: Bench) -> None:
    bench.say("other", create(call_id=None))

    bench.say("pbx", incoming(event_id="E1", to_num="999"))
    bench.say("pbx", hangup())

    assert bench.types("other") == [100, 102]
    assert bench.types("desk") == []


def test_a_call_without_event_stays_with_whom_it_was_routed_to(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", m.HoldNotice(call_id="C1", login_id="77"))
    bench.say("pbx", hangup())

    assert bench.types("desk") == [100, 106, 102]
    assert bench.types("other") == []


def test_a_monitor_hears_everything_once(make: Make) -> None:
    bench = make(peer("desk", "application"), peer("watch", "monitor"), peer("pbx", "platform"))
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.say("pbx", hangup())

    assert bench.types("watch") == bench.types("desk") == [100, 101, 102]


def test_notices_of_a_platform_as_a_whole_go_to_every_application(bench: Bench) -> None:
    bench.say("pbx", m.PlatformStatusNotice(load=80))
    assert (bench.types("desk"), bench.types("other")) == ([191], [191])


def test_data_that_nobody_asked_for_goes_to_nobody(bench: Bench) -> None:
    assert bench.say("pbx", m.SnapshotNotice(page=1, pages=1)).result == 0

    assert (bench.types("desk"), bench.types("other")) == ([], [])


def test_an_outcome_goes_to_the_application_that_asked_though_the_call_is_another_s(
    bench: Bench,
) -> None:
    bench.say("desk", call_out(None), "my-id")
    (command,) = bench.heard("pbx")

    bench.say("pbx", incoming(to_num="3333", request_id=command.request.id))

    (heard,) = bench.heard("desk")
    assert heard.message.request_id == "my-id"
    (routed,) = bench.heard("other")
    assert routed.message.request_id is None, "another application's Id is none of its business"


# --- screens -------------------------------------------------------------------------------------
SCREENS = (
    peer("desk", "application"),
    peer("cs", "communication-screen", login="23"),
    peer("cs13", "communication-screen", login="13"),
    peer("bs", "business-screen", application="desk", login="23"),
    peer("pbx", "platform"),
)


def test_a_communication_screen_sees_the_mirror_of_its_dispatcher_s_calls(make: Make) -> None:
    bench = make(*SCREENS)
    bench.say("pbx", incoming())
    bench.say("pbx", m.HoldNotice(call_id="C1"))
    bench.say("pbx", m.TransferNotice(call_id="C1", from_login_id="23", to_login_id="13"))
    bench.say("pbx", hangup(login_id="13"))

    mirrored = bench.heard("cs")
    assert [item.type for item in mirrored] == [300, 306, 305]
    assert [type(item.message) for item in mirrored] == [
        message_class(no) for no in (300, 306, 305)
    ]
    assert mirrored[0].message.call_id == "C1"
    assert bench.types("cs13") == [305, 302]
    assert bench.types("bs") == []


def test_a_screen_s_action_reaches_the_platform_as_the_command_it_mirrors(make: Make) -> None:
    bench = make(*SCREENS)
    bench.say("pbx", incoming())
    bench.heard("cs")
    action = message_class(405)
    assert action is not None
    message = action(call_id="C1", to_login_id="13", mode=m.TransferMode.BLIND)  # type: ignore[call-arg]  # made by the mirror rule

    assert bench.say("cs", message, "own").result == 1

    (command,) = bench.heard("pbx")
    assert isinstance(command.message, m.Transfer)
    assert command.message.to_login_id == "13"
    # What comes of it goes back as a 3xx that names the screen's own Id.
    bench.say(
        "pbx",
        m.TransferNotice(
            call_id="C1", request_id=command.request.id, phase=m.CallPhase.FAILED, result=306
        ),
    )
    (heard,) = bench.heard("cs")
    assert (heard.type, heard.message.request_id) == (305, "own")


def test_a_screen_may_open_the_event_of_its_call(make: Make) -> None:
    bench = make(*SCREENS)
    bench.say("pbx", incoming())
    bind = message_class(401)
    assert bind is not None

    assert bench.say("cs", bind(call_id="C1", event_id="E1")).result == 0

    assert bench.bound() == {"call:C1": ("E1", "created")}
    assert bench.events()["E1"].owner == "desk"


def test_business_screens_and_their_application_hear_each_other(make: Make) -> None:
    bench = make(*SCREENS)
    push, action = message_class(500), message_class(601)
    assert push is not None
    assert action is not None
    shown = push(call_id="C1", direction=m.CallDirection.IN, login_id="23")  # type: ignore[call-arg]  # the same

    assert bench.say("desk", shown).result == 0
    assert bench.say("bs", action(call_id="C1")).result == 0

    assert bench.types("bs") == [500]
    assert bench.types("desk") == [601]
    assert bench.types("pbx") == []


def test_a_platform_s_own_push_reaches_the_screen_it_names(make: Make) -> None:
    bench = make(*SCREENS)
    push = message_class(300)
    assert push is not None
    message = push(call_id="C1", direction=m.CallDirection.IN, screen_id="cs13")  # type: ignore[call-arg]  # the same

    assert bench.say("pbx", message).result == 0
    assert (bench.types("cs"), bench.types("cs13")) == ([], [300])

    nowhere = push(call_id="C1", direction=m.CallDirection.IN, screen_id="gone")  # type: ignore[call-arg]  # the same
    assert bench.say("pbx", nowhere).result == 303


def test_a_call_that_two_applications_take_is_told_to_both_to_its_end(make: Make) -> None:
    """Only the 100 carries the number; what follows must not fall between the two."""
    bench = make(
        peer("one", "application", numbers=["2222"]),
        peer("two", "application", numbers=["2222"]),
        peer("pbx", "platform"),
    )
    bench.say("pbx", incoming())
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.ANSWERED))
    bench.say("pbx", m.CallStateNotice(call_id="C2", parent_call_id="C1", login_id="13"))
    assert bench.types("one") == bench.types("two") == [100, 115, 115]

    assert bench.say("one", create()).result == 0
    bench.say("pbx", hangup())
    assert bench.types("two") == []


def test_a_notice_that_names_only_a_command_can_be_read_by_everybody(bench: Bench) -> None:
    """Its RequestId is what makes it a message; to others than the sender it leads nowhere."""
    done = m.ConferenceNotice(request_id="4711", action=m.ConferenceNoticeAction.CREATED)
    bench.say("pbx", incoming())
    bench.heard("desk")

    assert bench.say("pbx", done).result == 0

    assert [item.message.request_id for item in bench.heard("desk")] in ([], ["4711"])


# --- legacy --------------------------------------------------------------------------------------
def test_a_legacy_application_hears_the_patent_s_types_only(make: Make) -> None:
    bench = make(legacy("old", "application", "10.0.0.1"), peer("pbx", "platform"))
    bench.say("pbx", incoming())
    bench.say("pbx", m.HoldNotice(call_id="C1"))
    bench.say("old", create())
    bench.say("pbx", m.CallStateNotice(call_id="C1", state=m.CallState.ANSWERED))
    bench.say("pbx", hangup())

    assert bench.types("old") == [100, 102]


def test_a_legacy_platform_gets_the_patent_s_commands_only(make: Make) -> None:
    bench = make(peer("desk", "application"), legacy("old", "platform", "10.0.0.1"))
    bench.say("old", incoming())

    assert bench.say("desk", create()).result == 0
    assert bench.say("desk", call_out()).result == 1
    assert bench.say("desk", transfer()).result == 501

    assert bench.types("old") == [201, 210]


def test_what_is_written_for_a_legacy_peer_has_no_elements_of_the_profile(make: Make) -> None:
    from protocol.codec import encode

    bench = make(legacy("old", "application", "10.0.0.1"), peer("pbx", "platform"))
    bench.say("pbx", incoming(queue_id="Q"))
    (heard,) = bench.heard("old")
    settings = bench.peers.by_id["old"].settings
    assert settings is not None

    written = encode(heard.request, settings.profile().dialect).decode()

    for profile in ("Seq=", "Time=", "OpId", "QueueId"):
        assert profile not in written
    assert "<PhoneNum>139123444444</PhoneNum>" in written


# --- commands to platforms -----------------------------------------------------------------------
def test_a_command_goes_to_the_platform_that_has_the_call(bench: Bench) -> None:
    bench.say("pbx2", incoming())
    assert bench.say("desk", transfer()).result == 1

    assert (bench.types("pbx"), bench.types("pbx2")) == ([], [205])


def test_a_command_for_an_event_goes_where_its_last_call_was(bench: Bench) -> None:
    bench.say("pbx2", incoming())
    bench.say("desk", create())
    bench.say("pbx2", hangup())
    bench.heard("pbx2")

    assert bench.say("desk", call_out("E1")).result == 1

    assert bench.types("pbx2") == [210]


def test_a_text_for_an_event_goes_by_what_sends_texts_wherever_its_last_call_was(
    make: Make,
) -> None:
    bench = make(
        peer("desk", "application", numbers=["*"], platform="pbx"),
        peer("pbx", "platform"),
        peer("sms", "platform"),
        peer("sms2", "platform"),
    )
    for name, serves in (("pbx", 210), ("sms", 220), ("sms2", 220)):
        bench.peers.by_id[name].capability = {serves: frozenset()}
    bench.say("pbx", incoming())
    bench.say("desk", create())
    bench.heard("pbx")
    send = m.SendSms(
        receivers=(m.Receiver(phone_num="13900000001"),), content="yes", event_id="E1"
    )
    assert bench.say("desk", replace(send, call_id="C1")).result == 1
    bench.peers.by_id["sms"].connected = False
    assert bench.say("desk", send).result == 1
    bench.peers.by_id["sms2"].capability = {}
    assert bench.say("desk", send).result == 502
    assert [bench.types(name) for name in ("pbx", "sms", "sms2")] == [[], [220], [220]]


def test_a_command_that_decides_nothing_goes_to_the_configured_platform(bench: Bench) -> None:
    assert bench.say("desk", call_out("E9")).result == 1
    assert bench.types("pbx") == [210]


def test_commands_carry_what_linkage_knows_of_the_call(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", m.ConferenceNotice(call_id="C1", conference_id="2"))
    bench.say("desk", create())
    bench.heard("pbx")

    bench.say("desk", m.ConferenceControl(conference_id="2", action=m.ConferenceAction.LOCK))

    (command,) = bench.heard("pbx")
    assert (command.message.event_id, command.message.call_id) == ("E1", "C1")
    assert command.request.expire_s == 30


def test_a_command_to_a_platform_that_is_not_there_is_refused_at_once(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.peers.by_id["pbx"].connected = False

    refused = bench.say("desk", transfer())

    assert refused.result == 502
    assert bench.types("pbx") == []
    assert bench.journal()[-1].kind == "Refused"


def test_a_command_that_its_platform_cannot_do_is_refused_at_once(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.peers.by_id["pbx"].capability = {205: frozenset({int(m.TransferMode.CONSULT)})}

    assert bench.say("desk", transfer()).result == 501
    assert bench.say("desk", m.Hold(call_id="C1", action=m.HoldAction.HOLD)).result == 501


def test_hanging_up_an_event_hangs_up_each_of_its_calls(bench: Bench) -> None:
    bench.say("pbx", incoming("C1"))
    bench.say("pbx2", incoming("C2"))
    bench.say("pbx", incoming("C3"))
    for call in ("C1", "C2", "C3"):
        bench.say("desk", create("E1", call))
    bench.say("pbx", hangup("C3"))
    bench.heard("pbx"), bench.heard("pbx2")

    assert bench.say("desk", m.Hangup(event_id="E1", scope=m.HangupScope.EVENT)).result == 1

    assert [item.message.call_id for item in bench.heard("pbx")] == ["C1"]
    assert [item.message.call_id for item in bench.heard("pbx2")] == ["C2"]


def test_closing_an_event_hangs_up_what_lives_of_it_and_of_those_merged_into_it(
    bench: Bench,
) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", None))
    bench.say("desk", m.LinkEvent(event_id="E1", other_event_id="E2", action=m.LinkAction.MERGE))
    bench.heard("pbx")

    close = m.CloseEvent(event_id="E2", action=m.CloseAction.CLOSE, hangup_all=True)
    assert bench.say("desk", close).result == 0

    assert [item.message.call_id for item in bench.heard("pbx")] == ["C1"]


@pytest.mark.parametrize(
    ("message", "result"),
    [
        (m.Subscribe(action=m.SubscribeAction.SUBSCRIBE, numbers=("110",)), 202),
        (m.RotateKey(key_id="a KeyId of somebody", digest="d"), 201),
    ],
)
def test_what_only_linkage_could_do_is_never_passed_on(
    bench: Bench, message: Message, result: int
) -> None:
    assert bench.say("desk", message).result == result
    assert (bench.types("pbx"), bench.types("pbx2")) == ([], [])
