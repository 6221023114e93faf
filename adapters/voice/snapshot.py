"""What lives of one call, looked up at the platform: linkage asks after hours of silence.

An event that the platform sent and nobody took, with the link up all the time, is not repaired by
a resync, for there is none. So the answer is not what the actor remembers: every channel that it
takes for alive is asked for, what is gone is ended (as reconstructed, reason 141) like in a
resync, and only then is said what lives. The word that somebody went may still be on its way: it
is waited for a moment.
"""

from __future__ import annotations

from adapters.voice import resync
from adapters.voice.call_actor import Look
from adapters.voice.call_registry import CallRegistry
from adapters.voice.driver import Inventory
from adapters.voice.model import Call, Leg
from adapters.voice.platform_events import Channel
from adapters.voice.step import Step
from protocol.messages import CallSnapshot, ConferenceSnapshot, MemberSnapshot, SnapshotNotice
from protocol.reasons import Reason


async def look(registry: CallRegistry, step: Step) -> Look:
    """Ask the platform for what should live of a call.

    Raises what the driver raises.
    """
    alive = [leg for leg in step.call.legs.values() if leg.alive]
    sought = [channel for leg in alive for channel in (leg.channel, *leg.twins)]
    channels: dict[str, Channel] = {}
    for channel in sought:
        there = await registry.driver.find_channel(channel)
        if there is not None:
            channels[there.id] = there
    seated = await registry.driver.find_bridge(step.bridge)
    found = Inventory(
        startup="",
        channels=channels,
        bridges={} if seated is None else {step.bridge: seated},
    )
    running = await resync.running(registry, step.call)
    return Look(
        lambda step: resync.compare(step, found, running, frozenset(), Reason.STATE_LOST),
        missing=not channels.keys() >= set(sought),
    )


def overview(call: Call) -> SnapshotNotice:
    """193 for one call: itself, its legs, its conference; nothing where it is over."""
    if call.closed or call.ended is not None:
        return SnapshotNotice()
    alive = [leg for leg in call.legs.values() if leg.alive]
    conference = () if call.conference is None else (_conference(call, alive),)
    return SnapshotNotice(
        calls=(_row(call), *(_leg(call, leg) for leg in alive if leg.id != call.id)),
        conferences=conference,
    )


def _row(call: Call) -> CallSnapshot:
    return CallSnapshot(
        call_id=call.id,
        event_id=call.event_id,
        login_id=call.officer,
        conference_id=None if call.conference is None else call.conference.id,
        start_time=call.started,
    )


def _leg(call: Call, leg: Leg) -> CallSnapshot:
    return CallSnapshot(
        call_id=leg.id,
        parent_call_id=call.id,
        login_id=leg.login,
        conference_id=None if call.conference is None else call.conference.id,
        start_time=leg.started,
        answer_time=leg.answered,
    )


def _conference(call: Call, alive: list[Leg]) -> ConferenceSnapshot:
    assert call.conference is not None
    return ConferenceSnapshot(
        conference_id=call.conference.id,
        subject=call.conference.subject,
        locked=call.conference.locked,
        members=tuple(
            MemberSnapshot(
                member_id=leg.id, call_id=leg.id, staff_id=leg.staff_id, phone_num=leg.number
            )
            for leg in alive
        ),
    )
