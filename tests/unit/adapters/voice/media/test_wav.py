"""What is in a recording, whatever its header says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.voice.media.wav import HEADER_MAX, read_header
from protocol.messages import (
    CallState,
    CallStateNotice,
    RecordingNotice,
    RecordingNoticeAction,
)
from protocol.reasons import Reason
from tests.fakes.asterisk import FakeAsterisk, wav
from tests.fakes.running_adapter import Place, forgotten

SECOND = 16_000


def test_a_header_says_where_the_sound_begins_and_how_long_it_is() -> None:
    header = read_header(wav(SECOND, bytes(SECOND)))
    assert header is not None
    assert (header.start, header.promised) == (44, SECOND)
    assert header.duration_s(44 + 3 * SECOND) == 3
    assert header.for_size(44 + 3 * SECOND) == wav(3 * SECOND, b"")
    assert header.agrees_with(1)
    assert not header.agrees_with(2)
    assert not header.agrees_with(None)


def test_chunks_that_nobody_needs_are_passed_over() -> None:
    plain = wav(SECOND, b"")
    header = read_header(plain[:36] + b"LIST\x03\0\0\0abc\0" + plain[36:])
    assert header is not None
    assert (header.start, header.promised) == (56, SECOND)


@given(st.binary(max_size=200))
def test_no_header_however_odd_raises(data: bytes) -> None:
    read_header(b"RIFF" + data)
    header = read_header((b"RIFF" + data).ljust(HEADER_MAX + 1, b"\0"))
    assert header is not None
    header.duration_s(0)


@pytest.fixture
async def asterisk() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


async def told_after_a_crash(
    asterisk: FakeAsterisk, folder: Path, data: bytes
) -> tuple[RecordingNotice, Place]:
    """What is told last of a recording of which a killed Asterisk has left this file."""
    line = {"officers": ["1001"], "record": True}
    place = Place.at(folder, asterisk.settings(hotline={"12345": line}))
    async with place.run() as adapter:
        await asterisk.call()
        await adapter.notices.any(CallStateNotice, state=CallState.ALERTING)
        await asterisk.pick_up("1001")
        start = await adapter.notices.any(RecordingNotice, action=RecordingNoticeAction.START)
        asterisk.stored[start.record_id or ""] = data
        await asterisk.restart()
        await adapter.ended()
    async with place.run() as adapter:
        await forgotten(place, asterisk)
        return adapter.notices.of(RecordingNotice)[-1], place


async def test_a_file_without_a_length_is_kept_with_its_true_one(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    data = wav(0, bytes(3 * SECOND))
    told, place = await told_after_a_crash(asterisk, tmp_path, data)
    assert (told.action, told.duration, told.size) == (RecordingNoticeAction.SAVED, 3, len(data))
    assert place.files.saved[0].path.read_bytes() == wav(3 * SECOND, bytes(3 * SECOND))


async def test_a_file_that_was_cut_off_promises_no_more_than_there_is(
    asterisk: FakeAsterisk, tmp_path: Path
) -> None:
    data = wav(60 * SECOND, bytes(2 * SECOND))
    told, place = await told_after_a_crash(asterisk, tmp_path, data)
    assert (told.action, told.duration) == (RecordingNoticeAction.SAVED, 2)
    assert place.files.saved[0].path.read_bytes() == wav(2 * SECOND, bytes(2 * SECOND))


@pytest.mark.parametrize("data", [wav(0, b""), wav(SECOND, b""), b"", b"<html>no</html>", b"RIFF"])
async def test_a_file_without_sound_is_no_recording(
    asterisk: FakeAsterisk, tmp_path: Path, data: bytes
) -> None:
    told, place = await told_after_a_crash(asterisk, tmp_path, data)
    assert (told.action, told.reason) == (
        RecordingNoticeAction.FAILED,
        Reason.RECORDING_NO_MEDIA,
    )
    assert place.files.saved == []
    assert asterisk.stored == {}
