"""What the whole run has shown, and the farewell (protocol.md#frame, #messages, #connections)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from protocol.messages import AppLeave, PlatformLeave
from protocol.results import Result
from protocol.roles import Role
from simulators.conformance.harness import Harness, demand
from simulators.conformance.model import Check, FailedError, SkippedError
from simulators.conformance.violations import Violations

SHOWN: Final = 3


def _watched(
    offences: Callable[[Violations], list[str]],
    expected: str,
    counted: Callable[[Violations], tuple[int, str]],
) -> Callable[[Harness], Awaitable[str]]:
    async def run(harness: Harness) -> str:
        found = offences(harness.violations)
        more = f" (and {len(found) - SHOWN} more)" if len(found) > SHOWN else ""
        demand(not found, expected, "; ".join(found[:SHOWN]) + more)
        number, what = counted(harness.violations)
        if not number:
            raise SkippedError(f"it sent no {what}: nothing shows it")
        return f"{number} {what}"

    return run


def _requests(violations: Violations) -> tuple[int, str]:
    return violations.seen_requests, "requests"


def _responses(violations: Violations) -> tuple[int, str]:
    return violations.seen_responses, "responses"


def _messages(violations: Violations) -> tuple[int, str]:
    return violations.seen_requests + violations.seen_responses, "messages"


async def _farewell(harness: Harness) -> str:
    """Told that a newer session has replaced it, it answers, or closes."""
    if harness.settings.legacy:
        raise SkippedError("a peer that speaks only the patent is told nothing")
    kind = PlatformLeave if harness.settings.role is Role.APPLICATION else AppLeave
    connection = await harness.connection()
    try:
        await harness.ask(harness.make(kind(reason="replaced", result=Result.REPLACED)))
    except FailedError:
        if not connection.closed:
            raise
        return "it closed the connection"
    return "answered"


CHECKS: Final = (
    Check(
        name="only-owed-responses",
        title="It sends one response for each request, and none else",
        section="requests-and-responses",
        remedy="Answer once, on the connection on which the request came, with its Id and Type.",
        run=_watched(
            lambda violations: violations.pairing, "one response for each request", _responses
        ),
    ),
    Check(
        name="well-formed",
        title="All that it sends is well-formed and valid",
        section="values",
        remedy="Compare what you send with the XSD of its type in docs/reference/xsd.",
        run=_watched(lambda violations: violations.broken, "valid frames and messages", _messages),
    ),
    Check(
        name="direction",
        title="It sends only Types of its own direction",
        section="directions",
        remedy="The first digit says who speaks: a platform sends 1xx and 3xx, an application "
        "2xx and 5xx.",
        run=_watched(
            lambda violations: violations.direction, "only its own directions", _requests
        ),
    ),
    Check(
        name="unique-ids",
        title="It does not give two different messages one Id",
        section="what-a-sender-does",
        remedy="Make Ids of what cannot come back after a restart: the time and a counter.",
        run=_watched(lambda violations: violations.ids, "an Id for each message", _requests),
    ),
    Check(
        name="writes-null",
        title="It writes NULL where there is no value, and leaves attributes out",
        section="values",
        remedy="Write NULL or leave the element out; EMPTY is only read.",
        run=_watched(
            lambda violations: violations.empty, "no EMPTY, and no NULL as an id", _messages
        ),
    ),
    Check(
        name="farewell",
        title="It answers, or closes, when it is told that it was replaced",
        section="sessions",
        remedy="Answer 199 (a platform: 299) like any other request.",
        run=_farewell,
    ),
)
