"""Finds the way back after linkage, Asterisk or the link between them was away.

What the memory says is compared with what lives at Asterisk: calls that live on are taken up again
under their CallIds, legs that died are ended (marked reconstructed), channels that came in while
nobody looked become calls, and what belongs to nobody is taken away. ARI replays nothing, so 195
says from when to when notices may be missing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.asterisk import call_recording, calls, elsewhere, legs, twins
from adapters.asterisk.ari import AriError, segment
from adapters.asterisk.effects import Do, Effect, load_effect
from adapters.asterisk.events import FOUND, KINDS, Channel, Event, read_channel
from adapters.asterisk.model import Call, Leg, LegState
from adapters.asterisk.recordings import PREFIX
from adapters.asterisk.records import from_json
from adapters.asterisk.switchboard import Switchboard
from adapters.asterisk.turn import Turn
from protocol.messages import GapCause, GapNotice, LinkState, PlatformLink, PlatformStatusNotice
from protocol.reasons import Reason

logger = logging.getLogger("linkage.asterisk")

LINK_KEY: Final = "link"
HOLDS: Final = {"variable": "CHANNEL(rtp,hold)"}
"""What says of a channel, of PJSIP only, whether its telephone has put the other side on hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What lives at Asterisk. `startup` tells one run of Asterisk from another."""

    startup: str
    channels: Mapping[str, Channel]
    bridges: Mapping[str, frozenset[str]]


async def resync(board: Switchboard, *, first: bool) -> str:
    """Compare and repair; `first` is whether this process has not been connected before.

    Returns Asterisk's start time. Raises what the ARI client raises.
    """
    found = await look(board)
    memory = await board.memory.load()
    link = memory.get(LINK_KEY)
    same_run = isinstance(link, dict) and link.get("startup") == found.startup
    reason = Reason.STATE_LOST if same_run else Reason.PLATFORM_FAULT
    for key, record in memory.items():
        try:
            if key.startswith(PREFIX):
                board.recorder.resume(record)
            elif key.startswith("call:"):
                await _take_up(board, found, record, reason)
        except ValueError:
            logger.exception("%s in the adapter's memory cannot be read: forgotten", key)
            await board.memory.delete(key)
    await _tidy(board, found)
    since = _time(link.get("seen")) if isinstance(link, dict) else None
    await seen(board, found.startup)
    if since is not None:
        cause = GapCause.RESTART if first else GapCause.VENDOR_DISCONNECT
        await board.emit(
            GapNotice(cause=cause, since=since, until=board.clock.utc()), reconstructed=True
        )
    await board.emit(
        PlatformStatusNotice(
            links=(PlatformLink(id=board.names.app, kind="ARI", state=LinkState.UP),)
        )
    )
    return found.startup


async def seen(board: Switchboard, startup: str) -> None:
    """Remember that the link was up just now: a gap begins no earlier than this."""
    now = board.clock.utc().isoformat()
    await board.memory.put(LINK_KEY, {"seen": now, "startup": startup})


async def look(board: Switchboard) -> Found:
    """List what lives, and ask Asterisk to send only what we use."""
    info = await board.ari.request("GET", "/asterisk/info", {"only": "status"})
    app = segment(board.names.app)
    try:
        await board.ari.request(
            "PUT",
            f"/applications/{app}/eventFilter",
            body={"allowed": [{"type": kind} for kind in sorted(KINDS)]},
        )
    except AriError as error:
        logger.info("no event filter: %s", error)
    channels = await board.ari.request("GET", "/channels")
    bridges = await board.ari.request("GET", "/bridges")
    status = info.get("status") if isinstance(info, dict) else None
    return Found(
        startup=str((status or {}).get("startup_time")),
        channels={each.id: each for each in map(read_channel, channels or ()) if each},
        bridges={
            str(each.get("id")): frozenset(map(str, each.get("channels") or ()))
            for each in bridges or ()
        },
    )


# --- one call ------------------------------------------------------------------------------------
async def _take_up(board: Switchboard, found: Found, record: Any, reason: Reason) -> None:
    call, pending = _read(record)
    if call.closed:  # all was told but the last of it
        pending = [effect for effect in pending if not isinstance(effect, Do)]
    elif call.conference is not None:
        pending = _not_done(call, pending, found)
    elif not (call.anchor_leg.alive and call.anchor_leg.channel in found.channels):
        # Nobody is there to ring anybody for; only what takes things away is still of use.
        pending = [each for each in pending if not isinstance(each, Do) or each.method == "DELETE"]
    desk = board.add(call)
    still = await running(board, call)
    added = frozenset(
        effect.owner for effect in pending if isinstance(effect, Do) and effect.owner
    )
    freed = await no_longer_held(board, call)

    def bring_up(turn: Turn) -> None:
        compare(turn, found, still, added, reason)
        for leg in turn.call.legs.values():
            if leg.id in freed and leg.up:
                legs.retrieve(turn, leg, by=None)

    await desk.resume(pending, bring_up)
    if desk.call.closed:
        board.forget(desk.call)


def _not_done(call: Call, pending: list[Effect], found: Found) -> list[Effect]:
    """Effects without the dialling that was done: nobody is called into a conference twice.

    Requests go out in order, so where one telephone is known to Asterisk, those before it rang,
    even if they are busy or silent again by now.
    """
    dials = [
        position
        for position, effect in enumerate(pending)
        if isinstance(effect, Do) and effect.owner in call.legs and effect.method == "POST"
    ]
    done = {call.legs[_owner(pending[each])].channel in found.channels: each for each in dials}
    last = done.get(True, -1)
    return [each for at, each in enumerate(pending) if at not in dials or at > last]


def _owner(effect: Effect) -> str:
    return effect.owner if isinstance(effect, Do) else ""


def _read(record: Any) -> tuple[Call, list[Effect]]:
    if not isinstance(record, dict):
        raise ValueError("no record of a call")  # noqa: TRY004 - what is on disk is data
    call = from_json(Call, record.get("call"))
    if call.conference is None and not {call.id, call.anchor} <= call.legs.keys():
        raise ValueError("a call without its legs")
    return call, [load_effect(each) for each in record.get("pending") or ()]


async def running(board: Switchboard, call: Call) -> frozenset[str]:
    """Which of the call's recordings Asterisk is still making."""
    names = [
        name
        for name in call.recordings
        if await board.ari.find(f"/recordings/live/{segment(name)}") is not None
    ]
    return frozenset(names)


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
            legs.seat(turn, leg)
        elif leg.inside and not leg.seated:
            legs.unseat(turn, leg)


# --- what belongs to nobody ----------------------------------------------------------------------
async def _tidy(board: Switchboard, found: Found) -> None:
    """Channels without a call: new ones become calls, legs of forgotten ones are hung up."""
    for channel in found.channels.values():
        if board.knows(channel.id):
            continue
        if board.names.call_of(channel.id) is not None:
            await board.drop("channels", channel.id)
            continue
        app, *args = channel.app_data.split(",")
        if channel.app == "Stasis" and app == board.names.app:
            at = board.clock.utc()
            board.newcomer(Event(kind="StasisStart", at=at, channel=channel, args=tuple(args)))
    for bridge in found.bridges:
        owner = board.names.call_of(bridge)
        if owner is not None and not board.has(owner):
            await board.drop("bridges", bridge)


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        return None
