"""Recordings of calls and conferences, while the platform makes them (108).

```
              RecordingStarted          4 s without sound, an empty bridge
 asked ───────────────────────▶ live ─────────────────────────────────────▶ (neither)
   ▲        108 start                        108 pause 301: quiet              │
   └────────────────── at once, or when somebody enters the bridge ────────────┘
 quiet and live for longer than the platform waits for sound, or more in the file: 108 resume
```
A recording is to cover its call, and the platform gives it up at the first long silence: a hold, a
member who only listens. It is taken up again in the same file (`ifExists=append`) as often as that
happens, so that it stays one RecordId and one file, and the application hears of it by 108.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from adapters.voice.model import Recording
from adapters.voice.platform_actions import PauseRecording, Record, ResumeRecording, StopRecording
from adapters.voice.platform_events import Event
from adapters.voice.step import Step
from protocol.messages import RecordingNotice, RecordingNoticeAction
from protocol.reasons import Reason

FORMAT: Final = "wav"
FINISHED_WITHIN_S: Final = 5.0
"""How long the platform may take to say that a recording is complete; then we look for it."""
SOUND_WITHIN_S: Final = 6.0
"""The platform waits 4 s for sound: a recording that is made for longer has some."""
AT_ONCE_S: Final = 1.0
"""One that ended sooner after it was asked for waits so long: it must not go round in circles."""


def start_recording(step: Step, *, owner: str = "") -> str:
    """Record what is said in the call's bridge: everybody in it, consultations too."""
    name = step.next_name("r")
    recording = Recording(name=name, started=step.at, request_id=step.request_id)
    step.call.recordings[name] = recording
    _ask(step, recording, owner=owner)
    return name


def _ask(step: Step, recording: Recording, *, owner: str = "", append: bool = False) -> None:
    recording.asked, recording.asked_at, recording.again_at = True, step.now, None
    step.do(
        Record(
            bridge=step.bridge,
            name=recording.name,
            append=append,
            owner=owner or recording.name,
        )
    )


def tell_recording(
    step: Step,
    recording: Recording,
    action: RecordingNoticeAction,
    *,
    duration_s: int | None = None,
    reason: int | None = None,
) -> None:
    """108 for a recording that is (or was) being made."""
    step.tell(
        RecordingNotice(
            call_id=step.call.id,
            conference_id=step.conference_id,
            login_id=step.call.officer,
            record_id=recording.name,
            action=action,
            format=FORMAT,
            start_time=recording.started,
            duration=duration_s,
            reason=reason,
            request_id=step.request_id or recording.request_id,
        )
    )


# --- what the platform says ----------------------------------------------------------------------
def recording_started(step: Step, event: Event) -> None:
    """The platform records; it says so twice."""
    recording = step.call.recordings.get(event.thing or "")
    if recording is None or recording.live:
        return
    recording.live, recording.asked, recording.live_since = True, False, step.at
    if recording.quiet:
        recording.sounds_at = step.later(SOUND_WITHIN_S)
    if not recording.running:
        _begun(step, recording)


def _begun(step: Step, recording: Recording) -> None:
    recording.running, recording.started = True, step.at
    step.call.last_record = recording.name
    tell_recording(step, recording, RecordingNoticeAction.START)


def recording_finished(step: Step, event: Event) -> None:
    """Complete because we wanted it, or given up by the platform; said twice as well."""
    recording = step.call.recordings.get(event.thing or "")
    # An end that is told after it was asked for anew is the old one once more.
    if recording is None or (recording.asked and recording.running):
        return
    if recording.live_since is not None and step.at < recording.live_since:
        return
    if _goes_on(step, recording):
        interrupted(step, recording, event.duration_s)
    else:
        finish_recording(step, recording.name, event.duration_s)


def recording_failed(step: Step, event: Event) -> None:
    """The platform cannot record: no disk, or nothing to record."""
    give_up_recording(step, event.thing or "")


def found(step: Step, name: str, *, live: bool) -> None:
    """What a look at the platform shows of a recording (resync)."""
    recording = step.call.recordings[name]
    if live:
        recording.live, recording.asked = True, False
    elif _goes_on(step, recording):
        interrupted(step, recording, None)
    else:
        finish_recording(step, name, None)


# --- silence -------------------------------------------------------------------------------------
def _goes_on(step: Step, recording: Recording) -> bool:
    """Whether there is more to come: a call is recorded to its end, a conference while it meets.

    What a conference says after all have left and somebody came again is another recording.
    """
    call = step.call
    if recording.stopping is not None or call.reason is not None or call.ended is not None:
        return False
    return call.conference is None or _anybody(step)


