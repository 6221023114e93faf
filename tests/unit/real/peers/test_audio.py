"""What the tests against real telephones hear with, on sound whose making is known."""

import math

import pytest

from tests.real.peers.audio import FRAME, RATE_HZ, loudness, share_of


def tone(frequency_hz: float, seconds: float = 3.0) -> list[int]:
    turn = 2 * math.pi * frequency_hz / RATE_HZ
    return [round(8000 * math.sin(turn * n)) for n in range(int(RATE_HZ * seconds))]


def packets_lost(samples: list[int], *, every: int) -> list[int]:
    """The sound without each so-manieth packet, closed up, as a hurried mixer leaves it."""
    return [sample for n, sample in enumerate(samples) if (n // FRAME) % every]


def test_a_tone_is_all_at_its_own_frequency() -> None:
    assert share_of(tone(440), 440) == pytest.approx(1, abs=0.01)
    assert share_of(tone(440), 1000) < 0.01


def test_two_voices_have_half_each() -> None:
    both = [one + other for one, other in zip(tone(440), tone(1000), strict=True)]
    assert share_of(both, 440) == pytest.approx(0.5, abs=0.02)
    assert share_of(both, 1000) == pytest.approx(0.5, abs=0.02)


def test_lost_packets_do_not_hide_a_voice() -> None:
    assert share_of(packets_lost(tone(440), every=10), 440) > 0.7


def test_silence_and_nothing_have_no_voice() -> None:
    assert share_of([0] * RATE_HZ, 440) == 0
    assert share_of([], 440) == 0
    assert loudness([]) == 0
