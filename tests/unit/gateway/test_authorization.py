"""What a refused registration costs."""

from __future__ import annotations

import pytest

from gateway import GatewaySettings
from gateway.authorization import Origin, check_registration, remember_failure
from gateway.context import GatewayContext
from linkage.clock import ManualClock
from linkage.ports import PeerProfile
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.core import FakeCore

HERE = Origin("10.0.0.1", encrypted=False, names=None)


@pytest.mark.parametrize(
    ("result", "waits"),
    [
        (Result.BAD_CREDENTIALS, True),
        (Result.OVERLOAD, False),
        (Result.INTERNAL, False),
        (Result.RATE_LIMITED, False),
    ],
)
def test_only_a_refusal_that_speaks_against_the_peer_makes_it_wait(
    result: Result, *, waits: bool
) -> None:
    settings = GatewaySettings(refusals_per_minute=1.0)
    desk = PeerProfile(id="desk", role=Role.APPLICATION)
    context = GatewayContext(FakeCore(), ManualClock(), settings, [desk])
    remember_failure(context, "desk", HERE, result)
    refusal = check_registration(context, "desk", HERE)
    assert (refusal is not None) is waits
