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
from simulators.clock import Clock
from simulators.conformance.conduct import Conduct
from simulators.conformance.line import Broken, Item, Line
from simulators.conformance.model import Settings

RETRY_AFTER_S: Final = 1


@dataclass(slots=True, kw_only=True)
class Greeting:
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


class Reception:
    """Greets connections, leniently: what is wrong is noted, and the run goes on."""

    def __init__(self, settings: Settings, conduct: Conduct, clock: Clock) -> None:
        self._settings = settings
        self._conduct = conduct
        self._clock = clock
        self._greeted: WeakSet[Line] = WeakSet()
        self._kept: WeakKeyDictionary[Line, list[Request]] = WeakKeyDictionary()
        self._tries = 0
        self.refuse_next = False
        """Answer the next registration with 404 (overload)."""
        self.settled = 0
        """What a peer that gives no LastSeq is told."""

    def concerns(self, line: Line, request: Request) -> bool:
        """Whether a request is for the reception: its line is not greeted yet."""
        is_registration = request.type == REGISTRATION_TYPE[self._settings.role]
        return line not in self._greeted or is_registration

    def keep(self, line: Line, request: Request) -> None:
        """A request came before its line was greeted; registrations are answered by `greet`."""
        if request.type != REGISTRATION_TYPE[self._settings.role]:
            self._kept.setdefault(line, []).append(request)

    def kept(self, line: Line) -> list[Request]:
        """What came on a line before it was greeted, to be answered now."""
        return self._kept.pop(line, [])

    async def greet(self, line: Line, *, dialled: bool) -> Greeting:
        """Bring a new connection to where messages may be sent, or refused."""
        greeting = Greeting(dialled=dialled)
        if self._settings.legacy:
            greeting.registered = True
        elif dialled:
            await self._introduce(line, greeting)
        else:
            await self._take(line, greeting)
        self._greeted.add(line)
        return greeting

    # --- it registers with us -------------------------------------------------------------------
    async def _take(self, line: Line, greeting: Greeting) -> None:
        within_s = self._settings.answer_within_s
        found = await line.find(_is_message, 0, within_s)
        number = REGISTRATION_TYPE[self._settings.role]
        if not isinstance(found, Request):
            seen = line.diagnose()
            if isinstance(found, Response):
                seen = f"a response to {found.type}"
            greeting.form.append(f"{seen}, instead of a request of Type {number}")
            return
        if found.type != number:
            greeting.form.append(f"the first message has Type {found.type}, not {number}")
            self._answer(line, found, Result.NOT_REGISTERED)
            return
        self._examine(found, greeting)
        await self._watch_patience(line, greeting)
        if self.refuse_next:
            self.refuse_next = False
            await self._refuse(line, found, greeting)
            return
        greeting.registered = True
        self._answer(line, found, Result.OK, last_seq=self._position(greeting))

    def _examine(self, request: Request, greeting: Greeting) -> None:
        message, settings = request.message, self._settings
        greeting.peer_id = peer_id_of(message)
        greeting.last_seq = getattr(message, "last_seq", None)
        if settings.peer_id is not None and greeting.peer_id != settings.peer_id:
            greeting.form.append(f"it says to be {greeting.peer_id!r}, not {settings.peer_id!r}")
        version = getattr(message, "proto_ver", None)
        if version != PROTO_VERSION:
            greeting.form.append(f"ProtoVer is {version}, not {PROTO_VERSION}")
        try:
            signed = signed_fields(request, settings.dialect)
        except ProtocolError as error:
            greeting.proof.append(str(error))
            return
        greeting.nonce = signed.nonce
        assert settings.secret is not None, "legacy peers are not examined"
        if not check_nonce(signed.nonce):
            greeting.proof.append(
                f"the Nonce has {len(signed.nonce)} characters, not {NONCE_MIN}–{NONCE_MAX}"
            )
        if not verify(settings.secret, signed):
            greeting.proof.append("the Digest is not the one of these fields with this secret")
        time = getattr(message, "time", None)
        if time is None or not check_time(time, self._clock.utc()):
            greeting.proof.append(
                f"Time is {signed.time_text}, more than {TIME_TOLERANCE_S:g} s from now"
            )

    async def _watch_patience(self, line: Line, greeting: Greeting) -> None:
        """Leave the first registration unanswered for a while: nothing may follow it."""
        self._tries += 1
        if self._tries > 1:
            return
        await line.stay(self._settings.quiet_s)
        messages = [item for item in line.since(0) if _is_message(item)]
        greeting.premature.extend(_name(item) for item in messages[1:])

    async def _refuse(self, line: Line, request: Request, greeting: Greeting) -> None:
        greeting.refused = True
        mark = line.mark
        self._answer(line, request, Result.OVERLOAD, retry_after_s=RETRY_AFTER_S)
        await line.stay(self._settings.quiet_s)
        greeting.after_refusal.extend(
            _name(item)
            for item in line.since(mark)
            if _is_message(item) and not self._is_registration(item)
        )
        line.cut()

    def _is_registration(self, item: Item) -> bool:
        return isinstance(item, Request) and item.type == REGISTRATION_TYPE[self._settings.role]

    def _position(self, greeting: Greeting) -> int | None:
        if self._settings.role is not Role.APPLICATION:
            return None
        return self.settled if greeting.last_seq is None else greeting.last_seq

    def _answer(
        self,
        line: Line,
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
        line.write(encode_message(encode(response, dialect), dialect))

    # --- we register with it --------------------------------------------------------------------
    def introduction(
        self, *, secret: str | None = None, nonce: str | None = None, skew_s: float = 0.0
    ) -> Request:
        """A 190 of ours; with another secret, a used nonce or a wrong clock, one to be refused."""
        message = make_registration(
            Role.PLATFORM,
            self._settings.linkage_id,
            secret or self._settings.secret or "",
            self._clock.utc() + timedelta(seconds=skew_s),
            nonce or secrets.token_hex(16),
        )
        return Request(id=f"r{secrets.token_hex(6)}", message=message)

    async def _introduce(self, line: Line, greeting: Greeting) -> None:
        request = self.introduction()
        self._conduct.ask(line, request.id, request.type)
        dialect = self._settings.dialect
        line.write(encode_message(encode(request, dialect), dialect))
        found = await line.find(
            lambda item: (
                (isinstance(item, Response) and item.request_id == request.id)
                or self._is_registration(item)
            ),
            0,
            self._settings.answer_within_s,
        )
        if isinstance(found, Request):  # it prefers to register itself, as it may
            self._examine(found, greeting)
            greeting.registered = True
            self._answer(line, found, Result.OK, last_seq=self._position(greeting))
        elif isinstance(found, Response) and found.accepted:
            greeting.registered = True
            greeting.last_seq = found.last_seq
        elif isinstance(found, Response):
            greeting.form.append(f"our registration was answered with {found.result}")
        else:
            seen = line.end if line.closed else line.diagnose()
            greeting.form.append(f"our registration (190) was not answered: {seen}")


def _is_message(item: Item) -> bool:
    return isinstance(item, Request | Response | Broken)


def _name(item: Item) -> str:
    if isinstance(item, Request):
        return f"a request of Type {item.type}"
    if isinstance(item, Response):
        return f"a response to {item.type}"
    return str(item)
