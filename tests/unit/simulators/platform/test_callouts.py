"""Call-outs and conferences."""

from __future__ import annotations

import pytest

from protocol.messages import (
    CallMode,
    CallOut,
    CallOutProgressNotice,
    CallOutResultNotice,
    CallOutType,
    CallStateNotice,
    CancelCallOut,
    ConferenceAction,
    ConferenceControl,
    ConferenceMemberControl,
    ConferenceMemberNotice,
    ConferenceNotice,
    Hangup,
    HangupNotice,
    Member,
    MemberAction,
    MemberNoticeAction,
    RecordingNotice,
)
from protocol.results import Result
from simulators.platform.parties import Behaviour
from tests.fakes.platform_engine import Bench, conference, group, party, staff

ALL = CallMode.ALL


def results(bench: Bench) -> list[tuple[str | None, int | None]]:
    return [(one.staff_id, one.reason) for one in bench.of(CallOutResultNotice)]


def convened(bench: Bench, *numbers: str) -> str:
    """A conference with these members; the ConferenceID."""
    people = [staff(f"s{number}", number) for number in numbers]
    answer = bench.do(conference(group(ALL, *people)), id="k1")
    assert answer.result is Result.ACCEPTED
    bench.run(5)
    assert answer.conference_id is not None
    return answer.conference_id


def control(conference_id: str, action: ConferenceAction) -> ConferenceControl:
    return ConferenceControl(conference_id=conference_id, action=action)


def member(conference_id: str, action: MemberAction, number: str) -> ConferenceMemberControl:
    return ConferenceMemberControl(
        conference_id=conference_id, action=action, members=(Member(phone_num=number),)
    )


def test_everybody_of_a_group_is_called_at_once() -> None:
    bench = Bench(party("1", after_s=3.0), party("2", after_s=1.0))
    bench.do(conference(group(ALL, staff("a", "1"), staff("b", "2"))))
    bench.run(0)
    assert len(bench.of(CallStateNotice, State=2)) == 2
    bench.run(5)
    assert results(bench) == [("b", None), ("a", None)]
    assert [one.action for one in bench.of(ConferenceNotice)] == [1, 2]
    assert bench.of(ConferenceNotice)[-1].member_count == 2


def test_the_next_of_a_sequence_is_called_when_the_one_before_failed() -> None:
    bench = Bench(party("1", Behaviour.FAILS), party("2"), party("3"))
    people = (staff("138", "1"), staff("139", "2"), staff("140", "3"))
    bench.do(conference(group(CallMode.SEQUENTIAL, *people)))
    bench.run(1)
    assert list(bench.engine.busy_lines) == ["1"]
    bench.run(20)
    assert results(bench) == [("138", 123), ("139", None), ("140", 138)]
    assert set(bench.engine.busy_lines) == {"2"}


def test_the_first_who_answers_stops_the_others() -> None:
    bench = Bench(party("1", after_s=5.0), party("2", after_s=3.0))
    bench.do(conference(group(CallMode.FIRST_WINS, staff("a", "1"), staff("b", "2"))))
    bench.run(20)
    assert results(bench) == [("b", None), ("a", 111)]
    assert set(bench.engine.busy_lines) == {"2"}


def test_the_second_number_is_tried_when_the_first_fails() -> None:
    bench = Bench(party("1", Behaviour.UNREACHABLE), party("2"))
    bench.do(conference(group(ALL, staff("a", "1", "2"))))
    bench.run(10)
    joined = bench.one(CallOutResultNotice)
    assert (joined.phone_num, joined.num_type, joined.attempt) == ("2", "02", 2)
    assert joined.reason is None
    assert bench.one(CallStateNotice, State=7).reason == 104


def test_a_person_fails_once_with_the_reason_of_the_last_number() -> None:
    bench = Bench(party("1", Behaviour.BUSY), party("2", Behaviour.UNALLOCATED))
    bench.do(conference(group(ALL, staff("a", "1", "2"))))
    bench.run(10)
    assert results(bench) == [("a", 105)]


def test_retry_dials_the_numbers_again() -> None:
    bench = Bench(party("1", Behaviour.BUSY, Behaviour.ANSWERS))
    bench.do(conference(group(ALL, staff("a", "1")), retry=1))
    bench.run(10)
    assert bench.one(CallOutResultNotice).attempt == 2


def test_a_number_rings_as_long_as_the_command_says() -> None:
    bench = Bench(party("1", Behaviour.NO_ANSWER))
    bench.do(conference(group(ALL, staff("a", "1")), timeout=7))
    bench.run(6.9)
    assert not results(bench)
    bench.run(0.2)
    assert results(bench) == [("a", 102)]


