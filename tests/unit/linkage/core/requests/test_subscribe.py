"""291: who follows events that are not theirs; rights, persistence, end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.config.peers import PeerSettings
from protocol import messages as m
from protocol.message import Message
from tests.fakes.call_notices import leg
from tests.fakes.core_bench import PEERS, Bench, config, peer
from tests.fakes.said import create, hangup, incoming

SUBSCRIBE, UNSUBSCRIBE = m.SubscribeAction.SUBSCRIBE, m.SubscribeAction.UNSUBSCRIBE


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(
        tmp_path,
        (
            *PEERS,
            peer("police", "application", numbers=["110"], follows=["desk"]),
            peer("all", "application", numbers=["119"], follows=["*"]),
            peer("cs", "communication-screen", follows=["desk"]),
            peer("watch", "monitor"),
        ),
    )
    made.say("pbx", incoming())
    made.say("desk", create("E1"))
    made.say("desk", create("E2", None))
    made.say("pbx", incoming("C3", to_num="3333", phone_num="02188887777"))
    made.say("other", create("X1", "C3"))
    for receiver in made.peers.by_id:
        made.heard(receiver)
    yield made
    made.check()
    made.close()


def follow(
    event_id: str | None = None,
    *numbers: str,
    action: m.SubscribeAction = SUBSCRIBE,
    expire: int | None = None,
    **narrowed: str,
) -> Message:
    wanted = m.Filter(event_id=event_id, **narrowed) if event_id or narrowed else None
    return m.Subscribe(action=action, numbers=numbers, filter=wanted, expire=expire)


def test_who_follows_an_event_is_told_of_it_like_its_owner(bench: Bench) -> None:
    assert bench.say("police", follow("E1")).result == 0

    bench.say("pbx", leg("L1"))
    bench.say("pbx", hangup("C3"))

    (theirs,) = bench.heard("police")
    (mine,) = bench.heard("desk")
    assert (theirs.type, theirs.message) == (mine.type, mine.message)
    assert theirs.message.event_id == "E1"


def test_it_outlives_a_restart(bench: Bench) -> None:
    bench.say("police", follow("E1"))
    bench.restart()

    bench.say("pbx", hangup())

    assert bench.types("police") == [102]


def test_it_ends_when_it_is_unsubscribed(bench: Bench) -> None:
    bench.say("police", follow("E1"))
    bench.say("police", follow("E2", "102"))
    assert bench.say("police", follow("E1", action=UNSUBSCRIBE)).result == 0
    assert bench.say("police", follow("E1", action=UNSUBSCRIBE)).result == 2

    bench.say("pbx", leg("L1"))
    assert bench.types("police") == []

    everything = m.Subscribe(action=UNSUBSCRIBE)
    assert [bench.say("police", everything).result for _ in range(2)] == [0, 2]
    bench.restart()
    bench.say("pbx", incoming("C4", event_id="E2"))
    bench.say("pbx", hangup("C4"))
    assert bench.types("police") == []


def test_it_ends_when_its_time_is_over_and_a_newer_one_goes_on(bench: Bench) -> None:
    bench.say("police", follow("E1", expire=60))
    bench.say("all", follow("E1", expire=60))
    bench.clock.advance(50)
    bench.say("all", follow("E1", expire=60))
    bench.clock.advance(20)

    bench.say("pbx", hangup())

    assert (bench.types("police"), bench.types("all")) == ([], [102])


def test_it_is_narrowed_by_type_login_and_number(bench: Bench) -> None:
    bench.say("police", follow("E1", "102"))
    bench.say("all", follow(None, "1xx", login_id="23", phone_num="021"))

    bench.say("pbx", leg("L1"))
    assert (bench.types("police"), bench.types("all")) == ([], [])
    bench.say("pbx", leg("L3", "C3", login_id="99"))
    bench.say("pbx", m.HoldNotice(call_id="C3"))
    assert (bench.types("police"), bench.types("all")) == ([], [106])
    bench.say("pbx", hangup())
    assert bench.types("police") == [102]


def test_without_an_event_all_is_told_that_may_be_followed(bench: Bench) -> None:
    bench.say("police", follow())

    bench.say("pbx", m.HoldNotice(call_id="C1"))
    bench.say("pbx", m.HoldNotice(call_id="C3"))

    assert [heard.message.event_id for heard in bench.heard("police")] == ["E1"]


@pytest.mark.parametrize(
    ("source", "message", "result"),
    [
        ("desk", follow("X1"), 202),
        ("police", follow("X1"), 203),
        ("police", follow("E9"), 300),
        ("police", follow("E1", "210"), 103),
        ("police", follow("E1", "abc"), 103),
        ("police", follow("E1", org_id="7"), 501),
        ("police", follow("E1", expire=0), 103),
        ("pbx", follow("E1"), 202),
        ("watch", follow("X1"), 2),
    ],
)
def test_who_may_not_is_not_told(bench: Bench, source: str, message: Message, result: int) -> None:
    assert bench.say(source, message).result == result

    bench.say("pbx", hangup("C3"))
    bench.say("pbx", hangup("C1"))
    assert bench.types(source) == {"desk": [102], "watch": [102, 102]}.get(source, [])


def test_an_event_id_of_two_applications_is_not_guessed(bench: Bench) -> None:
    bench.say("other", create("E1", None))

    refused = bench.say("all", follow("E1"))

    assert refused.result == 306
    assert "desk, other" in str(refused.detail)
    assert bench.say("police", follow("E1")).result == 0


def test_a_right_that_was_taken_away_ends_what_was_subscribed_by_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    bench = Bench(folder, (*PEERS, peer("police", "application", numbers=[], follows=["desk"])))
    bench.say("pbx", incoming())
    bench.say("desk", create("E1"))
    bench.say("police", follow("E1"))
    bench.peers.by_id["police"].settings = peer_settings(folder)
    bench.heard("police")

    bench.say("pbx", hangup())

    assert bench.types("police") == []
    bench.close()


def peer_settings(folder: Path) -> PeerSettings | None:
    return config(folder, [peer("police", "application", numbers=[])]).find_peer("police")


def test_who_follows_an_event_follows_it_through_a_merge_and_back(bench: Bench) -> None:
    bench.say("police", follow("E1"))
    bench.say("pbx", incoming("C2", event_id="E2"))
    merge = m.LinkEvent(event_id="E1", other_event_id="E2", action=m.LinkAction.MERGE)
    bench.say("desk", merge)
    bench.say("pbx", m.HoldNotice(call_id="C2"))
    assert [heard.type for heard in bench.heard("police")] == [183, 106]

    unmerge = m.LinkEvent(event_id="E1", other_event_id="E2", action=m.LinkAction.UNMERGE)
    bench.say("desk", unmerge)
    bench.say("pbx", m.HoldNotice(call_id="C2"))
    bench.say("pbx", m.HoldNotice(call_id="C1"))
    told = bench.heard("police")
    assert [heard.type for heard in told] == [183, 106]
    assert told[-1].message.event_id == "E1"


def test_who_follows_an_event_hears_that_a_call_was_taken_from_it(bench: Bench) -> None:
    bench.say("police", follow("E1"))
    move = m.BindEvent(event_id="E2", call_id="C1", action=m.BindAction.MOVE)

    bench.say("desk", move)
    bench.say("pbx", m.HoldNotice(call_id="C1"))

    (told,) = bench.heard("police")
    assert isinstance(told.message, m.EventBoundNotice)
    assert (told.message.old_event_id, told.message.event_id) == ("E1", "E2")


def test_a_screen_follows_by_491_and_is_told_the_mirror(bench: Bench) -> None:
    ask = m.convert(follow("E1"), 491)
    assert ask is not None
    assert bench.say("cs", ask).result == 0

    bench.say("pbx", hangup())

    assert bench.types("cs") == [302]
    assert bench.types("desk") == [102]
