"""Settings that would have no effect: whoever wrote one believes that it has.

A certificate without a listener that speaks TLS, an address of a peer that is known by its
registration, the numbers of a platform: taken without a word, each is a belief that nobody
corrects before it matters.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from linkage.ports import Role
from protocol.roles import SPEAKS

if TYPE_CHECKING:
    from linkage.config.file import Config
    from linkage.config.peers import PeerSettings

_SCREENS: Final = frozenset({Role.COMMUNICATION_SCREEN, Role.BUSINESS_SCREEN})
_ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "numbers": frozenset({Role.APPLICATION}),
    "platform": frozenset({Role.APPLICATION}),
    "application": frozenset({Role.BUSINESS_SCREEN}),
    "login": _SCREENS,
    "logins": frozenset({Role.APPLICATION, *_SCREENS}),
}
"""Who has any use for a setting, where not everybody has."""


def idle_settings(config: Config) -> Iterator[str]:
    """What is set and would do nothing, each as a line with the remedy."""
    for peer in config.peer:
        for problem in _of_peer(peer):
            yield f"peer {peer.id!r}: {problem}"
    yield from _of_addresses(config)
    yield from _of_tls(config)
    yield from _of_parts(config)


def is_set(section: Any, name: str) -> bool:
    """Whether a setting was given another value than it has anyway."""
    cls = type(section)
    if isinstance(section, BaseModel):
        default: Any = cls.model_fields[name].get_default(call_default_factory=True)
    else:
        (field,) = (each for each in dataclasses.fields(section) if each.name == name)
        default = field.default
    return bool(getattr(section, name) != default)


def _of_peer(peer: PeerSettings) -> Iterator[str]:
    for name, roles in _ROLES.items():
        if peer.role not in roles and is_set(peer, name):
            users = " and ".join(sorted(f"{role.value}s" for role in roles))
            yield f"`{name}` is for {users}: remove it, or set another `role`"
    foreign = [type_ for type_ in peer.types if type_ not in SPEAKS[peer.role]]
    if foreign:
        yield f"`types`: no {peer.role.value} sends {foreign[0]}: remove it"
    yield from _of_registration(peer)
    comes_in = not peer.legacy or peer.address is not None
    for name in ("allow", "require_tls", "require_certificate"):
        if not comes_in and is_set(peer, name):
            yield f"`{name}` is for who connects, and linkage only dials it: remove it"


def _of_registration(peer: PeerSettings) -> Iterator[str]:
    if peer.legacy:
        if peer.inline_secret is not None or peer.secret_file is not None:
            yield "a legacy peer does not register, so it has no secret: remove it, or `legacy`"
    elif peer.address is not None and not is_set(peer, "dialect"):
        yield (
            "`address` is for peers that are `legacy` or have a [peer.dialect]; to let it come "
            "from there only, write `allow`"
        )
    if peer.dial is not None and peer.dial_name is not None and not peer.dial_tls:
        yield "`dial_name` needs `dial_tls`"


def _of_addresses(config: Config) -> Iterator[str]:
    listening = Counter(address for address in config.addresses if address[1])
    for (host, port), count in listening.items():
        if count > 1:
            yield f"{host}:{port} is given {count} times in `listen` and [[listener]]: once only"


def _of_tls(config: Config) -> Iterator[str]:
    tls = config.tls
    dials = any(peer.dial is not None and peer.dial_tls for peer in config.peer)
    if not config.tls_addresses:
        if tls.certificate is not None and not dials:
            yield (
                "[tls] has a `certificate`, and nobody is shown it: add a [[listener]] with "
                "`tls = true`, or remove it"
            )
        if tls.client_ca is not None and tls.certificate is None:
            yield "[tls] `client_ca` needs a [[listener]] with `tls = true`"
    if tls.dial_ca is not None and not dials:
        yield "[tls] `dial_ca` needs a peer with `dial_tls`"


def _of_parts(config: Config) -> Iterator[str]:
    """What is about the processes of `serve --only`, and about questions that are not asked."""
    known = {"gateway", *(f"adapter:{item.id}" for item in config.adapter)}
    for name in () if config.watch is None else config.watch.parts:
        if name not in known and not name.startswith("gateway:"):
            there = ", ".join(sorted(known))
            yield f"[watch.parts] {name!r} is no part here: there are {there} and gateway:NAME"
    messaging = config.messaging
    places = (messaging.address, messaging.bind or messaging.address)
    if is_set(messaging, "keys") and not any(place.startswith("tcp") for place in places):
        yield "[messaging] `keys` are for `tcp://`: remove it, or set `address`"
    for name in ("settle_s", "every_s"):
        if not config.sweep.ask_after_h and is_set(config.sweep, name):
            yield f"[sweep] `{name}`: with `ask_after_h = 0` nothing is ever asked: remove it"
