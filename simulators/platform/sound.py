"""The sound of a simulated recording: a real WAV file, so that whoever fetches it finds one."""

from __future__ import annotations

import hashlib
import math
import wave
from pathlib import Path
from typing import Final

from simulators.platform.media import SavedFile

RATE_HZ: Final = 8000
TONE_HZ: Final = 440
LOUDNESS: Final = 60
SILENCE: Final = 128
"""Eight-bit WAV samples are unsigned."""
DURATION_MAX_S: Final = 600.0
"""Ten minutes are 4.8 MB; a longer call gets a recording of ten minutes."""


def write_recording(folder: Path, record_id: str, duration_s: float) -> SavedFile:
    """Write `RECORDID.wav`, a tone as long as the recording.

    Raises:
        OSError: the folder cannot be written to.
    """
    samples = round(min(duration_s, DURATION_MAX_S) * RATE_HZ)
    period = bytes(
        SILENCE + round(LOUDNESS * math.sin(2 * math.pi * TONE_HZ * n / RATE_HZ))
        for n in range(RATE_HZ)
    )
    sound = (period * (samples // RATE_HZ + 1))[:samples]
    path = folder / f"{record_id}.wav"
    with path.open("wb") as stream, wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE_HZ)
        file.writeframes(sound)
    content = path.read_bytes()
    return SavedFile(
        file_id=path.name,
        url=path.resolve().as_uri(),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        duration_s=round(samples / RATE_HZ),
    )
