"""`linkage doctor` at a real Asterisk: it says what is so, and no call notices."""

from __future__ import annotations

from pathlib import Path

from adapters.asterisk import AsteriskAdapter
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from linkage.ports.probe import State
from protocol.messages import HangupNotice, HangupScope, IncomingCallNotice
from tests.real.peers.sipp import Talk
from tests.real.test_asterisk_adapter import scene


async def test_a_call_goes_its_way_while_its_platform_is_looked_at(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        settings = read_settings(Settings, "pbx", stage.place.settings)
        before = list(await AsteriskAdapter.probe("adapter pbx", settings))
        assert [finding.state for finding in before] == [State.OK] * 3, before
        assert before[0].detail.endswith("accepted the credentials")
        assert before[2].detail == f"the application {settings.app} is free"

        async with stage.place.run() as adapter, stage.caller(Talk(2)) as phone:
            call = await adapter.notices.next(IncomingCallNotice)
            found = list(await AsteriskAdapter.probe("adapter pbx", settings))
            assert [finding.state for finding in found] == [State.OK, State.OK, State.NOTE], found
            await phone.wait()
            end = await adapter.notices.next(HangupNotice, scope=HangupScope.CALL)
            assert end.call_id == call.call_id


async def test_a_wrong_password_is_told_as_such(tmp_path: Path) -> None:
    async with scene(tmp_path, ["1001"]) as stage:
        wrong = dict(stage.place.settings) | {"password": "guessed"}
        settings = read_settings(Settings, "pbx", wrong)
        (found,) = await AsteriskAdapter.probe("adapter pbx", settings)
        assert (found.state, "ari.conf" in found.remedy) == (State.BROKEN, True)
