"""Scenario files: who is there, what they do, and what is to be seen; read from TOML files.

The reference of the file format is docs/quickstart/simulators.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from protocol.suggest import nearest
from simulators.errors import ScenarioError
from simulators.platform.parties import (
    ANSWER_AFTER_S,
    RING_S,
    Behaviour,
    Hotline,
    Officer,
    Party,
    PhoneTransfer,
    RingOrder,
    Site,
)
from simulators.scenario.expectations import Expectation, Place, read_expectation
from simulators.scenario.rules import Rule, read_rule
from simulators.scenario.toml_tables import TomlProblems, TomlTable, parse_scenario_toml, read_text

BUILT_IN: Final = Path(__file__).parents[1] / "scenarios"
LIMIT_S: Final = 600.0
"""A scenario that has not come to its end by then has failed."""


class Speech(StrEnum):
    """What a platform speaks."""

    PROFILE = "profile"
    PATENT = "patent"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """Somebody dials, `at_s` seconds after the start, and again every `every_s` seconds."""

    at_s: float
    phone_num: str
    to_num: str
    every_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole story. `limit_s` is how long it may take, in seconds of the scenario."""

    name: str
    title: str
    platform_id: str
    application_id: str
    site: Site
    calls: tuple[PlannedCall, ...] = ()
    rules: tuple[Rule, ...] = ()
    expects: tuple[Expectation, ...] = ()
    nevers: tuple[Expectation, ...] = ()
    limit_s: float = LIMIT_S
    linger_s: float = 0.0
    """How long to go on watching once everything that is expected has come, for `nevers`."""
    plays: frozenset[Place] = frozenset(Place)
    """Who is played; the other is somebody's program under test."""
    ids_given: bool = False
    """True when the file fixes the first CallId, as a comparison with a transcript needs it."""


def built_in_scenarios() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load_scenario(name: str | Path) -> Scenario:
    """A built-in scenario by its name (`alarm`), or one of yours by its path.

    Raises:
        ScenarioError: with all problems, each naming file, key and remedy.
    """
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        path = BUILT_IN / f"{name}.toml"
        if not path.exists():
            near = nearest(str(name), built_in_scenarios())
            meant = "" if near is None else f" (did you mean {near}?)"
            known = ", ".join(built_in_scenarios())
            problem = f"no such scenario; built in are {known}{meant}, or give a .toml file"
            raise ScenarioError([f"{name}: file: {problem}"])
    text = read_text(path)
    return parse_scenario(parse_scenario_toml(path, text), str(path), text)


def parse_scenario(document: dict[str, Any], source: str, text: str = "") -> Scenario:
    """The scenario in the content of a file; `source` names it in errors, `text` its lines.

    Raises:
        ScenarioError: with all problems, each naming file, key and remedy.
    """
    problems = TomlProblems(source, text)
    top = TomlTable(document, "", problems)
    platform = top.table("platform") or TomlTable({}, "platform", problems)
    application = top.table("application")
    scenario = Scenario(
        name=top.text("name"),
        title=top.maybe_text("title") or "",
        platform_id=platform.text("id", "platform"),
        application_id="application" if application is None else application.text("id", "app"),
        site=_site(platform),
        calls=tuple(_call(table) for table in platform.tables("call")),
        rules=()
        if application is None
        else tuple(
            rule for rule in map(read_rule, application.tables("rule")) if rule is not None
        ),
        expects=tuple(read_expectation(table, timed=True) for table in top.tables("expect")),
        nevers=tuple(read_expectation(table, timed=False) for table in top.tables("never")),
        limit_s=top.seconds("limit_s", LIMIT_S, above_0=True) or LIMIT_S,
        linger_s=top.seconds("linger_s", 0.0) or 0.0,
        plays=_played(top),
        ids_given=platform.has("first_call_id"),
    )
    _check_numbers(scenario, problems)
    _check_places(scenario, problems)
    for table in (top, platform, application):
        if table is not None:
            table.close()
    problems.raise_any()
    return scenario


def _played(top: TomlTable) -> frozenset[Place]:
    """Those who have a table; where nobody has, the platform: its telephones need no script."""
    named = frozenset(place for place in Place if top.has(place))
    return named or frozenset({Place.PLATFORM})


