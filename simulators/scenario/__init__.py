"""Scenarios: who is there, what they do, what is to be seen, and whether it was.

`file` reads a TOML file, with `toml_tables` (all mistakes at once), `rules` (what the duty desk
does by itself) and `expectations` (what is to be seen); `referee` judges what is seen meanwhile,
and `result` is what it found. `simulators.runner` plays one.
"""

from simulators.scenario.expectations import Expectation, Place
from simulators.scenario.file import (
    PlannedCall,
    Scenario,
    Speech,
    built_in_scenarios,
    load_scenario,
    parse_scenario,
)
from simulators.scenario.rules import Rule

__all__ = [
    "Expectation",
    "Place",
    "PlannedCall",
    "Rule",
    "Scenario",
    "Speech",
    "built_in_scenarios",
    "load_scenario",
    "parse_scenario",
]
