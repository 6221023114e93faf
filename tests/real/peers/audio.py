"""Tones that SIPp sends, and a look at what arrived: is it sound, and whose?"""

import math
import wave
from pathlib import Path
from typing import Final

RATE_HZ: Final = 8000
# G.711 frames of 20 ms; SIPp wants whole ones.
FRAME: Final = 160
# A tenth of a second: whole turns of every multiple of ten hertz.
PIECE: Final = 800
AMPLITUDE: Final = 12_000
BIAS: Final = 0x84
CLIP: Final = 32_635
SAMPLE_BYTES: Final = 2


def write_tone(path: Path, frequency_hz: float, seconds: float = 1.0) -> None:
    """Write a sine as raw µ-law at 8 kHz, in whole frames; whole hertz loop without a click."""
    samples = int(RATE_HZ * seconds) // FRAME * FRAME
    path.write_bytes(
        bytes(
            mu_law(round(AMPLITUDE * math.sin(2 * math.pi * frequency_hz * n / RATE_HZ)))
            for n in range(samples)
        )
    )


def samples_of(recording: Path) -> list[int]:
    """Return the samples of a WAV with 16 bit, mono, 8 kHz: what Asterisk's `wav` format is."""
    with wave.open(str(recording)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            message = f"{recording} is not 16 bit, mono, 8 kHz"
            raise ValueError(message)
        data = file.readframes(file.getnframes())
    return [
        int.from_bytes(data[n : n + SAMPLE_BYTES], "little", signed=True)
        for n in range(0, len(data), SAMPLE_BYTES)
    ]


def loudness(samples: list[int]) -> float:
    """Return the root mean square, 0 for silence; a sine of `AMPLITUDE` has 8485."""
    if not samples:
        return 0.0
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def share_of(samples: list[int], frequency_hz: float) -> float:
    """Return how much of the sound's power is at one frequency, 0 to 1 (Goertzel).

    Looked at in pieces, since a lost or late packet turns the phase of all that follows, and a
    tone heard clearly all the time would cancel itself over the whole of a recording.
    """
    pieces = [samples[n : n + PIECE] for n in range(0, len(samples), PIECE)]
    power = sum(sample * sample for sample in samples)
    return sum(_power_at(frequency_hz, piece) for piece in pieces) / power if power else 0.0


def _power_at(frequency_hz: float, piece: list[int]) -> float:
    turn = 2 * math.cos(2 * math.pi * frequency_hz / RATE_HZ)
    last = before = 0.0
    for sample in piece:
        last, before = sample + turn * last - before, last
    at = last * last + before * before - turn * last * before
    return at / (len(piece) / 2)


def mu_law(sample: int) -> int:
    """Return one sample by G.711 µ-law."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), CLIP) + BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF
