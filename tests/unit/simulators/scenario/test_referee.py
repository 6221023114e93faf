"""How a scenario is judged: in the file's order at each place, in time, and nothing forbidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from protocol.message import Message
from protocol.messages import (
    CallDirection,
    CallState,
    CallStateNotice,
    CreateEvent,
    HangupNotice,
    IncomingCallNotice,
    TransferNotice,
)
from simulators.clock import VirtualClock
from simulators.errors import ScenarioError
from simulators.scenario import parse_scenario
from simulators.scenario.expectations import Place
from simulators.scenario.referee import Referee, side_of
from simulators.scenario.result import ScenarioResult
from simulators.summary import CALLS_MAX, Summary, summary_of
from simulators.watch import Sighting, Way

CALL = IncomingCallNotice(
    call_id="7", login_id="23", direction=CallDirection.IN, phone_num="139", to_num="2222"
)
END = HangupNotice(call_id="7", login_id="23", reason=100)


class Match:
    """A referee, and a clock that is moved by hand."""

    def __init__(self, expect: list[dict[str, Any]], **further: Any) -> None:
        document = {"name": "x", "platform": {}, "application": {}, "expect": expect, **further}
        self.scenario = parse_scenario(document, "x.toml")
        self.clock = VirtualClock()
        self.referee = Referee(self.scenario, self.clock)
        self.referee.begin()

    def hears(self, message: Message, at: Place = Place.APPLICATION) -> None:
        seen = Sighting(
            at_s=self.clock.now(), place=str(at), way=Way.RECEIVED, message=message, result=None
        )
        self.referee.see(seen)

    def waits(self) -> None:
        """For the next thing that is to happen by itself."""
        assert self.clock.advance()

    def is_over(self) -> bool:
        return self.referee.over.is_set()

    def result(self, *, stopped: bool = False) -> ScenarioResult:
        self.referee.end()
        return ScenarioResult(
            scenario=self.scenario,
            sightings=tuple(self.referee.sightings),
            findings=self.referee.findings(),
            unexpected=tuple(self.referee.unexpected),
            took_s=self.clock.now(),
            stopped=stopped,
        )


def test_what_comes_in_the_order_of_the_file_passes_and_ends_the_run() -> None:
    match = Match([{"type": 100}, {"type": 102, "where": {"Reason": 100}}])
    match.hears(CALL)
    assert not match.is_over()
    match.hears(END)
    assert match.is_over()
    result = match.result()
    assert result.passed
    assert [one.sighting is not None for one in result.findings] == [True, True]


def test_each_place_has_an_order_of_its_own() -> None:
    match = Match([{"type": 100}, {"at": "platform", "type": 201}, {"type": 102}])
    match.hears(CALL)
    match.hears(END)
    assert not match.is_over()
    match.hears(CreateEvent(event_id="1"), Place.PLATFORM)
    assert match.is_over()
    assert match.result().passed


def test_what_does_not_come_in_time_has_failed_and_the_next_is_waited_for() -> None:
    match = Match([{"type": 100, "within_s": 5}, {"type": 102, "within_s": 3}])
    match.waits()
    assert match.clock.now() == pytest.approx(5)
    match.hears(CALL)  # too late now
    match.hears(END)
    result = match.result()
    assert [str(one) for one in result.missing] == ["100 at the application within 5 s"]
    assert result.findings[0].note == "not within 5 s; no 100 at all came there"
    assert result.findings[1].passed


def test_the_time_of_an_expectation_counts_from_the_one_before() -> None:
    match = Match([{"type": 100, "within_s": 5}, {"type": 102, "within_s": 3}])
    match.clock.call_at(4, lambda: match.hears(CALL))
    match.waits()
    match.clock.call_at(6.5, lambda: match.hears(END))
    match.waits()
    assert match.is_over()
    assert match.result().passed
    assert match.result().findings[1].at_s == pytest.approx(6.5)


def test_the_nearest_that_came_instead_is_told() -> None:
    match = Match([{"type": 102, "where": {"Reason": 110, "LoginId": "23"}}])
    match.hears(replace_reason(101, "24"))
    match.hears(END)
    (finding,) = match.result().findings
    assert finding.note == "did not come; a 102 came with Reason=100"
    assert "            did not come; a 102 came with Reason=100" in match.result().describe()


def replace_reason(reason: int, login_id: str) -> HangupNotice:
    return HangupNotice(call_id="7", login_id=login_id, reason=reason)


def test_what_came_too_early_is_told_so() -> None:
    match = Match([{"type": 102}, {"type": 100}])
    match.hears(CALL)
    match.hears(END)
    assert "came, but before what the file has above it" in match.result().findings[1].note


def test_what_must_not_come_fails_the_run_also_while_it_lingers() -> None:
    match = Match([{"type": 100}], never=[{"type": 102}, {"type": 105}], linger_s=10)
    match.hears(CALL)
    assert not match.is_over()
    match.clock.call_at(4, lambda: match.hears(END))
    match.waits()
    match.hears(END)
    match.waits()
    assert match.is_over()
    result = match.result()
    assert not result.passed
    assert len(result.unexpected) == 2
    assert [one.passed for one in result.findings] == [True, False, True]
    assert result.findings[1].note == "came after 4.0 s"


def test_a_scenario_that_only_forbids_is_watched_to_its_limit() -> None:
    match = Match([], never=[{"type": 102}], limit_s=30)
    match.hears(CALL)
    assert not match.is_over()
    match.waits()
    assert match.is_over()
    assert match.result().passed


def test_a_star_wants_any_value_and_null_none() -> None:
    match = Match([{"type": 102, "where": {"Reason": "*", "EventId": "NULL"}}])
    match.hears(HangupNotice(call_id="7"))
    assert not match.is_over()
    match.hears(END)
    assert match.is_over()


def test_what_was_stopped_has_not_passed() -> None:
    match = Match([{"type": 100}])
    match.hears(CALL)
    assert match.result().passed
    assert not match.result(stopped=True).passed


def test_the_verdict_is_told_to_programs() -> None:
    match = Match(
        [{"type": 100, "title": "the desk hears of it", "where": {"CallId": "7"}}, {"type": 102}],
        never=[{"type": 105}],
    )
    match.hears(CALL)
    match.hears(TransferNotice(call_id="7", detail="a quote & a <tag>"))
    plain = match.result().to_plain()
    assert plain["passed"] is False
    assert [one["passed"] for one in plain["expect"] + plain["never"]] == [True, False, False]
    assert plain["expect"][0]["title"] == "the desk hears of it"
    suite = etree.fromstring(match.result().to_junit())[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert [case.get("name") for case in suite] == [
        "expect[0]: 100 at the application with CallId=7 (the desk hears of it)",
        "expect[1]: 102 at the application",
        "never[0]: never 105 at the application",
    ]
    assert suite[1][0].get("message") == "did not come; no 102 at all came there"
    assert "a quote &amp; a &lt;tag&gt;" in (suite[1][0].text or "")


def test_one_side_is_judged_alone_by_what_is_expected_there() -> None:
    match = Match([{"type": 100, "within_s": 1}, {"at": "platform", "type": 201, "within_s": 1}])
    side = side_of(match.scenario, Place.PLATFORM)
    side.see(
        Sighting(at_s=70.0, place="platform", way=Way.RECEIVED, message=CreateEvent(event_id="1"))
    )
    (finding,) = side.findings()
    assert (finding.passed, finding.at_s) == (True, 0.0)


# --- what is wrong with a file -------------------------------------------------------------------
def problems(text: str) -> list[str]:
    import tomllib

    with pytest.raises(ScenarioError) as caught:
        parse_scenario(tomllib.loads(text), "x.toml", text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("type = 100\nwith_s = 3", ("line 8: expect[1].with_s: is no key of a scenario; did you "
         "mean 'within_s'?")),
        ("type = 100\nwithin_s = 0", ("line 8: expect[1].within_s: 0 is no number of seconds: "
         "write one of more than 0")),
        ("type = 100\nwithin_s = nan", "expect[1].within_s: nan is no number of seconds"),
        ("type = 100\nwhere = { callid = 3 }", ("line 8: expect[1].where: 100 IncomingCallNotice "
         "has no element 'callid': did you mean 'CallId'?")),
        ('type = 115\nwhere = { State = "ringing" }', ("line 8: expect[1].where: State is never "
         "'ringing'")),
        ('type = 100\nwhere = { CallId = "$CallId" }', "write a plain value"),
        ("type = 201", ("line 7: expect[1].type: 201 never comes to the application, which hears "
         '1xx and 6xx; say at = "platform"')),
        ('at = "platform"\ntype = 102', 'say at = "application"'),
        ("type = true", "True is no message type"),
        ('at = "plattform"\ntype = 100', "did you mean 'platform'?"),
        ("", "line 6: expect[1].type: is missing: give a message type"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_what_was_meant(wrong: str, problem: str) -> None:
    text = f'name = "x"\n[platform]\n[application]\n[[expect]]\ntype = 100\n[[expect]]\n{wrong}\n'
    assert problem in "\n".join(problems(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limit_s = 0", "line 2: limit_s: 0 is no number"),
        ("[platform]\n[[platform.call]]\nfrom = '1'\nto = '2'\nevery_s = 0",
         "line 6: platform.call[0].every_s: 0"),
        ("[application]\n[[application.rule]]\non = 201\nsend = 202",
         "line 4: application.rule[0].on: 201 never comes to the application"),
        ("[application]\n[[application.rule]]\nsend = 202\nonce = 'no'\nwith = {CallId = '1'}",
         "line 5: application.rule[0].once: 'no' is neither true nor false"),
        (("[application]\n[[application.rule]]\non = 100\nsend = 201\n"
         "with = { EventId = '1', CallId = '$Callid' }"),
         "line 6: application.rule[0].with: $Callid: 100 has no such element: did you mean"),
        (("[application]\n[[application.rule]]\nwhere = { ToNum = '1' }\nsend = 201\n"
         "with = { EventId = '1' }"),
         "line 4: application.rule[0].where: nothing has come at the start"),
        ("[platform]\n[[platform.party]]\nnumber = '1'\n[[platform.party]]\nnumber = '1'",
         "line 6: platform.party[1].number: '1' is platform.party[0] already"),
        ("[platform]\n[[expect]]\ntype = 100", ("line 3: expect[0].at: nobody is played at the "
         "application, so nothing is seen there: add [application]")),
        ("[application]\n[[application.rule]]\nsend = 202\nwith = { Callid = '1' }",
         "did you mean 'CallId'?"),
    ],
)  # fmt: skip
def test_what_can_have_no_effect_is_refused(text: str, problem: str) -> None:
    assert problem in "\n".join(problems(f'name = "x"\n{text}\n'))


# --- the story -----------------------------------------------------------------------------------
def sighting(at_s: float, message: Message, **further: Any) -> Sighting:
    first = Sighting(at_s=at_s, place="platform", way=Way.SENT, message=message)
    return replace(first, **further)


def test_a_story_tells_calls_events_and_how_much_was_said() -> None:
    told = summary_of(
        [
            sighting(1, CALL),
            sighting(3, CallStateNotice(call_id="7", login_id="23", state=CallState.ANSWERED)),
            sighting(5, CreateEvent(call_id="7", event_id="E", title="fire"), way=Way.RECEIVED),
            sighting(6, CreateEvent(event_id="F"), way=Way.RECEIVED, result=501),
            sighting(9, END),
        ]
    )
    assert told == [
        "call 7: 139 → 2222; answered by 23; ended after 8 s (100 normal clearing 正常结束)",
        "event E fire: opened for call 7",
        "the platform said 3: 100, 102, 115",
        "the platform heard 1: 201",
        "the platform was refused, or refused 1: 201",
    ]
    assert summary_of([]) == ["nothing happened"]


def test_a_long_story_keeps_its_end() -> None:
    story = Summary()
    for number in range(CALLS_MAX + 5):
        story.see(sighting(number, replace(CALL, call_id=str(number))))
    lines = story.lines()
    assert lines[0] == "5 more before these"
    assert len(lines) == CALLS_MAX + 2
