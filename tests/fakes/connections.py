"""Two ends of a connection, joined in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from protocol.connection import (
    Connection,
    ConnectionState,
    Event,
    Role,
    Side,
    Timers,
)
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.frames import HEARTBEAT, Framer, encode_frame
from protocol.message import Message
from protocol.messages import message_class
from protocol.registration import make_registration

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


SECRET = "a-secret-of-the-peer"


NONCE = "0123456789abcdef"


def message(number: int) -> Message:
    cls = message_class(number)
    assert cls is not None
    return cls()


def request(number: int, request_id: str = "1") -> Request:
    return Request(id=request_id, message=message(number))


def registration(role: Role, request_id: str = "reg") -> Request:
    made = make_registration(role, "peer-1", SECRET, NOON, NONCE)
    return Request(id=request_id, message=made)


def answer(to: Request, result: int = 0, detail: str | None = None) -> Response:
    return Response(request_id=to.id, type=to.type, result=result, detail=detail)


def frame(xml: str) -> bytes:
    return encode_frame(0x01, xml.encode())


def sent_by(connection: Connection) -> list[str]:
    """The messages among the bytes that wait to be written, `<3` for a heartbeat."""
    framer = Framer(connection.dialect)
    framer.receive_data(connection.data_to_send())
    found = []
    while (event := framer.next_event()) is not None:
        found.append("<3" if event is HEARTBEAT else event.decode())
    return found


@dataclass
class Pair:
    """Linkage and a peer, joined in memory."""

    linkage: Connection
    peer: Connection

    def to_linkage(self, now: float = 0) -> list[Event]:
        self.linkage.receive_data(self.peer.data_to_send(), now)
        return list(self.linkage.events())

    def to_peer(self, now: float = 0) -> list[Event]:
        self.peer.receive_data(self.linkage.data_to_send(), now)
        return list(self.peer.events())

    def states(self) -> tuple[ConnectionState, ConnectionState]:
        return self.linkage.state, self.peer.state


BOTH_REGISTERED = (ConnectionState.REGISTERED, ConnectionState.REGISTERED)


def acquainted(role: Role, dialect: Dialect = DEFAULT) -> Pair:
    return Pair(
        Connection(side=Side.LINKAGE, role=role, dialect=dialect, registered=True, now=0),
        Connection(side=Side.PEER, role=role, dialect=dialect, registered=True, now=0),
    )


def listening(role: Role | None = Role.APPLICATION, timers: Timers = Timers()) -> Connection:  # noqa: B008 - frozen
    return Connection(
        side=Side.LINKAGE, role=role, registered=role is not None, timers=timers, now=0
    )
