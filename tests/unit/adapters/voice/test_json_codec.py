"""The adapter's data: ids, records and effects as JSON, causes, and Asterisk's events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asterisk.causes import hangup_word, reason_of
from adapters.asterisk.translate import EVENTS, KINDS, REPLACED, read_event
from adapters.voice import model
from adapters.voice.actions import Originate, Play
from adapters.voice.effects import Effect, Fetch, Tell, dump_effect, load_effect
from adapters.voice.ids import Names, new_call_id
from adapters.voice.json_codec import from_json, to_json
from adapters.voice.model import Call, Collect, Leg, LegState, Recording, Target, Transfer
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
from protocol.reasons import Reason

NOW = datetime(2026, 11, 22, 8, 0, 0, 125000, tzinfo=UTC)
FIXTURES = sorted((Path(__file__).parents[3] / "fixtures" / "ari").glob("*.jsonl"))


# --- ids
def test_call_ids_fit_the_protocol_and_differ() -> None:
    ids = {new_call_id(NOW, ()) for _ in range(1000)}
    assert len(ids) == 1000
    assert max(map(len, ids)) == 13


def test_call_ids_stand_in_order_of_time() -> None:
    moments = [NOW + timedelta(milliseconds=number) for number in range(50)]
    ids = [new_call_id(moment, ()) for moment in moments]
    assert ids == sorted(ids)


def test_a_call_id_that_is_taken_is_not_given_again() -> None:
    lots = iter([7, 7, 8])
    first = new_call_id(NOW, (), lambda _: next(lots))
    second = new_call_id(NOW, {first}, lambda _: next(lots))
    assert first != second


def test_names_at_asterisk_lead_back_to_the_call() -> None:
    names = Names("linkage")
    assert names.call_of(names.channel("abc")) == "abc"
    assert names.call_of(names.part("abc", "r", 1)) == "abc"
    for other in (None, "1795365278.0", "other-abc", "linkage", "linkage-"):
        assert names.call_of(other) is None


# --- records
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


def test_a_record_of_another_version_is_read_as_far_as_it_goes() -> None:
    record = to_json(whole_call())
    record["invented_later"] = 1
    del record["count"]
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


# --- causes
@pytest.mark.parametrize(
    ("cause", "answered", "reason"),
    [
        (None, True, Reason.NORMAL),
        (0, True, Reason.NORMAL),
        (16, True, Reason.NORMAL),
        (38, True, Reason.NETWORK_FAILURE),
        (16, False, Reason.NO_ANSWER),
        (17, False, Reason.BUSY),
        (18, False, Reason.UNREACHABLE),
        (19, False, Reason.NO_ANSWER),
        (21, False, Reason.REJECTED),
        (127, False, Reason.CALL_FAILED),
        (None, False, Reason.CALL_FAILED),
        (77, False, Reason.CALL_FAILED),
    ],
)
def test_causes_become_reasons(cause: int | None, answered: bool, reason: Reason) -> None:
    assert reason_of(cause, answered=answered) is reason


@pytest.mark.parametrize(
    ("status", "cause", "rang", "reason"),
    [
        (401, 21, False, Reason.REJECTED),
        (403, 21, False, Reason.BARRED),
        (404, 1, False, Reason.UNALLOCATED),
        (408, 18, False, Reason.UNREACHABLE),
        (408, 18, True, Reason.NO_ANSWER),
        (410, 22, False, Reason.NUMBER_CHANGED),
        (415, 127, False, Reason.MEDIA_FAILURE),
        (420, 3, False, Reason.CALL_FAILED),
        (433, 127, False, Reason.REJECTED),
        (480, 19, False, Reason.NO_ANSWER),
        (480, 19, True, Reason.NO_ANSWER),
        (482, 127, False, Reason.NETWORK_FAILURE),
        (483, 19, False, Reason.NETWORK_FAILURE),
        (484, 28, False, Reason.INVALID_FORMAT),
        (485, 1, False, Reason.UNALLOCATED),
        (486, 17, False, Reason.BUSY),
        (488, 58, False, Reason.MEDIA_FAILURE),
        (500, 38, False, Reason.PLATFORM_FAULT),
        (502, 27, False, Reason.NETWORK_FAILURE),
        (503, 34, False, Reason.CONGESTION),
        (505, 127, False, Reason.NETWORK_FAILURE),
        (580, 34, False, Reason.NETWORK_FAILURE),
        (600, 17, False, Reason.BUSY),
        (603, 21, False, Reason.REJECTED),
        (604, 1, False, Reason.UNALLOCATED),
        (606, 58, False, Reason.MEDIA_FAILURE),
        (607, 127, False, Reason.REJECTED),
        (608, 127, False, Reason.REJECTED),
        (418, 127, False, Reason.CALL_FAILED),
        (301, 16, False, Reason.NUMBER_CHANGED),
        (17, 17, False, Reason.BUSY),  # of another technology than SIP: its own numbers
    ],
)
def test_what_sip_said_is_not_lost_in_asterisks_cause(
    status: int, cause: int, rang: bool, reason: Reason
) -> None:
    assert reason_of(cause, answered=False, status=status, rang=rang) is reason


def test_a_caller_hears_why_as_asterisk_says_it() -> None:
    assert hangup_word(Reason.BUSY) == "busy"
    assert hangup_word(Reason.NO_ANSWER) == "no_answer"
    assert hangup_word(None) == "normal"


# --- events
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_recorded_event_of_use_is_read(path: Path) -> None:
    read = 0
    for line in path.read_text().splitlines():
        raw = json.loads(line)
        event = read_event(raw)
        # Hang-ups of ours or without a cause, and what we said of a transfer, say nothing to us.
        ours = raw.get("soft") is True or raw["type"] == REPLACED
        ours |= raw["type"] == "ChannelTransfer" and bool(raw.get("state"))
        ours |= raw["type"] == "ChannelHangupRequest" and "cause" not in raw
        assert (event is not None) == (raw["type"] in KINDS and not ours)
        if event is None:
            continue
        read += 1
        assert event.at is not None
        by = raw.get("referred_by", {})
        channel = raw.get("peer") or raw.get("channel") or by.get("source_channel")
        assert (event.channel.id if event.channel else None) == (channel or {}).get("id")
    assert read > 5


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    kind=st.sampled_from(sorted(EVENTS)),
    fields=st.dictionaries(
        st.sampled_from(["channel", "peer", "bridge", "args", "cause", "timestamp", "playback"]),
        ANYTHING | st.dictionaries(st.sampled_from(["id", "name", "state", "caller"]), ANYTHING),
    ),
)
def test_no_event_however_odd_raises(kind: str, fields: dict[str, Any]) -> None:
    event = read_event({"type": kind, **fields})
    assert event is None or event.at is None or event.at.tzinfo is not None
