"""One conversation with an SMS centre, without I/O: bytes in, events out, and the other way round.

Feed `receive_data`, write what `data_to_send` gives, call `handle_timer` when `get_timer` is due.
`enquire_link` is answered within `receive_data`, whatever else is going on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adapters.smpp import pdu
from adapters.smpp.pdu import Command, MalformedError, ShortMessage, Status

SILENT: Final = frozenset({Command.ALERT, Command.OUTBIND})
"""Requests that have no response."""


class FramingError(Exception):
    """What came is no SMPP: where the next PDU begins nobody knows. The link is of no more use."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A response to the request `sequence`; a generic_nack is one with its status."""

    sequence: int
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """A deliver_sm, which waits for `Connection.answer`; `body` as it came."""

    sequence: int
    message: ShortMessage
    body: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The centre unbinds."""


Event = Answered | Delivered | Ended


class Connection:
    """The protocol's state at our end.

    Args:
        enquire_s: after so long without a word of the centre it is asked whether it is there.
        answer_s: how long it has for its answer to that.
    """

    def __init__(self, *, enquire_s: float, answer_s: float, now: float) -> None:
        self._enquire_s, self._answer_s = enquire_s, answer_s
        self._heard = now
        self._asked: float | None = None
        self._received = bytearray()
        self._out: list[bytes] = []
        self._sequence = 0

    # --- out -------------------------------------------------------------------------------------
    def data_to_send(self) -> bytes:
        """What is to be written now."""
        data, self._out = b"".join(self._out), []
        return data

    def request(self, command: Command, body: bytes = b"") -> int:
        """Send a request; its number, by which the answer names it."""
        self._sequence = self._sequence % pdu.SEQUENCE_MAX + 1
        self._out.append(pdu.pdu(command, self._sequence, body))
        return self._sequence

    def answer(self, delivered: Delivered, status: Status = Status.OK) -> None:
        """Answer a deliver_sm: it is ours from now on, or it is not."""
        self._respond(Command.DELIVER, delivered.sequence, b"\0", status)

    def _respond(
        self, command: int, sequence: int, body: bytes = b"", status: Status = Status.OK
    ) -> None:
        self._out.append(pdu.pdu(command | pdu.RESPONSE, sequence, body, status))

    # --- in --------------------------------------------------------------------------------------
    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """What the centre has sent.

        Raises:
            FramingError: it is no SMPP.
        """
        self._heard, self._asked = now, None
        self._received += data
        events: list[Event] = []
        at = 0
        while len(self._received) - at >= pdu.HEADER.size:
            length, command, status, sequence = pdu.HEADER.unpack_from(self._received, at)
            if not pdu.HEADER.size <= length <= pdu.LENGTH_MAX:
                self._respond(Command.NACK, 0, status=Status.BAD_LENGTH)  # whatever it was
                raise FramingError(f"a PDU of {length} octets")
            if len(self._received) - at < length:
                break
            body = bytes(self._received[at + pdu.HEADER.size : at + length])
            at += length
            event = self._event(command, status, sequence, body)
            if event is not None:
                events.append(event)
        del self._received[:at]
        return events

    def _event(self, command: int, status: int, sequence: int, body: bytes) -> Event | None:
        if command & pdu.RESPONSE:
            return Answered(sequence, status, body)
        match command:
            case Command.DELIVER:
                try:
                    return Delivered(sequence, pdu.read_short_message(body), body)
                except MalformedError:
                    # For good: it would be cut as well the next time, and stop all behind it.
                    self._respond(Command.DELIVER, sequence, b"\0", Status.NEVER_TRY)
            case Command.ENQUIRE:
                self._respond(Command.ENQUIRE, sequence)
            case Command.UNBIND:
                self._respond(Command.UNBIND, sequence)
                return Ended()
            case _ if command not in SILENT:
                self._respond(Command.NACK, sequence, status=Status.BAD_COMMAND)
        return None

    # --- time ------------------------------------------------------------------------------------
    def get_timer(self) -> float:
        """When `handle_timer` is due, monotonic."""
        if self._asked is not None:
            return self._asked + self._answer_s
        return self._heard + self._enquire_s

    def handle_timer(self, now: float) -> bool:
        """Ask whether the centre is there; whether it may still be."""
        if now < self.get_timer():
            return True
        if self._asked is not None:
            return False
        self._asked = now
        self.request(Command.ENQUIRE)
        return True
