"""What a call asks of its platform, in words that every PBX has.

A driver (`adapters.voice.driver`) carries an action out. What it finds there already as it should
be, or gone already where it was to go, is no failure: each action says which of both that is for
it. Any other refusal is a failure of the action's `owner`.

Channels, bridges, playbacks and recordings go by the ids that `adapters.voice.ids` gives; an
action that is carried out twice with the same ids does not do the same thing anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final

from adapters.voice.json_codec import from_json, to_json

COMMAND: Final = "command"
"""Owner of an action without which the command is not done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`owner` is whose failure a refusal is.

    "" nobody's (it is logged), `COMMAND` that of the command being done (its sender is told, the
    step is taken back), otherwise the CallId of a leg, the id of a channel that rings for one, or
    the name of a recording.
    """

    takes_away: ClassVar[bool] = False
    """It ends something: of use also when nobody is left for whom anything was to be made."""

    owner: str = ""


# --- channels ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Originate(Action):
    """Ring a telephone, by a new channel; its answer brings it under our control.

    The channel carries the CallIds of its call and its leg. `shown` is the number that the
    telephone shows, `originator` the channel on whose behalf it rings, `variables` stand on it.
    The platform stops ringing after `give_up_s` by itself. `auto_answer`: the telephone is to take
    the call without ringing. A channel of this id that is there already is as good.
    """

    channel: str
    call_id: str
    leg_id: str
    endpoint: str
    give_up_s: float
    shown: str | None = None
    originator: str | None = None
    auto_answer: bool = False
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Action):
    """End a channel; gone already is as good.

    `reason` (`protocol.reasons`) is what its telephone is told, where it was not answered yet.
    """

    takes_away: ClassVar[bool] = True

    channel: str
    reason: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Action):
    """Answer a channel that came in; answered or gone already is as good."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicateRinging(Action):
    """Let a channel that came in hear that somebody is rung for it; gone already is as good."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariable(Action):
    """Set a variable of a channel, which the dialplan and others can read; gone is as good."""

    channel: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDtmf(Action):
    """Send digits to a channel."""

    channel: str
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute(Action):
    """Suppress the sound of a channel: `in` (from its telephone), `out` (to it) or `both`."""

    channel: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmute(Action):
    """Let it be heard, or hear, again."""

    takes_away: ClassVar[bool] = True

    channel: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterDialplan(Action):
    """Let a channel go on in the platform's own dialplan; gone already is as good."""

    channel: str
    context: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Action):
    """Tell of a channel also when it is not under our control any more; gone is as good."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchParking(Action):
    """Tell of all bridges: who fetches a parked channel meets it in one that is none of ours."""


# --- transfers by telephones ---------------------------------------------------------------------
class TransferProgress(StrEnum):
    """What a telephone that transfers by itself is told of it."""

    DONE = "done"
    UNAVAILABLE = "unavailable"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTransfers(Action):
    """Have the platform leave it to us when a telephone that called presses its transfer key."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkTransferred(Action):
    """Note on a channel who transferred it, by that one's name at the platform: parking asks."""

    channel: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTransfer(Action):
    """Tell a telephone what became of its transfer; one that asked for none is as good."""

    channel: str
    progress: TransferProgress


# --- bridges -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBridge(Action):
    """Make a bridge, in which everybody hears everybody; one that is there is as good."""

    bridge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyBridge(Action):
    """Take it away; gone already is as good."""

    takes_away: ClassVar[bool] = True

    bridge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Action):
    """Put a channel into a bridge; where either is gone, its end is told otherwise."""

    bridge: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Action):
    """Take a channel out of a bridge, as `Join`."""

    bridge: str
    channel: str


# --- sound ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Action):
    """Of one channel, or of everybody in a bridge."""

    channel: str | None = None
    bridge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMusic(Placed):
    """Music on hold of this class; gone already is as good."""

    music: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMusic(Placed):
    """The end of it."""

    takes_away: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRinging(Action):
    """A ringing tone in a bridge until `StopPlaying`; gone already is as good."""

    bridge: str
    play_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Placed):
    """Play a sound once, by its FileId; one of this id that plays already is as good."""

    play_id: str
    file_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlaying(Action):
    """Stop a sound or tone; ended already is as good."""

    takes_away: ClassVar[bool] = True

    play_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Action):
    """Record what is said in a bridge; one of this name that runs already is as good.

    `append`: go on with the file of this name, which must not exist otherwise.
    """

    bridge: str
    name: str
    append: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording(Action):
    """Complete a recording; ended already is as good."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecording(Action):
    """Leave out what is said from now on. Gone: the platform has given it up, and says so."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRecording(Action):
    """Record again, as `PauseRecording`."""

    takes_away: ClassVar[bool] = True

    name: str


# --- look-ups: what is found comes back as an event ----------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp(Action):
    """Something to be found out by a channel that lives; an event says what was found."""

    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindChannel(LookUp):
    """What became of the channel (`Found`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindContacts(LookUp):
    """Where else a telephone is registered that is being rung for a leg (`ContactsFound`)."""

    leg_id: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindExtension(LookUp):
    """Whether the platform's dialplan has a number in a context (`ExtensionFound`)."""

    context: str
    number: str


def _classes(base: type[Action]) -> dict[str, type[Action]]:
    found = {base.__name__: base}
    for each in base.__subclasses__():
        found |= _classes(each)
    return found


ACTIONS: Final[Mapping[str, type[Action]]] = _classes(Action)


def dump_action(action: Action) -> dict[str, Any]:
    """The action as JSON-able data."""
    return {"do": type(action).__name__, **to_json(action)}


def load_action(data: Mapping[str, Any]) -> Action:
    """The action again.

    Raises:
        ValueError: what stands there is none.
    """
    cls = ACTIONS.get(str(data["do"]))
    if cls is None:
        raise ValueError(f"no action {data['do']}")
    return from_json(cls, data)
