"""Who connects becomes what: a session of a stranger, of a legacy peer, or it is not clear yet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.address_book import AddressBook
from gateway.context import GatewayContext
from gateway.first_message import FirstMessage
from gateway.session import Session
from linkage.ports import PeerProfile
from protocol.connection import Connection, Side
from protocol.dialect import Dialect


class SessionFactory:
    """Makes what speaks with a connection; to be opened with its transport."""

    def __init__(self, context: GatewayContext, book: AddressBook) -> None:
        self._context = context
        self._book = book

    def accepted(self, host: str) -> Session | FirstMessage:
        """For whoever connects from there, and may."""
        profile = self._book.find(host)
        if profile is None:
            return self._session(self._context.settings.dialect, None)
        if profile.dialect.profile:
            return self._session(profile.dialect, None)
        # Who registers from a legacy peer's host speaks the profile, not that peer's dialect.
        dialect = self._bounded(self._context.settings.dialect)
        return FirstMessage(self._context, dialect, partial(self._decided, profile))

    def dialled(self, peer: PeerProfile) -> Session:
        """For a peer to which linkage connects."""
        return self._session(peer.dialect, peer, dialled=True)

    def _decided(self, legacy: PeerProfile, registers: bool) -> Session:
        if registers:
            return self._session(self._context.settings.dialect, None)
        return self._session(legacy.dialect, legacy)

    def _session(
        self, dialect: Dialect, profile: PeerProfile | None, *, dialled: bool = False
    ) -> Session:
        """`profile` is of a peer that is known before it says anything."""
        is_legacy = profile is not None and not dialect.profile
        connection = Connection(
            side=Side.LINKAGE,
            role=None if profile is None else profile.role,
            dialect=self._bounded(dialect),
            timers=self._context.settings.timers,
            registered=is_legacy,
            dialling=dialled and not is_legacy,
            dialect_of=self._dialect_of,
            now=self._context.clock.now(),
        )
        return Session(self._context, connection, profile=profile, dialled=dialled)

    def _dialect_of(self, peer_id: str) -> Dialect | None:
        """How a peer speaks that registers; None: nobody of that id does."""
        profile = self._context.profiles.get(peer_id)
        if profile is None or not profile.dialect.profile:
            return None
        return self._bounded(profile.dialect)

    def _bounded(self, dialect: Dialect) -> Dialect:
        """A dialect with our own bound on the length of a message."""
        most = self._context.settings.message_bytes
        if dialect.message_max_bytes <= most:
            return dialect
        return replace(dialect, message_max_bytes=most)
