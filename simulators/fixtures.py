"""The fixtures that `pytest_linkage` brings, where pytest-asyncio is installed.

What they need of linkage is imported when one of them is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from simulators.application.desk import SimulatedApplication
    from simulators.platform.parties import Site
    from simulators.platform.simulated_platform import SimulatedPlatform
    from simulators.screen.panel import SimulatedScreen
    from simulators.sms_centre import SmsCentre

PLATFORM = "dispatch"
APPLICATION = "duty-desk"
SCREEN = "duty-screen"
YOURS = "yours"
SECRET = "for-tests-only-" + "0" * 16
SPEED = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkageServer:
    """Where the server of a test is, and whom it knows.

    `secret` is that of every peer. Beside the simulators' peers it knows the application `yours`,
    for the program under test.
    """

    host: str
    port: int
    data: Path
    server: Any
    secret: str = SECRET
    platform_id: str = PLATFORM
    application_id: str = APPLICATION
    screen_id: str = SCREEN
    your_id: str = YOURS


@pytest.fixture
def linkage_config(tmp_path: Path) -> dict[str, Any]:
    """The configuration of `linkage_server`, as in linkage.toml; override to add peers.

    All calls go to the peer `duty-desk`; those to numbers that begin with 9 to `yours`.
    """
    return {
        "data": tmp_path / "linkage",
        "listen": ["127.0.0.1:0"],
        "peer": [
            {"id": PLATFORM, "role": "platform", "secret": SECRET},
            {"id": APPLICATION, "role": "application", "secret": SECRET, "platform": PLATFORM},
            {
                "id": YOURS,
                "role": "application",
                "secret": SECRET,
                "platform": PLATFORM,
                "numbers": ["9*"],
            },
            {
                "id": SCREEN,
                "role": "communication-screen",
                "secret": SECRET,
                "login": "23",
            },
        ],
    }


@pytest_asyncio.fixture
async def linkage_server(linkage_config: dict[str, Any]) -> AsyncIterator[LinkageServer]:
    """A whole linkage in this process: a free port, data that goes with the test."""
    # By name at run time: simulators know nothing of what is behind these two.
    from importlib import import_module

    config = import_module("linkage.config.file").Config.model_validate(linkage_config)
    async with import_module("linkage").Server(config) as server:
        host, port = server.addresses[0]
        yield LinkageServer(host=host, port=port, data=linkage_config["data"], server=server)


@pytest.fixture
def simulation_speed() -> float:
    """How many times faster than life: "answers after 2 s" takes 0.2 s."""
    return SPEED


@pytest.fixture
def simulated_site() -> Site:
    """The telephones of `simulated_platform`: those of the scenario `playground`."""
    from simulators.scenario import load_scenario

    return load_scenario("playground").site


@pytest_asyncio.fixture
async def simulated_platform(
    linkage_server: LinkageServer, simulated_site: Site, simulation_speed: float
) -> AsyncIterator[SimulatedPlatform]:
    """A communication platform: `simulated_platform.call("13900000100", "2222")`."""
    from simulators.clock import RealClock
    from simulators.platform.simulated_platform import open_platform

    async with open_platform(
        linkage_server.host,
        linkage_server.port,
        linkage_server.platform_id,
        secret=linkage_server.secret,
        site=simulated_site,
        clock=RealClock(speed=simulation_speed),
    ) as platform:
        yield platform


@pytest_asyncio.fixture
async def simulated_application(
    linkage_server: LinkageServer, simulation_speed: float
) -> AsyncIterator[SimulatedApplication]:
    """A duty desk: `await simulated_application.send(...)`, `.watch.wait_for(100)`."""
    from simulators.application.desk import open_application
    from simulators.clock import RealClock

    async with open_application(
        linkage_server.host,
        linkage_server.port,
        linkage_server.application_id,
        secret=linkage_server.secret,
        clock=RealClock(speed=simulation_speed),
    ) as application:
        yield application


@pytest_asyncio.fixture
async def simulated_screen(
    linkage_server: LinkageServer,
) -> AsyncIterator[SimulatedScreen]:
    """A communication screen at which the officer 23 works."""
    from simulators.screen.panel import ScreenKind, open_screen

    async with open_screen(
        linkage_server.host,
        linkage_server.port,
        linkage_server.screen_id,
        secret=linkage_server.secret,
        kind=ScreenKind.COMMUNICATION,
    ) as screen:
        yield screen


@pytest_asyncio.fixture
async def simulated_sms_centre(simulation_speed: float) -> AsyncIterator[SmsCentre]:
    """An SMS centre with the account `linkage`, password `secret`: `.texts_to("13900000001")`."""
    from simulators.clock import RealClock
    from simulators.sms_centre import SmsCentre

    async with SmsCentre(clock=RealClock(speed=simulation_speed)) as centre:
        yield centre
