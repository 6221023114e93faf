"""Recordings, announcements, and questions about what lives."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import pytest

from protocol.messages import (
    CallMode,
    CapabilityNotice,
    Hangup,
    HangupNotice,
    MediaAction,
    MediaControl,
    MediaNotice,
    MediaNoticeAction,
    QueryCall,
    QueryCapability,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    SnapshotKind,
    SnapshotNotice,
    SnapshotRequest,
)
from protocol.results import Result
from simulators.platform.engine import CAPABILITIES
from simulators.platform.media import SavedFile
from simulators.platform.sound import write_recording
from tests.fakes.platform_engine import CALLER, Bench, conference, group, party, staff

FILE = SavedFile(file_id="r.wav", url="file:///r.wav", size_bytes=9, sha256="0" * 64, duration_s=4)


def record(call_id: str, action: RecordingAction = RecordingAction.START) -> RecordingControl:
    return RecordingControl(call_id=call_id, action=action)


def stages(bench: Bench) -> list[RecordingNoticeAction | None]:
    return [notice.action for notice in bench.of(RecordingNotice)]


def test_a_recording_is_saved_as_long_as_it_ran_without_its_pauses() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(record(call_id), id="r1")
    bench.run(10)
    bench.do(record(call_id, RecordingAction.PAUSE))
    bench.run(100)
    bench.do(record(call_id, RecordingAction.RESUME))
    bench.run(5)
    bench.do(record(call_id, RecordingAction.STOP))
    (to_save,) = bench.to_save
    assert to_save.duration_s == pytest.approx(15)
    bench.engine.recording_saved(to_save.record_id, FILE, bench.now)
    bench.run(0)
    assert stages(bench) == [1, 2, 3, 4, 5]
    saved = bench.of(RecordingNotice)[-1]
    assert (saved.sha256, saved.size, saved.url) == (FILE.sha256, 9, FILE.url)
    assert (saved.request_id, saved.call_id) == ("r1", call_id)


def test_the_end_of_the_call_ends_its_recording() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(record(call_id))
    bench.do(Hangup(call_id=call_id))
    assert stages(bench) == [1, 4]
    assert len(bench.to_save) == 1
    assert bench.one(HangupNotice, Scope=2).record_id == bench.to_save[0].record_id


def test_a_recording_that_cannot_be_written_has_failed() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(record(call_id))
    bench.do(record(call_id, RecordingAction.STOP))
    bench.engine.recording_saved(bench.to_save[0].record_id, None, bench.now)
    bench.run(0)
    failed = bench.of(RecordingNotice)[-1]
    assert (failed.action, failed.reason) == (RecordingNoticeAction.FAILED, 300)


def test_a_saved_recording_is_fetched_and_deleted_once() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(record(call_id))
    bench.do(record(call_id, RecordingAction.STOP))
    record_id = bench.to_save[0].record_id
    fetch = RecordingControl(action=RecordingAction.FETCH, record_id=record_id)
    assert bench.refused(fetch) is Result.NO_FILE
    bench.engine.recording_saved(record_id, FILE, bench.now)
    bench.do(fetch, id="f1")
    assert bench.of(RecordingNotice)[-1].request_id == "f1"
    bench.do(RecordingControl(action=RecordingAction.DELETE, record_id=record_id))
    assert stages(bench)[-1] is RecordingNoticeAction.DELETED
    assert bench.refused(fetch) is Result.NO_FILE


def test_what_is_not_recorded_cannot_be_stopped_and_nothing_is_recorded_twice() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.refused(record(call_id, RecordingAction.STOP)) is Result.WRONG_STATE
    bench.do(record(call_id))
    assert bench.refused(record(call_id)) is Result.WRONG_STATE
    assert bench.refused(record(call_id, RecordingAction.RESUME)) is Result.WRONG_STATE
    assert bench.refused(record(call_id, RecordingAction.TAG)) is Result.NOT_SUPPORTED


def test_the_sound_is_a_wave_file_with_a_tone(tmp_path: Path) -> None:
    file = write_recording(tmp_path, "r1", 2.5)
    path = tmp_path / "r1.wav"
    content = path.read_bytes()
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.size_bytes == len(content)
    assert file.url == path.as_uri()
    with wave.open(str(path)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(2.5)
        assert len(set(sound.readframes(800))) > 50


def test_an_endless_recording_does_not_fill_the_disk(tmp_path: Path) -> None:
    assert write_recording(tmp_path, "r1", 1e6).duration_s == 600


def play(call_id: str, action: MediaAction, **further: object) -> MediaControl:
    return MediaControl(call_id=call_id, action=action, **further)  # type: ignore[arg-type]  # a test's shorthand


def test_an_announcement_begins_and_ends() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(play(call_id, MediaAction.TTS, text="请稍候"), id="p1")
    bench.run(5)
    assert [(one.action, one.request_id) for one in bench.of(MediaNotice)] == [
        (MediaNoticeAction.START, "p1"),
        (MediaNoticeAction.DONE, "p1"),
    ]


def test_a_stopped_announcement_ends_once() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.refused(play(call_id, MediaAction.STOP)) is Result.WRONG_STATE
    bench.do(play(call_id, MediaAction.PLAY, file_id="f"))
    bench.do(play(call_id, MediaAction.STOP))
    bench.run(10)
    assert [one.action for one in bench.of(MediaNotice)] == [1, 2]


def test_a_party_presses_the_keys_of_its_script() -> None:
    bench = Bench(party(CALLER, digits="123#"))
    call_id = bench.answered_call()
    bench.do(play(call_id, MediaAction.COLLECT, max_digits=2))
    bench.run(5)
    pressed = bench.of(MediaNotice)[-1]
    assert (pressed.action, pressed.digits) == (MediaNoticeAction.DIGITS, "12")


def test_a_party_without_keys_lets_the_time_run_out() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    bench.do(play(call_id, MediaAction.COLLECT, timeout=4))
    bench.run(3.9)
    assert len(bench.of(MediaNotice)) == 1
    bench.run(0.2)
    assert bench.of(MediaNotice)[-1].reason == 102


def test_keys_are_sent_and_confirmed() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    assert bench.refused(play(call_id, MediaAction.SEND_DTMF)) is Result.MISSING_FIELD
    bench.do(play(call_id, MediaAction.SEND_DTMF, digits="12"))
    assert bench.one(MediaNotice).action is MediaNoticeAction.DONE


def test_nothing_is_played_to_a_call_that_rings() -> None:
    bench = Bench()
    call_id = bench.call()
    assert bench.refused(play(call_id, MediaAction.PLAY, file_id="f")) is Result.WRONG_STATE
    assert bench.refused(record(call_id)) is Result.WRONG_STATE


def test_a_call_is_found_with_its_legs() -> None:
    bench = Bench()
    call_id = bench.answered_call()
    for question in (
        QueryCall(call_id=call_id),
        QueryCall(phone_num=CALLER),
        QueryCall(login_id="23"),
    ):
        bench.do(question, id=f"q{question.call_id or ''}")
    snapshots = bench.of(SnapshotNotice)
    for snapshot in snapshots:
        call, leg = snapshot.calls
        assert (call.call_id, call.login_id, call.phone_num) == (call_id, "23", CALLER)
        assert (leg.parent_call_id, leg.to_num) == (call_id, "3021")
    assert len(snapshots) == 3
    assert snapshots[0].request_id == f"q{call_id}"


def test_a_question_about_nothing_is_answered_with_nothing() -> None:
    bench = Bench()
    bench.do(QueryCall(call_id="7"))
    assert bench.one(SnapshotNotice).calls == ()


def test_a_snapshot_has_conferences_and_agents() -> None:
    bench = Bench()
    bench.do(conference(group(CallMode.ALL, staff("a", "1"), staff("b", "2"))))
    bench.answered_call()
    bench.do(SnapshotRequest())
    snapshot = bench.one(SnapshotNotice)
    (one,) = snapshot.conferences
    assert [member.phone_num for member in one.members] == ["1", "2"]
    assert [(agent.login_id, agent.state) for agent in snapshot.agents] == [
        ("23", 5),
        ("24", 2),
        ("13", 2),
    ]
    bench.do(SnapshotRequest(kind=SnapshotKind.AGENT))
    assert bench.of(SnapshotNotice)[-1].calls == ()
    bench.do(SnapshotRequest(event_id="1213243"))
    of_event = bench.of(SnapshotNotice)[-1]
    assert {call.event_id for call in of_event.calls} == {"1213243"}


def test_the_capabilities_are_those_that_are_served() -> None:
    bench = Bench()
    bench.do(QueryCapability(), id="q1")
    notice = bench.one(CapabilityNotice)
    assert notice.request_id == "q1"
    served = {one.no: one.action_numbers for one in notice.capabilities}
    assert served[205] == {1, 2, 3, 4, 5}
    assert served[210] == {1, 2, 3}
    assert len(served) == len(CAPABILITIES)
