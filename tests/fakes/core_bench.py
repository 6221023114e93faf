"""A core without sockets: peers speak to its engine, a clock is turned by hand, a real store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from linkage.clock import ManualClock
from linkage.config.core import SweepSettings
from linkage.config.file import Config
from linkage.core.context import Context
from linkage.core.delivery.queue_reader import Loaded
from linkage.core.job import Job
from linkage.core.peers import Peers
from linkage.core.requests.incoming import not_written
from linkage.core.requests.submit import Submit
from linkage.core.scope import Delivery, Done, Now
from linkage.core.sessions.registration import Register
from linkage.core.writer.group_commit import GroupCommit
from linkage.store.chain import breaks
from linkage.store.rows import Event, JournalRow, Operation, columns_of, to_us
from linkage.store.sql import tables
from linkage.store.sql.journal import JOURNAL_COLUMNS
from linkage.store.sql.rebuild import differences, rebuild
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from protocol.codec import decode, encode
from protocol.dialect import DEFAULT, Dialect
from protocol.envelope import Request, Response
from protocol.message import Message

SECRET = "a secret of the tests"


def peer(id_: str, role: str, **settings: Any) -> dict[str, Any]:
    return {"id": id_, "role": role, "secret": SECRET, **settings}


def legacy(id_: str, role: str, address: str, **settings: Any) -> dict[str, Any]:
    return {"id": id_, "role": role, "legacy": True, "address": address, **settings}


PEERS = (
    peer("desk", "application", numbers=["2222", "77*"], platform="pbx"),
    peer("other", "application", numbers=["3333", "7*"]),
    peer("pbx", "platform"),
    peer("pbx2", "platform"),
)


def config(folder: Path, peers: Iterable[dict[str, Any]] = PEERS, **settings: Any) -> Config:
    return Config.model_validate(
        {"source": folder / "linkage.toml", "peer": list(peers), **settings}
    )


@dataclass(frozen=True)
class Heard:
    """What a peer was sent: the request as it goes out, and its place in the queue."""

    type: int
    seq: int
    message: Message
    request: Request


_empty: list[bytes] = []
"""A store as the migrations make it: read once, since they take longer than a test."""


def new_store(path: Path) -> None:
    if not _empty:
        open_store(path).dispose()
        _empty.append(path.read_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_empty[0])


class Bench:
    """`say` lets a peer send a message; `heard` is what a peer was sent since the last call."""

    liveness: SweepSettings | None = None

    def __init__(
        self,
        folder: Path,
        peers: Iterable[dict[str, Any]] = PEERS,
        clock: ManualClock | None = None,
    ) -> None:
        self.config = config(folder, peers)
        self.clock = clock or ManualClock()
        self._started_us = to_us(self.clock.utc()) - round(self.clock.now() * 1e6)
        self._ids = itertools.count(10_000)
        self._sent: dict[str, list[Delivery]] = {}
        new_store(self.config.database_path)
        self.open()

    def open(self) -> None:
        """Start as a process does: nothing but the disk is known."""
        self.engine: Engine = open_store(self.config.database_path)
        self.peers = Peers.of(self.config, {})
        for known in self.peers.by_id.values():
            known.connected = True
        self.write_with(UnitOfWork(self.engine))

    def write_with(self, unit: UnitOfWork, **settings: Any) -> None:
        """Commit to this unit of work from now on."""
        context = Context(unit, self.peers, 30, liveness=self.liveness, **settings)
        self.core = GroupCommit(context, self.clock.now)

    def disk(self, *, takes: bool) -> None:
        """Take the disk away; or give it back, well and with nobody who was told to wait."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA query_only={int(not takes)}")
        if takes:
            self.core = GroupCommit(self.core.context, self.clock.now)

    def close(self) -> None:
        self.engine.dispose()

    def restart(self) -> None:
        self.close()
        self.open()

    # --- what peers do ---------------------------------------------------------------------------
    def now(self) -> Now:
        steady_us = self._started_us + round(self.clock.now() * 1e6)
        return Now(self.clock.utc(), steady_us)

    def do(self, *works: Job[Any]) -> list[Done[Any]]:
        """One batch."""
        done = self.core.process(list(works), self.now())
        for one in done:
            loaded = one.value.deliveries if isinstance(one.value, Loaded) else ()
            for delivery in (*one.deliveries, *loaded):
                self._sent.setdefault(delivery.row.receiver, []).append(delivery)
        return done

    def submit(
        self, source: str, message: Message, id_: str | None = None, **attrs: Any
    ) -> Submit:
        """The work of a message as it comes from a wire."""
        dialect = Dialect(encoding=self.peers.by_id[source].encoding)
        request = Request(id=id_ or str(next(self._ids)), message=message, **attrs)
        return received(source, encode(request, dialect), dialect)

    def say(self, source: str, message: Message, id_: str | None = None, **attrs: Any) -> Response:
        """A peer sends a message; time passes a little."""
        self.clock.advance(0.25)
        work = self.submit(source, message, id_, **attrs)
        return answer_of(work, self.do(work)[0])

    def answers(self, source: str, message: Message) -> list[Message]:
        """A peer asks for data; the pages of the answer."""
        work = self.submit(source, message)
        done = self.do(work)[0]
        response = answer_of(work, done)
        assert response.result == 1, response
        assert {receiver for receiver, _ in done.answers} <= {source}
        return [answer for _, answer in done.answers]

    def heard(self, receiver: str) -> list[Heard]:
        return [
            Heard(item.row.type, item.row.seq, item.request.message, item.request)
            for item in self._sent.pop(receiver, [])
        ]

    def types(self, receiver: str) -> list[int]:
        return [item.type for item in self.heard(receiver)]

    # --- what is on disk -------------------------------------------------------------------------
    def _rows(self, table: Any, cls: Any, order: Any) -> list[Any]:
        names = [table.c[name] for name in columns_of(cls)]
        with self.engine.connect() as connection:
            found = connection.execute(select(*names).order_by(order))
            return [cls(**row._mapping) for row in found]

    def operations(self, kind: str | None = None) -> list[Operation]:
        found: list[Operation] = self._rows(tables.operation, Operation, tables.operation.c.op_id)
        return [item for item in found if kind in {None, item.kind}]

    def operation(self, kind: str) -> Operation:
        (found,) = self.operations(kind)
        return found

    def events(self) -> dict[str, Event]:
        found: list[Event] = self._rows(tables.event, Event, tables.event.c.event_pk)
        return {item.event_id: item for item in found}

    def journal(self) -> list[JournalRow]:
        found: list[JournalRow] = self._rows(tables.journal, JournalRow, tables.journal.c.seq)
        return found

    def bound(self) -> dict[str, tuple[str | None, str | None]]:
        """Native key → (EventId, cause) of every operation, the latest of each key."""
        names = {event.event_pk: event.event_id for event in self.events().values()}
        return {
            item.native.partition("/")[0] if item.kind == "transfer" else item.native: (
                None if item.event_pk is None else names[item.event_pk],
                item.cause,
            )
            for item in self.operations()
        }

    def check(self) -> None:
        """What must hold after anything: the chain, and projections that the journal explains."""
        assert list(breaks(chain(self.engine))) == []
        again = rebuild(self.engine)
        assert differences(self.engine, again) == []
        again.dispose()


def answer_of(job: Submit | Register, done: Done[Any]) -> Response:
    """What a peer is answered to a request or a registration."""
    if done.value is None:
        return not_written(job.request, done.error)
    response = done.value if isinstance(done.value, Response) else done.value.response
    assert isinstance(response, Response)
    return response


def chain(engine: Engine) -> list[tuple[JournalRow, bytes, bytes]]:
    """The journal as `breaks` wants it."""
    names = [tables.journal.c[name] for name in JOURNAL_COLUMNS]
    with engine.connect() as connection:
        found = connection.execute(select(*names).order_by(tables.journal.c.seq))
        rows = [dict(row._mapping) for row in found]
    return [
        (JournalRow(**{k: v for k, v in row.items() if k not in {"prev_hash", "hash"}}),
         row["prev_hash"], row["hash"])
        for row in rows
    ]  # fmt: skip


def received(source: str, payload: bytes, dialect: Dialect = DEFAULT) -> Submit:
    item = decode(payload, dialect)
    assert isinstance(item, Request)
    return Submit(source, item)


def at(clock: ManualClock, seconds: float) -> datetime:
    return datetime.fromtimestamp(clock.utc().timestamp() + seconds, clock.utc().tzinfo)