def _anybody(step: Step) -> bool:
    return any(leg.inside for leg in step.call.legs.values())


def interrupted(step: Step, recording: Recording, duration_s: int | None) -> None:
    """The platform gave a recording up: take it up again, and say so once for each silence."""
    recording.live, recording.asked, recording.sounds_at = False, False, None
    if duration_s is not None:
        if recording.quiet and duration_s > (recording.duration_s or 0):
            _sounds(step, recording)
        recording.duration_s = duration_s
    if not _anybody(step):  # nobody is there to be missed: `go_on`, when somebody comes
        return
    if not recording.running:
        _begun(step, recording)
    if not recording.quiet and not recording.paused:
        recording.quiet = True
        reason = Reason.RECORDING_NO_MEDIA
        tell_recording(step, recording, RecordingNoticeAction.PAUSE, reason=reason)
    too_soon = (recording.asked_at or step.now) + timedelta(seconds=AT_ONCE_S)
    if step.now < too_soon:
        recording.again_at = too_soon
    else:
        go_on(step)


def go_on(step: Step) -> None:
    """Take up again what stands still, where there is somebody to be recorded."""
    for recording in step.call.recordings.values():
        stands = recording.running and not (recording.live or recording.asked)
        waits = recording.paused or recording.again_at is not None
        if stands and not waits and _anybody(step) and _goes_on(step, recording):
            _ask(step, recording, append=True)


def _sounds(step: Step, recording: Recording) -> None:
    recording.quiet, recording.sounds_at = False, None
    tell_recording(step, recording, RecordingNoticeAction.RESUME)


# --- its end -------------------------------------------------------------------------------------
def finish_recording(step: Step, name: str, duration_s: int | None) -> None:
    """A recording has ended: 108 stop, and have it fetched."""
    recording = step.call.recordings.pop(name, None)
    if recording is None:
        return
    if not recording.running:  # its start was missed
        step.call.last_record = recording.name
        tell_recording(step, recording, RecordingNoticeAction.START)
    if recording.quiet and duration_s is not None and duration_s > (recording.duration_s or 0):
        _sounds(step, recording)
    tell_recording(step, recording, RecordingNoticeAction.STOP, duration_s=duration_s)
    step.fetch(name, recording.started, duration_s)


def give_up_recording(step: Step, name: str) -> None:
    """The platform cannot record, or not go on with it: 108 failed, unless something is there."""
    recording = step.call.recordings.get(name)
    if recording is None:
        return
    if recording.duration_s:
        finish_recording(step, name, recording.duration_s)
        return
    del step.call.recordings[name]
    reason = Reason.RECORDING_DISK if recording.running else Reason.RECORDING_NO_MEDIA
    tell_recording(step, recording, RecordingNoticeAction.FAILED, reason=reason)


def stop_recording(step: Step, recording: Recording, *, owner: str = "") -> None:
    """Ask the platform to complete a recording; `recording_finished` follows."""
    if recording.stopping is not None:
        return
    if recording.running and not (recording.live or recording.asked):
        finish_recording(step, recording.name, recording.duration_s)
        return
    recording.stopping = step.later(FINISHED_WITHIN_S)
    step.do(StopRecording(name=recording.name, owner=owner))


def stop_all(step: Step) -> None:
    """The call is over: complete what is being recorded."""
    for recording in list(step.call.recordings.values()):
        stop_recording(step, recording)


def pause(step: Step, recording: Recording, *, owner: str) -> None:
    """Leave out what is said from now on."""
    recording.paused = True
    if recording.live or recording.asked:
        step.do(PauseRecording(name=recording.name, owner=owner))
    tell_recording(step, recording, RecordingNoticeAction.PAUSE)


def resume(step: Step, recording: Recording, *, owner: str) -> None:
    """Record again."""
    recording.paused = recording.quiet = False
    if recording.live or recording.asked:
        step.do(ResumeRecording(name=recording.name, owner=owner))
    go_on(step)
    tell_recording(step, recording, RecordingNoticeAction.RESUME)


def on_time(step: Step) -> None:
    """Recordings whose end was not told, that have sound again, or are asked for anew."""
    for recording in list(step.call.recordings.values()):
        if recording.stopping is not None and recording.stopping <= step.now:
            finish_recording(step, recording.name, None)
            continue
        if recording.sounds_at is not None and recording.sounds_at <= step.now:
            _sounds(step, recording)
        if recording.again_at is not None and recording.again_at <= step.now:
            recording.again_at = None
            go_on(step)
