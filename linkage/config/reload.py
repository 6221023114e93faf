"""What a changed configuration means for a linkage that serves (SIGHUP).

Two things are taken up at once. Adapters: they fail by nature, and it must not cost everybody else
their sessions to give one another password. And who may come in: a peer that is shut out, an
address that is allowed no more, cannot wait for a good moment to restart; sessions that would not
come in any more are closed, and a new peer that connects to linkage is let in. What everything
rests on (roles, whom linkage dials or knows by address alone, listeners, limits) is read at the
start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from linkage.config.file import AdapterSettings, Config
from linkage.config.peers import PeerSettings
from linkage.hosting import AdapterHost, AdapterState
from linkage.ports import PeerProfile

RESTART: Final = "takes effect after a restart of linkage"
ACCESS: Final = ("inline_secret", "secret_file", "allow", "require_tls", "require_certificate")
"""What of a peer's settings says how it may come in."""


@dataclass(slots=True, kw_only=True)
class Changes:
    """`again`: adapters to be started anew; `remarks`: lines about what is not taken up.

    `config`: as before, with who may come in as of now. `gone`: peers that are shut out, for they
    are not in the file any more; `access`: lines about all this, none where nothing changed.
    """

    config: Config
    again: list[AdapterSettings] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    gone: frozenset[str] = frozenset()
    access: list[str] = field(default_factory=list)


def plan_reload(old: Config, new: Config, hosts: Iterable[AdapterHost]) -> Changes:
    """What to do about a new configuration; nothing is done here."""
    changes = Changes(config=with_access_of(old, new))
    before = {item.id: item for item in old.adapter}
    refused = {host.peer_id for host in hosts if host.state is AdapterState.REFUSED}
    for item in new.adapter:
        was = before.pop(item.id, None)
        if was is None:
            changes.remarks.append(f"adapter {item.id}: new, which {RESTART}")
        elif was.kind != item.kind:
            changes.remarks.append(f"adapter {item.id}: of another kind, which {RESTART}")
        elif item.id in refused or _differ(was, item):
            changes.again.append(item)
    changes.remarks += [f"adapter {gone}: removed, which {RESTART}" for gone in before]
    changes.gone = frozenset(peer.id for peer in old.peer) - {peer.id for peer in new.peer}
    changes.access = list(_access_lines(old, changes))
    if _rest(changes.config, changes.gone) != _rest(new):
        changes.remarks.append(f"what changed beside adapters and who may come in {RESTART}")
    return changes


def _differ(was: AdapterSettings, item: AdapterSettings) -> bool:
    """Whether an adapter is to be given other settings; a secret in a file counts as it reads."""
    if was.checked is not None and item.checked is not None:
        return bool(was.checked != item.checked)
    return was.settings != item.settings


def profiles_of(changes: Changes) -> list[PeerProfile]:
    """The peers that may come in, as a gateway must know them."""
    per_s = changes.config.limits.requests_per_s
    return [peer.profile(per_s) for peer in changes.config.peer if peer.id not in changes.gone]


def with_access_of(old: Config, new: Config) -> Config:
    """A configuration with who may come in as of another one; peers that are gone stay in it.

    New ones stand behind those that were there.
    """
    there = {peer.id: peer for peer in new.peer}
    peers = tuple(_with_access(peer, there.get(peer.id, peer), old) for peer in old.peer)
    return old.model_copy(update={"peer": peers + _newcomers(old, new), "allow": new.allow})


def _newcomers(old: Config, new: Config) -> tuple[PeerSettings, ...]:
    """New peers that prove by a secret who they are, and come by themselves."""
    known = {peer.id for peer in old.peer} | {item.id for item in old.adapter}
    return tuple(
        peer for peer in new.peer if peer.id not in known and not peer.legacy and peer.dial is None
    )


def _with_access(peer: PeerSettings, other: PeerSettings, config: Config) -> PeerSettings:
    values = {name: getattr(other, name) for name in ACCESS}
    if all(getattr(peer, name) == value for name, value in values.items()):
        return peer
    changed = peer.model_copy(update=values)
    changed.use_secrets_of(config.source.parent)
    return changed


def _access_lines(old: Config, changes: Changes) -> Iterator[str]:
    if old.allow != changes.config.allow:
        yield "`allow` applied"
    for was, now in zip(old.peer, changes.config.peer, strict=False):
        if was is not now:
            yield f"peer {now.id}: new access rules applied"
    for newcomer in changes.config.peer[len(old.peer) :]:
        yield f"peer {newcomer.id}: new, may register from now on"
    for peer_id in sorted(changes.gone):
        yield f"peer {peer_id}: removed, session closed; the end of its queue {RESTART}"


def _rest(config: Config, without: frozenset[str] = frozenset()) -> dict[str, object]:
    kept = (peer for peer in config.peer if peer.id not in without)
    peers = tuple(sorted(kept, key=attrgetter("id")))
    return config.model_copy(update={"peer": peers}).model_dump(exclude={"adapter", "source"})
