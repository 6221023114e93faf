"""One id in whatever form, one number with whatever stands before it."""

from __future__ import annotations

import pytest

from adapters.messaging.receipt_ids import forms, plain, same_number


@pytest.mark.parametrize(
    ("answer", "receipt"),
    [
        ("7f", "7F"),
        ("007f", "7f"),
        ("7f", "127"),
        ("127", "7F"),
        ("127", "0x7f"),
        ("127", "0000000127"),
        ("A-1", "a-1"),
        ("0", "000"),
    ],
)
def test_a_receipt_names_what_the_answer_named(answer: str, receipt: str) -> None:
    assert plain(answer) in forms(receipt).values()


@pytest.mark.parametrize(("answer", "receipt"), [("7f", "128"), ("1", "10"), ("x", "y")])
def test_another_id_is_another(answer: str, receipt: str) -> None:
    assert plain(answer) not in forms(receipt).values()


def test_an_id_of_thousands_of_digits_costs_nothing() -> None:
    assert len(forms("9" * 60_000)) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("13900000001", "+8613900000001", True),
        ("013900000001", "8613900000001", True),
        ("13900000001", "13900000002", False),
        ("10086", "10086", True),
        ("86", "10086", False),
        ("", "10086", True),
        ("Bank", "10086", True),
    ],
)
def test_numbers_are_compared_without_what_is_dialled_before_them(
    one: str, other: str, same: bool
) -> None:
    assert same_number(one, other) is same