def test_a_conference_that_nobody_joins_ends() -> None:
    bench = Bench(party("1", Behaviour.REJECTS))
    bench.do(conference(group(ALL, staff("a", "1"))))
    bench.run(10)
    assert [one.action for one in bench.of(ConferenceNotice)] == [1, 3]
    assert bench.one(HangupNotice, Scope=2).reason == 123
    assert not bench.engine.live_calls


def test_progress_adds_up_to_the_end() -> None:
    bench = Bench(party("1", Behaviour.FAILS))
    people = (staff("a", "1"), staff("b", "2"), staff("c", "3"))
    bench.do(conference(group(CallMode.SEQUENTIAL, *people)))
    bench.run(20)
    progress = bench.of(CallOutProgressNotice)
    for one in progress:
        parts = (one.answered, one.failed, one.skipped, one.pending)
        assert sum(part or 0 for part in parts) == one.total == 3
    assert [one.finished for one in progress][-1] is True
    assert sum(bool(one.finished) for one in progress) == 1


def test_what_comes_of_it_names_the_command() -> None:
    bench = Bench()
    convened(bench, "1")
    asked = {one.request_id for one in bench.of(CallOutResultNotice)}
    asked |= {one.request_id for one in bench.of(ConferenceNotice)}
    assert asked == {"k1"}


def test_a_call_out_is_cancelled_as_a_whole() -> None:
    bench = Bench(party("1", Behaviour.NO_ANSWER), party("2", after_s=1.0))
    bench.do(conference(group(ALL, staff("a", "1"), staff("b", "2"))), id="k1")
    bench.run(3)
    assert bench.do(CancelCallOut(request_id="k1")).result is Result.OK
    assert results(bench) == [("b", None), ("a", 137)]
    assert bench.of(ConferenceNotice)[-1].action == 2
    assert bench.refused(CancelCallOut(request_id="k1")) is Result.WRONG_STATE


def test_one_person_of_a_call_out_is_cancelled() -> None:
    bench = Bench(party("1", Behaviour.NO_ANSWER), party("2", Behaviour.NO_ANSWER))
    bench.do(conference(group(ALL, staff("a", "1"), staff("b", "2"))), id="k1")
    bench.run(3)
    bench.do(CancelCallOut(request_id="k1", staff_id="b"))
    assert results(bench) == [("b", 137)]
    bench.run(60)
    assert results(bench) == [("b", 137), ("a", 102)]


def test_a_single_call_rings_the_officer_first() -> None:
    bench = Bench(party("1", talks_s=20.0))
    command = CallOut(
        login_id="13", call_type=CallOutType.SINGLE, groups=(group(ALL, staff("a", "1")),)
    )
    call_id = bench.do(command).call_id
    assert list(bench.engine.busy_lines) == ["3013"]
    bench.run(3)
    assert set(bench.engine.busy_lines) == {"3013", "1"}
    bench.run(60)
    assert results(bench) == [("a", None)]
    assert bench.one(HangupNotice, Scope=2).call_id == call_id
    assert not bench.of(ConferenceNotice)


def test_a_single_call_ends_when_the_other_does_not_answer() -> None:
    bench = Bench(party("1", Behaviour.BUSY))
    command = CallOut(
        login_id="13", call_type=CallOutType.SINGLE, groups=(group(ALL, staff("a", "1")),)
    )
    bench.do(command)
    bench.run(10)
    assert results(bench) == [("a", 101)]
    assert not bench.engine.live_calls
    assert not bench.engine.busy_lines


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (
            CallOut(call_type=CallOutType.NOTIFY, groups=(group(ALL, staff("a", "1")),)),
            Result.NOT_SUPPORTED,
        ),
        (conference(group(CallMode.N_OF_GROUP, staff("a", "1"))), Result.NOT_SUPPORTED),
        (
            CallOut(call_type=CallOutType.SINGLE, groups=(group(ALL, staff("a", "1")),)),
            Result.MISSING_FIELD,
        ),
        (
            conference(group(ALL, staff("a", "1")), conference_id="77"),
            Result.NO_CONFERENCE,
        ),
    ],
    ids=["notify", "n-of-group", "nobody-to-connect", "no-conference"],
)  # fmt: skip
def test_what_cannot_be_called_out_is_refused(command: CallOut, result: Result) -> None:
    assert Bench().refused(command) is result


def test_more_people_are_called_into_a_conference_that_stands() -> None:
    bench = Bench()
    conference_id = convened(bench, "1", "2")
    bench.do(conference(group(ALL, staff("c", "3")), conference_id=conference_id))
    bench.run(5)
    assert set(bench.engine.busy_lines) == {"1", "2", "3"}
    assert len(bench.of(ConferenceNotice, Action=1)) == 1


