"""What a load consists of: notices of calls that begin, go on and end, in given proportions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from protocol.message import Message
from protocol.messages import (
    CallDirection,
    CallOutResultNotice,
    CallPhase,
    CallState,
    CallStateNotice,
    HangupNotice,
    HoldNotice,
    HoldNoticeAction,
    IncomingCallNotice,
    TransferNotice,
)
from protocol.reasons import Reason

LIVE_MAX: Final = 500
"""Calls of one peer that are going on; beyond, the oldest is hung up, whatever the mix says."""
OFFICERS: Final = 20
WEIGHT_MAX: Final = 1_000_000


class LoadError(Exception):
    """A load cannot be made; the text says what to change."""


def _state(call_id: str, lots: Random) -> Message:
    return CallStateNotice(
        call_id=call_id, state=lots.choice((CallState.ALERTING, CallState.ANSWERED))
    )


def _transfer(call_id: str, lots: Random) -> Message:
    return TransferNotice(
        call_id=call_id,
        from_login_id=_officer(lots),
        to_login_id=_officer(lots),
        phase=CallPhase.DONE,
    )


def _hold(call_id: str, lots: Random) -> Message:
    action = lots.choice((HoldNoticeAction.HOLD, HoldNoticeAction.RETRIEVE))
    return HoldNotice(call_id=call_id, action=action)


def _result(call_id: str, lots: Random) -> Message:
    reason = lots.choice((None, None, Reason.BUSY, Reason.NO_ANSWER))
    return CallOutResultNotice(call_id=call_id, phone_num=_phone(lots), reason=reason)


def _officer(lots: Random) -> str:
    return str(10 + lots.randrange(OFFICERS))


def _phone(lots: Random) -> str:
    return f"139{lots.randrange(10**8):08d}"


BEGIN: Final = 100
END: Final = 102
_DURING: Final[Mapping[int, Callable[[str, Random], Message]]] = {
    105: _transfer,
    106: _hold,
    110: _result,
    115: _state,
}
KNOWN: Final = tuple(sorted({BEGIN, END, *_DURING}))
USUAL: Final[Mapping[int, int]] = {100: 10, 115: 20, 106: 2, 105: 3, 102: 10}
"""A call that rings, is answered and ends; one of three is transferred."""


def parse_mix(text: str) -> dict[int, int]:
    """`100=10,115=20,102=10` → weights.

    Raises:
        LoadError: it is not written so, or names a notice that no load can be made of.
    """
    mix: dict[int, int] = {}
    for item in text.split(","):
        number, _, weight = item.strip().partition("=")
        if not (number.isdecimal() and weight.isdecimal() and 0 < int(weight) <= WEIGHT_MAX):
            raise LoadError(f"{item!r}: write a mix as 100=10,115=20,102=10")
        if int(number) not in KNOWN:
            known = ", ".join(map(str, KNOWN))
            raise LoadError(f"no load is made of {number}; there are {known}")
        mix[int(number)] = int(weight)
    return mix


class Calls:
    """The notices of one platform, coherent call by call; the same seed makes the same."""

    def __init__(self, prefix: str, mix: Mapping[int, int], lots: Random) -> None:
        self._prefix = prefix
        self._numbers = list(mix)
        self._weights = list(mix.values())
        self._lots = lots
        self._live: deque[str] = deque()
        self._made = 0

    def next(self) -> Message:
        """The next notice. Where no call goes on that it could be of, one begins."""
        number = self._lots.choices(self._numbers, self._weights)[0]
        if len(self._live) >= LIVE_MAX:
            number = END
        if number == BEGIN or not self._live:
            return self._begin()
        if number == END:
            return HangupNotice(call_id=self._live.popleft(), reason=Reason.NORMAL)
        call_id = self._live[self._lots.randrange(len(self._live))]
        return _DURING[number](call_id, self._lots)

    def _begin(self) -> Message:
        self._made += 1
        call_id = f"{self._prefix}{self._made}"
        self._live.append(call_id)
        return IncomingCallNotice(
            call_id=call_id,
            login_id=_officer(self._lots),
            direction=CallDirection.IN,
            phone_num=_phone(self._lots),
            to_num="2222",
        )
