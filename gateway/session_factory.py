"""Who connects becomes what: a session of a stranger, of a legacy peer, or it is not clear yet."""

from __future__ import annotations

from functools import partial

from gateway.context import GatewayContext
from gateway.legacy import FirstMessage
from gateway.peers import AddressBook
from gateway.session import Session
from linkage.ports import PeerProfile
from protocol.connection import Connection, Side
from protocol.dialect import Dialect


class SessionFactory:
    """Makes what speaks with a connection that may come in."""

    def __init__(self, context: GatewayContext, book: AddressBook) -> None:
        self._context = context
        self._book = book

    def make(self, host: str) -> Session | FirstMessage:
        """What speaks with whoever connects from there; to be opened with the transport."""
        profile = self._book.find(host)
        if profile is None:
            return self._stranger(self._context.settings.dialect)
        if profile.dialect.profile:
            return self._stranger(profile.dialect)
        # Who registers from a legacy peer's host speaks the profile, not that peer's dialect.
        decide = partial(self._decide, profile)
        return FirstMessage(
            self._context, self._context.bounded(self._context.settings.dialect), decide
        )

    def _decide(self, profile: PeerProfile, registers: bool) -> Session:
        if registers:
            return self._stranger(self._context.settings.dialect)
        return self._session(profile.dialect, profile)

    def _stranger(self, dialect: Dialect) -> Session:
        return self._session(dialect, None)

    def _session(self, dialect: Dialect, legacy: PeerProfile | None) -> Session:
        connection = Connection(
            side=Side.LINKAGE,
            role=None if legacy is None else legacy.role,
            dialect=self._context.bounded(dialect),
            timers=self._context.settings.timers,
            registered=legacy is not None,
            dialect_of=self._context.dialect_of,
            now=self._context.clock.now(),
        )
        return Session(self._context, connection, profile=legacy)
