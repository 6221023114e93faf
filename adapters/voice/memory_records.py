"""What the adapter's memory holds, read with care: one record can spoil but itself.

| key | record |
|---|---|
| `call:<CallId>` | a call, the effects at which the memory ends, and of which command |
| `rec:<name>` | a recording to be fetched (`adapters.voice.media.recording_download`) |
| `link` | when the link was up, and which channels are to come no more |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.voice.interrupted_command import InterruptedCommand
from adapters.voice.json_codec import from_json
from adapters.voice.model import Call
from adapters.voice.step import Effect, load_effect

LINK_KEY: Final = "link"
CALL_PREFIX: Final = "call:"
AHEAD_MAX_S: Final = 1e9
"""Thirty years: what is further off is no clock that was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A call as it is remembered: with effects at which the memory ends, and when that was."""

    call: Call
    pending: list[Effect]
    command: InterruptedCommand | None
    saved: datetime | None


def read_call(record: Any) -> Kept:
    """A call from its record.

    Raises:
        ValueError: what stands there is none.
    """
    if not isinstance(record, dict):
        raise ValueError("no record of a call")  # noqa: TRY004 - what is on disk is data
    call = from_json(Call, record.get("call"))
    if call.begun and call.conference is None and not {call.id, call.anchor} <= call.legs.keys():
        raise ValueError("a call without its legs")
    pending = record.get("pending") or ()
    if not isinstance(pending, list | tuple) or not all(isinstance(e, dict) for e in pending):
        raise ValueError("no list of what is pending")
    unfinished = record.get("unfinished")
    command = None if unfinished is None else from_json(InterruptedCommand, unfinished)
    if command is not None:
        from_json(Call, command.before)
    json.dumps(record, ensure_ascii=False).encode()  # half a character can be asked for nowhere
    return Kept(
        call=call,
        pending=[load_effect(each) for each in pending if not _is_of_before(each)],
        command=command,
        saved=_time(record.get("saved")),
    )


def _is_of_before(effect: Mapping[str, Any]) -> bool:
    """Whether it is a request or look-up as versions before 2026-12 kept it: in ARI's own words.

    They are not repeated. The resync sees what they have brought about; a command of which they
    were is taken back, and whoever rings for it is hung up.
    """
    return isinstance(effect.get("do"), list) or "find" in effect or "value" in effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is remembered of the link: `seen` is by the wall clock, `saved` by steady time."""

    seen: datetime | None = None
    saved: datetime | None = None
    startup: str | None = None
    revoked: tuple[str, ...] = ()


def read_link(record: Any) -> Link:
    """It, as far as it can be read."""
    data = record if isinstance(record, dict) else {}
    revoked = data.get("revoked")
    return Link(
        seen=_time(data.get("seen")),
        saved=_time(data.get("saved")),
        startup=data.get("startup"),
        revoked=tuple(map(str, revoked)) if isinstance(revoked, list) else (),
    )


def ahead_s(memory: Mapping[str, Any]) -> float:
    """How far the wall clock was ahead of steady time when something was last remembered."""
    stamps = [
        (saved, float(record["ahead_s"]))
        for record in memory.values()
        if isinstance(record, dict)
        and (saved := _time(record.get("saved"))) is not None
        and isinstance(record.get("ahead_s"), int | float)
        and abs(record["ahead_s"]) < AHEAD_MAX_S
    ]
    return max(stamps, default=(None, 0.0))[1]


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        return None
