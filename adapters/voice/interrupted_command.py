"""Commands whose requests were out when the link was lost or linkage was killed.

Nobody knows how much of such a command the platform did, and its sender was told so (503). So
nothing of it is begun any more; what can be seen there says what becomes of the call:

| what is seen | what becomes of it |
|---|---|
| nothing of it | it is taken back: the call is as it was before |
| the telephone that it rings, or a later request done | it was begun, and goes on |
| only telephones hung up, or not all rung, in time still | it goes on with the rest |
| the same, past its time | who was rung is in, nobody else is rung or hung up for it |

Requests go out in order, so all before the last that is seen were done, even if what they brought
about has ended since: nobody is rung twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.voice.json_codec import from_json
from adapters.voice.model import Call
from adapters.voice.platform_actions import HangUp, Mute, Originate, Record, Unmute
from adapters.voice.step import Effect, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedCommand:
    """Such a command: the call before it (as data), when it was written, until when it may begin.

    Times are steady.
    """

    before: Any
    began: datetime
    until: datetime

    def is_late(self, now: datetime) -> bool:
        """Whether its time is over; also where the time makes no sense."""
        return not self.began <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What becomes of it: the call, the effects that are still to be done.

    `undone`: the call as it would be, where the command was taken back.
    """

    call: Call
    pending: Sequence[Effect]
    undone: Call | None = None


def settle(
    command: InterruptedCommand,
    call: Call,
    pending: Sequence[Effect],
    *,
    channels: Collection[str],
    recordings: Collection[str],
    late: bool,
) -> Settled:
    """Judge by the channels and recordings that there are at the platform."""
    seen = [at for at, each in enumerate(pending) if _is_seen(each, channels, recordings)]
    last = max(seen, default=-1)
    makes = [at for at, each in enumerate(pending) if isinstance(each, Originate | Record)]
    if last < 0 or (late and not any(at <= last for at in makes)):
        return Settled(call=_before(command, call, channels), pending=(), undone=call)
    left = [each for at, each in enumerate(pending) if at not in makes or (at > last and not late)]
    return Settled(call=call, pending=left)


def _is_seen(effect: Effect, channels: Collection[str], recordings: Collection[str]) -> bool:
    match effect:
        case Originate():
            return effect.channel in channels
        case HangUp():
            return effect.channel not in channels
        case Record():
            return effect.name in recordings
        case _:
            return False


def _before(command: InterruptedCommand, after: Call, channels: Collection[str]) -> Call:
    """The call as it was, but for those who are gone for that command."""
    call = from_json(Call, command.before)
    keep_ends(
        call, after, [leg.channel for leg in call.legs.values() if leg.channel not in channels]
    )
    return call


def keep_ends(call: Call, after: Call, gone: Collection[str]) -> None:
    """Who is gone for a command that was taken back went for its reason (`after`: with it)."""
    for leg in call.legs.values():
        then = after.legs.get(leg.id)
        if then is not None and then.leaving is not None and leg.channel in gone:
            leg.leaving = then.leaving
            leg.reason, leg.side, leg.request_id = then.reason, then.side, then.request_id


def undo(step: Step, undone: Call) -> None:
    """Let everybody speak and hear as before a command that was taken back (`undone`: with it)."""
    for leg in step.call.legs.values():
        other = undone.legs.get(leg.id)
        if other is None or not leg.up:
            continue
        if other.muted != leg.muted:
            if other.muted is not None:
                step.do(Unmute(channel=leg.channel, direction=other.muted))
            if leg.muted is not None:
                step.do(Mute(channel=leg.channel, direction=leg.muted))
        if other.deaf != leg.deaf:
            act = Mute if leg.deaf else Unmute
            step.do(act(channel=leg.channel, direction="out"))
