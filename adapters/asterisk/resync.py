"""Finds the way back after linkage, Asterisk or the link between them was away.

What the memory says is compared with what lives at Asterisk: calls that live on are taken up again
under their CallIds, legs that died are ended (marked reconstructed), channels that came in while
nobody looked become calls. What is none of these may be another linkage's, and is left alone. ARI
replays nothing, so 195 says from when to when notices may be missing.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from adapters.asterisk import (
    call_recording,
    callouts,
    calls,
    conferences,
    convening,
    elsewhere,
    legs,
    twins,
)
from adapters.asterisk.ari import AriError, segment
from adapters.asterisk.effects import Do, Effect
from adapters.asterisk.events import FOUND, Event
from adapters.asterisk.living import Found, look, see_to_the_rest
from adapters.asterisk.model import Call, Leg, LegState
from adapters.asterisk.recordings import PREFIX
from adapters.asterisk.remembered import (
    CALL_PREFIX,
    LINK_KEY,
    Kept,
    ahead_s,
    read_call,
    read_link,
)
from adapters.asterisk.switchboard import Switchboard
from adapters.asterisk.turn import Turn
from adapters.asterisk.unfinished import settle, take_back
from protocol.messages import GapCause, GapNotice, LinkState, PlatformLink, PlatformStatusNotice
from protocol.reasons import Reason

logger = logging.getLogger("linkage.asterisk")

HOLDS: Final = {"variable": "CHANNEL(rtp,hold)"}
"""What says of a channel, of PJSIP only, whether its telephone has put the other side on hold."""


async def resync(board: Switchboard, *, first: bool) -> str:
    """Compare and repair; `first` is whether this process has not been connected before.

    Returns Asterisk's start time. Raises what the ARI client raises.
    """
    found = await look(board)
    memory = await board.memory.load()
    link = read_link(memory.get(LINK_KEY))
    if first:
        board.steady.resume(ahead_s(memory))
    board.revoked = list(link.revoked)
    same_run = link.startup == found.startup
    reason = Reason.STATE_LOST if same_run else Reason.PLATFORM_FAULT
    # What another run of Asterisk calls by the name of a channel of ours is another channel.
    ours = found if same_run or link.startup is None else found.without_life()
    unreadable: set[str] = set()
    for key, record in memory.items():
        try:
            if key.startswith(PREFIX):
                board.recorder.resume(record)
            elif key.startswith(CALL_PREFIX):
                await _take_up(board, ours, read_call(record), reason, link.saved)
        except ValueError:
            logger.exception("%s in the adapter's memory cannot be read: forgotten", key)
            unreadable.add(key.removeprefix(CALL_PREFIX))
            await board.memory.delete(key)
    if not same_run:
        board.forget_past()
    await see_to_the_rest(board, found, unreadable)
    await seen(board, found.startup)
    if link.seen is not None:
        cause = GapCause.RESTART if first else GapCause.VENDOR_DISCONNECT
        await board.emit(
            GapNotice(cause=cause, since=link.seen, until=board.clock.utc()), reconstructed=True
        )
    await board.emit(
        PlatformStatusNotice(
            links=(PlatformLink(id=board.names.app, kind="ARI", state=LinkState.UP),)
        )
    )
    return found.startup


async def seen(board: Switchboard, startup: str) -> None:
    """Remember that the link was up just now: a gap begins no earlier than this."""
    record = {
        "seen": board.clock.utc().isoformat(),
        "startup": startup,
        "revoked": board.revoked,
        **board.steady.stamp(),
    }
    await board.memory.put(LINK_KEY, record)


# --- one call ------------------------------------------------------------------------------------
async def _take_up(
    board: Switchboard, found: Found, kept: Kept, reason: Reason, seen: datetime | None
) -> None:
    call, pending, command = kept.call, kept.pending, kept.command
    undone: Call | None = None
    still = await running(board, call)
    now = board.steady.now()
    if command is not None:
        settled = settle(
            command,
            call,
            pending,
            channels=found.channels,
            recordings=await _recordings(board, call, still),
            late=command.is_late(now),
        )
        call, pending, undone = settled.call, list(settled.pending), settled.undone
        board.revoke(_without_call(call, kept.call, found))
    elif call.conference is not None:
        pending = _not_done(pending, found)
    if not call.begun:  # the call that the command was to make never came about
        await board.memory.delete(f"{CALL_PREFIX}{call.id}")
        return
    outage_s = _outage_s(board, kept.saved, seen)
    pending = _still_wanted(call, pending, found, outage_s)
    desk = board.add(call)
    added = frozenset(
        effect.owner for effect in pending if isinstance(effect, Do) and effect.owner
    )
    freed = await no_longer_held(board, call)

    def bring_up(turn: Turn) -> None:
        if undone is not None:
            take_back(turn, undone)
        if convening.outlast(turn, outage_s):
            step = callouts.step if turn.call.conference is None else conferences.step
            step(turn)
        compare(turn, found, still, added, reason)
        for leg in turn.call.legs.values():
            if leg.id in freed and leg.up:
                legs.retrieve(turn, leg, by=None)

    await desk.resume(pending, bring_up)
    if desk.call.closed:
        board.forget(desk.call)


def _without_call(call: Call, after: Call, found: Found) -> set[str]:
    """Channels of a command that was taken back: Asterisk may still come to dial them."""
    return _channels(after) - _channels(call) - found.channels.keys()


def _channels(call: Call) -> set[str]:
    return {each for leg in call.legs.values() for each in (leg.channel, *leg.twins)}


async def _recordings(board: Switchboard, call: Call, running: frozenset[str]) -> frozenset[str]:
    """Which of the call's recordings there are at Asterisk, complete or not."""
    stored = [
        name
        for name in call.recordings.keys() - running
        if await _find(board, f"/recordings/stored/{segment(name)}")
    ]
    return running | frozenset(stored)


