"""Asterisk's events: recorded ones, and such as nobody would send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asterisk.ari_events import EVENTS, KINDS, REPLACED, read_event

FIXTURES = sorted((Path(__file__).parents[3] / "fixtures" / "ari").glob("*.jsonl"))


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
