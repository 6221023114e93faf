"""pytest's door to linkage's fixtures: for those who test against a linkage and its simulators.

pytest loads this in every project whose environment has linkage in it, so it imports nothing and
stands by itself: neither a missing library nor a `simulators` of that project's own may keep its
tests from running. The fixtures come with `pip install 'linkage[pytest]'`.

| fixture | what it gives |
|---|---|
| `linkage_config` | the settings of the server; override it to change peers |
| `linkage_server` | a linkage in this process, on a free port, with data of its own |
| `simulation_speed` | how many times faster than life simulators live (10); override it |
| `simulated_platform` | a platform with the telephones of `simulated_site` |
| `simulated_site` | the telephones of the scenario `playground`; override it |
| `simulated_application` | a duty desk that does nothing by itself |
| `simulated_screen` | a communication screen of the officer 23 |
| `simulated_sms_centre` | an SMS centre with SMPP, account `linkage`, password `secret` |
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FIXTURES = "simulators.fixtures"


class Report:
    """Says at the head of pytest's output why there are no fixtures."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def pytest_report_header(self) -> str:
        """The line."""
        return f"linkage: its fixtures cannot be had: {self._reason}"


def pytest_configure(config: pytest.Config) -> None:
    """Bring the fixtures; without pytest-asyncio, which they need, there are none."""
    if find_spec("pytest_asyncio") is None:
        return
    try:
        fixtures = import_module(FIXTURES)
    except Exception as error:  # noqa: BLE001 - theirs: most likely a `simulators` of their own
        config.pluginmanager.register(Report(str(error)), "linkage-report")
    else:
        config.pluginmanager.register(fixtures, FIXTURES)
