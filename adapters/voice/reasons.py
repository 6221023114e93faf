"""Reasons of several parties made into one."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.reasons import Reason


def common_reason(reasons: Iterable[int]) -> int:
    """Why nobody could be reached: what all say, otherwise no answer."""
    said = set(reasons)
    return said.pop() if len(said) == 1 else Reason.NO_ANSWER
