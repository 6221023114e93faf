"""What an adapter finds in its memory that a version before wrote (a fixture is such a memory)."""

from __future__ import annotations

import json
from pathlib import Path

from adapters.voice.interrupted_command import settle
from adapters.voice.memory_records import Kept, read_call
from adapters.voice.model import LegState
from adapters.voice.step import Tell
from protocol.messages import CallStateNotice, TransferNotice

MEMORY = Path(__file__).parents[3] / "fixtures" / "asterisk_memory" / "before_actions.json"


def kept(when: str) -> Kept:
    """The call of that memory."""
    memory = json.loads(MEMORY.read_text())[when]
    (record,) = [value for key, value in memory.items() if key.startswith("call:")]
    return read_call(record)


def test_a_call_of_the_version_before_lives_on() -> None:
    found = kept("at rest")
    assert [leg.state for leg in found.call.legs.values()] == [LegState.ANSWERED] * 2
    assert found.call.bridged
    assert list(found.call.recordings) == [found.call.last_record]
    assert (found.pending, found.command) == ([], None)


def test_of_a_command_of_the_version_before_no_request_is_repeated_and_it_is_taken_back() -> None:
    found = kept("in a command")
    assert all(isinstance(each, Tell) for each in found.pending)
    told = {type(each.message) for each in found.pending if isinstance(each, Tell)}
    assert told == {TransferNotice, CallStateNotice}
    assert found.command is not None
    channels = {leg.channel for leg in found.call.legs.values()}
    settled = settle(
        found.command, found.call, found.pending, channels=channels, recordings=(), late=False
    )
    assert settled.pending == ()
    assert settled.call == kept("at rest").call
    assert settled.undone is found.call
