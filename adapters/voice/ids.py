"""Which of our ids is which of the platform's.

A CallId of the protocol holds 20 characters; the platform's channel ids do not fit. Channels that
we make carry the CallId in their id (`linkage-<CallId>`), and so do bridges, playbacks and
recordings of a call (`linkage-<CallId>-…`); of channels that came in, the call's record knows the
id. So the mapping is one to one and survives a restart on both sides.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container
from datetime import datetime
from typing import Final

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
LOT: Final = 5
"""Characters drawn by lot after the milliseconds: one in 60 million meets in one millisecond."""


def new_call_id(
    now: datetime, taken: Container[str], lot: Callable[[int], int] = secrets.randbelow
) -> str:
    """A CallId that was never given before: 13 digits and letters, in order of time.

    By the wall clock and by lot, so that a restart needs no counter; `taken` are those alive.
    """
    while True:
        stamp = _base36(max(0, int(now.timestamp() * 1000)))
        tail = _base36(lot(len(DIGITS) ** LOT)).rjust(LOT, "0")
        if (call_id := stamp + tail) not in taken:
            return call_id


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, digit = divmod(value, len(DIGITS))
        digits = DIGITS[digit] + digits
        if not value:
            return digits


class Names:
    """What things are called at the platform, for one Stasis application."""

    __slots__ = ("app",)

    def __init__(self, app: str) -> None:
        self.app = app

    def channel(self, call_id: str) -> str:
        """The channel of a leg that we dial."""
        return f"{self.app}-{call_id}"

    def bridge(self, call_id: str) -> str:
        """The bridge of a call.

        Never the id of a channel: the platform keeps an application's subscriptions by id alone,
        and tells nothing of a bridge whose name is that of a channel.
        """
        return f"{self.app}-{call_id}-b"

    def part(self, call_id: str, kind: str, number: int) -> str:
        """A playback (`p`), a tone (`t`) or a recording (`r`) of a call; safe as a file name."""
        return f"{self.app}-{call_id}-{kind}{number}"

    def call_of(self, name: str | None) -> str | None:
        """The CallId in a name of ours, None where it is somebody else's."""
        if name is None:
            return None
        app, _, rest = name.partition("-")
        return rest.partition("-")[0] or None if app == self.app else None
