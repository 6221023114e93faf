"""The secret that follows another, as both ends make it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from protocol.key_rotation import check_key_id, make_rotation, next_secret, proves
from protocol.registration import digest

PRESENT = "for-examples-only-desk"
KEY_ID = "5f1d3b7a9c2e4860"


def by_hand(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_it_is_what_hmac_makes_of_the_present_one() -> None:
    message, following = make_rotation(PRESENT, "desk", KEY_ID)

    assert following == by_hand(PRESENT, f"key\ndesk\n{KEY_ID}")
    assert message.digest == by_hand(following, f"295\ndesk\n{KEY_ID}")
    assert message.key_id == KEY_ID


def test_only_who_has_it_proves_it() -> None:
    message, following = make_rotation(PRESENT, "desk", KEY_ID)

    assert proves(following, "desk", message)
    assert not proves(PRESENT, "desk", message)
    assert not proves(following, "other", message)
    assert not proves(following, "desk", replace(message, key_id="another KeyId"))
    assert not proves(following, "desk", replace(message, digest="通信"))


def test_it_is_no_digest_that_ever_stood_on_the_wire() -> None:
    made = next_secret(PRESENT, "desk", KEY_ID)
    assert made not in {digest(PRESENT, type_, "desk", KEY_ID, KEY_ID) for type_ in (190, 290)}


@pytest.mark.parametrize(
    ("key_id", "fits"), [("1234567", False), ("12345678", True), ("x" * 65, False)]
)
def test_a_key_id_is_long_enough_to_be_drawn(key_id: str, fits: bool) -> None:
    assert check_key_id(key_id) is fits
