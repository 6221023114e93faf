"""Why a leg ended, as Asterisk says it, and what it is told."""

from __future__ import annotations

import pytest

from adapters.asterisk.causes import hangup_word, reason_of
from protocol.reasons import Reason


@pytest.mark.parametrize(
    ("cause", "answered", "reason"),
    [
        (None, True, Reason.NORMAL),
        (0, True, Reason.NORMAL),
        (16, True, Reason.NORMAL),
        (38, True, Reason.NETWORK_FAILURE),
        (16, False, Reason.NO_ANSWER),
        (17, False, Reason.BUSY),
        (18, False, Reason.UNREACHABLE),
        (19, False, Reason.NO_ANSWER),
        (21, False, Reason.REJECTED),
        (127, False, Reason.CALL_FAILED),
        (None, False, Reason.CALL_FAILED),
        (77, False, Reason.CALL_FAILED),
    ],
)
def test_causes_become_reasons(cause: int | None, answered: bool, reason: Reason) -> None:
    assert reason_of(cause, answered=answered) is reason


@pytest.mark.parametrize(
    ("status", "cause", "rang", "reason"),
    [
        (401, 21, False, Reason.REJECTED),
        (403, 21, False, Reason.BARRED),
        (404, 1, False, Reason.UNALLOCATED),
        (408, 18, False, Reason.UNREACHABLE),
        (408, 18, True, Reason.NO_ANSWER),
        (410, 22, False, Reason.NUMBER_CHANGED),
        (415, 127, False, Reason.MEDIA_FAILURE),
        (420, 3, False, Reason.CALL_FAILED),
        (433, 127, False, Reason.REJECTED),
        (480, 19, False, Reason.NO_ANSWER),
        (480, 19, True, Reason.NO_ANSWER),
        (482, 127, False, Reason.NETWORK_FAILURE),
        (483, 19, False, Reason.NETWORK_FAILURE),
        (484, 28, False, Reason.INVALID_FORMAT),
        (485, 1, False, Reason.UNALLOCATED),
        (486, 17, False, Reason.BUSY),
        (488, 58, False, Reason.MEDIA_FAILURE),
        (500, 38, False, Reason.PLATFORM_FAULT),
        (502, 27, False, Reason.NETWORK_FAILURE),
        (503, 34, False, Reason.CONGESTION),
        (505, 127, False, Reason.NETWORK_FAILURE),
        (580, 34, False, Reason.NETWORK_FAILURE),
        (600, 17, False, Reason.BUSY),
        (603, 21, False, Reason.REJECTED),
        (604, 1, False, Reason.UNALLOCATED),
        (606, 58, False, Reason.MEDIA_FAILURE),
        (607, 127, False, Reason.REJECTED),
        (608, 127, False, Reason.REJECTED),
        (418, 127, False, Reason.CALL_FAILED),
        (301, 16, False, Reason.NUMBER_CHANGED),
        (17, 17, False, Reason.BUSY),  # of another technology than SIP: its own numbers
    ],
)
def test_what_sip_said_is_not_lost_in_asterisks_cause(
    status: int, cause: int, rang: bool, reason: Reason
) -> None:
    assert reason_of(cause, answered=False, status=status, rang=rang) is reason


def test_a_caller_hears_why_as_asterisk_says_it() -> None:
    assert hangup_word(Reason.BUSY) == "busy"
    assert hangup_word(Reason.NO_ANSWER) == "no_answer"
    assert hangup_word(None) == "normal"