def test_a_locked_conference_takes_nobody() -> None:
    bench = Bench()
    conference_id = convened(bench, "1", "2")
    bench.do(control(conference_id, ConferenceAction.LOCK))
    assert bench.of(ConferenceNotice)[-1].action == 4
    add = member(conference_id, MemberAction.ADD, "3")
    assert bench.refused(add) is Result.CONFERENCE_LOCKED
    bench.do(control(conference_id, ConferenceAction.UNLOCK))
    bench.do(add)
    bench.run(5)
    assert "3" in bench.engine.busy_lines


def test_a_full_conference_takes_nobody() -> None:
    bench = Bench()
    created = bench.do(
        ConferenceControl(action=ConferenceAction.CREATE, subject="演练", max_members=1)
    )
    conference_id = created.conference_id or ""
    assert bench.one(ConferenceNotice).subject == "演练"
    bench.do(member(conference_id, MemberAction.ADD, "1"))
    bench.run(5)
    more = member(conference_id, MemberAction.ADD, "2")
    assert bench.refused(more) is Result.CONFERENCE_FULL


def test_a_member_is_kicked_and_the_others_stay() -> None:
    bench = Bench()
    conference_id = convened(bench, "1", "2")
    bench.do(member(conference_id, MemberAction.KICK, "1"))
    out = bench.of(ConferenceMemberNotice)[-1]
    assert (out.action, out.reason, out.phone_num) == (MemberNoticeAction.KICKED, 130, "1")
    assert set(bench.engine.busy_lines) == {"2"}
    assert bench.refused(member(conference_id, MemberAction.KICK, "1")) is Result.NOT_A_MEMBER


def test_members_are_muted_one_by_one_and_all_at_once() -> None:
    bench = Bench()
    conference_id = convened(bench, "1", "2")
    bench.do(member(conference_id, MemberAction.MUTE, "1"))
    assert bench.of(ConferenceMemberNotice)[-1].action is MemberNoticeAction.MUTED
    bench.forget()
    bench.do(control(conference_id, ConferenceAction.UNMUTE_ALL))
    assert [one.phone_num for one in bench.of(ConferenceMemberNotice, Action=6)] == ["1", "2"]


def test_ending_a_conference_ends_everybodys_leg_and_then_the_call() -> None:
    bench = Bench()
    conference_id = convened(bench, "1", "2")
    bench.do(control(conference_id, ConferenceAction.END), id="e1")
    ends = bench.of(HangupNotice)
    assert [one.scope for one in ends] == [1, 1, 2]
    assert {one.reason for one in ends} == {135}
    assert bench.of(ConferenceNotice)[-1].request_id == "e1"
    assert [one.action for one in bench.of(ConferenceMemberNotice)][-2:] == [3, 3]
    assert bench.refused(control(conference_id, ConferenceAction.LOCK)) is Result.NO_CONFERENCE


def test_whoever_was_still_ringing_is_told_of_before_the_conference_ends() -> None:
    bench = Bench(party("2", Behaviour.NO_ANSWER))
    conference_id = convened(bench, "1", "2")
    bench.do(control(conference_id, ConferenceAction.END))
    assert results(bench) == [("s1", None), ("s2", 135)]
    last_result = bench.said.index(bench.of(CallOutResultNotice)[-1])
    assert last_result < bench.said.index(bench.of(ConferenceNotice, Action=3)[0])


def test_a_leg_that_rings_can_be_hung_up_on_by_its_own_id() -> None:
    bench = Bench(party("2", Behaviour.NO_ANSWER))
    convened(bench, "1", "2")
    ringing = bench.engine.busy_lines["2"]
    bench.do(Hangup(call_id=ringing))
    assert results(bench) == [("s1", None), ("s2", 100)]
    assert bench.of(CallOutProgressNotice)[-1].finished is True


def test_a_conference_that_everybody_leaves_is_over() -> None:
    bench = Bench(party("1", talks_s=10.0), party("2", talks_s=20.0))
    convened(bench, "1", "2")
    bench.run(15)
    assert bench.engine.live_calls
    bench.run(15)
    assert not bench.engine.live_calls
    assert bench.one(HangupNotice, Scope=2).reason == 100


def test_a_conference_is_recorded_when_the_command_says_so() -> None:
    bench = Bench()
    bench.do(conference(group(ALL, staff("a", "1")), record=True))
    bench.run(10)
    assert [one.action for one in bench.of(RecordingNotice)] == [1]


@pytest.mark.parametrize("action", [ConferenceAction.MERGE, ConferenceAction.PLAY])
def test_what_a_conference_cannot_do_is_501(action: ConferenceAction) -> None:
    bench = Bench()
    conference_id = convened(bench, "1")
    assert bench.refused(control(conference_id, action)) is Result.NOT_SUPPORTED


def test_a_call_between_two_is_no_conference() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    command = ConferenceControl(call_id=call_id, action=ConferenceAction.LOCK)
    assert bench.refused(command) is Result.NO_CONFERENCE
