"""`linkage doctor` looks at an Asterisk, and whoever serves with it does not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk import AsteriskAdapter
from adapters.asterisk.settings import Settings
from linkage.config.adapters import read_settings
from linkage.ports.probe import Finding, State
from protocol.messages import (
    CallState,
    CallStateNotice,
    Hangup,
    HangupNotice,
    HangupScope,
    IncomingCallNotice,
)
from protocol.results import Result
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.running_adapter import Place


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


async def probed(asterisk: FakeAsterisk, **changes: Any) -> list[Finding]:
    settings = read_settings(Settings, "pbx", {**asterisk.settings(), **changes})
    return list(await AsteriskAdapter.probe("adapter pbx", settings))


async def test_a_platform_that_is_right_is_told_with_its_version_and_what_it_can_do(
    asterisk: FakeAsterisk,
) -> None:
    found = await probed(asterisk)

    assert [finding.state for finding in found] == [State.OK] * 3
    assert [finding.detail for finding in found] == [
        "Asterisk 22.5.1 accepted the credentials",
        "calls, conferences, announcements and recordings",
        "the application linkage is free",
    ]
    assert not asterisk.variables, "nothing was changed"


async def test_a_linkage_that_serves_keeps_its_application_and_hears_its_calls(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with Place.at(tmp_path, asterisk.settings()).run() as adapter:
        found = await probed(asterisk)
        assert (found[-1].state, "if it is running" in found[-1].detail) == (State.NOTE, True)

        await asterisk.call()
        await adapter.notices.next(IncomingCallNotice)


async def test_a_wrong_password_is_broken_and_names_the_file_that_has_it(
    asterisk: FakeAsterisk,
) -> None:
    (found,) = await probed(asterisk, password="guessed")

    assert found.state is State.BROKEN
    assert "ari.conf" in found.remedy
    assert "guessed" not in str(found)


async def test_who_is_not_there_is_a_warning_for_linkage_goes_on_trying(
    asterisk: FakeAsterisk,
) -> None:
    (found,) = await probed(asterisk, url="http://127.0.0.1:9")

    assert found.state is State.WARNING
    assert "cannot be reached" in found.detail


async def test_a_file_that_is_not_there_is_a_warning_for_it_may_come(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    missing = tmp_path / "authority.pem"
    (found,) = await probed(asterisk, url="https://127.0.0.1:9", ca=str(missing))

    assert found.state is State.WARNING
    assert str(missing) in found.detail


async def test_another_version_is_noted_and_a_missing_module_warned_of(
    asterisk: FakeAsterisk,
) -> None:
    asterisk.version = "16.2.1"
    asterisk.modules.remove("res_ari_recordings.so")
    version, missing, _ = await probed(asterisk)

    assert (version.state, "18 to 22" in version.remedy) == (State.NOTE, True)
    assert missing.state is State.WARNING
    assert "without it no recordings" in missing.detail
    assert "module load res_ari_recordings.so" in missing.remedy


async def test_a_rotated_password_counts_at_once_and_no_call_notices(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    async with Place.at(tmp_path, asterisk.settings()).run() as adapter:
        await asterisk.call()
        call = await adapter.notices.next(IncomingCallNotice)
        await asterisk.pick_up("1001")
        await adapter.notices.next(CallStateNotice, state=CallState.BRIDGED)

        asterisk.password = "another of them"
        changed = asterisk.settings() | {"password": asterisk.password}
        assert adapter.adapter.take_up(read_settings(Settings, "pbx", changed))

        hangup = Hangup(call_id=call.call_id, scope=HangupScope.CALL)
        assert (await adapter.do(hangup)).result == Result.ACCEPTED
        await adapter.notices.next(HangupNotice, scope=HangupScope.CALL)
        assert not adapter.task.done(), "the link was never lost"
