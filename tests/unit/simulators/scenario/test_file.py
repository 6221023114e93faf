"""Scenario files: what they may say, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.messages import CallDirection, CallOut, CreateEvent, IncomingCallNotice, Transfer
from simulators.errors import ScenarioError
from simulators.message_values import ComposeError, build, fits, texts
from simulators.platform.parties import Behaviour, RingOrder
from simulators.scenario import built_in_scenarios, load_scenario, parse_scenario

CALL = IncomingCallNotice(
    call_id="7", login_id="23", direction=CallDirection.IN, phone_num="139", to_num="2222"
)


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario({"name": "x", **document}, "x.toml")
    assert all(line.startswith("x.toml: ") for line in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("name", built_in_scenarios())
def test_every_built_in_scenario_is_valid_and_named_as_its_file(name: str) -> None:
    assert load_scenario(name).name == name


def test_a_scenario_says_who_is_there_and_what_they_do() -> None:
    scenario = load_scenario("abandoned")
    (hotline,) = scenario.site.hotlines
    assert (hotline.ring, hotline.officers) == (RingOrder.ALL, ("23", "24"))
    assert scenario.site.party("13900000003").patience_s == pytest.approx(8)
    assert scenario.calls[0].phone_num == "13900000003"
    assert scenario.rules[0].send is CreateEvent
    assert scenario.nevers[0].where == {"State": 4}


def test_a_party_may_behave_differently_from_call_to_call() -> None:
    party = load_scenario("playground").site.party("13900000106")
    assert [party.behaviour(n) for n in range(3)] == [
        Behaviour.BUSY,
        Behaviour.ANSWERS,
        Behaviour.ANSWERS,
    ]


def test_a_scenario_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[platform]\nspeaks = "patent"\n', encoding="utf-8")
    assert load_scenario(path).site.patent_only


def test_a_scenario_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no such scenario; built in are .*alarm"):
        load_scenario("alram")
    with pytest.raises(ScenarioError, match="there is no such file"):
        load_scenario(tmp_path / "none.toml")


def test_a_file_that_is_no_toml_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(ScenarioError, match="is not valid TOML"):
        load_scenario(path)


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(
        {
            "titel": "typo",
            "platform": {
                "officer": [{"login": "23", "ext": 3021}],
                "hotline": [{"number": "2222", "officers": ["99"], "ring_s": -1}],
                "party": [{"number": "1", "behaviour": "sleeps"}],
                "call": [{"from": "1", "to": "4444"}],
            },
            "expect": [{"at": "moon", "type": 100}],
        }
    )
    text = "\n".join(found)
    for key in (
        "titel: is no key",
        "platform.officer[0].ext: 3021 is no text",
        "platform.hotline[0].ring_s: -1 is no number of seconds",
        "platform.hotline[0].officers: nobody has the login '99'",
        "platform.party[0].behaviour: 'sleeps' is none of answers, busy",
        "platform.call[0].to: '4444' is no hotline",
        "expect[0].at: 'moon' is none of application, platform",
    ):
        assert key in text, text
    assert len(found) == 7


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"send": 999}, "send: 999 is no message type"),
        ({"send": 102}, "send: 102 is no command"),
        ({"on": 9, "send": 202}, "on: 9 is no message type"),
        ({"on": 100, "where": {"Colour": 1}, "send": 202}, "has no element 'Colour'"),
        ({"send": 202, "with": {"Colour": 1}}, "has no Colour"),
        ({"send": 205, "with": {"Mode": 77}}, "Transfer.Mode: '77' is none of"),
        ({"send": 201, "with": {"Type": "1"}}, "EventId is missing"),
        ({"send": 202, "with": 5}, "with: wants a table"),
        ({"on": 100, "where": 5, "send": 202}, "where: wants a table"),
    ],
)
def test_a_rule_that_cannot_work_is_told_before_it_runs(
    rule: dict[str, Any], problem: str
) -> None:
    text = "\n".join(problems({"application": {"rule": [rule]}}))
    assert "application.rule[0]" in text
    assert problem in text


@pytest.mark.parametrize("value", [3, "text", [1]])
def test_a_value_where_a_table_belongs_is_told(value: object) -> None:
    assert "must be a table" in problems({"platform": value})[0]


def test_a_list_of_tables_is_told_how_to_write() -> None:
    assert "write [[platform.party]]" in problems({"platform": {"party": {"number": "1"}}})[0]


def test_words_become_a_message_with_the_triggers_values() -> None:
    made = build(CreateEvent, {"CallId": "$CallId", "LoginId": "$LoginId", "EventId": "E"}, CALL)
    assert made == CreateEvent(call_id="7", login_id="23", event_id="E")


def test_a_placeholder_without_a_value_is_no_value() -> None:
    made = build(CreateEvent, {"CallId": "$ConferenceID", "EventId": "E"}, CALL)
    assert made.call_id is None


def test_nested_words_become_groups_and_numbers() -> None:
    scenario = load_scenario("conference")
    made = build(CallOut, scenario.rules[0].words)
    assert isinstance(made, CallOut)
    assert [group.group_id for group in made.groups] == ["136", "137"]
    assert made.groups[0].staff[1].phone_nums[1].number == "139123444434"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"CallId": "x" * 21, "Mode": 1}, "Transfer.CallId: .* 21 characters|Transfer: CallId"),
        ({"Group": 1, "Mode": 1}, "has no Group"),
        ({}, "Mode is missing"),
    ],
)
def test_words_that_fit_no_message_are_told(words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ComposeError, match=problem):
        build(Transfer, words)


def test_a_group_that_is_no_table_is_told() -> None:
    with pytest.raises(ComposeError, match="wants a table of elements"):
        build(CallOut, {"Group": ["136"]})


def test_messages_are_compared_by_the_words_on_the_wire() -> None:
    assert fits(CALL, {"Type": 1, "PhoneNum": "139", "ConferenceID": "NULL"})
    assert not fits(CALL, {"Type": 2})
    assert not fits(CALL, {"CallId": "NULL"})
    assert texts(CALL)["ToNum"] == "2222"
