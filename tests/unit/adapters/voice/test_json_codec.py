"""What the memory holds of a call and its effects, as JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.voice import model
from adapters.voice.json_codec import from_json, to_json
from adapters.voice.model import Call, Collect, Leg, LegState, Recording, Target, Transfer
from adapters.voice.platform_actions import Originate, Play
from adapters.voice.step import Effect, Fetch, Tell, dump_effect, load_effect
from protocol.messages import (
    CallDataNotice,
    CallDirection,
    CallPhase,
    HangupNotice,
    HangupScope,
    HangupSide,
    KeyValue,
    TransferNotice,
    TransferNoticeMode,
)

NOW = datetime(2026, 11, 22, 8, 0, 0, 125000, tzinfo=UTC)


def whole_call() -> Call:
    """A call of which everything is set."""
    leg = Leg(
        id="leg",
        channel="linkage-leg",
        number="1001",
        login="23",
        state=LegState.ANSWERED,
        started=NOW,
        answered=NOW,
        ring_until=NOW,
        cause=16,
        side=HangupSide.CALLEE,
        muted="in",
    )
    return Call(
        id="root",
        anchor="root",
        direction=CallDirection.IN,
        started=NOW,
        legs={"root": Leg(id="root", channel="1.2", started=NOW), "leg": leg},
        waiting=[Target(number="1002", endpoint="PJSIP/1002", login="13", ring_s=2.5)],
        transfer=Transfer(from_leg="leg", to_leg="x", mode=TransferNoticeMode.ATTENDED),
        recordings={"linkage-root-r1": Recording(name="linkage-root-r1", started=NOW)},
        plays={"linkage-root-p2": model.Play(heard=True, request_id="7")},
        collect=Collect(leg="root", most=4, until=NOW, wait_s=3.0, digits="1"),
        data={"Lage": "B 7"},
        reason=100,
    )


def test_a_call_is_the_same_after_a_restart() -> None:
    call = whole_call()
    assert from_json(Call, json.loads(json.dumps(to_json(call)))) == call


def test_what_has_its_default_is_not_written_and_read_all_the_same() -> None:
    call = Call(id="C1", anchor="C1", started=NOW)
    record = to_json(call)
    assert record == {"id": "C1", "anchor": "C1", "started": NOW.isoformat()}
    assert from_json(Call, record) == call
    call.begun, call.direction = False, CallDirection.OUT
    assert from_json(Call, to_json(call)) == call


def test_a_record_of_another_version_is_read_as_far_as_it_goes() -> None:
    record = to_json(whole_call())
    record["invented_later"] = 1
    record.pop("count", None)
    assert from_json(Call, record).count == 0


@pytest.mark.parametrize("data", [None, [], 5, {}, {"id": "x", "anchor": "x", "started": "now"}])
def test_what_is_no_record_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"no Call|isoformat"):
        from_json(Call, data)


EFFECTS: list[Effect] = [
    Originate(
        channel="linkage-x",
        call_id="c",
        leg_id="x",
        endpoint="PJSIP/1001",
        give_up_s=40.0,
        variables={"a": "b"},
        owner="x",
    ),
    Play(bridge="b", play_id="p", file_id="hello", owner="command"),
    Tell(message=CallDataNotice(call_id="c", data=(KeyValue(key="a"),)), at=NOW),
    Tell(
        message=HangupNotice(call_id="c", scope=HangupScope.CALL, end_time=NOW, duration=3),
        at=NOW,
        reconstructed=True,
    ),
    Tell(message=TransferNotice(call_id="c", phase=CallPhase.DONE, reason=101), at=NOW),
    Fetch(name="r", call_id="c", login_id=None, started=NOW, duration_s=2),
]


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_is_the_same_after_a_restart(effect: Effect) -> None:
    assert load_effect(json.loads(json.dumps(dump_effect(effect)))) == effect


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"do": []},
        {"do": "HangUp"},
        {"do": "HangUp", "channel": 5},
        {"tell": 999, "fields": {}},
        {"fetch": "x"},
    ],
)
def test_what_is_no_effect_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        load_effect(data)
