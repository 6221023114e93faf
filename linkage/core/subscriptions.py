"""Who follows events that are not theirs (291), beside those whom a notice is for anyhow.

A subscription adds, and never takes away. It is kept on disk with the command that made it; what
the configuration allows (`follows`) is asked anew with each notice, so that a right that was taken
away ends what was subscribed by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from linkage.core.peers import Peer
from linkage.core.scope import Scope
from linkage.correlation import final_event
from linkage.ports.store import SUBSCRIPTIONS
from linkage.store.rows import Event, Operation
from protocol.message import Message

NUMBERS: Final = ("phone_num", "to_num", "from_num", "sender")
"""Fields with a number of somebody who takes part."""
LOGINS: Final = ("login_id", "from_login_id", "to_login_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a peer wants to be told beside its own.

    `types` are those of notices, none: all; `event_pk` one event, None: all that it may follow;
    `login_id` and the prefix `phone_num` narrow both. `expires_us` on the steady clock; None: it
    ends when the peer says so.
    """

    peer_id: str
    types: tuple[int, ...] = ()
    event_pk: int | None = None
    login_id: str | None = None
    phone_num: str | None = None
    expires_us: int | None = None

    @property
    def key(self) -> str:
        """What it is beside its end: a newer one with the same takes its place."""
        facts = asdict(self)
        del facts["expires_us"]
        return json.dumps(facts, separators=(",", ":"), ensure_ascii=False)


class Subscriptions:
    """Belongs to the core's thread."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tx = scope.tx
        self._found: dict[str, Subscription] | None = None

    def forget(self) -> None:
        """The transaction failed: what there is must be read again."""
        self._found = None

    def _known(self) -> dict[str, Subscription]:
        if self._found is None:
            kept = (json.loads(value) for value in self._tx.memory.load(SUBSCRIPTIONS).values())
            each = (_read(values) for values in kept)
            self._found = {subscription.key: subscription for subscription in each}
        return self._found

    def exist(self) -> bool:
        """Whether anybody follows anything: by far most installations have none."""
        return bool(self._known())

    def of(self, peer_id: str) -> list[Subscription]:
        """Those of a peer that have not ended."""
        self._drop_expired()
        return [each for each in self._known().values() if each.peer_id == peer_id]

    def add(self, subscription: Subscription) -> None:
        """From now on; one that differs from it in nothing but its end is over."""
        self._known()[subscription.key] = subscription
        self._save(subscription.key, json.dumps(asdict(subscription)))

    def remove(self, subscription: Subscription) -> bool:
        """End it; False where there is none."""
        if self._known().pop(subscription.key, None) is None:
            return False
        self._save(subscription.key, None)
        return True

    def _save(self, key: str, value: str | None) -> None:
        self._tx.memory.save(SUBSCRIPTIONS, key, value)

    def _drop_expired(self) -> None:
        now_us = self._scope.now.steady_us
        for each in list(self._known().values()):
            if each.expires_us is not None and each.expires_us <= now_us:
                self.remove(each)

    def followers(
        self,
        message: Message,
        operation: Operation | None,
        events: tuple[Event, ...],
        owner: str | None,
    ) -> list[Peer]:
        """The peers that follow what a notice is about, each once.

        Args:
            message: the notice.
            operation: what it is about, where it is about one.
            events: of that now, and before where it was moved.
            owner: the application that has it.
        """
        if owner is None:
            return []
        self._drop_expired()
        finals = {final_event(self._tx.records, event).event_pk for event in events}
        found: dict[str, Peer] = {}
        for each in self._known().values():
            peer = self._scope.peers.get(each.peer_id)
            if peer is None or peer.id in found or not peer.may_follow(owner):
                continue
            if self._fits(each, message, operation, finals):
                found[peer.id] = peer
        return list(found.values())

    def _fits(
        self,
        wanted: Subscription,
        message: Message,
        operation: Operation | None,
        finals: set[int],
    ) -> bool:
        if wanted.types and message.number not in wanted.types:
            return False
        if wanted.event_pk is not None:
            event = self._tx.records.event(wanted.event_pk)
            if event is None or final_event(self._tx.records, event).event_pk not in finals:
                return False
        if wanted.login_id is not None and wanted.login_id not in set(_logins(message, operation)):
            return False
        prefix = wanted.phone_num
        return prefix is None or any(
            number.startswith(prefix) for number in _numbers(message, operation)
        )


def _read(values: dict[str, Any]) -> Subscription:
    return replace(Subscription(**values), types=tuple(values["types"]))


def _logins(message: Message, operation: Operation | None) -> Iterator[str]:
    known = None if operation is None else operation.login_id
    for login in (known, *(getattr(message, name, None) for name in LOGINS)):
        if isinstance(login, str):
            yield login


def _numbers(message: Message, operation: Operation | None) -> Iterator[str]:
    known = () if operation is None else (operation.from_num, operation.to_num)
    for number in (*known, *(getattr(message, name, None) for name in NUMBERS)):
        if isinstance(number, str):
            yield number
