"""Fixtures for those who test their application, platform or screen against linkage.

Loaded by pytest wherever linkage is installed, so this imports nothing: the fixtures' module
imports pytest-asyncio, and they themselves the middleware, the client library and the protocol,
when one of them is used.

| fixture | what it gives |
|---|---|
| `linkage_config` | the settings of the server; override it to change peers |
| `linkage_server` | a linkage in this process, on a free port, with data of its own |
| `simulation_speed` | how many times faster than life simulators live (10); override it |
| `simulated_platform` | a platform with the telephones of `simulated_site` |
| `simulated_site` | the telephones of the scenario `playground`; override it |
| `simulated_application` | a duty desk that does nothing by itself |
| `simulated_screen` | a communication screen of the officer 23 |
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Bring the fixtures; without pytest-asyncio, which they need, there are none."""
    if find_spec("pytest_asyncio") is not None:
        config.pluginmanager.import_plugin("simulators.fixtures")
