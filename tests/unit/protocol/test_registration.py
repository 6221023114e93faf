"""Registration: signing, checking, and the texts as they were sent (protocol.md#registration)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from protocol.codec import decode, encode
from protocol.dialect import Dialect
from protocol.envelope import Request
from protocol.errors import LocalProtocolError
from protocol.registration import (
    SignedFields,
    check_nonce,
    check_time,
    digest,
    make_registration,
    peer_id_of,
    signed_fields,
    verify,
)
from protocol.roles import Role

SECRET = "a-secret-of-the-duty-desk"
NONCE = "0123456789abcdef"
NOON = datetime(2026, 11, 22, 12, 0, 0, 125_000, tzinfo=UTC)
# By `printf '290\nduty-desk\n2026-11-22T12:00:00.125+00:00\n0123456789abcdef' |
# openssl dgst -sha256 -hmac a-secret-of-the-duty-desk`
KNOWN = "4e4d45705e5f96c8ef7e50c31a46eae4c558f75f307641f8a7606320ccd6e6f6"
TYPE_AND_ID = {
    Role.PLATFORM: (190, "PlatformId"),
    Role.APPLICATION: (290, "AppId"),
    Role.MONITOR: (290, "AppId"),
    Role.COMMUNICATION_SCREEN: (490, "ScreenId"),
    Role.BUSINESS_SCREEN: (690, "ScreenId"),
}


def received(payload: str) -> Request:
    request = decode(payload.encode())
    assert isinstance(request, Request)
    return request


def as_written(time_text: str, nonce: str = NONCE, secret: str = SECRET) -> Request:
    proof = digest(secret, 290, "duty-desk", time_text, nonce)
    return received(
        f'<request Id="1" Type="290"><AppId>duty-desk</AppId><ProtoVer>1</ProtoVer>'
        f"<Time>{time_text}</Time><Nonce>{nonce}</Nonce><Digest>{proof}</Digest></request>"
    )


def test_the_digest_is_the_one_that_openssl_makes() -> None:
    assert digest(SECRET, 290, "duty-desk", "2026-11-22T12:00:00.125+00:00", NONCE) == KNOWN


def test_an_application_signs_what_openssl_would() -> None:
    message = make_registration(Role.APPLICATION, "duty-desk", SECRET, NOON, NONCE)
    assert f"<Digest>{KNOWN}</Digest>".encode() in encode(Request(id="1", message=message))


@pytest.mark.parametrize("role", list(Role))
def test_every_role_registers_with_its_own_message(role: Role) -> None:
    message = make_registration(role, "peer-1", SECRET, NOON, NONCE, last_seq=17)
    number, element = TYPE_AND_ID[role]
    written = encode(Request(id="1", message=message)).decode()
    assert message.number == number
    assert f"<{element}>peer-1</{element}>" in written
    assert "<ProtoVer>1</ProtoVer>" in written
    assert "<LastSeq>17</LastSeq>" in written
    assert peer_id_of(message) == "peer-1"
    request = received(written)
    assert verify(SECRET, signed_fields(request))
    assert not verify(SECRET + "x", signed_fields(request))


def test_further_fields_of_the_message_can_be_given() -> None:
    message = make_registration(Role.PLATFORM, "pbx", SECRET, NOON, NONCE, vendor="ACME")
    assert b"<Vendor>ACME</Vendor>" in encode(Request(id="1", message=message))


@pytest.mark.parametrize(
    "time_text",
    [
        "2026-11-22T12:00:00.125+00:00",
        "2026-11-22T20:00:00+08:00",
        "2026-11-22T12:00:00Z",
        "2026-11-22 12:00:00.123456+00:00",
        " 2026-11-22T12:00:00Z ",
    ],
)
def test_the_time_counts_as_it_was_written(time_text: str) -> None:
    signed = signed_fields(as_written(time_text))
    assert signed.time_text == time_text
    assert verify(SECRET, signed)


def test_another_text_for_the_same_time_does_not_verify() -> None:
    signed = signed_fields(as_written("2026-11-22T12:00:00Z"))
    forged = SignedFields(
        type=signed.type,
        peer_id=signed.peer_id,
        time_text="2026-11-22T12:00:00+00:00",
        nonce=signed.nonce,
        digest=signed.digest,
    )
    assert not verify(SECRET, forged)


def test_tolerated_spellings_of_names_are_read_and_the_first_of_two_counts() -> None:
    request = as_written("2026-11-22T12:00:00Z")
    renamed = request.raw.replace(b"AppId>", b"App_Id>").replace(
        b"</request>", b"<Unknown>x</Unknown></request>"
    )
    assert verify(SECRET, signed_fields(received(renamed.decode())))


def test_escaped_texts_are_signed_as_they_read() -> None:
    nonce = "12345678&<>"
    request = as_written("2026-11-22T12:00:00Z", nonce="12345678")
    proof = digest(SECRET, 290, "duty-desk", "2026-11-22T12:00:00Z", nonce)
    old = signed_fields(request).digest
    written = request.raw.decode().replace("12345678<", "12345678&amp;&lt;&gt;<")
    signed = signed_fields(received(written.replace(old, proof)))
    assert signed.nonce == nonce
    assert verify(SECRET, signed)


def test_the_payload_is_read_in_the_dialect_of_the_peer() -> None:
    dialect = Dialect(encoding="gb18030")
    message = make_registration(Role.PLATFORM, "pbx", SECRET, NOON, NONCE, vendor="通信")
    request = decode(encode(Request(id="1", message=message), dialect), dialect)
    assert isinstance(request, Request)
    assert verify(SECRET, signed_fields(request, dialect))


def test_a_digest_that_is_no_ascii_is_just_wrong() -> None:
    signed = signed_fields(as_written("2026-11-22T12:00:00Z"))
    assert not verify(
        SECRET,
        SignedFields(
            type=290, peer_id="duty-desk", time_text=signed.time_text, nonce=NONCE, digest="通信"
        ),
    )


def test_only_a_received_registration_has_signed_fields() -> None:
    other = received('<request Id="1" Type="299"><Reason>1</Reason></request>')
    with pytest.raises(LocalProtocolError, match="299 is no registration"):
        signed_fields(other)
    assert peer_id_of(other.message) is None
    made = Request(
        id="1", message=make_registration(Role.APPLICATION, "duty-desk", SECRET, NOON, NONCE)
    )
    with pytest.raises(LocalProtocolError, match="that was received"):
        signed_fields(made)


@pytest.mark.parametrize(
    ("off_s", "fits"), [(0, True), (300, True), (-300, True), (300.001, False), (-300.001, False)]
)
def test_the_time_may_be_five_minutes_off(off_s: float, fits: bool) -> None:
    assert check_time(NOON + timedelta(seconds=off_s), NOON) is fits


def test_the_tolerance_can_be_chosen() -> None:
    assert not check_time(NOON + timedelta(seconds=2), NOON, tolerance_s=1)


@pytest.mark.parametrize(("length", "fits"), [(7, False), (8, True), (64, True), (65, False)])
def test_a_nonce_has_8_to_64_characters(length: int, fits: bool) -> None:
    assert check_nonce("n" * length) is fits
    if not fits:
        with pytest.raises(LocalProtocolError):
            make_registration(Role.PLATFORM, "pbx", SECRET, NOON, "n" * length)
