"""Finds the way back after linkage, Asterisk or the link between them was away.

What the memory says is compared with what lives at Asterisk: calls that live on are taken up again
under their CallIds, legs that died are ended (marked reconstructed), channels that came in while
nobody looked become calls. What is none of these may be another linkage's, and is left alone. ARI
replays nothing, so 195 says from when to when notices may be missing.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from adapters.asterisk import callouts, calls, conferences, convening, legs, media
from adapters.asterisk.ari import AriError, segment
from adapters.asterisk.effects import Do, Effect, load_effect
from adapters.asterisk.events import KINDS, Channel, Event, read_channel
from adapters.asterisk.model import Call, Leg, LegState
from adapters.asterisk.recordings import PREFIX
from adapters.asterisk.records import from_json
from adapters.asterisk.switchboard import Switchboard
from adapters.asterisk.turn import Turn
from adapters.asterisk.unfinished import Unfinished, settle, take_back
from protocol.messages import GapCause, GapNotice, LinkState, PlatformLink, PlatformStatusNotice
from protocol.reasons import Reason

logger = logging.getLogger("linkage.asterisk")

AHEAD_MAX_S: Final = 1e9
"""Thirty years: what is further off is no clock that was set."""
LINK_KEY: Final = "link"
CALL_PREFIX: Final = "call:"
CALL_VARIABLE: Final = "LINKAGE_CALLID"
"""Stands on every channel of a call, and says that somebody has seen to it."""


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
    link = _read_link(memory.get(LINK_KEY))
    if first:
        board.steady.resume(_ahead_s(memory))
    board.revoked = list(link.revoked)
    reason = Reason.STATE_LOST if link.startup == found.startup else Reason.PLATFORM_FAULT
    unreadable: set[str] = set()
    for key, record in memory.items():
        try:
            if key.startswith(PREFIX):
                board.recorder.resume(record)
            elif key.startswith(CALL_PREFIX):
                await _take_up(board, found, _read(record), reason, link.saved)
        except ValueError:
            logger.exception("%s in the adapter's memory cannot be read: forgotten", key)
            unreadable.add(key.removeprefix(CALL_PREFIX))
            await board.memory.delete(key)
    await _see_to_the_rest(board, found, unreadable)
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
            if isinstance(each, dict)
        },
    )


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
        board.revoke(leg.channel for leg in _legs_without(call, kept.call, found))
    elif call.conference is not None:
        pending = _not_done(call, pending, found)
    if not call.begun:  # the call that the command was to make never came about
        await board.memory.delete(f"{CALL_PREFIX}{call.id}")
        return
    outage_s = _outage_s(board, kept.saved, seen)
    pending = _still_wanted(call, pending, found, outage_s)
    desk = board.add(call)
    added = frozenset(
        effect.owner for effect in pending if isinstance(effect, Do) and effect.owner
    )

    def bring_up(turn: Turn) -> None:
        if undone is not None:
            take_back(turn, undone)
        if convening.outlast(turn, outage_s):
            step = callouts.step if turn.call.conference is None else conferences.step
            step(turn)
        compare(turn, found, still, added, reason)

    await desk.resume(pending, bring_up)
    if desk.call.closed:
        board.forget(desk.call)


def _legs_without(call: Call, after: Call, found: Found) -> Iterator[Leg]:
    """Legs of a command that was taken back: Asterisk may still come to dial them."""
    for leg in after.legs.values():
        if leg.id not in call.legs and leg.channel not in found.channels:
            yield leg


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
        person.leg
        for each in call.convenings
        if outage_s > each.patience_s
        for _, person in each.persons()
    }
    return [
        each
        for each in pending
        if not isinstance(each, Do)
        or each.method == "DELETE"
        or not (nobody or (each.dials is not None and each.owner in late))
    ]


def _not_done(call: Call, pending: list[Effect], found: Found) -> list[Effect]:
    """Effects without the dialling that was done: nobody is called into a conference twice.

    Requests go out in order, so where one telephone is known to Asterisk, those before it rang,
    even if they are busy or silent again by now.
    """
    dials = [
        position
        for position, effect in enumerate(pending)
        if isinstance(effect, Do) and effect.owner in call.legs and effect.dials is not None
    ]
    done = {call.legs[_owner(pending[each])].channel in found.channels: each for each in dials}
    last = done.get(True, -1)
    return [each for at, each in enumerate(pending) if at not in dials or at > last]


def _owner(effect: Effect) -> str:
    return effect.owner if isinstance(effect, Do) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A call as it is remembered: with effects at which the memory ends, and when that was."""

    call: Call
    pending: list[Effect]
    command: Unfinished | None
    saved: datetime | None


