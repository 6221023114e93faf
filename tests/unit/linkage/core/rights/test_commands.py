"""Who may ask what: every refusal leaves an entry, and nothing else happens to anyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import PEERS, Bench, peer
from tests.fakes.said import call_out, create, hangup, incoming, transfer

MOVE, BIND, UNBIND = m.BindAction.MOVE, m.BindAction.BIND, m.BindAction.UNBIND
MERGE, UNMERGE = m.LinkAction.MERGE, m.LinkAction.UNMERGE
RELEASE, JOIN = m.SupervisionAction.FORCE_RELEASE, m.ConferenceAction.MERGE
CLOSE, REOPEN = m.CloseAction.CLOSE, m.CloseAction.REOPEN


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(
        tmp_path,
        (
            *PEERS,
            peer("watch", "monitor"),
            peer("reader", "application", types=[280, 293], numbers=[]),
            peer("cs", "communication-screen", login="23"),
        ),
    )
    made.say("pbx", incoming())
    made.say("desk", create("E1"))
    made.say("pbx", incoming("C2", to_num="3333"))
    made.say("other", create("X1", "C2"))
    made.say("pbx", m.ConferenceNotice(conference_id="7", call_id="C2"))
    made.say("pbx", saved("R1", "F1", "C1"))
    made.say("pbx", saved("R2", "F2", "C2"))
    for receiver in ("desk", "other", "pbx", "pbx2", "watch", "cs"):
        made.heard(receiver)
    yield made
    made.check()
    made.close()


def saved(record_id: str, file_id: str, call_id: str) -> m.RecordingNotice:
    return m.RecordingNotice(
        record_id=record_id,
        file_id=file_id,
        call_id=call_id,
        action=m.RecordingNoticeAction.SAVED,
    )


def refused(bench: Bench, source: str, message: Message) -> int:
    """The result of a refusal; proves that it did nothing but an entry in the journal."""
    before = (bench.operations(), bench.events(), len(bench.journal()))

    response = bench.say(source, message)

    operations, events, entries = before
    assert bench.operations() == operations
    assert bench.events() == events
    last = bench.journal()[-1]
    assert len(bench.journal()) == entries + 1
    assert (last.kind, last.source, last.type) == ("Refused", source, message.number)
    assert last.result == response.result
    assert last.detail
    for receiver in bench.peers.by_id:
        assert bench.heard(receiver) == []
    return response.result


@pytest.mark.parametrize(
    ("message", "result"),
    [
        # another application's
        (transfer("C2"), 203),
        (create("E2", "C2"), 203),
        (m.QueryEventRecord(event_id="X1"), 203),
        (m.UpdateEvent(event_id="X1", title="mine"), 203),
        (m.CloseEvent(event_id="X1", action=CLOSE), 203),
        (m.Hangup(conference_id="7"), 203),
        (m.Hangup(event_id="X1", scope=m.HangupScope.EVENT), 203),
        (m.BindEvent(event_id="E1", op_id="2", action=MOVE), 203),
        (m.LinkEvent(event_id="E1", other_event_id="X1", action=MERGE), 203),
        (m.SnapshotRequest(event_id="X1"), 203),
        # another's call by another name
        (m.Supervise(target_call_id="C2", action=RELEASE, reason="why"), 203),
        (m.Supervise(target_login_id="23", action=RELEASE, reason="why"), 203),
        (m.Hangup(phone_num="139123444444"), 203),
        (m.Transfer(from_login_id="23", to_login_id="24", mode=m.TransferMode.BLIND), 203),
        (m.Hold(login_id="23", action=m.HoldAction.HOLD), 203),
        (m.Hold(call_id="C1", op_id="2", action=m.HoldAction.HOLD), 203),
        (m.Hold(call_id="C1", parent_call_id="C2", action=m.HoldAction.HOLD), 203),
        (m.ConferenceControl(conference_id="1", action=JOIN, to_conference_id="7"), 302),
        (m.ConferenceControl(call_id="C1", action=JOIN, to_conference_id="7"), 203),
        # what a platform keeps of another's
        (m.RecordingControl(action=m.RecordingAction.FETCH, record_id="R2"), 203),
        (m.GetFile(file_id="F2", purpose="to listen"), 203),
        (m.MediaControl(call_id="C1", action=m.MediaAction.PLAY, file_id="F2"), 203),
        # unknown
        (m.GetFile(file_id="F9", purpose="to listen"), 305),
        (transfer("C9"), 301),
        (create("E2", "C9"), 301),
        (m.QueryCall(call_id="C9"), 301),
        (m.Hangup(conference_id="9"), 302),
        (m.QueryEventRecord(event_id="E9"), 300),
        (m.UpdateEvent(event_id="E9", title="x"), 300),
        (m.BindEvent(event_id="E9", call_id="C1", action=MOVE), 300),
        (m.LinkEvent(event_id="E1", other_event_id="E9", action=MERGE), 300),
        (m.BindEvent(event_id="E1", op_id="99", action=MOVE), 301),
        (m.BindEvent(event_id="E1", op_id="²", action=MOVE), 301),
        (m.BindEvent(event_id="E1", op_id="9" * 20, action=MOVE), 301),
        (m.Hangup(phone_num="139", scope=m.HangupScope.EVENT), 300),
        # not in this state
        (create("E1", None), 307),
        (m.BindEvent(event_id="E1", op_id="3", action=UNBIND), 203),
        (m.CloseEvent(event_id="E1", action=REOPEN), 306),
        (m.LinkEvent(event_id="E1", other_event_id="E1", action=MERGE), 103),
        (m.LinkEvent(event_id="E1", other_event_id="E1", action=m.LinkAction.SPLIT), 103),
        # not an application's
        (m.ReplayRequest(from_seq=0), 103),
        (m.ReplayRequest(from_seq=1, numbers=("11x",)), 103),
    ],
)
def test_what_an_application_may_not_ask(bench: Bench, message: Message, result: int) -> None:
    assert refused(bench, "desk", message) == result


@pytest.mark.parametrize(
    "message",
    [
        m.Supervise(target_call_id="C1", action=RELEASE, reason="why"),
        m.RecordingControl(action=m.RecordingAction.FETCH, record_id="R1"),
        m.GetFile(file_id="F1", purpose="to listen"),
        m.MediaControl(
            call_id="C1", action=m.MediaAction.PLAY, file_id="a sound of the platform's"
        ),
        m.Supervise(target_login_id="99", action=RELEASE, reason="why"),
    ],
)
def test_what_is_ones_own_or_nobodys_goes_to_the_platform(bench: Bench, message: Message) -> None:
    assert bench.say("desk", message).result == 1
    assert [type(request.message) for request in bench.heard("pbx")] == [type(message)]


def test_a_call_with_an_event_is_moved_and_not_bound_again(bench: Bench) -> None:
    bench.say("desk", create("E2", None))

    assert refused(bench, "desk", m.BindEvent(event_id="E2", call_id="C1", action=BIND)) == 306
    assert refused(bench, "desk", m.BindEvent(event_id="E2", call_id="C1", action=UNBIND)) == 306
    assert bench.say("desk", m.BindEvent(event_id="E2", call_id="C1", action=MOVE)).result == 0
    bench.heard("desk"), bench.heard("watch"), bench.heard("cs")
    assert refused(bench, "desk", m.BindEvent(event_id="E2", call_id="C1", action=BIND)) == 307


def test_a_merged_event_names_the_one_that_stands_for_it(bench: Bench) -> None:
    bench.say("desk", create("E2", None))
    bench.say("desk", m.LinkEvent(event_id="E1", other_event_id="E2", action=MERGE))
    assert (bench.types("desk"), bench.types("watch")) == ([183], [183])

    assert refused(bench, "desk", m.UpdateEvent(event_id="E1", title="x")) == 312
    assert bench.journal()[-1].detail == "E2"
    again = m.LinkEvent(event_id="E1", other_event_id="E2", action=MERGE)
    assert refused(bench, "desk", again) == 306
    back = m.LinkEvent(event_id="E2", other_event_id="E1", action=UNMERGE)
    assert refused(bench, "desk", back) == 306


def test_a_closed_event_takes_no_new_calls(bench: Bench) -> None:
    bench.say("desk", m.CloseEvent(event_id="E1", action=CLOSE))

    assert refused(bench, "desk", call_out("E1")) == 308
    assert refused(bench, "desk", create("E1")) == 308
    assert bench.say("desk", m.UpdateEvent(event_id="E1", title="after all")).result == 0
    assert bench.say("desk", m.Hangup(event_id="E1", call_id="C1")).result == 1
    assert bench.answers("desk", m.QueryEventRecord(event_id="E1"))
    assert bench.say("desk", m.CloseEvent(event_id="E1", action=CLOSE)).result == 2


def test_naming_a_call_again_in_a_201_changes_nothing(bench: Bench) -> None:
    assert bench.say("desk", create("E1")).result == 2
    assert bench.bound()["call:C1"] == ("E1", "created")


def test_a_monitor_asks_and_commands_nothing(bench: Bench) -> None:
    for message in (transfer(), create("E2"), call_out(None), m.UpdateEvent(event_id="E1")):
        assert refused(bench, "watch", message) == 202

    (page,) = bench.answers("watch", m.QueryEventRecord(event_id="X1"))
    assert isinstance(page, m.EventRecordNotice)
    assert len(page.records) == 3


def test_a_role_sends_its_own_directions_only(bench: Bench) -> None:
    assert refused(bench, "desk", incoming("C5")) == 202
    assert refused(bench, "pbx", create("E2")) == 202
    assert refused(bench, "cs", transfer()) == 202


def test_rights_narrow_the_types_of_a_role(bench: Bench) -> None:
    assert refused(bench, "reader", call_out(None)) == 202
    assert bench.answers("reader", m.SnapshotRequest())


def test_ids_of_an_ended_call_can_still_be_named(bench: Bench) -> None:
    bench.say("pbx", hangup())

    assert bench.say("desk", create("E1")).result == 2
    assert bench.answers("desk", m.QueryCall(call_id="C1"))


def test_a_command_that_is_too_old_is_never_executed(bench: Bench) -> None:
    now = bench.clock.utc()
    bench.clock.advance(31)

    assert bench.say("desk", transfer(), time=now).result == 309

    assert bench.types("pbx") == []
    assert bench.journal()[-1].kind == "Refused"
    assert bench.say("desk", transfer(), time=now, expire_s=60).result == 1
    (sent,) = bench.heard("pbx")
    assert sent.request.expire_s == 29, "what is left of it"
    assert bench.say("desk", transfer(), expire_s=0).result == 309


def test_an_application_whose_clock_is_off_is_understood(bench: Bench) -> None:
    behind = bench.clock.utc()
    bench.clock.advance(120)
    bench.peers.by_id["desk"].ahead_s = -120.0

    assert bench.say("desk", transfer(), time=behind).result == 1


def test_an_expiry_beyond_all_sense_does_no_harm(bench: Bench) -> None:
    assert bench.say("desk", transfer(), expire_s=2**53).result == 1
    (sent,) = bench.heard("pbx")
    assert sent.request.expire_s == 86_400
