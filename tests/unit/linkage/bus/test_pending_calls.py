"""A peer's requests keep their order also where some of them meet no core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from linkage.bus.client import RETRY_AFTER_S, CoreClient
from linkage.bus.core_connection import CoreConnection
from linkage.bus.envelope import Kind
from linkage.bus.pending_calls import CALLS_MAX, Call
from linkage.clock import ManualClock
from linkage.config.processes import MessagingSettings
from protocol import messages as m
from protocol.envelope import Request, Response
from protocol.message import Message
from tests.fakes.bus import Peer
from tests.fakes.core_links import as_sent
from tests.fakes.said import incoming

HOLD_S = 8.0


class Waiting:
    """A part without a core, whose clock is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        settings, place = MessagingSettings(hold_s=HOLD_S), f"ipc://{folder}/bus.sock"
        connection = CoreConnection("gateway", place, self.clock, settings)
        self.client = CoreClient(connection, self.clock, settings)
        self.refused: list[str] = []

    def link(self, name: str) -> Peer:
        peer = Peer(self.client, name)
        self.client.connection.links.of(peer)
        return peer

    def post(self, peer: Peer, id_: str, message: Message | None = None) -> None:
        request = as_sent(Request(id=id_, message=message or incoming()))
        self.client.post(peer, request, self._told)

    def _told(self, response: Response) -> None:
        assert (response.result, bool(response.retry_after_s)) == (404, True)
        self.refused.append(response.request_id)

    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.client.connection.calls.give_up(self.clock.now(), 0.0)


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Waiting]:
    made = Waiting(tmp_path)
    yield made
    await made.client.connection.stop()


def test_what_waits_behind_a_request_that_is_given_up_is_given_up_with_it(
    waiting: Waiting,
) -> None:
    pbx, other = waiting.link("pbx"), waiting.link("pbx2")
    waiting.post(pbx, "1")
    waiting.pass_(HOLD_S / 2)
    waiting.post(pbx, "2")
    waiting.post(other, "a")
    waiting.pass_(HOLD_S / 2)

    assert waiting.refused == ["1", "2"], "2 would else be taken before 1 is tried again"


def test_a_peer_that_was_told_to_wait_is_not_heard_before(waiting: Waiting) -> None:
    pbx, other = waiting.link("pbx"), waiting.link("pbx2")
    waiting.post(pbx, "1")
    waiting.pass_(HOLD_S)
    waiting.post(pbx, "2")
    waiting.post(other, "a")
    assert waiting.refused == ["1", "2"]

    waiting.pass_(RETRY_AFTER_S)
    waiting.post(pbx, "1")
    assert waiting.refused == ["1", "2"]


def test_a_command_that_expires_takes_what_came_before_it_nowhere(waiting: Waiting) -> None:
    desk = waiting.link("desk")
    waiting.post(desk, "1", m.Hangup(call_id="C1"))
    request = as_sent(Request(id="2", message=m.Hangup(call_id="C2"), expire_s=1))
    waiting.client.post(desk, request, waiting._told)
    waiting.pass_(1.0)

    assert waiting.refused == ["2"]


def test_a_command_is_asked_of_no_later_core_once_it_has_expired(waiting: Waiting) -> None:
    """Also where the core that took it lived on for a while, and did not answer."""
    desk = waiting.link("desk")
    request = as_sent(Request(id="1", message=m.Hangup(call_id="C1"), expire_s=5))
    waiting.client.post(desk, request, waiting._told)
    waiting.clock.advance(4)
    calls, left_at = waiting.client.connection.calls, waiting.clock.now()
    calls.left()
    waiting.clock.advance(1)
    calls.give_up(waiting.clock.now(), left_at)

    assert waiting.refused == ["1"]


def test_a_peer_that_finds_no_room_is_held_to_the_time_it_was_told(waiting: Waiting) -> None:
    pbx, asked = waiting.link("pbx"), waiting.client.connection.calls
    for number in range(CALLS_MAX):
        asked.add(-number, Call(Kind.NOTE, b"", 0.0, None, lambda *_: None))
    waiting.post(pbx, "1")
    asked.take(0)
    waiting.post(pbx, "2")
    assert waiting.refused == ["1", "2"]

    waiting.clock.advance(1.0)
    waiting.post(pbx, "1")
    assert waiting.refused == ["1", "2"]
