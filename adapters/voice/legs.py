"""What is done with one leg: put it into the bridge or out of it, hold it, hang it up."""

from __future__ import annotations

from typing import Final

from adapters.voice import dialling
from adapters.voice.model import Leg
from adapters.voice.platform_actions import (
    CreateBridge,
    HangUp,
    Join,
    Leave,
    PlayRinging,
    StartMusic,
    StopMusic,
    StopPlaying,
)
from adapters.voice.step import Step
from protocol.messages import (
    CallState,
    HangupNotice,
    HangupScope,
    HangupSide,
    HoldNotice,
    HoldNoticeAction,
)
from protocol.reasons import Reason

GONE_WITHIN_S: Final = 5.0
"""How long the platform may take to say that a channel went which we hung up."""


def seat(step: Step, leg: Leg) -> None:
    """Put a leg into the call's bridge, which is made first where there is none."""
    make_bridge(step)
    leg.seated, leg.held_by = True, None
    step.do(Join(bridge=step.bridge, channel=leg.channel))


def unseat(step: Step, leg: Leg) -> None:
    """Take a leg out of the bridge and let it hear music."""
    leg.seated, leg.held_by = False, None
    step.do(Leave(bridge=step.bridge, channel=leg.channel))
    play_music_to(step, leg)


def play_music_to(step: Step, leg: Leg, music: str | None = None) -> None:
    """Music on hold for one leg that is not in the bridge."""
    step.do(StartMusic(channel=leg.channel, music=music or step.settings.music))


def reseat(step: Step, leg: Leg) -> None:
    """Bring a leg back from the music."""
    stop_music_to(step, leg)
    leg.held = False
    seat(step, leg)


def stop_music_to(step: Step, leg: Leg) -> None:
    """End the music on hold of one leg."""
    step.do(StopMusic(channel=leg.channel))


def make_bridge(step: Step) -> None:
    """The call's bridge; asking for it twice makes no second one."""
    if not step.call.bridge_made:
        step.call.bridge_made = True
        step.do(CreateBridge(bridge=step.bridge))


def start_music(step: Step) -> None:
    """Music for whoever is alone in the bridge."""
    if not step.call.music:
        step.call.music = True
        step.do(StartMusic(bridge=step.bridge, music=step.settings.music))


def stop_music(step: Step) -> None:
    """End the music in the bridge."""
    if step.call.music:
        step.call.music = False
        step.do(StopMusic(bridge=step.bridge))


def start_tone(step: Step) -> None:
    """Ringing tone in the bridge: for an officer who waits for another to answer."""
    if step.call.tone is None:
        step.call.tone = step.next_name("t")
        step.do(PlayRinging(bridge=step.bridge, play_id=step.call.tone))


def stop_tone(step: Step) -> None:
    """End the ringing tone."""
    if step.call.tone is not None:
        step.do(StopPlaying(play_id=step.call.tone))
        step.call.tone = None


def hold(step: Step, leg: Leg, *, by: str | None, told: bool = True) -> None:
    """Put a leg on hold: out of the bridge, music, 106. `by` is the LoginId of who holds it."""
    leg.held = True
    unseat(step, leg)
    if told:
        tell_hold(step, leg, HoldNoticeAction.HOLD, by)


def retrieve(step: Step, leg: Leg, *, by: str | None, told: bool = True) -> None:
    """Bring a leg back from hold, 106. Who is held by a telephone's key is in the bridge."""
    if leg.held_by is None:
        reseat(step, leg)
    else:
        stop_music_to(step, leg)
    leg.held, leg.held_by = False, None
    if told:
        tell_hold(step, leg, HoldNoticeAction.RETRIEVE, by)


def tell_hold(step: Step, leg: Leg, action: HoldNoticeAction, by: str | None) -> None:
    """106: `login_id` is who holds, `phone_num` who is held."""
    step.tell(
        HoldNotice(
            call_id=step.call.id,
            login_id=by,
            action=action,
            phone_num=step.call.number if leg.id == step.call.id else leg.number,
            request_id=step.request_id,
        )
    )


def hang_up(step: Step, leg: Leg, reason: int, side: HangupSide, *, owner: str = "") -> None:
    """End a leg; why is kept until the platform says that it went. Twice is once."""
    if not leg.alive or leg.leaving is not None:
        return
    leg.leaving = step.later(GONE_WITHIN_S)
    leg.reason, leg.side = reason, side
    if owner:
        leg.request_id = step.request_id
    dialling.drop_twins(step, leg)
    said = reason if leg.answered is None else Reason.NORMAL
    step.do(HangUp(channel=leg.channel, reason=said, owner=owner))


def tell_leg_ended(step: Step, leg: Leg) -> None:
    """115 failed for a leg that nobody answered, and 102 with the scope of a leg."""
    if leg.answered is None:
        step.tell_state(leg, CallState.FAILED, leg.reason)
    ended = leg.ended or step.at
    step.tell(
        HangupNotice(
            call_id=leg.id,
            parent_call_id=step.call.id,
            conference_id=step.conference_id,
            login_id=leg.login,
            phone_num=leg.number,
            reason=leg.reason,
            side=leg.side,
            start_time=leg.started,
            answer_time=leg.answered,
            end_time=ended,
            duration=_seconds(leg),
            scope=HangupScope.LEG,
            request_id=leg.request_id,
        )
    )


def tell_call_ended(step: Step) -> None:
    """102 for the whole call; `duration` counts from the answer to who began it."""
    call, root = step.call, step.call.root
    ended = call.ended or step.at
    step.tell(
        HangupNotice(
            call_id=call.id,
            login_id=call.officer,
            phone_num=call.number,
            reason=call.reason,
            side=call.side,
            start_time=call.started,
            answer_time=root.answered,
            end_time=ended,
            duration=_seconds(root),
            record_id=call.last_record,
            scope=HangupScope.CALL,
            request_id=call.request_id,
        ),
        ended,
        made_up=call.anchor_leg.lost or root.lost,
    )


def _seconds(leg: Leg) -> int:
    if leg.answered is None or leg.ended is None:
        return 0
    return max(0, round((leg.ended - leg.answered).total_seconds()))