def _check_places(scenario: Scenario, problems: TomlProblems) -> None:
    if problems.lines:
        return  # where something is to be seen may be among them
    for one in (*scenario.expects, *scenario.nevers):
        if one.at not in scenario.plays:
            problems.add(
                f"{one.table}.at",
                f"nobody is played at the {one.at}, so nothing is seen there: add [{one.at}]",
            )


# --- the platform -------------------------------------------------------------------------------
def _site(table: TomlTable) -> Site:
    return Site(
        officers=tuple(_officer(one) for one in table.tables("officer")),
        hotlines=tuple(_hotline(one) for one in table.tables("hotline")),
        parties=tuple(_party(one) for one in table.tables("party")),
        strangers=table.choice("strangers", Behaviour, Behaviour.ANSWERS),
        patent_only=table.choice("speaks", Speech, Speech.PROFILE) is Speech.PATENT,
        first_call_id=table.whole("first_call_id", 1, low=1) or 1,
        first_conference_id=table.whole("first_conference_id", 1, low=1) or 1,
    )


def _officer(table: TomlTable) -> Officer:
    transfers = table.table("transfers")
    officer = Officer(
        login_id=table.text("login"),
        ext=table.text("ext"),
        name=table.maybe_text("name"),
        behaviours=table.choices("behaviour", Behaviour, Behaviour.ANSWERS),
        after_s=table.seconds("after_s", ANSWER_AFTER_S) or 0.0,
        talks_s=table.seconds("talks_s", None),
        transfers=None
        if transfers is None
        else PhoneTransfer(
            to=transfers.text("to"), after_s=transfers.seconds("after_s", 10.0) or 0.0
        ),
    )
    for one in (table, transfers):
        if one is not None:
            one.close()
    return officer


def _hotline(table: TomlTable) -> Hotline:
    hotline = Hotline(
        number=table.text("number"),
        officers=table.texts("officers"),
        ring=table.choice("ring", RingOrder, RingOrder.IN_ORDER),
        ring_s=table.seconds("ring_s", RING_S, above_0=True) or RING_S,
    )
    table.close()
    return hotline


def _party(table: TomlTable) -> Party:
    party = Party(
        number=table.text("number"),
        name=table.maybe_text("name"),
        behaviours=table.choices("behaviour", Behaviour, Behaviour.ANSWERS),
        after_s=table.seconds("after_s", ANSWER_AFTER_S) or 0.0,
        talks_s=table.seconds("talks_s", None),
        patience_s=table.seconds("patience_s", None),
        digits=table.maybe_text("digits") or "",
    )
    table.close()
    return party


def _call(table: TomlTable) -> PlannedCall:
    call = PlannedCall(
        at_s=table.seconds("at_s", 0.0) or 0.0,
        phone_num=table.text("from"),
        to_num=table.text("to"),
        every_s=table.seconds("every_s", None, above_0=True),
    )
    table.close()
    return call


def _check_numbers(scenario: Scenario, problems: TomlProblems) -> None:
    site = scenario.site
    _check_once(problems, "platform.officer", "login", [one.login_id for one in site.officers])
    telephones = [one.ext for one in site.officers]
    _check_once(problems, "platform.officer", "ext", telephones)
    _check_once(problems, "platform.hotline", "number", [one.number for one in site.hotlines])
    _check_once(problems, "platform.party", "number", [one.number for one in site.parties])
    for index, hotline in enumerate(site.hotlines):
        for login in hotline.officers:
            if site.officer(login) is None:
                problems.add(
                    f"platform.hotline[{index}].officers",
                    f"nobody has the login {login!r}: add a [[platform.officer]] with it",
                )
    for index, officer in enumerate(site.officers):
        if officer.transfers is not None and site.officer(officer.transfers.to) is None:
            problems.add(
                f"platform.officer[{index}].transfers.to",
                f"nobody has the login {officer.transfers.to!r}: add a [[platform.officer]]",
            )
    for index, call in enumerate(scenario.calls):
        if site.hotline(call.to_num) is None and site.login_at(call.to_num) is None:
            problems.add(
                f"platform.call[{index}].to",
                f"{call.to_num!r} is no hotline and no extension: add a [[platform.hotline]]",
            )


def _check_once(problems: TomlProblems, table: str, key: str, values: Sequence[str]) -> None:
    """Of two by one name, the first would never be heard of."""
    for index, value in enumerate(values):
        if value and value in values[:index]:
            first = values.index(value)
            problems.add(
                f"{table}[{index}].{key}",
                f"{value!r} is {table}[{first}] already: give each its own, or remove one",
            )
