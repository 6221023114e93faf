"""Who may come in: every refusal of a registration (protocol.md#registration)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from linkage.config.keyring import KeyringError
from linkage.config.peers import PeerSettings
from linkage.config.secrets import Secret
from linkage.core.peers import Peer, Peers
from linkage.core.rights.refusal import RefusedError
from linkage.ports import Role
from linkage.store.rows import MICROSECONDS, to_us
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.message import Message
from protocol.registration import (
    PROTO_VERSION,
    TIME_TOLERANCE_S,
    check_nonce,
    check_time,
    peer_id_of,
    signed_fields,
    verify,
)
from protocol.results import Result
from protocol.roles import REGISTRATION_TYPE

SCREENS: Final = frozenset({Role.COMMUNICATION_SCREEN, Role.BUSINESS_SCREEN})


def check_registration(peers: Peers, request: Request, now: datetime) -> tuple[Peer, Secret, str]:
    """The peer that a registration proves to be, by which of its secrets, and the nonce.

    The nonce is the caller's to remember.

    Raises:
        RefusedError: 201 (unknown peer, wrong secret, wrong role, clock off), 105 (version), 103
        (nonce's length), 202 (a LoginId that may not work at this screen).
    """
    message = request.message
    peer_id = peer_id_of(message)
    # Of everybody, before anything is looked up: it must not tell who is known here.
    if getattr(message, "proto_ver", PROTO_VERSION) != PROTO_VERSION:
        raise RefusedError(
            Result.VERSION_NOT_SUPPORTED, f"ProtoVer {PROTO_VERSION} is spoken here"
        )
    peer, settings = _registering(peers, peer_id)
    if REGISTRATION_TYPE[peer.role] != request.type:
        raise RefusedError(
            Result.BAD_CREDENTIALS, f"{peer_id!r} is {peer.role}, not what {request.type} is for"
        )
    try:
        signed = signed_fields(request, settings.profile().dialect)
    except RemoteProtocolError as error:
        # It came from the address of a peer with another dialect, and was read in that.
        raise RefusedError(error.result, f"{peer_id!r} does not speak its dialect") from None
    try:
        valid = settings.valid_secrets(now)
    except KeyringError as error:
        raise RefusedError(Result.BAD_CREDENTIALS, f"no secret of {peer_id!r}: {error}") from None
    # All of them, whichever fits: how long it takes does not tell which one did.
    fitting = [secret for secret in valid if verify(secret.get_secret_value(), signed)]
    if not fitting:
        raise RefusedError(
            Result.BAD_CREDENTIALS, f"the Digest of {peer_id!r} does not fit its secret"
        )
    if not check_nonce(signed.nonce):
        raise RefusedError(Result.BAD_VALUE, "Nonce has 8–64 characters")
    said: datetime = getattr(message, "time")  # noqa: B009 - every registration has one, their base has not
    if not check_time(said, now):
        ahead_s = (said - now).total_seconds()
        where = "ahead of" if ahead_s > 0 else "behind"
        raise RefusedError(
            Result.BAD_CREDENTIALS,
            f"its clock is {abs(ahead_s):.0f} s {where} ours, {TIME_TOLERANCE_S:g} are allowed: "
            "set the clock",
        )
    _check_login(peer, settings, message)
    return peer, fitting[0], signed.nonce


def _registering(peers: Peers, peer_id: str | None) -> tuple[Peer, PeerSettings]:
    """The peer that may register under an id.

    Raises:
        RefusedError: 201. One answer for every kind of stranger, so that who guesses learns
        nothing; journal and log have the reason.
    """
    peer = None if peer_id is None else peers.get(peer_id)
    if peer is None:
        problem = f"no peer {peer_id!r} is configured"
    elif peer.settings is None:
        problem = f"{peer_id!r} is an adapter of ours"
    elif peer.settings.legacy:
        problem = f"{peer_id!r} is `legacy`: it is known by its address and does not register"
    elif peer.shut_out:
        problem = f"{peer_id!r} was taken out of the configuration"
    else:
        return peer, peer.settings
    raise RefusedError(Result.BAD_CREDENTIALS, problem)


def check_repeatable(request: Request, now: datetime, since_us: int) -> None:
    """Whether a registration that proved genuine may be a repetition nobody could know of.

    Args:
        request: the registration.
        now: the wall clock.
        since_us: from when on all nonces are known (`Nonces.known_since_us`). A time far ahead
            is that of a clock which has been set back: what it says holds for nobody then.

    Raises:
        RefusedError: 404, until a registration made anew is later than that.
    """
    made_us = to_us(getattr(request.message, "time"))  # noqa: B009 - a registration has one, its base has not
    if made_us >= since_us or since_us - to_us(now) > TIME_TOLERANCE_S * MICROSECONDS:
        return
    raise RefusedError(
        Result.OVERLOAD,
        "it was made before this store was put in place of another, whose Nonces are not known",
        retry_after_s=math.ceil((since_us - made_us) / MICROSECONDS),
    )


def _check_login(peer: Peer, settings: PeerSettings, message: Message) -> None:
    """Who works at a screen hears the calls of that LoginId, so not everybody may say so."""
    if peer.role not in SCREENS or not settings.logins or message.login_id is None:
        return
    if message.login_id not in {*settings.logins, settings.login}:
        raise RefusedError(
            Result.FORBIDDEN, f"{message.login_id} may not work at {peer.id}: see its `logins`"
        )
