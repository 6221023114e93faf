"""What ARI is asked for each action of a call: method, path, query, and what is no failure.

Source: Asterisk's `rest-api/api-docs/*.json`, versions 18–22.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.asterisk.causes import hangup_word
from adapters.asterisk.client import segment
from adapters.asterisk.settings import Settings
from adapters.voice import platform_actions as do
from adapters.voice.platform_actions import Action, Placed, TransferProgress

GONE: Final = 404
CONFLICT: Final = 409
MISSING: Final = (400, GONE, CONFLICT, 422)
"""What Asterisk answers about a channel that is not (or no more) where it was thought to be."""
LEG: Final = "leg"
"""First argument of a channel that we dial, before the CallIds of its call and its leg."""
PJSIP: Final = "PJSIP/"
TRANSFERS: Final = "PJSIP_TRANSFER_HANDLING()"
TO_US: Final = "ari-only"
"""A function of channels, and its value; an Asterisk without it (`adapters.voice.refer`) only logs
that."""
AUTO_ANSWER: Final = {
    "PJSIP_HEADER(add,Call-Info)": "<sip:localhost>;answer-after=0",
    "PJSIP_HEADER(add,Alert-Info)": "<http://localhost>;info=alert-autoanswer",
}
"""What most desk telephones understand as "do not ring, take it"."""
RECORDING_FORMAT: Final = "wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class AriRequest:
    """A request to ARI; `fine` are statuses, beside success, after which nothing is wrong."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    fine: tuple[int, ...] = ()


Translate = Callable[[Any, Settings], AriRequest]


def _request(
    method: str,
    *path: str,
    fine: tuple[int, ...] = (),
    body: Mapping[str, Any] | None = None,
    **query: str,
) -> AriRequest:
    way = "".join(f"/{segment(each)}" for each in path)
    return AriRequest(method=method, path=way, query=query, body=body, fine=fine)


def _channel(
    method: str, *path: str, fine: tuple[int, ...] = MISSING
) -> Callable[[Any, Settings], AriRequest]:
    """A request about a channel that needs nothing but its id."""
    return lambda action, _: _request(method, "channels", action.channel, *path, fine=fine)


def _originate(action: do.Originate, settings: Settings) -> AriRequest:
    given: dict[str, Any] = {}
    if action.shown:
        given["callerId"] = action.shown
    if action.originator:
        given["originator"] = action.originator
    variables = dict(action.variables)
    if action.endpoint.startswith(PJSIP):
        variables[TRANSFERS] = TO_US
    if action.auto_answer:
        variables |= AUTO_ANSWER
    return _request(
        "POST",
        "channels",
        action.channel,
        fine=(CONFLICT,),
        body={"variables": variables},
        endpoint=action.endpoint,
        app=settings.app,
        appArgs=f"{LEG},{action.call_id},{action.leg_id}",
        timeout=str(round(action.give_up_s)),
        **given,
    )


def _hang_up(action: do.HangUp, _: Settings) -> AriRequest:
    reason: dict[str, Any] = {}
    if action.reason is not None:
        reason["reason"] = hangup_word(action.reason)
    return _request("DELETE", "channels", action.channel, fine=(GONE,), **reason)


def _set_variable(channel: str, name: str, value: str) -> AriRequest:
    return _request(
        "POST", "channels", channel, "variable", fine=MISSING, variable=name, value=value
    )


def _place(action: Placed) -> tuple[str, str]:
    if action.bridge is not None:
        return "bridges", action.bridge
    return "channels", action.channel or ""


def _subscribe(settings: Settings, source: str, fine: tuple[int, ...] = ()) -> AriRequest:
    path = ("applications", settings.app, "subscription")
    return _request("POST", *path, fine=fine, eventSource=source)


def _create_bridge(action: do.CreateBridge, _: Settings) -> AriRequest:
    # Without the second word two telephones are joined so closely that Asterisk does not see the
    # digits that they send in the sound (RFC 4733). They still reach each other.
    kind = "mixing,dtmf_events"
    return _request(
        "POST", "bridges", fine=(CONFLICT,), bridgeId=action.bridge, type=kind, name=action.bridge
    )


