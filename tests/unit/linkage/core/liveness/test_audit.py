"""Operations whose end nobody told: their platform is asked before anything is closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linkage.config.core import SweepSettings
from linkage.core.delivery.acknowledge import Acknowledge
from linkage.core.liveness.audit import QUESTIONS_MAX
from linkage.core.own_entries import Observe
from linkage.core.requests.submit import Submit
from linkage.core.sweeper import SweepSilentCalls
from linkage.ports import EntryKind
from protocol import messages as m
from protocol.envelope import Response
from protocol.message import Message
from protocol.results import Result
from tests.fakes.core_bench import PEERS, Bench, Heard, legacy, peer

HOUR = 3600.0
DOUBTS = SweepSettings(ask_after_h=4, settle_s=60)


class Inquest(Bench):
    """A bench whose core asks after four hours."""

    liveness = DOUBTS

    def ask(self) -> list[Heard]:
        """A round, and what the platform is asked."""
        self.do(SweepSilentCalls())
        return [item for item in self.heard("pbx") if item.type in {215, 293}]

    def reply(self, question: Heard, message: Message | None = None, **fields: Any) -> None:
        """The platform answers a question with a 193."""
        self.answer(question, 1)
        answer = message or m.SnapshotNotice(request_id=question.request.id, **fields)
        assert self.say("pbx", answer).result == 0

    def refuse(self, question: Heard, result: int) -> None:
        self.answer(question, result)

    def answer(self, question: Heard, result: int) -> None:
        response = self.response(question, result)
        self.do(Acknowledge("pbx", question.seq, int(question.request.id), response))

    def response(self, question: Heard, result: int) -> Response:
        return Response(request_id=question.request.id, type=question.type, result=result)

    def silence(self) -> None:
        """Longer than any platform has to answer."""
        self.clock.advance(61)

    def open_kinds(self) -> list[str]:
        return [item.kind for item in self.operations() if item.ended_at is None]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Inquest]:
    bench = Inquest(tmp_path, (*PEERS, peer("watch", "monitor")))
    yield bench
    bench.check()
    bench.close()


@pytest.fixture
def stuck(bench: Inquest) -> Inquest:
    """A call of the desk's, with an event and a leg, of which nothing is heard any more."""
    incoming = m.IncomingCallNotice(
        call_id="c1", direction=m.CallDirection.IN, phone_num="139", to_num="2222"
    )
    bench.say("pbx", incoming)
    bench.say("desk", m.CreateEvent(event_id="E1", call_id="c1"))
    bench.say(
        "pbx",
        m.CallStateNotice(call_id="c2", parent_call_id="c1", state=m.CallState.ALERTING),
    )
    bench.clock.advance(5 * HOUR)
    bench.heard("desk")
    bench.heard("pbx")
    return bench


def row(call_id: str, **fields: Any) -> m.CallSnapshot:
    return m.CallSnapshot(call_id=call_id, **fields)


def test_what_was_heard_of_lately_is_not_asked_about(bench: Inquest) -> None:
    bench.say("pbx", m.IncomingCallNotice(call_id="c1", direction=m.CallDirection.IN))
    bench.clock.advance(3 * HOUR)
    bench.say("pbx", m.HoldNotice(call_id="c1", action=m.HoldNoticeAction.HOLD))
    bench.clock.advance(3 * HOUR)
    assert bench.ask() == []


