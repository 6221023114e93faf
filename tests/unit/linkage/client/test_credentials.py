"""What a listening application makes of a registration that claims to be linkage's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from linkage.client.credentials import Credentials
from linkage.clock import ManualClock
from protocol.codec import decode, encode
from protocol.dialect import DEFAULT
from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import Hangup
from protocol.registration import TIME_TOLERANCE_S, make_registration
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.far_end import SECRET

NONCE = "0123456789abcdef"
NOON = ManualClock().utc()


def received(message: Message) -> Request:
    request = decode(encode(Request(id="1", message=message)))
    assert isinstance(request, Request)
    return request


def desk(secret: str | None = SECRET) -> Credentials:
    return Credentials(Role.APPLICATION, "desk", secret, {})


def signed(seconds: float = 0.0, role: Role = Role.PLATFORM) -> Message:
    return make_registration(role, "linkage", SECRET, NOON + timedelta(seconds=seconds), NONCE)


def test_linkage_is_told_from_where_to_deliver() -> None:
    response = desk().judge(received(signed()), DEFAULT, NOON, 42)
    assert (response.result, response.last_seq) == (Result.OK, 42)


@pytest.mark.parametrize("seconds", [-TIME_TOLERANCE_S - 1, TIME_TOLERANCE_S + 1])
def test_a_clock_that_is_far_off_is_refused(seconds: float) -> None:
    response = desk().judge(received(signed(seconds)), DEFAULT, NOON, 42)
    assert (response.result, response.last_seq) == (Result.BAD_CREDENTIALS, None)


def test_a_version_that_is_not_spoken_here_is_refused() -> None:
    message = replace(signed(), proto_ver=0)  # type: ignore[call-arg]  # a field of 190
    response = desk().judge(received(message), DEFAULT, NOON, None)
    assert response.result == Result.VERSION_NOT_SUPPORTED


@pytest.mark.parametrize("message", [Hangup(call_id="c1"), signed(role=Role.APPLICATION)])
def test_anything_but_a_190_is_forbidden(message: Message) -> None:
    assert desk().judge(received(message), DEFAULT, NOON, None).result == Result.FORBIDDEN


def test_a_nonce_is_forgotten_when_its_time_could_not_be_accepted_any_more() -> None:
    credentials = desk()
    verdicts = [
        credentials.judge(
            received(signed(seconds)), DEFAULT, NOON + timedelta(seconds=seconds), None
        )
        for seconds in (0.0, 2 * TIME_TOLERANCE_S, 2 * TIME_TOLERANCE_S + 1)
    ]
    assert [item.result for item in verdicts] == [
        Result.OK,
        Result.BAD_CREDENTIALS,
        Result.OK,
    ]


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(desk())
