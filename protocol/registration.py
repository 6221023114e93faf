"""Registration: how a peer proves who it is in its first message (protocol.md#registration).

`Digest` = lower-case hex HMAC-SHA256, keyed with the secret, over `Type LF PeerId LF Time LF
Nonce`, each exactly as sent. A time read into a datetime and written again need not be the same
text: what was signed is taken from the payload as it came.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from protocol import fields
from protocol.codec import element_texts
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.message import Message
from protocol.messages import message_class
from protocol.roles import REGISTRATION_TYPE, ROLE_BY_REGISTRATION, Role

PROTO_VERSION: Final = 1
"""`ProtoVer`: the version of the protocol that this package speaks."""
NONCE_MIN: Final = 8
NONCE_MAX: Final = 64
TIME_TOLERANCE_S: Final = 300.0
"""How far a peer's clock may be off; also how long a nonce must be remembered, twice over."""

_PEER_ID_FIELD: Final = {
    190: "platform_id",
    290: "app_id",
    490: "screen_id",
    690: "screen_id",
}  # fmt: skip

_NAMED: Final = re.compile(
    rb"<(?:Platform_?Id|App_?Id|Screen_?Id)>\s*([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s*</",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFields:
    """What a registration signs, each text exactly as sent, and the digest that came with it."""

    type: int
    peer_id: str
    time_text: str
    nonce: str
    digest: str


def digest(secret: str, type_: int, peer_id: str, time_text: str, nonce: str) -> str:
    """The `Digest` of a registration: 64 lower-case hexadecimal digits."""
    signed = "\n".join((f"{type_:03d}", peer_id, time_text, nonce))
    return hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest()


def signed_fields(request: Request, dialect: Dialect = DEFAULT) -> SignedFields:
    """The signed texts of a registration that was received.

    Args:
        request: the registration.
        dialect: the peer's own. One that came before anybody knew the peer may be in the default
            dialect; then it is read in that.

    Raises:
        LocalProtocolError: the request is no registration, or was not received (it has no `raw`).
    """
    name = _PEER_ID_FIELD.get(request.type)
    if name is None or not request.raw:
        raise LocalProtocolError(f"{request.type} is no registration that was received")
    try:
        texts = element_texts(request.raw, type(request.message), dialect)
    except RemoteProtocolError:
        texts = element_texts(request.raw, type(request.message), DEFAULT)
    return SignedFields(
        type=request.type,
        peer_id=texts.get(name, ""),
        time_text=texts.get("time", ""),
        nonce=texts.get("nonce", ""),
        digest=texts.get("digest", "").strip(),
    )


def peer_id_of(message: Message) -> str | None:
    """Whom a registration names; None for any other message."""
    name = _PEER_ID_FIELD.get(message.number)
    return None if name is None else getattr(message, name)


def named_peer(payload: bytes) -> str | None:
    """Whom a registration names, whatever encoding it is in: a PeerId is ASCII."""
    found = _NAMED.search(payload)
    return None if found is None else found[1].decode()


def verify(secret: str, signed: SignedFields) -> bool:
    """True when the digest was made with that secret; every wrong one takes the same time."""
    wanted = digest(secret, signed.type, signed.peer_id, signed.time_text, signed.nonce)
    return hmac.compare_digest(wanted.encode(), signed.digest.encode())


def check_nonce(nonce: str) -> bool:
    """True for 8–64 characters; that it comes only once is the caller's memory."""
    return NONCE_MIN <= len(nonce) <= NONCE_MAX


def check_time(time: datetime, now: datetime, tolerance_s: float = TIME_TOLERANCE_S) -> bool:
    """True when a registration's time is within ±`tolerance_s` seconds of ours."""
    return abs(time - now) <= timedelta(seconds=tolerance_s)


def make_registration(
    role: Role,
    peer_id: str,
    secret: str,
    now: datetime,
    nonce: str,
    /,  # `role` is also a field of 290
    last_seq: int | None = None,
    **further: Any,
) -> Message:
    """The first message of a peer: 190, 290, 490 or 690, signed.

    `now` is the peer's wall clock, aware; `nonce` 8–64 random characters, never used before.
    `further` are fields of the message class (`vendor`, `app_name`, …).

    Raises:
        LocalProtocolError: a value does not fit the message, or the nonce its length.
    """
    if not check_nonce(nonce):
        raise LocalProtocolError(f"a nonce has {NONCE_MIN}–{NONCE_MAX} characters")
    number = REGISTRATION_TYPE[role]
    cls = message_class(number)
    assert cls is not None, f"the catalogue has {sorted(ROLE_BY_REGISTRATION)}"
    values = {
        _PEER_ID_FIELD[number]: peer_id,
        "proto_ver": PROTO_VERSION,
        "time": now,
        "nonce": nonce,
        "digest": digest(secret, number, peer_id, fields.format_time(now), nonce),
        "last_seq": last_seq,
        **further,
    }
    return cls(**values)
