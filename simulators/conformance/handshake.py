"""How a connection begins: registration as linkage takes it, and as linkage offers it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from protocol.codec import encode
from protocol.envelope import Request, Response
from protocol.errors import ProtocolError
from protocol.frames import encode_message
from protocol.registration import (
    NONCE_MAX,
    NONCE_MIN,
    PROTO_VERSION,
    TIME_TOLERANCE_S,
    check_nonce,
    check_time,
    make_registration,
    peer_id_of,
    signed_fields,
    verify,
)
from protocol.results import Result
from protocol.roles import REGISTRATION_TYPE, Role
from simulators.clock import ScenarioClock
from simulators.conformance.connection import Broken, Connection, Item
from simulators.conformance.model import Settings
from simulators.conformance.violations import Violations

RETRY_AFTER_S: Final = 1


@dataclass(slots=True, kw_only=True)
class Handshake:
    """What was seen at the beginning of one connection.

    `form` has what is wrong with the registration itself, `proof` what is wrong with its digest,
    time or nonce, `premature` what came before it was answered, `after_refusal` what came on the
    same connection after it was refused.
    """

    dialled: bool
    registered: bool = False
    refused: bool = False
    peer_id: str | None = None
    nonce: str | None = None
    last_seq: int | None = None
    form: list[str] = field(default_factory=list)
    proof: list[str] = field(default_factory=list)
    premature: list[str] = field(default_factory=list)
    after_refusal: list[str] = field(default_factory=list)


class Handshakes:
    """Greets connections, leniently: what is wrong is noted, and the run goes on."""

    def __init__(self, settings: Settings, violations: Violations, clock: ScenarioClock) -> None:
        self._settings = settings
        self._violations = violations
        self._clock = clock
        self._greeted: WeakSet[Connection] = WeakSet()
        self._kept: WeakKeyDictionary[Connection, list[Request]] = WeakKeyDictionary()
        self._tries = 0
        self.refuse_next = False
        """Answer the next registration with 404 (overload)."""
        self.settled = 0
        """What a peer that gives no LastSeq is told."""

    def concerns(self, connection: Connection, request: Request) -> bool:
        """Whether a request is for the reception: its connection is not greeted yet."""
        is_registration = request.type == REGISTRATION_TYPE[self._settings.role]
        return connection not in self._greeted or is_registration

    def keep(self, connection: Connection, request: Request) -> None:
        """A request came before its connection was greeted; `greet` answers registrations."""
        if request.type != REGISTRATION_TYPE[self._settings.role]:
            self._kept.setdefault(connection, []).append(request)

    def kept(self, connection: Connection) -> list[Request]:
        """What came on a connection before it was greeted, to be answered now."""
        return self._kept.pop(connection, [])

    async def greet(self, connection: Connection, *, dialled: bool) -> Handshake:
        """Bring a new connection to where messages may be sent, or refused."""
        handshake = Handshake(dialled=dialled)
        if self._settings.legacy:
            handshake.registered = True
        elif dialled:
            await self._introduce(connection, handshake)
        else:
            await self._take(connection, handshake)
        self._greeted.add(connection)
        return handshake

    # --- it registers with us -------------------------------------------------------------------
    async def _take(self, connection: Connection, handshake: Handshake) -> None:
        within_s = self._settings.answer_within_s
        found = await connection.find(_is_message, 0, within_s)
        number = REGISTRATION_TYPE[self._settings.role]
        if not isinstance(found, Request):
            seen = connection.diagnose()
            if isinstance(found, Response):
                seen = f"a response to {found.type}"
            handshake.form.append(f"{seen}, instead of a request of Type {number}")
            return
        if found.type != number:
            handshake.form.append(f"the first message has Type {found.type}, not {number}")
            self._answer(connection, found, Result.NOT_REGISTERED)
            return
        self._examine(found, handshake)
        await self._watch_patience(connection, handshake)
        if self.refuse_next:
            self.refuse_next = False
            await self._refuse(connection, found, handshake)
            return
        handshake.registered = True
        self._answer(connection, found, Result.OK, last_seq=self._position(handshake))

    def _examine(self, request: Request, handshake: Handshake) -> None:
        message, settings = request.message, self._settings
        handshake.peer_id = peer_id_of(message)
        handshake.last_seq = getattr(message, "last_seq", None)
        if settings.peer_id is not None and handshake.peer_id != settings.peer_id:
            handshake.form.append(f"it says to be {handshake.peer_id!r}, not {settings.peer_id!r}")
        version = getattr(message, "proto_ver", None)
        if version != PROTO_VERSION:
            handshake.form.append(f"ProtoVer is {version}, not {PROTO_VERSION}")
        try:
            signed = signed_fields(request, settings.dialect)
        except ProtocolError as error:
            handshake.proof.append(str(error))
            return
        handshake.nonce = signed.nonce
        assert settings.secret is not None, "legacy peers are not examined"
        if not check_nonce(signed.nonce):
            handshake.proof.append(
                f"the Nonce has {len(signed.nonce)} characters, not {NONCE_MIN}–{NONCE_MAX}"
            )
        if not verify(settings.secret.get_secret_value(), signed):
            handshake.proof.append("the Digest is not the one of these fields with this secret")
        time = getattr(message, "time", None)
        if time is None or not check_time(time, self._clock.utc()):
            handshake.proof.append(
                f"Time is {signed.time_text}, more than {TIME_TOLERANCE_S:g} s from now"
            )

    async def _watch_patience(self, connection: Connection, handshake: Handshake) -> None:
        """Leave the first registration unanswered for a while: nothing may follow it."""
        self._tries += 1
        if self._tries > 1:
            return
        await connection.stay(self._settings.quiet_s)
        messages = [item for item in connection.since(0) if _is_message(item)]
        handshake.premature.extend(_name(item) for item in messages[1:])

    async def _refuse(
        self, connection: Connection, request: Request, handshake: Handshake
    ) -> None:
        handshake.refused = True
        mark = connection.mark
        self._answer(connection, request, Result.OVERLOAD, retry_after_s=RETRY_AFTER_S)
        await connection.stay(self._settings.quiet_s)
        handshake.after_refusal.extend(
            _name(item)
            for item in connection.since(mark)
            if _is_message(item) and not self._is_registration(item)
        )
        connection.cut()

    def _is_registration(self, item: Item) -> bool:
        return isinstance(item, Request) and item.type == REGISTRATION_TYPE[self._settings.role]

    def _position(self, handshake: Handshake) -> int | None:
        if self._settings.role is not Role.APPLICATION:
            return None
        return self.settled if handshake.last_seq is None else handshake.last_seq

    def _answer(
        self,
        connection: Connection,
        request: Request,
        result: Result,
        *,
        last_seq: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        response = Response(
            request_id=request.id,
            type=request.type,
            result=result,
            last_seq=last_seq,
            retry_after_s=retry_after_s,
        )
        dialect = self._settings.dialect
        connection.write(encode_message(encode(response, dialect), dialect))

    # --- we register with it --------------------------------------------------------------------
    def introduction(
        self, *, secret: str | None = None, nonce: str | None = None, skew_s: float = 0.0
    ) -> Request:
        """A 190 of ours; with another secret, a used nonce or a wrong clock, one to be refused."""
        ours = "" if self._settings.secret is None else self._settings.secret.get_secret_value()
        message = make_registration(
            Role.PLATFORM,
            self._settings.linkage_id,
            ours if secret is None else secret,
            self._clock.utc() + timedelta(seconds=skew_s),
            nonce or secrets.token_hex(16),
        )
        return Request(id=f"r{secrets.token_hex(6)}", message=message)

    async def _introduce(self, connection: Connection, handshake: Handshake) -> None:
        request = self.introduction()
        self._violations.ask(connection, request.id, request.type)
        dialect = self._settings.dialect
        connection.write(encode_message(encode(request, dialect), dialect))
        found = await connection.find(
            lambda item: (
                (isinstance(item, Response) and item.request_id == request.id)
                or self._is_registration(item)
            ),
            0,
            self._settings.answer_within_s,
        )
        if isinstance(found, Request):  # it prefers to register itself, as it may
            self._examine(found, handshake)
            handshake.registered = True
            self._answer(connection, found, Result.OK, last_seq=self._position(handshake))
        elif isinstance(found, Response) and found.accepted:
            handshake.registered = True
            handshake.last_seq = found.last_seq
        elif isinstance(found, Response):
            handshake.form.append(f"our registration was answered with {found.result}")
        else:
            seen = connection.end if connection.closed else connection.diagnose()
            handshake.form.append(f"our registration (190) was not answered: {seen}")


def _is_message(item: Item) -> bool:
    return isinstance(item, Request | Response | Broken)


def _name(item: Item) -> str:
    if isinstance(item, Request):
        return f"a request of Type {item.type}"
    if isinstance(item, Response):
        return f"a response to {item.type}"
    return str(item)
