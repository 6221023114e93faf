"""Results as protocol.md#results lists them."""

from __future__ import annotations

from protocol.results import RESULT_TEXT, Result, is_accepted, result_text

LISTED = {
    *(0, 1, 2),
    *range(100, 108),
    *range(200, 208),
    *range(300, 313),
    *range(400, 407),
    *range(500, 507),
}


def test_every_listed_code_has_a_name_and_both_texts() -> None:
    assert {int(result) for result in Result} == LISTED
    assert set(RESULT_TEXT) == LISTED


def test_only_the_first_ten_are_acceptance() -> None:
    assert [code for code in range(1000) if is_accepted(code)] == list(range(10))


def test_a_result_is_told_in_both_languages() -> None:
    assert result_text(501) == "not supported by this platform 平台不支持"
    assert result_text(901) == "private code 私有代码"
