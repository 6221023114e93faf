"""Who we are to linkage, and whether it is linkage that dials us (protocol.md#connections)."""

from __future__ import annotations

import secrets
from collections import deque
from datetime import datetime, timedelta
from typing import Any, Final

from linkage.config.secrets import Secret
from protocol.dialect import Dialect
from protocol.envelope import Request, Response
from protocol.errors import LocalProtocolError
from protocol.key_rotation import make_rotation
from protocol.message import Message
from protocol.messages import PlatformRegister
from protocol.registration import (
    PROTO_VERSION,
    TIME_TOLERANCE_S,
    check_nonce,
    check_time,
    make_registration,
    signed_fields,
    verify,
)
from protocol.results import Result
from protocol.roles import Role

NONCES_MAX: Final = 10_000
"""Nonces remembered; who floods us with well-signed registrations knows the secret anyway."""


BOOT_BYTES: Final = 8


class Credentials:
    """A peer's id and secret. Without a secret the peer is *legacy*: nobody registers."""

    def __init__(
        self, role: Role, peer_id: str, secret: str | Secret | None, further: dict[str, Any]
    ) -> None:
        self.role = role
        self.peer_id = peer_id
        self._secret = None if secret is None else Secret(secret)
        # Ours is the start of this object: it makes the Ids.
        self._further = {"boot": secrets.token_hex(BOOT_BYTES), **further}
        self._nonces: deque[tuple[datetime, str]] = deque(maxlen=NONCES_MAX)

    def __repr__(self) -> str:
        return f"<Credentials of {self.role.value} {self.peer_id!r}>"

    @property
    def legacy(self) -> bool:
        """True when nobody registers."""
        return self._secret is None

    def registration(self, utc: datetime, last_seq: int | None) -> Message:
        """Our first message, signed now."""
        assert self._secret is not None, "legacy peers do not register"
        return make_registration(
            self.role,
            self.peer_id,
            self._secret.get_secret_value(),
            utc,
            secrets.token_hex(16),
            last_seq,
            **self._further,
        )

    def rotation(self) -> tuple[Message, str]:
        """The 295 that begins another secret, and that secret (protocol.md#rotation)."""
        assert self._secret is not None, "legacy peers have none"
        key_id = secrets.token_hex(16)
        return make_rotation(self._secret.get_secret_value(), self.peer_id, key_id)

    def use(self, secret: str) -> None:
        """Sign with another secret from now on."""
        self._secret = Secret(secret)

    def judge(
        self, request: Request, dialect: Dialect, utc: datetime, last_seq: int | None
    ) -> Response:
        """The answer to linkage's registration.

        It knows our secret, its clock is near ours, and it does not replay.
        """
        result, detail = self._verdict(request, dialect, utc)
        accepted = result is Result.OK
        return Response(
            request_id=request.id,
            type=request.type,
            result=result,
            detail=detail,
            last_seq=last_seq if accepted else None,
        )

    def _verdict(
        self, request: Request, dialect: Dialect, utc: datetime
    ) -> tuple[Result, str | None]:
        message = request.message
        if self._secret is None or not isinstance(message, PlatformRegister):
            return Result.FORBIDDEN, "not expected here"
        if message.proto_ver < PROTO_VERSION:
            return Result.VERSION_NOT_SUPPORTED, f"version {PROTO_VERSION} is spoken here"
        try:
            signed = signed_fields(request, dialect)
        except LocalProtocolError:
            return Result.BAD_CREDENTIALS, None
        # One answer for every fault: a stranger learns nothing from it.
        if (
            not verify(self._secret.get_secret_value(), signed)
            or not check_nonce(signed.nonce)
            or not check_time(message.time, utc)
            or not self._is_fresh(signed.nonce, utc)
        ):
            return Result.BAD_CREDENTIALS, None
        return Result.OK, None

    def _is_fresh(self, nonce: str, utc: datetime) -> bool:
        """True for a nonce that was not seen while its time could still be accepted."""
        horizon = utc - timedelta(seconds=2 * TIME_TOLERANCE_S)
        while self._nonces and self._nonces[0][0] < horizon:
            self._nonces.popleft()
        if any(seen == nonce for _, seen in self._nonces):
            return False
        self._nonces.append((utc, nonce))
        return True
