"""A SIP telephone in the test's own process, that does what telephones do by themselves.

::

    phone = Telephone("1001", tone_hz=600)
    async with AsteriskServer(officers={"1001": phone.port}) as asterisk, phone.at(asterisk):
        line = await phone.rung()           # somebody calls; by its `manner` it answers by itself
        await line.hold()                   # the keys of a telephone
        other = await phone.dial("1002")
        await other.up()
        await line.transfer_to(other)       # REFER with Replaces
        await other.hears(caller)           # whose tone is heard

It differs from SIPp's (`sipp.py`) in that it has several calls at once and presses keys when the
test says so.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from tests.real.peers import sip
from tests.real.peers.asterisk import AsteriskServer, PeerError
from tests.real.peers.ports import LOOPBACK
from tests.real.peers.sip import Sip
from tests.real.peers.voice import Voice, mixed, tone

WAIT_S: Final = 30.0
OK: Final = 200
REDIRECT: Final = 300
TRYING: Final = 100
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"


@dataclass(frozen=True, slots=True)
class Answers:
    """A call is answered at once."""


@dataclass(frozen=True, slots=True)
class Rings:
    """A call rings until the test answers it."""


@dataclass(frozen=True, slots=True)
class Refuses:
    """A call is refused: busy, do not disturb."""

    status: str = "486 Busy Here"


@dataclass(frozen=True, slots=True)
class Forwards:
    """A call is sent elsewhere (302), to a number of the same Asterisk."""

    number: str


@dataclass(frozen=True, slots=True)
class Announces:
    """A call gets sound before it is answered (183), as carriers do it, and rings never (180)."""


Manner = Answers | Rings | Refuses | Forwards | Announces


class Line:
    """One call of a telephone."""

    def __init__(self, phone: Telephone, call_id: str) -> None:
        """Nothing is sent yet."""
        self.phone = phone
        self.call_id = call_id
        self.tag = sip.new_id()
        self.local = self.remote = self.target = ""
        self.state = "new"
        """new → ringing → up → gone"""
        self.status: int | None = None
        """Why our own call did not come about, or of a transfer the last that was notified."""
        self.notified: list[int] = []
        self.mixes: Line | None = None
        self.held = False
        self.voice = Voice(self._frame)
        self.media = 0
        self.cseq = 1
        self.invite: Sip | None = None
        self.last_answer: Sip | None = None
        self.changed = asyncio.Event()
        self.answers: dict[int, asyncio.Future[int]] = {}

    # --- what a test waits for -------------------------------------------------------------------
    async def until(self, *states: str) -> Self:
        """Return when it is in one of these states."""
        try:
            async with asyncio.timeout(WAIT_S):
                while self.state not in states:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            message = f"{self.phone.number}: {self.state}, not {' or '.join(states)}"
            raise PeerError(message) from None
        return self

    async def up(self) -> Self:
        """Return when both sides speak."""
        return await self.until("up")

    async def gone(self) -> Self:
        """Return when it is over."""
        return await self.until("gone")

    async def told_of_transfer(self) -> int:
        """What the other side says became of our transfer, as a SIP status."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not self.notified or self.notified[-1] < OK:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            message = f"{self.phone.number}: nothing of the transfer but {self.notified}"
            raise PeerError(message) from None
        return self.notified[-1]

    async def hears(self, *phones: Telephone) -> None:
        """Return when these are heard here from now on."""
        await self.voice.hears(*(phone.tone_hz for phone in phones))

    async def hears_music(self, *but: Telephone) -> None:
        """Return when there is music here, and none of these."""
        await self.voice.hears_music(*(phone.tone_hz for phone in but))

    async def never_hears(self, *phones: Telephone) -> None:
        """Return when these are not heard here (any more)."""
        await self.voice.never_hears(*(phone.tone_hz for phone in phones))

    # --- keys --------------------------------------------------------------------------------
    def answer(self) -> None:
        """Pick up."""
        if self.state == "ringing" and self.invite is not None:
            self.respond("200 OK", body=sip.sdp(self.media, self.cseq))
            self.become("up")

    async def hang_up(self) -> None:
        """BYE, or CANCEL while it rings there."""
        if self.state == "ringing" and self.invite is not None:
            self.phone.send(self._request("CANCEL", cseq=self.invite.cseq, of=self.invite))
        elif self.state == "up":
            self.become("gone")
            await self.ask("BYE")

    def bye(self) -> None:
        """BYE, and wait for nothing."""
        self.become("gone")
        self.phone.send(self._request("BYE", cseq=self.next_cseq()))

    async def hold(self) -> None:
        """The hold key: a re-INVITE with sendonly; nothing is said meanwhile."""
        self.held = True
        await self._offer("sendonly")

    async def retrieve(self) -> None:
        """The hold key again."""
        self.held = False
        await self._offer("sendrecv")

    async def _offer(self, direction: str) -> None:
        body = sip.sdp(self.media, self.cseq + 1, direction)
        await self.ask("INVITE", (("Content-Type", "application/sdp"),), body)

    async def transfer(self, number: str) -> int:
        """The transfer key, blind; returns the status of the REFER."""
        return await self.ask("REFER", self._refer_to(number))

    async def transfer_to(self, other: Line) -> int:
        """The transfer key in a consultation: REFER with Replaces."""
        return await self.ask("REFER", self._refer_replaces(other))

    async def transfer_and_leave(self, to: str | Line) -> None:
        """The transfer key, and BYE before anything is said of what becomes of it."""
        await (self.transfer(to) if isinstance(to, str) else self.transfer_to(to))
        self.bye()
        if isinstance(to, Line) and to.state == "up":
            to.bye()

    def _refer_to(self, number: str) -> tuple[tuple[str, str], ...]:
        uri = f"sip:{number}@{LOOPBACK}:{self.phone.server}"
        return (("Refer-To", f"<{uri}>"), ("Referred-By", self.phone.contact))

    def _refer_replaces(self, other: Line) -> tuple[tuple[str, str], ...]:
        tags = f"%3Bto-tag%3D{sip.tag_of(other.remote)}%3Bfrom-tag%3D{sip.tag_of(other.local)}"
        uri = f"{sip.uri_of(other.remote)}?Replaces={other.call_id}{tags}"
        return (("Refer-To", f"<{uri}>"), ("Referred-By", self.phone.contact))

    def confer(self, other: Line) -> None:
        """The conference key: the telephone mixes two of its calls by itself."""
        self.mixes, other.mixes = other, self

    # --- SIP ---------------------------------------------------------------------------------
    def next_cseq(self) -> int:
        """The number of the next request."""
        self.cseq += 1
        return self.cseq

    async def ask(
        self, method: str, headers: tuple[tuple[str, str], ...] = (), body: str = ""
    ) -> int:
        """Send a request; returns the status of its final answer."""
        cseq = self.next_cseq()
        future = self.answers[cseq] = asyncio.get_running_loop().create_future()
        self.phone.send(self._request(method, headers, body, cseq=cseq))
        return await asyncio.wait_for(future, WAIT_S)

    def call(self, number: str) -> None:
        """Send the INVITE of a call of ours."""
        self.target = f"sip:{number}@{LOOPBACK}:{self.phone.server}"
        self.local = f"<sip:{self.phone.number}@{LOOPBACK}:{self.phone.port}>;tag={self.tag}"
        self.remote = f"<{self.target}>"
        kind = ("Content-Type", "application/sdp")
        body = sip.sdp(self.media, 1)
        self.invite = self._request("INVITE", (("Supported", "replaces"), kind), body, cseq=1)
        self.phone.send(self.invite)

    def _request(
        self,
        method: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: str = "",
        *,
        cseq: int,
        of: Sip | None = None,
    ) -> Sip:
        via = f"SIP/2.0/UDP {LOOPBACK}:{self.phone.port};branch=z9hG4bK{sip.new_id()};rport"
        return Sip(
            first=f"{method} {self.target if of is None else of.first.split()[1]} SIP/2.0",
            headers=(
                ("Via", via if of is None else of.get("via")),
                ("From", self.local),
                ("To", self.remote if of is None else of.get("to")),
                ("Call-ID", self.call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", self.phone.contact),
                ("Max-Forwards", "70"),
                ("Allow", ALLOW),
                *headers,
            ),
            body=body,
        )

    def respond(self, status: str, *, body: str = "", contact: str = "") -> None:
        """Answer the INVITE with which it came in."""
        assert self.invite is not None
        more = (("Contact", contact or self.phone.contact),)
        self.last_answer = sip.answer(self.invite, status, tag=self.tag, more=more, body=body)
        self.phone.send(self.last_answer)

    def become(self, state: str) -> None:
        """Go on to a state."""
        if self.state != "gone":
            self.state = state
        if self.state == "gone":
            self.voice.close()
        self.changed.set()

    def take_response(self, message: Sip) -> None:
        """A response to a request of ours."""
        status = message.status or 0
        if message.method == "INVITE" and status >= OK:
            if status < REDIRECT:
                self.target = sip.uri_of(message.get("contact")) or self.target
                self.listen_to(message.body)
            of = None if status < REDIRECT else self.invite
            self.remote = message.get("to")
            self.phone.send(self._acknowledge(message, of))
        if self.invite is not None and message.cseq == self.invite.cseq:
            self._take_up(message, status)
        future = self.answers.get(message.cseq)
        if future is not None and status >= OK and not future.done():
            future.set_result(status)

    def _take_up(self, message: Sip, status: int) -> None:
        if message.method != "INVITE" or self.state not in {"new", "ringing"}:
            return
        if TRYING < status < OK:
            self.remote = message.get("to")
            self.listen_to(message.body)
            self.become("ringing")
        elif status >= OK:
            self.status = status
            self.become("up" if status < REDIRECT else "gone")

    def _acknowledge(self, message: Sip, of: Sip | None) -> Sip:
        ack = self._request("ACK", cseq=message.cseq, of=of)
        headers = tuple((k, message.get("to") if k == "To" else v) for k, v in ack.headers)
        return Sip(first=ack.first, headers=headers)

    def listen_to(self, body: str) -> None:
        """Send our sound to where they want it."""
        port = sip.media_port(body)
        if port is not None:
            self.voice.towards = (LOOPBACK, port)

    def _frame(self) -> bytes | None:
        if self.state != "up" or self.held:
            return None
        if self.mixes is not None and self.mixes.state == "up":
            return mixed(self.phone.frame, self.mixes.voice.last)
        return self.phone.frame


class Telephone(asyncio.DatagramProtocol):
    """A telephone with as many lines as there are calls. `manner`: what it does when called."""

    def __init__(self, number: str, *, tone_hz: int, manner: Manner | None = None) -> None:
        """Take a port, so that nobody else does; it hears nothing before `at`."""
        self.number = number
        self.tone_hz = tone_hz
        self.frame = tone(tone_hz)
        self.manner: Manner = manner or Answers()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self.server = 0
        self.lines: list[Line] = []
        self._calls: asyncio.Queue[Line] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def contact(self) -> str:
        """Where it can be reached."""
        return f"<sip:{self.number}@{LOOPBACK}:{self.port}>"

    @asynccontextmanager
    async def at(self, asterisk: AsteriskServer) -> AsyncIterator[Self]:
        """Plug it in; it calls by this Asterisk."""
        self.server = asterisk.sip_port
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            for line in self.lines:
                line.voice.close()
            self._transport.close()

    async def rung(self) -> Line:
        """The next call that comes in."""
        try:
            return await asyncio.wait_for(self._calls.get(), WAIT_S)
        except TimeoutError:
            message = f"{self.number}: nobody calls"
            raise PeerError(message) from None

    @property
    def calls_waiting(self) -> int:
        """Calls that came in and that no test has asked for."""
        return self._calls.qsize()

    async def dial(self, number: str) -> Line:
        """Call a number; returns as soon as the call is under way."""
        line = Line(self, sip.new_id())
        line.media = await line.voice.open()
        self.lines.append(line)
        line.call(number)
        return line

    def send(self, message: Sip) -> None:
        """Send to Asterisk."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message.encode(), (LOOPBACK, self.server))

    # --- what comes in ---------------------------------------------------------------------------
    def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
        """Take in a message."""
        message = sip.read(data)
        call_id = message.get("call-id")
        line = next((each for each in self.lines if each.call_id == call_id), None)
        if message.status is not None:
            if line is not None:
                line.take_response(message)
        elif message.method == "INVITE":
            self._invited(message, line)
        elif message.method != "ACK":
            self._asked(message, line)

    def _invited(self, message: Sip, line: Line | None) -> None:
        if line is None:
            line = Line(self, message.get("call-id"))
            line.invite = message
            line.remote, line.local = message.get("from"), f"{message.get('to')};tag={line.tag}"
            line.target = sip.uri_of(message.get("contact"))
            line.listen_to(message.body)
            self.lines.append(line)
            task = asyncio.get_running_loop().create_task(self._react(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif line.invite is not None and line.invite.get("via") == message.get("via"):
            if line.last_answer is not None:
                self.send(line.last_answer)  # it came again, for we were slow
        else:
            line.listen_to(message.body)
            body = sip.sdp(line.media, line.cseq + 1)
            more = (("Contact", self.contact),)
            self.send(sip.answer(message, "200 OK", more=more, body=body))

    async def _react(self, line: Line) -> None:
        line.media = await line.voice.open()
        self._calls.put_nowait(line)
        match self.manner:
            case Refuses(status):
                line.respond(status)
                line.become("gone")
            case Forwards(number):
                line.respond(
                    "302 Moved Temporarily", contact=f"<sip:{number}@{LOOPBACK}:{self.server}>"
                )
                line.become("gone")
            case Announces():
                line.become("ringing")
                line.respond("183 Session Progress", body=sip.sdp(line.media, line.cseq))
            case manner:
                line.become("ringing")
                line.respond("180 Ringing")
                if isinstance(manner, Answers):
                    line.answer()

    def _asked(self, message: Sip, line: Line | None) -> None:
        self.send(sip.answer(message, "200 OK" if line else "481 Gone", tag=sip.new_id()))
        if line is None:
            return
        match message.method:
            case "BYE":
                line.become("gone")
            case "CANCEL" if line.state == "ringing":
                line.respond("487 Request Terminated")
                line.become("gone")
            case "NOTIFY" if message.body.startswith("SIP/2.0"):
                line.notified.append(int(message.body.split()[1]))
                line.changed.set()
