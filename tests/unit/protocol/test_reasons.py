"""Reasons as protocol.md#reasons lists them, and where they come from."""

from __future__ import annotations

import pytest

from protocol.reasons import (
    REASON_TEXT,
    Reason,
    reason_from_q850,
    reason_from_sip,
    reason_text,
)

LISTED = {
    *range(100, 115),
    *range(120, 127),
    *range(130, 145),
    *range(200, 209),
    *range(220, 225),
    *range(240, 246),
    *range(250, 256),
    *range(260, 264),
    *range(300, 304),
}


def test_every_listed_code_has_a_name_and_both_texts() -> None:
    assert {int(reason) for reason in Reason} == LISTED
    assert set(REASON_TEXT) == LISTED
    assert all(english and chinese for english, chinese in REASON_TEXT.values())


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (1, 105), (8, 133), (9, 133), (16, 100), (17, 101), (18, 104), (19, 102), (20, 104),
        (21, 103), (22, 107), (26, 111), (28, 106), (31, 123), (34, 120), (38, 122), (41, 126),
        (42, 120), (57, 108), (88, 124), (102, 125), (127, 123), (0, 123), (-1, 123), (999, 123),
    ],
)  # fmt: skip
def test_q850_causes_become_the_tables_reasons(cause: int, reason: int) -> None:
    assert reason_from_q850(cause) == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, 100), (202, 100), (301, 107), (403, 108), (404, 105), (408, 102), (410, 107),
        (480, 104), (484, 106), (486, 101), (487, 110), (488, 124), (500, 126), (502, 122),
        (503, 120), (504, 122), (600, 101), (603, 103), (604, 105), (418, 123), (0, 123),
    ],
)  # fmt: skip
def test_sip_statuses_become_the_tables_reasons(status: int, reason: int) -> None:
    assert reason_from_sip(status) == reason


def test_a_reason_is_told_in_both_languages() -> None:
    assert reason_text(101) == "busy 用户忙"
    assert reason_text(Reason.CALL_FAILED) == "call failed 呼叫失败"
    assert reason_text(950) == "private code 私有代码"
