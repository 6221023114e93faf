"""What makes a call what it is, beside its legs: how a call between two and a conference differ.

Both are a call with legs; what happens to a leg is one thing (`leg_events`), what that means for
the others is the policy's.
"""

from __future__ import annotations

from typing import Protocol

from adapters.voice import two_party
from adapters.voice.conference import lifecycle
from adapters.voice.model import Call, Leg
from adapters.voice.step import Step
from protocol.messages import HangupSide


class CallPolicy(Protocol):
    """Functions over a step; `leg` is one that we rang, or of which something was told."""

    def alerting(self, step: Step, leg: Leg) -> None:
        """Its telephone begins to ring."""
        ...

    def answered(self, step: Step, leg: Leg) -> None:
        """It was picked up, and 115 has told so."""
        ...

    def watch_bridge(self, step: Step) -> None:
        """Somebody entered the bridge, or left it."""
        ...

    def held(self, step: Step, holder: Leg) -> None:
        """The hold key of a telephone was pressed."""
        ...

    def retrieved(self, step: Step, holder: Leg) -> None:
        """And once more."""
        ...

    def gone(self, step: Step, leg: Leg) -> None:
        """It ended, with its reason."""
        ...

    def proceed(self, step: Step) -> None:
        """Call who is due of those who are called out."""
        ...

    def on_time(self, step: Step) -> None:
        """Do what is due."""
        ...

    def is_over(self, call: Call) -> bool:
        """Whether nobody is left, nor to be waited for."""
        ...

    def why_over(self, call: Call) -> tuple[int | None, HangupSide | None]:
        """Why and by whom, where nobody has said so."""
        ...

    def tell_end(self, step: Step) -> None:
        """Tell that it is over."""
        ...


def policy_of(call: Call) -> CallPolicy:
    """The policy of a call."""
    return two_party if call.conference is None else lifecycle
