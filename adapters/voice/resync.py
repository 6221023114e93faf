"""Finds the way back after linkage, the platform or the link between them was away.

What the memory says is compared with what lives at the platform: calls that live on are taken up
again under their CallIds, legs that died are ended (marked reconstructed), channels that came in
while nobody looked become calls. What is none of these may be another linkage's, and is left
alone. ARI replays nothing, so 195 says from when to when notices may be missing.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from datetime import datetime

from adapters.voice import dialling, diversion, legs
from adapters.voice.call_end import close_if_over, lost
from adapters.voice.call_policy import policy_of
from adapters.voice.call_registry import CallRegistry
from adapters.voice.callout import convening
from adapters.voice.driver import Inventory
from adapters.voice.interrupted_command import settle, undo
from adapters.voice.leg_event_handlers import answered
from adapters.voice.media import call_recording
from adapters.voice.media.recording_download import PREFIX
from adapters.voice.memory_records import (
    CALL_PREFIX,
    LINK_KEY,
    Kept,
    ahead_s,
    read_call,
    read_link,
)
from adapters.voice.model import Call, Leg, LegState
from adapters.voice.platform_actions import Action, Originate
from adapters.voice.platform_events import Event, EventKind
from adapters.voice.refer import given_event
from adapters.voice.step import Effect, Step
from adapters.voice.unclaimed_channels import see_to_the_rest
from linkage.ports import Notice
from protocol.messages import GapCause, GapNotice, LinkState, PlatformLink, PlatformStatusNotice
from protocol.reasons import Reason

logger = logging.getLogger("linkage.voice")


async def resync(registry: CallRegistry, *, first: bool) -> str:
    """Compare and repair; `first` is whether this process has not been connected before.

    Returns what tells this run of the platform from another. Raises what the driver raises.
    """
    found = await registry.driver.inventory()
    memory = await registry.port.load()
    link = read_link(memory.get(LINK_KEY))
    if first:
        registry.steady.resume(ahead_s(memory))
    registry.revoked = list(link.revoked)
    same_run = link.startup == found.startup
    reason = Reason.STATE_LOST if same_run else Reason.PLATFORM_FAULT
    # What another run of the platform calls by the name of a channel of ours is another channel.
    ours = found if same_run or link.startup is None else found.without_life()
    unreadable: set[str] = set()
    for key, record in memory.items():
        kept: Kept | None = None
        try:
            if key.startswith(PREFIX):
                registry.recorder.resume(record)
            elif key.startswith(CALL_PREFIX):
                kept = read_call(record)
        except ValueError:
            logger.exception("%s in the adapter's memory cannot be read: forgotten", key)
            unreadable.add(key.removeprefix(CALL_PREFIX))
            await registry.port.record(memory={key: None})
        # What fails from here on is no fault of the record's, and nothing to forget a call for.
        if kept is not None:
            await _take_up(registry, ours, kept, reason, link.saved)
    await _hand_over_again(registry, ours)
    if not same_run:
        registry.forget_past()
    await see_to_the_rest(registry, found, unreadable)
    gap: list[Notice] = []
    if link.seen is not None:
        cause = GapCause.RESTART if first else GapCause.VENDOR_DISCONNECT
        until = registry.clock.utc()
        since = min(link.seen, until)  # the clock may have been set back meanwhile
        gap.append(Notice(GapNotice(cause=cause, since=since, until=until), reconstructed=True))
    await seen(registry, found.startup, gap)
    return found.startup


async def tell_up(registry: CallRegistry) -> None:
    """Say that the platform is served (191): whoever hears it may send commands at once."""
    up = PlatformLink(id=registry.names.app, kind=registry.driver.link_kind, state=LinkState.UP)
    await registry.port.record([Notice(PlatformStatusNotice(links=(up,)))])


async def seen(registry: CallRegistry, startup: str, gap: Sequence[Notice] = ()) -> None:
    """Remember that the link was up just now: a gap begins no earlier than this.

    The one before it is told in the same commit, or nobody would hear of it after a kill.
    """
    record = {
        "seen": registry.clock.utc().isoformat(),
        "startup": startup,
        "revoked": registry.revoked,
        **registry.steady.stamp(),
    }
    await registry.port.record(gap, {LINK_KEY: record})


# --- one call ------------------------------------------------------------------------------------
async def _take_up(
    registry: CallRegistry, found: Inventory, kept: Kept, reason: Reason, seen: datetime | None
) -> None:
    call, pending, command = kept.call, kept.pending, kept.command
    undone: Call | None = None
    still = await running(registry, call)
    now = registry.steady.now()
    if command is not None:
        settled = settle(
            command,
            call,
            pending,
            channels=found.channels,
            recordings=await _recordings(registry, call, still),
            late=command.is_late(now),
        )
        call, pending, undone = settled.call, list(settled.pending), settled.undone
        registry.revoke(_channels(kept.call) - _channels(call))
    elif call.conference is not None:
        pending = _not_done(pending, found)
    if not call.begun:  # the call that the command was to make never came about
        await registry.port.record(memory={f"{CALL_PREFIX}{call.id}": None})
        return
    outage_s = _outage_s(registry, kept.saved, seen)
    pending = _still_wanted(call, pending, found, outage_s)
    actor = registry.add(call)
    added = frozenset(
        effect.owner for effect in pending if isinstance(effect, Action) and effect.owner
    )
    freed = await no_longer_held(registry, call)

    def bring_up(step: Step) -> None:
        if undone is not None:
            undo(step, undone)
        if convening.outlast(step, outage_s):
            policy_of(step.call).proceed(step)
        compare(step, found, still, added, reason)
        for leg in step.call.legs.values():
            if leg.id in freed and leg.up:
                legs.retrieve(step, leg, by=None)

    await actor.resume(pending, bring_up)
    if actor.call.closed:
        registry.forget(actor.call)


async def _hand_over_again(registry: CallRegistry, found: Inventory) -> None:
    """A kill may have come between the call that gave a leg away and the one that takes it."""
    for call in registry.calls():
        if call.handed is None or call.handed_to is None:
            continue
        event, lives = given_event(call), call.handed.channel in found.channels
        if registry.has(call.handed_to):
            event = event if lives else dataclasses.replace(event, leg=None)
            registry.pass_on(call.handed_to, event)
            continue
        if lives:
            await registry.drop(call.handed.channel)
        registry.pass_on(call.id, Event(kind=EventKind.TAKEN_OVER))


def _channels(call: Call) -> set[str]:
    """Of a command that was taken back those of its legs come up late, or ring for nobody."""
    return {each for leg in call.legs.values() for each in (leg.channel, *leg.twins)}


async def _recordings(
    registry: CallRegistry, call: Call, running: frozenset[str]
) -> frozenset[str]:
    """Which of the call's recordings there are at the platform, complete or not."""
    stored = [
        name
        for name in call.recordings.keys() - running
        if await registry.driver.has_recording(name)
    ]
    return running | frozenset(stored)