def test_a_call_and_its_legs_are_one_question(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    assert question.message == m.QueryCall(call_id="c1", event_id="E1")
    assert question.request.expire_s is not None
    assert stuck.ask() == [], "asked once"


def test_what_lives_is_left_alone_and_asked_about_again_later(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, calls=(row("c1"), row("c2", parent_call_id="c1")))
    assert stuck.open_kinds() == ["call", "leg"]
    assert stuck.ask() == []
    stuck.clock.advance(4 * HOUR)
    assert len(stuck.ask()) == 1


def test_what_the_platform_does_not_know_is_closed_and_its_owner_is_told(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, calls=())
    assert stuck.open_kinds() == []
    leg, call = (item.message for item in stuck.heard("desk"))
    assert (leg.call_id, leg.parent_call_id, leg.event_id) == ("c2", "c1", "E1")
    assert isinstance(call, m.HangupNotice)
    assert (call.call_id, call.event_id, call.reason) == ("c1", "E1", 141)
    assert call.op_id == str(stuck.operation("call").op_id)
    assert stuck.types("watch")[-2:] == [102, 102]
    found = stuck.operation("call")
    assert (found.outcome, found.reason, found.reconstructed) == ("lost", 141, True)
    rows = [item for item in stuck.journal() if item.reconstructed]
    assert [(item.kind, item.source, item.target) for item in rows] == [
        ("OwnMessage", "linkage", "pbx")
    ] * 2


@pytest.mark.parametrize("result", [Result.NO_CALL, Result.NO_CONFERENCE])
def test_that_there_is_no_such_call_is_an_answer_too(stuck: Inquest, result: Result) -> None:
    (question,) = stuck.ask()
    stuck.refuse(question, int(result))
    assert stuck.open_kinds() == []


def test_a_refusal_by_notice_counts_as_one_by_response(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    refusal = m.SnapshotNotice(request_id=question.request.id, result=301)
    stuck.reply(question, refusal)
    assert stuck.open_kinds() == []


def test_a_leg_that_a_call_with_legs_does_not_list_is_dead(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, calls=(row("c1"), row("c9", parent_call_id="c1")))
    assert stuck.open_kinds() == ["call"]


def test_a_leg_of_a_platform_that_lists_no_legs_is_left_alone(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, calls=(row("c1"),))
    assert stuck.open_kinds() == ["call", "leg"]


def test_an_answer_counts_once_all_its_pages_are_there(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, page=1, pages=2)
    assert stuck.open_kinds() == ["call", "leg"]
    stuck.reply(question, page=1, pages=2)
    assert stuck.open_kinds() == ["call", "leg"], "the same page twice"
    stuck.reply(question, page=2, pages=2, calls=(row("c1"), row("c2", parent_call_id="c1")))
    assert stuck.open_kinds() == ["call", "leg"]


def test_pages_that_contradict_each_other_are_no_complete_answer(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    for page, pages in ((1, 2), (3, 2), (4, 1)):
        stuck.reply(question, page=page, pages=pages)
    assert stuck.open_kinds() == ["call", "leg"]


def test_what_was_heard_of_after_the_question_is_not_closed(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.say("pbx", m.HoldNotice(call_id="c1", action=m.HoldNoticeAction.HOLD))
    stuck.reply(question, calls=())
    assert stuck.open_kinds() == ["call"]


def test_a_late_hang_up_of_the_platforms_own_corrects_what_was_made_up(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.reply(question, calls=())
    stuck.say("pbx", m.HangupNotice(call_id="c1", reason=100))
    assert stuck.operation("call").reason == 100


def test_conferences_members_and_recordings_are_asked_about_by_conference(bench: Inquest) -> None:
    conference = m.ConferenceNotice(
        conference_id="7", action=m.ConferenceNoticeAction.CREATED, login_id="13"
    )
    bench.say("pbx", conference)
    for phone in ("111", "222"):
        joined = m.MemberNoticeAction.JOINED
        bench.say(
            "pbx",
            m.ConferenceMemberNotice(conference_id="7", phone_num=phone, action=joined),
        )
    started = m.RecordingNoticeAction.START
    bench.say("pbx", m.RecordingNotice(conference_id="7", record_id="r1", action=started))
    bench.clock.advance(5 * HOUR)
    (question,) = bench.ask()
    assert question.message == m.QueryCall(conference_id="7")
    member = m.MemberSnapshot(member_id="m1", phone_num="111")
    bench.reply(
        question, conferences=(m.ConferenceSnapshot(conference_id="7", members=(member,)),)
    )
    assert bench.open_kinds() == ["conference", "member", "recording"]
    bench.clock.advance(5 * HOUR)
    bench.heard("watch")
    (question,) = bench.ask()
    bench.reply(question)
    assert bench.open_kinds() == []
    told = [item.message for item in bench.heard("watch")]
    assert [item.number for item in told] == [108, 104, 103]
    assert {getattr(item, "reason", None) for item in told} == {141}


def test_a_call_that_transferred_takes_its_open_transfer_along(stuck: Inquest) -> None:
    transfer = m.TransferNotice(call_id="c1", to_login_id="14", phase=m.CallPhase.START)
    stuck.say("pbx", transfer)
    stuck.clock.advance(5 * HOUR)
    (question,) = stuck.ask()
    stuck.reply(question)
    assert stuck.open_kinds() == []
    assert stuck.operation("transfer").outcome == "lost"


# --- no answer -----------------------------------------------------------------------------------
def alarms(bench: Inquest) -> list[m.AlarmAction | None]:
    told = [item.message for item in bench.heard("watch")]
    return [item.action for item in told if isinstance(item, m.AlarmNotice)]


def test_a_silent_platform_is_tried_later_and_later_with_one_alarm(stuck: Inquest) -> None:
    waited: list[float] = []
    for _ in range(6):
        rounds = 0
        while not stuck.ask():
            stuck.clock.advance(10)
            rounds += 1
        waited.append(rounds * 10)
        stuck.silence()
    assert waited == [0, 60, 120, 240, 480, 960]
    assert stuck.open_kinds() == ["call", "leg"]
    assert alarms(stuck) == [m.AlarmAction.RAISE]
    stuck.do(SweepSilentCalls())
    stuck.clock.advance(2 * HOUR)
    (question,) = stuck.ask()
    stuck.reply(question, calls=(row("c1"),))
    assert alarms(stuck) == [m.AlarmAction.CLEAR]

    stuck.clock.advance(5 * HOUR)
    assert stuck.ask()
    stuck.silence()
    assert stuck.ask() == []
    assert alarms(stuck) == [], "after an answer the rounds are counted anew"


def test_a_question_that_the_disk_did_not_take_is_put_again(stuck: Inquest) -> None:
    stuck.disk(takes=False)
    assert stuck.ask() == []
    stuck.disk(takes=True)
    assert len(stuck.ask()) == 1


def test_an_alarm_that_the_disk_did_not_take_is_raised_later(stuck: Inquest) -> None:
    stuck.peers.by_id["pbx"].connected = False
    stuck.disk(takes=False)
    stuck.do(SweepSilentCalls())
    stuck.disk(takes=True)
    stuck.clock.advance(3600)
    stuck.do(SweepSilentCalls())
    assert alarms(stuck) == [m.AlarmAction.RAISE]


def test_a_platform_that_is_away_is_not_asked_and_nothing_is_closed(stuck: Inquest) -> None:
    stuck.peers.by_id["pbx"].connected = False
    for _ in range(20):
        assert stuck.ask() == []
        stuck.clock.advance(600)
    assert stuck.open_kinds() == ["call", "leg"]
    assert alarms(stuck) == [m.AlarmAction.RAISE]


def test_a_refusal_that_is_no_answer_closes_nothing(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.refuse(question, int(Result.NOT_SUPPORTED))
    assert stuck.open_kinds() == ["call", "leg"]
    assert stuck.ask() == []


def test_an_answer_without_end_is_none(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    page = tuple(row(f"x{n}") for n in range(100))
    for number in range(1, 250):
        stuck.reply(question, page=number, pages=10**6, calls=page)
    assert stuck.open_kinds() == ["call", "leg"]
    assert not stuck.core.context.liveness._asked["pbx"].questions


def test_another_platform_cannot_answer(stuck: Inquest) -> None:
    (question,) = stuck.ask()
    stuck.say("pbx2", m.SnapshotNotice(request_id=question.request.id))
    assert stuck.open_kinds() == ["call", "leg"]


def test_answers_to_nothing_change_nothing(stuck: Inquest) -> None:
    stuck.say("pbx", m.SnapshotNotice(request_id="1"))
    stuck.say("pbx", m.SnapshotNotice(request_id="99999"))
    assert stuck.open_kinds() == ["call", "leg"]


def test_a_platform_that_serves_only_293_is_asked_for_everything(stuck: Inquest) -> None:
    stuck.peers.by_id["pbx"].capability = {293: frozenset()}
    (question,) = stuck.ask()
    assert question.message.number == 293
    stuck.reply(question, calls=(row("c1"), row("c2", parent_call_id="c1")))
    assert stuck.open_kinds() == ["call", "leg"]


def test_a_platform_that_serves_neither_is_let_alone_with_one_alarm(stuck: Inquest) -> None:
    stuck.peers.by_id["pbx"].capability = {202: frozenset()}
    for _ in range(20):
        assert stuck.ask() == []
        stuck.clock.advance(600)
    assert alarms(stuck) == [m.AlarmAction.RAISE]


def test_a_peer_of_the_patent_cannot_be_asked(tmp_path: Path) -> None:
    bench = Inquest(tmp_path, (*PEERS[:2], legacy("pbx", "platform", "10.0.0.9")))
    bench.say("pbx", m.IncomingCallNotice(call_id="c1", direction=m.CallDirection.IN))
    bench.clock.advance(5 * HOUR)
    assert bench.ask() == []
    assert bench.open_kinds() == ["call"]
    bench.close()


# --- load and crashes ----------------------------------------------------------------------------
def test_a_round_asks_a_few_however_many_are_stuck(bench: Inquest) -> None:
    batch: list[Submit] = [
        bench.submit("pbx", m.IncomingCallNotice(call_id=f"c{n}", direction=m.CallDirection.IN))
        for n in range(300)
    ]
    bench.do(*batch)
    bench.clock.advance(5 * HOUR)
    bench.heard("pbx")
    asked: set[str | None] = set()
    rounds = 0
    while questions := bench.ask():
        rounds += 1
        assert len(questions) <= QUESTIONS_MAX
        asked |= {item.message.call_id for item in questions}
        for question in questions:
            bench.reply(question, calls=(row(str(question.message.call_id)),))
    assert len(asked) == 300
    assert rounds == 300 / QUESTIONS_MAX


def test_after_a_crash_it_is_asked_again(stuck: Inquest) -> None:
    (first,) = stuck.ask()
    stuck.restart()
    (again,) = stuck.ask()
    assert again.message == first.message
    stuck.reply(first)
    assert stuck.open_kinds() == ["call", "leg"], "nobody remembers that question"
    stuck.reply(again)
    assert stuck.open_kinds() == []


# --- platforms that come back --------------------------------------------------------------------
def come(bench: Inquest, platform: str = "pbx") -> None:
    bench.do(Observe(platform, EntryKind.SESSION_OPENED, "from 10.0.0.1"))


def test_a_platform_that_comes_back_is_asked_about_what_it_does_not_speak_of(
    bench: Inquest,
) -> None:
    for call_id in ("c1", "c2"):
        bench.say("pbx", m.IncomingCallNotice(call_id=call_id, direction=m.CallDirection.IN))
    bench.clock.advance(60)
    come(bench)
    assert bench.ask() == [], "it is given a minute to tell by itself"
    bench.say("pbx", m.HoldNotice(call_id="c2", action=m.HoldNoticeAction.HOLD))
    bench.clock.advance(60)
    (question,) = bench.ask()
    assert question.message == m.QueryCall(call_id="c1")
    bench.reply(question)
    assert [item.call_id for item in bench.operations() if item.ended_at is None] == ["c2"]
    bench.clock.advance(HOUR)
    assert bench.ask() == []


def test_an_adapter_is_not_asked_when_it_comes_back_for_it_compares_by_itself(
    bench: Inquest,
) -> None:
    bench.peers.by_id["pbx"].settings = None  # as an adapter has none
    bench.say("pbx", m.IncomingCallNotice(call_id="c1", direction=m.CallDirection.IN))
    come(bench)
    bench.clock.advance(HOUR)
    assert bench.ask() == []
    bench.clock.advance(4 * HOUR)
    assert len(bench.ask()) == 1


def test_who_asks_for_no_questions_gets_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.say("pbx", m.IncomingCallNotice(call_id="c1", direction=m.CallDirection.IN))
    bench.clock.advance(100 * HOUR)
    bench.do(SweepSilentCalls())
    assert bench.types("pbx") == []
    bench.close()
