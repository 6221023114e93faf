"""The centre: who is bound, what it has taken, what it still has to deliver."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from simulators.clock import RealClock, ScenarioClock
from simulators.sms_centre import wire
from simulators.sms_centre.behaviour import Behaviour, IdForm, behaviour_of, written
from simulators.sms_centre.wire import Sm, WireError

BAD_COMMAND, WRONG_STATE, BAD_PASSWORD, NO_MESSAGE = 0x03, 0x04, 0x0E, 0x67
PART_S: Final = 0.05
RETRY_S: Final = 1.0


@dataclass
class Taken:
    """A short message that the centre has taken: one part of a text, or all of it."""

    id: str
    receipt_id: str
    sm: Sm
    state: str = "ENROUTE"

    @property
    def to(self) -> str:
        """The number that it goes to."""
        return self.sm.to


@dataclass(eq=False)
class Stored:
    """What waits for whoever is bound: a receipt, or a text of a citizen."""

    sm: Sm
    sent_on: Session | None = None
    waits_since: float = 0.0


@dataclass(eq=False)
class Session:
    """One connection."""

    writer: asyncio.StreamWriter
    is_bound: bool = False
    hears: bool = False
    """It is delivered to: bound, and not as a transmitter."""
    sequence: int = 0
    unanswered: dict[int, Stored] = field(default_factory=dict)

    def send(self, data: bytes) -> None:
        """Write, if anybody still reads."""
        if not self.writer.is_closing():
            self.writer.write(data)


class SmsCentre:
    """An SMPP server on a socket of this host.

    Args:
        host, port: where it listens; port 0: any that is free.
        accounts: system_id → password.
        clock: the time that it lives in; None: real time.
        behaviour: number → what becomes of a text to it.
        id_form: how receipts write ids.
        with_tlvs: receipts have TLVs, too.
        on_event: told of each thing that happens, in words.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        accounts: Mapping[str, str] | None = None,
        clock: ScenarioClock | None = None,
        behaviour: Callable[[str], Behaviour] = behaviour_of,
        id_form: IdForm = IdForm.SAME,
        with_tlvs: bool = True,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self.accounts = {"linkage": "secret"} if accounts is None else dict(accounts)
        self.taken: list[Taken] = []
        """Every short message that was taken, in order."""
        self.stored: list[Stored] = []
        """What is to be delivered, and was not answered yet."""
        self.refusal = 0
        """The status that a bind is answered with; 0: as the account says."""
        self.on_pdu: Callable[[bytes], object] = len
        """Called with each PDU as it comes, before anything is done about it."""
        self.id_form, self.with_tlvs = id_form, with_tlvs
        self._host, self._port = host, port
        self._clock, self._behaviour, self._on_event = clock, behaviour, on_event
        self._refused: Counter[str] = Counter()
        self._numbers = count(0x1_0000_0001)
        self._sessions: set[Session] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()
        self._flows = asyncio.Event()
        self._flows.set()

    # --- life ------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.thaw()
        await self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._host, self._port

    @property
    def clock(self) -> ScenarioClock:
        """The time that it lives in."""
        if self._clock is None:
            self._clock = RealClock()
        return self._clock

    async def start(self) -> None:
        """Listen, for the first time or again; what it has taken and stored is kept."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody, and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self._sessions):
            self._hang_up(session)
        if self._serving and self._flows.is_set():
            await asyncio.wait(self._serving)

    def freeze(self) -> None:
        """Take what comes, and do and say nothing."""
        self._flows.clear()

    def thaw(self) -> None:
        """Go on; what came meanwhile is done now."""
        self._flows.set()
        self._deliver()

    # --- what a test asks ------------------------------------------------------------------------
    def texts_to(self, number: str) -> list[str]:
        """The texts that a telephone shows: parts joined, those with a missing part left out."""
        wholes: dict[tuple[str, int], dict[int, Taken]] = {}
        for at, taken in enumerate(self.taken):
            if taken.to == number:
                reference, total, part = wire.place_of(taken.sm)
                wholes.setdefault((reference or f"@{at}", total), {})[part] = taken
        return [
            wire.decode(
                b"".join(wire.text_of(parts[n].sm) for n in sorted(parts)), parts[1].sm.coding
            )
            for (_, total), parts in wholes.items()
            if len(parts) == total
        ]

    async def wait_for_text(self, number: str, *, within_s: float = 10.0) -> str:
        """The first text to a number, as soon as it is whole."""
        async with asyncio.timeout(within_s), self._changed:
            while not (found := self.texts_to(number)):
                await self._changed.wait()
        return found[0]

    def receive(self, number: str, to: str, text: str) -> Stored:
        """A citizen has sent a text; it goes to whoever is bound, now or later."""
        coding, octets = wire.encode(text)
        return self.store(Sm(number, to, octets, coding))

    def report(self, taken: Taken, state: str) -> Stored | None:
        """What became of a text; None: nobody has asked for receipts."""
        taken.state = state
        if not taken.sm.registered:
            return None
        told = wire.receipt(
            taken.sm, taken.receipt_id, state, self.clock.utc(), with_tlvs=self.with_tlvs
        )
        self._tell(f"receipt {taken.receipt_id}: {state}")
        return self.store(told)

    def store(self, sm: Sm, *, is_lost: bool = False) -> Stored:
        """Have it delivered; `is_lost`: not before somebody binds anew."""
        stored = Stored(sm)
        if is_lost:
            stored.sent_on = next((each for each in self._sessions if each.hears), None)
        self.stored.append(stored)
        self._deliver()
        return stored

    def send_raw(self, data: bytes) -> None:
        """Send octets as they are to everybody who is bound."""
        for session in self._sessions:
            if session.is_bound:
                session.send(data)

    async def drain(self) -> None:
        """Wait until everybody has read what was sent."""
        for session in list(self._sessions):
            if not session.writer.is_closing():
                await session.writer.drain()

    # --- connections -----------------------------------------------------------------------------
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer)
        self._sessions.add(session)
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        received = b""
        try:
            while data := await reader.read(65_536):
                received += data
                while len(received) >= wire.HEADER.size:
                    length = int.from_bytes(received[:4], "big")
                    if not wire.HEADER.size <= length <= wire.PDU_MAX:
                        return
                    if len(received) < length:
                        break
                    whole, received = received[:length], received[length:]
                    self.on_pdu(whole)
                    await self._flows.wait()
                    await self._handle(session, whole)
        except OSError:
            pass
        finally:
            self._hang_up(session)

    def _hang_up(self, session: Session) -> None:
        self._sessions.discard(session)
        session.is_bound = session.hears = False
        session.writer.close()
        for stored in self.stored:
            if stored.sent_on is session:
                stored.sent_on = None
        self._deliver()

    async def _handle(self, session: Session, whole: bytes) -> None:
        _, command, status, sequence = wire.HEADER.unpack_from(whole)
        body = whole[wire.HEADER.size :]
        if command == wire.DELIVER | wire.RESPONSE:
            self._answered(session, sequence, status)
        elif command in wire.BINDS:
            self._bind(session, command, sequence, body)
        elif command == wire.ENQUIRE:
            session.send(wire.pdu(command | wire.RESPONSE, sequence))
        elif command == wire.UNBIND:
            session.send(wire.pdu(command | wire.RESPONSE, sequence))
            self._hang_up(session)
        elif command & wire.RESPONSE:
            pass
        elif not session.is_bound and command == wire.SUBMIT and session.writer.is_closing():
            await self._submit(session, sequence, body)  # it came before the link was cut
        elif not session.is_bound:
            session.send(wire.pdu(command | wire.RESPONSE, sequence, status=WRONG_STATE))
        elif command == wire.SUBMIT:
            await self._submit(session, sequence, body)
        elif command in {wire.QUERY, wire.CANCEL}:
            session.send(self._looked_up(command, sequence, body))
        else:
            session.send(wire.pdu(wire.NACK, sequence, status=BAD_COMMAND))

    def _bind(self, session: Session, command: int, sequence: int, body: bytes) -> None:
        system_id, password = wire.texts(body, 2)
        refusal = self.refusal
        if not refusal and self.accounts.get(system_id) != password:
            refusal = BAD_PASSWORD
        if refusal:
            session.send(wire.pdu(command | wire.RESPONSE, sequence, b"\0", refusal))
            self._tell(f"{system_id} was refused: 0x{refusal:02x}")
            return
        session.is_bound, session.hears = True, command != wire.TRANSMITTER
        session.send(wire.pdu(command | wire.RESPONSE, sequence, b"centre\0"))
        self._tell(f"{system_id} is bound")
        self._deliver()

    # --- texts out -------------------------------------------------------------------------------
    async def _submit(self, session: Session, sequence: int, body: bytes) -> None:
        response = wire.SUBMIT | wire.RESPONSE
        try:
            sm = wire.read_sm(body)
        except WireError:
            session.send(wire.pdu(response, sequence, status=0x01))
            return
        what = self._behaviour(sm.to)
        if what.refusal and (not what.refused or self._refused[sm.to] < what.refused):
            self._refused[sm.to] += 1
            session.send(wire.pdu(response, sequence, status=what.refusal))
            self._tell(f"a text to {sm.to} was refused: {what.meaning}")
            return
        self._refused[sm.to] = 0
        taken = Taken(*written(next(self._numbers), self.id_form), sm)
        self.taken.append(taken)
        _, total, part = wire.place_of(sm)
        shown = wire.decode(wire.text_of(sm), sm.coding)
        self._tell(f"text to {sm.to}, {part} of {total}, {taken.id}: {shown} ({what.meaning})")
        if what.is_early:
            self.report(taken, what.state)
            await asyncio.sleep(PART_S)
        if what.drops_link:
            self._hang_up(session)
        else:
            session.send(wire.pdu(response, sequence, taken.id.encode() + b"\0"))
        async with self._changed:
            self._changed.notify_all()
        for number in range(int(what.is_early), what.receipts):
            self._later(what.after_s + number * PART_S, lambda: self.report(taken, what.state))
        if what.reply is not None and part == total:
            reply = what.reply
            self._later(2 * what.after_s, lambda: self.receive(sm.to, sm.source, reply))

    def _later(self, seconds: float, action: Callable[[], Any]) -> None:
        self.clock.call_at(self.clock.now() + seconds, action)

    def _looked_up(self, command: int, sequence: int, body: bytes) -> bytes:
        message_id = wire.texts(body, 2)[0 if command == wire.QUERY else 1]
        taken = next((each for each in self.taken if each.id == message_id), None)
        if taken is None or (command == wire.CANCEL and taken.state != "ENROUTE"):
            return wire.pdu(command | wire.RESPONSE, sequence, status=NO_MESSAGE)
        if command == wire.CANCEL:
            self.report(taken, "DELETED")
            return wire.pdu(command | wire.RESPONSE, sequence)
        state = bytes((wire.STATES[taken.state], 0))
        return wire.pdu(command | wire.RESPONSE, sequence, message_id.encode() + b"\0\0" + state)

    # --- texts in, and receipts ------------------------------------------------------------------
    def _deliver(self) -> None:
        session = next((each for each in self._sessions if each.hears), None)
        if session is None or not self._flows.is_set():
            return
        for stored in self.stored:
            if stored.sent_on is None:
                stored.sent_on = session
                self.offer(stored)

    def offer(self, stored: Stored) -> None:
        """Send a deliver_sm, for the first time or once more."""
        session = stored.sent_on
        if session is None:
            return
        session.sequence += 1
        session.unanswered[session.sequence] = stored
        session.send(wire.pdu(wire.DELIVER, session.sequence, wire.deliver(stored.sm)))

    def _answered(self, session: Session, sequence: int, status: int) -> None:
        stored = session.unanswered.pop(sequence, None)
        if stored is None or stored not in self.stored:
            return
        if status == 0x64:  # noqa: PLR2004 - "try again later"
            self._later(RETRY_S, lambda: self.offer(stored))
        else:
            self.stored.remove(stored)

    def _tell(self, what: str) -> None:
        if self._on_event is not None:
            self._on_event(what)
