"""Lines, ringing and timers: the telephony of the simulated platform, without a word of protocol.

Time is `now`, handed in at every entry; nothing here waits. A line carries one leg at a time,
which is what keeps every party out of two calls at once.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

from protocol.reasons import Reason
from simulators.platform.parties import FAILURE, Behaviour, Site

Action = Callable[[], None]


class LegState(Enum):
    """Life of a leg; ENDED is final."""

    IDLE = auto()
    RINGING = auto()
    TALKING = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False)
class SwitchTimer:
    """Something that will happen unless cancelled."""

    when: float
    action: Action | None

    def cancel(self) -> None:
        """It will not happen."""
        self.action = None


@dataclass(slots=True, eq=False)
class Leg:
    """One telephone's part in a call. `started`, `answered`, `ended` are points of `now`."""

    id: str
    line: str
    login_id: str | None = None
    state: LegState = LegState.IDLE
    started: float = 0.0
    answered: float | None = None
    ended: float | None = None
    reason: Reason | None = None
    held: bool = False
    muted: bool = False
    deaf: bool = False
    timers: list[SwitchTimer] = field(default_factory=list)
    on_answered: Callable[[Leg], None] | None = None
    on_failed: Callable[[Leg, Reason], None] | None = None

    @property
    def alive(self) -> bool:
        """Ringing or talking."""
        return self.state in {LegState.RINGING, LegState.TALKING}

    @property
    def talking(self) -> bool:
        """Answered and not ended."""
        return self.state is LegState.TALKING


class Switch:
    """Connects telephones that behave as the site's scripts say."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = 0.0
        self.lines: dict[str, Leg] = {}
        self._reached: Counter[str] = Counter()
        self._timers: list[tuple[float, int, SwitchTimer]] = []
        self._order = count()

    # --- timers ---------------------------------------------------------------------------------
    def after(self, delay_s: float, action: Action) -> SwitchTimer:
        """Do `action` in `delay_s` seconds."""
        timer = SwitchTimer(self.now + delay_s, action)
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def next_timer(self) -> float | None:
        """When `handle_timers` is due, None when nothing is to happen."""
        while self._timers and self._timers[0][2].action is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def handle_timers(self, now: float) -> None:
        """Do everything that is due, in the order in which it was due."""
        while (due := self.next_timer()) is not None and due <= now:
            timer = heapq.heappop(self._timers)[2]
            action, timer.action = timer.action, None
            self.now = max(self.now, due)
            assert action is not None
            action()
        self.now = max(self.now, now)

    # --- legs -----------------------------------------------------------------------------------
    def occupy(self, leg: Leg) -> bool:
        """A party picks up its telephone to make a call; False when the line is taken."""
        if leg.line in self.lines:
            return False
        self._take(leg)
        self._begin_talk(leg)
        return True

    def ring(
        self,
        leg: Leg,
        *,
        timeout_s: float,
        answered: Callable[[Leg], None],
        failed: Callable[[Leg, Reason], None],
    ) -> None:
        """Ring a telephone; exactly one of the callbacks follows, unless `release` comes first."""
        leg.state, leg.started = LegState.RINGING, self.now
        leg.on_answered, leg.on_failed = answered, failed
        if leg.line in self.lines:
            leg.timers.append(self.after(0.0, lambda: self.give_up(leg, Reason.BUSY)))
            return
        self._take(leg)
        party = self.site.party(leg.line)
        behaviour = party.behaviour(self._reached[leg.line])
        self._reached[leg.line] += 1
        if behaviour is Behaviour.ANSWERS:
            leg.timers.append(self.after(party.after_s, lambda: self.pick_up(leg)))
        elif behaviour is not Behaviour.NO_ANSWER:
            reason = FAILURE[behaviour]
            leg.timers.append(self.after(party.after_s, lambda: self.give_up(leg, reason)))
        leg.timers.append(self.after(timeout_s, lambda: self.give_up(leg, Reason.NO_ANSWER)))

    def pick_up(self, leg: Leg) -> None:
        """The party answers; the rest of its ringing script is void."""
        assert leg.state is LegState.RINGING
        self.cancel_timers(leg)
        self._begin_talk(leg)
        if leg.on_answered is not None:
            leg.on_answered(leg)

    def give_up(self, leg: Leg, reason: Reason) -> None:
        """Ringing came to nothing."""
        if self.release(leg, reason) and leg.on_failed is not None:
            leg.on_failed(leg, reason)

    def release(self, leg: Leg, reason: Reason) -> bool:
        """Put the receiver down; False when it was down already."""
        if not leg.alive:
            return False
        self.cancel_timers(leg)
        leg.state, leg.ended, leg.reason = LegState.ENDED, self.now, reason
        if self.lines.get(leg.line) is leg:
            del self.lines[leg.line]
        return True

    def _take(self, leg: Leg) -> None:
        self.lines[leg.line] = leg
        leg.started = self.now

    def _begin_talk(self, leg: Leg) -> None:
        leg.state, leg.answered = LegState.TALKING, self.now

    @staticmethod
    def cancel_timers(leg: Leg) -> None:
        """Void what the leg's script had still in store."""
        for timer in leg.timers:
            timer.cancel()
        leg.timers.clear()