def _play(action: do.Play, settings: Settings) -> AriRequest:
    media = settings.sounds.replace("{file_id}", action.file_id)
    return _request("POST", *_place(action), "play", action.play_id, fine=(CONFLICT,), media=media)


def _record(action: do.Record, _: Settings) -> AriRequest:
    return _request(
        "POST",
        "bridges",
        action.bridge,
        "record",
        fine=(CONFLICT,),
        name=action.name,
        format=RECORDING_FORMAT,
        ifExists="append" if action.append else "fail",
    )


def _live(method: str, what: str) -> Translate:
    return lambda action, _: _request(
        method, "recordings", "live", action.name, what, fine=(GONE,)
    )


PROGRESS: Final[Mapping[TransferProgress, str]] = {
    TransferProgress.DONE: "channel_answered",
    TransferProgress.UNAVAILABLE: "channel_unavailable",
    TransferProgress.DECLINED: "channel_declined",
}
"""What the telephone is told (NOTIFY): 200, 503, 603."""

REQUESTS: Final[Mapping[type[Action], Translate]] = {
    do.Originate: _originate,
    do.HangUp: _hang_up,
    do.Answer: _channel("POST", "answer", fine=(GONE, CONFLICT)),
    do.IndicateRinging: _channel("POST", "ring"),
    do.SetVariable: lambda each, _: _set_variable(each.channel, each.name, each.value),
    do.SendDtmf: lambda each, _: _request(
        "POST", "channels", each.channel, "dtmf", dtmf=each.digits
    ),
    do.Mute: lambda each, _: _request(
        "POST", "channels", each.channel, "mute", direction=each.direction
    ),
    do.Unmute: lambda each, _: _request(
        "DELETE", "channels", each.channel, "mute", direction=each.direction
    ),
    do.EnterDialplan: lambda each, _: _request(
        "POST",
        "channels",
        each.channel,
        "continue",
        fine=MISSING,
        context=each.context,
        extension=each.number,
        priority="1",
    ),
    do.Watch: lambda each, settings: _subscribe(settings, f"channel:{each.channel}", MISSING),
    do.WatchParking: lambda _, settings: _subscribe(settings, "bridge:"),
    do.TakeTransfers: lambda each, _: _set_variable(each.channel, TRANSFERS, TO_US),
    # As Asterisk itself does it: `Park()` has to know who parks, and will ring there again.
    do.MarkTransferred: lambda each, _: _set_variable(each.channel, "BLINDTRANSFER", each.by),
    do.ReportTransfer: lambda each, _: _request(
        "POST",
        "channels",
        each.channel,
        "transfer_progress",
        fine=(*MISSING, 412),
        states=PROGRESS[each.progress],
    ),
    do.CreateBridge: _create_bridge,
    do.DestroyBridge: lambda each, _: _request("DELETE", "bridges", each.bridge, fine=(GONE,)),
    do.Join: lambda each, _: _request(
        "POST", "bridges", each.bridge, "addChannel", fine=MISSING, channel=each.channel
    ),
    do.Leave: lambda each, _: _request(
        "POST", "bridges", each.bridge, "removeChannel", fine=MISSING, channel=each.channel
    ),
    do.StartMusic: lambda each, _: _request(
        "POST", *_place(each), "moh", fine=MISSING, mohClass=each.music
    ),
    do.StopMusic: lambda each, _: _request("DELETE", *_place(each), "moh", fine=MISSING),
    do.PlayRinging: lambda each, _: _request(
        "POST", "bridges", each.bridge, "play", each.play_id, fine=MISSING, media="tone:ring"
    ),
    do.Play: _play,
    do.StopPlaying: lambda each, _: _request("DELETE", "playbacks", each.play_id, fine=(GONE,)),
    do.Record: _record,
    do.StopRecording: _live("POST", "stop"),
    do.PauseRecording: _live("POST", "pause"),
    do.ResumeRecording: _live("DELETE", "pause"),
}
"""Action → what ARI is asked for it. Look-ups are not in here: the driver answers those."""


def request_of(action: Action, settings: Settings) -> AriRequest:
    """What ARI is asked for an action."""
    return REQUESTS[type(action)](action, settings)
