"""A platform dies in the middle of a call and comes back knowing nothing of it."""

from __future__ import annotations

from pathlib import Path

from linkage.config.file import Config
from linkage.server.server import Server
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sqlite.database import open_for_reading
from protocol.reasons import Reason
from simulators.application import open_application
from simulators.clock import RealClock
from simulators.platform import open_platform, with_fresh_ids
from simulators.scenario import load_scenario

SECRET = "a secret for the tests"


async def test_a_call_that_died_with_its_platform_ends_at_its_application(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "source": tmp_path / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "peer": [
                {"id": "pbx", "role": "platform", "secret": SECRET},
                {"id": "desk", "role": "application", "secret": SECRET},
            ],
            "sweep": {"settle_s": 0, "every_s": 0.01},
        }
    )
    clock = RealClock(speed=50)
    site = with_fresh_ids(load_scenario("playground").site, clock)
    async with Server(config) as server:
        host, port = server.addresses[0]
        async with open_application(host, port, "desk", secret=SECRET, clock=clock) as desk:
            async with open_platform(
                host, port, "pbx", secret=SECRET, site=site, clock=clock
            ) as platform:
                call_id = platform.call("13900000100", "2222")
                await desk.watch.wait_for(100)
                await desk.watch.wait_for(115)
            fresh = with_fresh_ids(site, clock)
            async with open_platform(host, port, "pbx", secret=SECRET, site=fresh, clock=clock):
                end = await desk.watch.wait_for(102, CallId=call_id)
    assert getattr(end, "reason", None) == Reason.STATE_LOST
    engine = open_for_reading(config.database_path)
    again = rebuild(engine)
    assert differences(engine, again) == []
    again.dispose()
    engine.dispose()