def _outage_s(registry: CallRegistry, saved: datetime | None, seen: datetime | None) -> float:
    """How long nobody looked after a call, or a little longer; 0 where nobody knows."""
    last = max((each for each in (saved, seen) if each is not None), default=registry.steady.now())
    return max(0.0, -registry.steady.until(last))


def _still_wanted(
    call: Call, pending: list[Effect], found: Inventory, outage_s: float
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
        if not isinstance(each, Action)
        or each.takes_away
        or not (nobody or (isinstance(each, Originate) and each.channel in late))
    ]


def _not_done(pending: list[Effect], found: Inventory) -> list[Effect]:
    """Effects without the dialling that was done: nobody is called into a conference twice.

    Requests go out in order, so where one telephone is known to the platform, those before it
    rang, even if they are busy or silent again by now.
    """
    dials = {
        at: effect.channel for at, effect in enumerate(pending) if isinstance(effect, Originate)
    }
    last = max((at for at, channel in dials.items() if channel in found.channels), default=-1)
    return [effect for at, effect in enumerate(pending) if at not in dials or at > last]


async def running(registry: CallRegistry, call: Call) -> frozenset[str]:
    """Which of the call's recordings the platform is still making."""
    names = [name for name in call.recordings if await registry.driver.is_recording(name)]
    return frozenset(names)


async def no_longer_held(registry: CallRegistry, call: Call) -> frozenset[str]:
    """Who is on hold by a telephone's key that was pressed once more while nobody looked."""
    freed: list[str] = []
    for leg in call.legs.values():
        if leg.alive and leg.held_by is not None:
            holder = call.legs.get(leg.held_by)
            if holder is None or not await registry.driver.has_hold(holder.channel):
                freed.append(leg.id)
    return frozenset(freed)


def compare(
    step: Step,
    found: Inventory,
    running: frozenset[str],
    added: frozenset[str],
    reason: Reason,
) -> None:
    """Bring a call up to what was found; `added`: legs dialled, recordings begun just now."""
    call = step.call
    seated = found.bridges.get(step.bridge)
    if seated is None and not added:
        call.bridge_made = False
    for leg in list(call.legs.values()):
        if leg.alive and leg.id not in added:
            _compare_leg(step, leg, found, seated or frozenset(), reason)
    for name in list(call.recordings):
        if name not in added:
            call_recording.found(step, name, live=name in running)
    if call.reason is None:
        _reseat(step)
    policy_of(call).watch_bridge(step)
    close_if_over(step)


def _compare_leg(
    step: Step, leg: Leg, found: Inventory, seated: frozenset[str], reason: Reason
) -> None:
    for twin in list(leg.twins):
        if twin not in found.channels:
            dialling.one_less(step, leg, twin)
    if leg.channel not in found.channels:
        dialling.one_less(step, leg, leg.channel)
    channel = found.channels.get(leg.channel)
    if channel is None:
        lost(step, leg, reason)
        return
    leg.inside = leg.channel in seated
    if not channel.up:
        return
    if leg.answered is not None and channel.away:
        diversion.found(step, leg, Event(kind=EventKind.FOUND, channel=channel))
        return
    if not step.dialled(leg) and leg.answered is None:
        leg.state, leg.answered = LegState.ANSWERED, step.at
    elif leg.ringing:
        answered(step, leg)


def _reseat(step: Step) -> None:
    """Who should be in the bridge and is not goes in; who should not be goes out."""
    for leg in step.call.legs.values():
        if not leg.up:
            continue
        if leg.seated and not leg.inside:
            legs.reseat(step, leg)
        elif leg.inside and not leg.seated:
            legs.unseat(step, leg)
