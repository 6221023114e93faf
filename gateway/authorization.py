"""May this peer come in from there, in that way? What the core's check of the secret cannot see.

A registration meets, in this order: the pace of refused ones from its address, the peer's own
`allow`, TLS and the client certificate; only then the core, which knows the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.context import GatewayContext
from gateway.hosts import is_within, neighbourhood
from linkage.ports import PeerProfile
from protocol.envelope import Request, Response
from protocol.results import Result, result_text

_OURS: Final = frozenset({Result.OVERLOAD, Result.INTERNAL, Result.RATE_LIMITED})
"""Refusals that say nothing against the peer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from, and what TLS told of it.

    `names` are the peer ids that the client certificate is for; None: it showed none.
    """

    host: str
    encrypted: bool
    names: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `reason` is for the journal, the peer is told the result's own text."""

    result: Result
    reason: str
    retry_after_s: int | None = None

    def answer(self, request: Request) -> Response:
        """What the peer is told: the same for every kind of stranger, lest it learn by trying."""
        return Response(
            request_id=request.id,
            type=request.type,
            result=self.result,
            detail=result_text(self.result),
            retry_after_s=self.retry_after_s,
        )


def check_origin(
    context: GatewayContext, profile: PeerProfile | None, origin: Origin
) -> Refusal | None:
    """Whether a peer may come from there, in that way; also for peers that do not register.

    `allow` once more, too: it may have changed since the connection was accepted.
    """
    reason = None
    if not is_within(origin.host, context.allow):
        reason = "the address is not in `allow` any more"
    elif profile is not None:
        reason = _objection(profile, origin)
    return None if reason is None else Refusal(Result.BAD_CREDENTIALS, reason)


def _objection(profile: PeerProfile, origin: Origin) -> str | None:
    if not is_within(origin.host, profile.allow):
        return f"{profile.id!r} may not come from {origin.host}: see its `allow`"
    if profile.require_tls and not origin.encrypted:
        return f"{profile.id!r} must use TLS"
    if origin.names is None:
        return (
            f"{profile.id!r} must show a client certificate"
            if profile.require_certificate
            else None
        )
    if profile.id in origin.names:
        return None
    names = ", ".join(sorted(origin.names)) or "nobody"
    return f"the client certificate is for {names}, not for {profile.id!r}"


def check_registration(context: GatewayContext, name: str, origin: Origin) -> Refusal | None:
    """Whether the core is asked about a registration at all."""
    wait_s = context.rates.register(_failure_key(context, name, origin))
    if wait_s:
        return Refusal(Result.RATE_LIMITED, "refused too often", wait_s)
    return check_origin(context, context.profiles.get(name), origin)


def remember_failure(context: GatewayContext, name: str, origin: Origin, result: int) -> None:
    """A registration was refused: soon no more of them are looked at."""
    if result not in _OURS:
        context.rates.refuse(_failure_key(context, name, origin))


def check_pace(context: GatewayContext, peer_id: str) -> Refusal | None:
    """Whether a registered peer may send one more request now; that costs it a token."""
    profile = context.profiles.get(peer_id)
    if profile is None or profile.requests is None:
        return None
    wait_s = context.rates.request(peer_id, profile.requests)
    if not wait_s:
        return None
    reason = f"more than {profile.requests.per_s:g} requests a second"
    return Refusal(Result.RATE_LIMITED, reason, wait_s)


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str] | None:
    """The names that a verified certificate gives: its common names and its URIs.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` describes it; None or empty: none was shown.
    """
    if not certificate:
        return None
    subject = (item for part in certificate.get("subject", ()) for item in part)
    names = {value for kind, value in subject if kind == "commonName"}
    names |= {value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"}
    return frozenset(names)


def _failure_key(context: GatewayContext, name: str, origin: Origin) -> tuple[str, str]:
    # Ids that nobody has count as one: who guesses ids gains nothing, and a peer behind the same
    # address is not held up by it.
    return neighbourhood(origin.host), name if name in context.profiles else ""