def _outage_s(board: Switchboard, saved: datetime | None, seen: datetime | None) -> float:
    """How long nobody looked after a call, or a little longer; 0 where nobody knows."""
    last = max((each for each in (saved, seen) if each is not None), default=board.steady.now())
    return max(0.0, -board.steady.until(last))


def _still_wanted(
    call: Call, pending: list[Effect], found: Found, outage_s: float
) -> list[Effect]:
    """Effects without the requests that are of no use any more."""
    if call.conference is None and not call.closed:
        # Nobody is there to ring anybody for; only what takes things away is still of use.
        nobody = not (call.anchor_leg.alive and call.anchor_leg.channel in found.channels)
    else:
        nobody = call.closed  # all was told but the last of it
    late = {
        channel
        for each in call.convenings
        if outage_s > each.patience_s
        for _, person in each.persons()
        if (leg := call.legs.get(person.leg or "")) is not None
        for channel in (leg.channel, *leg.twins)
    }
    return [
        each
        for each in pending
        if not isinstance(each, Do)
        or each.method == "DELETE"
        or not (nobody or each.dials in late)
    ]


def _not_done(pending: list[Effect], found: Found) -> list[Effect]:
    """Effects without the dialling that was done: nobody is called into a conference twice.

    Requests go out in order, so where one telephone is known to Asterisk, those before it rang,
    even if they are busy or silent again by now.
    """
    dials = {
        at: effect.dials
        for at, effect in enumerate(pending)
        if isinstance(effect, Do) and effect.dials is not None
    }
    last = max((at for at, channel in dials.items() if channel in found.channels), default=-1)
    return [effect for at, effect in enumerate(pending) if at not in dials or at > last]


async def running(board: Switchboard, call: Call) -> frozenset[str]:
    """Which of the call's recordings Asterisk is still making."""
    names = [
        name for name in call.recordings if await _find(board, f"/recordings/live/{segment(name)}")
    ]
    return frozenset(names)


async def _find(board: Switchboard, path: str) -> bool:
    """Whether something is there; one that Asterisk will not show is taken to be."""
    try:
        return await board.ari.find(path) is not None
    except AriError as error:
        logger.warning("%s: %s", path, error)
        return True


async def no_longer_held(board: Switchboard, call: Call) -> frozenset[str]:
    """Who is on hold by a telephone's key that was pressed once more while nobody looked."""
    freed: list[str] = []
    for leg in call.legs.values():
        if leg.alive and leg.held_by is not None:
            holder = call.legs.get(leg.held_by)
            if holder is None or not await _holds(board, holder):
                freed.append(leg.id)
    return frozenset(freed)


async def _holds(board: Switchboard, holder: Leg) -> bool:
    path = f"/channels/{segment(holder.channel)}/variable"
    try:
        answer = await board.ari.request("GET", path, HOLDS)
    except AriError:  # it is gone, or of a technology that does not know
        return False
    return isinstance(answer, dict) and answer.get("value") == "1"


def compare(
    turn: Turn,
    found: Found,
    running: frozenset[str],
    added: frozenset[str],
    reason: Reason,
) -> None:
    """Bring a call up to what was found; `added`: legs dialled, recordings begun just now."""
    call = turn.call
    call.handing_over = False
    seated = found.bridges.get(turn.bridge)
    if seated is None and not added:
        call.bridge_made = False
    for leg in list(call.legs.values()):
        if leg.alive and leg.id not in added:
            _compare_leg(turn, leg, found, seated or frozenset(), reason)
    for name in list(call.recordings):
        if name not in added:
            call_recording.found(turn, name, live=name in running)
    if call.reason is None:
        _reseat(turn)
    calls.watch_bridge(turn)
    calls.close_if_over(turn)


def _compare_leg(
    turn: Turn, leg: Leg, found: Found, seated: frozenset[str], reason: Reason
) -> None:
    for twin in list(leg.twins):
        if twin not in found.channels:
            twins.one_less(turn, leg, twin)
    if leg.channel not in found.channels:
        twins.one_less(turn, leg, leg.channel)
    channel = found.channels.get(leg.channel)
    if channel is None:
        calls.lost(turn, leg, reason)
        return
    leg.inside = leg.channel in seated
    if channel.state != "Up":
        return
    if leg.answered is not None and channel.app not in {"", "Stasis"}:
        elsewhere.found(turn, leg, Event(kind=FOUND, channel=channel, state=channel.state))
        return
    if not turn.dialled(leg) and leg.answered is None:
        leg.state, leg.answered = LegState.ANSWERED, turn.at
    elif leg.ringing:
        calls.answered(turn, leg)


def _reseat(turn: Turn) -> None:
    """Who should be in the bridge and is not goes in; who should not be goes out."""
    for leg in turn.call.legs.values():
        if not leg.up:
            continue
        if leg.seated and not leg.inside:
            legs.reseat(turn, leg)
        elif leg.inside and not leg.seated:
            legs.unseat(turn, leg)