def _read(record: Any) -> Kept:
    if not isinstance(record, dict):
        raise ValueError("no record of a call")  # noqa: TRY004 - what is on disk is data
    call = from_json(Call, record.get("call"))
    if call.begun and call.conference is None and not {call.id, call.anchor} <= call.legs.keys():
        raise ValueError("a call without its legs")
    pending = record.get("pending") or ()
    if not isinstance(pending, list | tuple) or not all(isinstance(e, dict) for e in pending):
        raise ValueError("no list of what is pending")
    command = record.get("unfinished")
    return Kept(
        call=call,
        pending=[load_effect(each) for each in pending],
        command=None if command is None else from_json(Unfinished, command),
        saved=_time(record.get("saved")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is remembered of the link: `seen` is by the wall clock, `saved` by steady time."""

    seen: datetime | None = None
    saved: datetime | None = None
    startup: str | None = None
    revoked: tuple[str, ...] = ()


def _read_link(record: Any) -> Link:
    """It, as far as it can be read."""
    data = record if isinstance(record, dict) else {}
    revoked = data.get("revoked")
    return Link(
        seen=_time(data.get("seen")),
        saved=_time(data.get("saved")),
        startup=data.get("startup"),
        revoked=tuple(map(str, revoked)) if isinstance(revoked, list) else (),
    )


def _ahead_s(memory: Mapping[str, Any]) -> float:
    """How far the wall clock was ahead of steady time when something was last remembered."""
    stamps = [
        (saved, float(record["ahead_s"]))
        for record in memory.values()
        if isinstance(record, dict)
        and (saved := _time(record.get("saved"))) is not None
        and isinstance(record.get("ahead_s"), int | float)
        and abs(record["ahead_s"]) < AHEAD_MAX_S
    ]
    return max(stamps, default=(None, 0.0))[1]


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


def compare(
    turn: Turn,
    found: Found,
    running: frozenset[str],
    added: frozenset[str],
    reason: Reason,
) -> None:
    """Bring a call up to what was found; `added`: legs dialled, recordings begun just now."""
    call = turn.call
    seated = found.bridges.get(turn.bridge)
    if seated is None and not added:
        call.bridge_made = False
    for leg in list(call.legs.values()):
        if leg.alive and leg.id not in added:
            _compare_leg(turn, leg, found, seated or frozenset(), reason)
    for name in list(call.recordings):
        if name not in running and name not in added:
            media.finish_recording(turn, name, None)
    if call.reason is None:
        _reseat(turn)
    calls.watch_bridge(turn)
    calls.close_if_over(turn)


def _compare_leg(
    turn: Turn, leg: Leg, found: Found, seated: frozenset[str], reason: Reason
) -> None:
    channel = found.channels.get(leg.channel)
    if channel is None:
        calls.lost(turn, leg, reason)
        return
    leg.inside = leg.channel in seated
    if channel.state != "Up":
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


# --- what is no call of ours -------------------------------------------------------------------
async def _see_to_the_rest(board: Switchboard, found: Found, unreadable: Container[str]) -> None:
    """Channels without a call: new callers become calls, all others are left alone.

    Another linkage may speak for them, or have spoken until a moment ago: two people in talk must
    not be cut off because we know nothing of them.
    """
    left: list[str] = []
    for channel in found.channels.values():
        if board.knows(channel.id):
            continue
        if channel.id in board.revoked:
            await board.drop("channels", channel.id)
            continue
        app, *args = channel.app_data.split(",")
        if channel.app != "Stasis" or app != board.names.app:
            continue
        if await _is_new(board, found, channel, unreadable):
            at = board.clock.utc()
            board.newcomer(Event(kind="StasisStart", at=at, channel=channel, args=tuple(args)))
        else:
            left.append(channel.id)
    if left:
        logger.warning(
            "%d channels in the application %r belong to no call of ours, and are left alone: "
            "of another linkage? %s",
            len(left),
            board.names.app,
            " ".join(left[:20]),
        )


async def _is_new(
    board: Switchboard, found: Found, channel: Channel, unreadable: Container[str]
) -> bool:
    """Whether nobody has seen to a channel yet, or it was we and that cannot be read any more."""
    if board.names.call_of(channel.id) is not None:
        return False
    call_id = await _call_of(board, channel)
    if not call_id:
        return call_id is not None
    alone = not any(channel.id in each and len(each) > 1 for each in found.bridges.values())
    return call_id in unreadable and alone


async def _call_of(board: Switchboard, channel: Channel) -> str | None:
    """The CallId that stands on a channel, "" where there is none; None: that cannot be said."""
    path, query = f"/channels/{segment(channel.id)}/variable", {"variable": CALL_VARIABLE}
    try:
        answer = await board.ari.request("GET", path, query)
    except AriError as error:
        # Also where the variable is not there. A channel that is not is no caller any more.
        return "" if error.status == HTTPStatus.NOT_FOUND else None
    return str(answer.get("value") or "") if isinstance(answer, dict) else None


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        return None
