"""What happened at a simulator, in a few lines: its calls, events, conferences, commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.message import Message
from protocol.messages import (
    CallOutResultNotice,
    CallPhase,
    CallState,
    CallStateNotice,
    ConferenceNotice,
    ConferenceNoticeAction,
    CreateEvent,
    HangupNotice,
    IncomingCallNotice,
    TransferNotice,
)
from protocol.reasons import reason_text
from simulators.watch import Sighting, Way

CALLS_MAX: Final = 200
"""Calls and the like that are told; a simulator may stay for days."""
REFUSED: Final = "refused"


@dataclass(slots=True)
class _Thread:
    """What is told of one call, conference or event, in its order and once."""

    head: str
    parts: list[str] = field(default_factory=list)

    def tell(self, part: str) -> None:
        if part not in self.parts:
            self.parts.append(part)

    def __str__(self) -> str:
        return "; ".join([self.head, *self.parts])


class Summary:
    """Collects sightings; `lines` tells them. Of more than `CALLS_MAX` the oldest are left out."""

    def __init__(self) -> None:
        self._threads: dict[str, _Thread] = {}
        self._began: dict[str, float] = {}
        self._left_out = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._types: dict[tuple[str, str], Counter[int]] = {}
        self._last_s = 0.0
        self._first_s: float | None = None

    def see(self, sighting: Sighting) -> None:
        """Something came or went."""
        self._first_s = sighting.at_s if self._first_s is None else self._first_s
        self._last_s = sighting.at_s
        refused = sighting.result is not None and sighting.result > 9  # noqa: PLR2004 - protocol.md#results
        way = REFUSED if refused or sighting.way is Way.REFUSED else str(sighting.way)
        types = self._types.setdefault((sighting.place, way), Counter())
        types[sighting.message.number] += 1
        if way != REFUSED:
            self._follow(sighting.message, sighting.at_s)

    def lines(self) -> list[str]:
        """The story, for people."""
        if self._first_s is None:
            return ["nothing happened"]
        told = [str(thread) for thread in self._threads.values()]
        if self._left_out:
            told.insert(0, f"{self._left_out} more before these")
        return [*told, *self._totals()]

    def _totals(self) -> Iterator[str]:
        for (place, way), types in self._types.items():
            said = ", ".join(
                f"{number}" + (f" ({count} times)" if count > 1 else "")
                for number, count in sorted(types.items())
            )
            word = {"received": "heard", "sent": "said", REFUSED: "was refused, or refused"}[way]
            yield f"the {place} {word} {sum(types.values())}: {said}"

    def _thread(self, key: str, head: str, at_s: float) -> _Thread:
        if key not in self._threads:
            self._threads[key] = _Thread(head)
            self._began[key] = at_s
            if len(self._threads) > CALLS_MAX:
                oldest = next(iter(self._threads))
                del self._threads[oldest], self._began[oldest]
                self._left_out += 1
        return self._threads[key]

    def _follow(self, message: Message, at_s: float) -> None:
        call_id = getattr(message, "parent_call_id", None) or message.call_id
        if isinstance(message, IncomingCallNotice):
            way = f"{message.phone_num or '?'} → {message.to_num or message.login_id or '?'}"
            self._thread(f"call {call_id}", f"call {call_id}: {way}", at_s)
        elif isinstance(message, CreateEvent):
            title = f" {message.title}" if message.title else ""
            whose = f" for call {call_id}" if call_id else ""
            key = f"event {message.event_id}"
            self._thread(key, f"event {message.event_id}{title}: opened{whose}", at_s)
        elif isinstance(message, ConferenceNotice):
            key = f"conference {message.conference_id}"
            thread = self._thread(key, key, at_s)
            if message.action is ConferenceNoticeAction.CREATED:
                thread.tell("created")
            elif message.action is ConferenceNoticeAction.ENDED:
                thread.tell(f"ended{_why(message)}")
        elif isinstance(message, CallOutResultNotice):
            key = f"conference {message.conference_id}" if message.conference_id else "call-out"
            reached = "joined" if message.reason is None else f"not reached{_why(message)}"
            name = message.staff_name or message.phone_num or "somebody"
            self._thread(key, key, at_s).tell(f"{name} {reached}")
        elif (thread_of := self._threads.get(f"call {call_id}")) is not None:
            self._follow_call(thread_of, message, at_s - self._began[f"call {call_id}"])

    def _follow_call(self, call: _Thread, message: Message, after_s: float) -> None:
        if isinstance(message, CallStateNotice) and message.state is CallState.ANSWERED:
            call.tell(f"answered by {message.login_id or message.to_num or '?'}")
        elif isinstance(message, TransferNotice) and message.phase is CallPhase.DONE:
            call.tell(f"transferred to {message.to_login_id or message.to_num or '?'}")
        elif isinstance(message, HangupNotice) and message.parent_call_id is None:
            call.tell(f"ended after {after_s:.0f} s{_why(message)}")


def _why(message: Any) -> str:
    reason = getattr(message, "reason", None)
    return f" ({reason} {reason_text(reason)})" if isinstance(reason, int) else ""


def summary_of(sightings: Iterable[Sighting]) -> list[str]:
    """The story of a run that is over."""
    story = Summary()
    for sighting in sightings:
        story.see(sighting)
    return story.lines()
