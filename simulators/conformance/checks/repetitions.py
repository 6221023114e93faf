"""Duplicates, resending, coming back (protocol.md#repetitions, #delivery, #connections)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import CreateEvent, QueryCapability
from protocol.results import Result
from protocol.roles import Role
from simulators.conformance.checks.requests import incoming
from simulators.conformance.harness import Harness, demand, describe
from simulators.conformance.model import Check, FailedError, SkippedError

DELIVERIES: Final = 3
OLD_S: Final = 600
"""Age of a command that nobody wants any more (protocol.md#expiry)."""


async def _duplicate(harness: Harness) -> str:
    """The same (sender, Id, Type, body) again: answered alike, and not acted on twice."""
    connection = await harness.connection()
    message, acts = _provoking(harness)
    request = harness.make(message)
    mark = connection.mark
    first = await harness.ask(request)
    acted = await harness.next_request(connection, mark, acts, harness.settings.quiet_s)
    mark = connection.mark
    second = await harness.ask(_again(harness, request))
    demand(
        first.accepted == second.accepted
        and (not first.accepted or second.result in {first.result, Result.DUPLICATE}),
        f"the same answer as before: {describe(first)}",
        describe(second),
    )
    more = await harness.next_request(
        connection,
        mark,
        lambda later: acts(later) and (acted is None or later.id != acted.id),
        harness.settings.quiet_s,
    )
    if acted is not None and more is not None:
        raise FailedError(
            "nothing more for a message that came twice",
            f"another {more.type} with Id {more.id!r}, as for the first",
        )
    if acted is None:
        return "nothing that it does could be seen, so only the answers were compared"
    return f"one {acted.type} for both"


def _provoking(harness: Harness) -> tuple[Message, _Acts]:
    """A message that makes the implementation send something, and how to know it."""
    if harness.settings.role is Role.PLATFORM:
        return QueryCapability(), _Acts(number=192)
    call_id = harness.new_call()
    return incoming(harness, call_id), _Acts(call_id=call_id)


class _Acts:
    """Recognises a request that the provoking message has brought about."""

    def __init__(self, *, number: int | None = None, call_id: str | None = None) -> None:
        self._number = number
        self._call_id = call_id

    def __call__(self, request: Request) -> bool:
        if self._number is not None:
            return request.type == self._number
        return request.message.call_id == self._call_id


def _again(harness: Harness, request: Request) -> Request:
    return Request(
        id=request.id,
        message=request.message,
        seq=request.seq,
        time=request.time,
        resend=not harness.settings.legacy,
    )


async def _resend(harness: Harness) -> None:
    """A request that is marked as sent before, and was not received: a new one."""
    if harness.settings.legacy:
        raise SkippedError("Resend belongs to the profile")
    message = _provoking(harness)[0]
    response = await harness.ask(harness.make(message, resend=True))
    bad = not response.accepted and harness.settings.role is Role.APPLICATION
    demand(not bad, "result 0–9", describe(response))
    demand(response.detail != "duplicate", "taken as new", describe(response))


async def _repeat(harness: Harness) -> None:
    """A notice that may have been told before: linkage cannot know, so it counts."""
    if harness.settings.legacy:
        raise SkippedError("Repeat belongs to the profile")
    message, _ = _provoking(harness)
    first = harness.make(message)
    await harness.ask(first)
    again = harness.make(message)
    told = Request(id=again.id, message=message, seq=again.seq, time=again.time, repeat=True)
    response = await harness.ask(told)
    demand(response.accepted, "result 0–9", describe(response))
    demand(response.detail != "duplicate", "taken as new", describe(response))


async def _expired(harness: Harness) -> str:
    if harness.settings.legacy:
        raise SkippedError("Expire belongs to the profile")
    connection = await harness.connection()
    made = harness.make(QueryCapability())
    assert made.time is not None, "requests of the harness have one"
    old = Request(
        id=made.id, message=made.message, time=made.time - timedelta(seconds=OLD_S), expire_s=1
    )
    mark = connection.mark
    response = await harness.ask(old)
    late = await harness.next_request(
        connection, mark, _Acts(number=192), harness.settings.quiet_s
    )
    demand(
        response.result in {Result.EXPIRED, Result.NOT_SUPPORTED},
        "result 309 (expired)",
        describe(response),
    )
    demand(late is None, "nothing done", "it was done all the same")
    return describe(response)


# --- with a new connection -----------------------------------------------------------------------
async def _resumes(harness: Harness) -> str:
    """LastSeq of the next registration: the last delivery that was answered."""
    _numbered(harness)
    await harness.fresh_connection()
    before = harness.seq
    for _ in range(DELIVERIES):
        await harness.ask(harness.probe())
    settled = harness.seq
    await harness.fresh_connection()
    after = harness.handshakes[-1].last_seq
    if after is None:
        raise SkippedError(
            "it gives no LastSeq, as it may: linkage then goes on where it saw the last answer"
        )
    demand(
        after <= settled,
        f"LastSeq of at most {settled}",
        f"{after}: what lies between would be lost",
    )
    demand(
        after > before,
        f"LastSeq {settled} after answering {DELIVERIES} deliveries",
        f"{after}, as before them",
    )
    return f"LastSeq {after}"


async def _redelivery(harness: Harness) -> str:
    """Cut while a request is unanswered; it comes again, and is answered."""
    connection = await harness.connection()
    request = harness.make(_provoking(harness)[0])
    harness.violations.tolerate(connection, request.id)
    await connection.send(harness.bytes_of(request), harness.settings.answer_within_s)
    await harness.fresh_connection()
    response = await harness.ask(_again(harness, request))
    if harness.settings.role is Role.APPLICATION:
        demand(response.accepted, "result 0–9", describe(response))
    return describe(response)


async def _sends_again(harness: Harness) -> str:
    """A notice that linkage did not answer comes again after a reconnect, under its Id."""
    if harness.settings.legacy:
        raise SkippedError("292, which would bring a notice about, belongs to the profile")
    connection = await harness.connection()
    held: list[Request] = []

    def hold(request: Request) -> bool:
        is_ours = request.type == 192  # noqa: PLR2004 - the outcome of 292
        if is_ours:
            held.append(request)
        return is_ours

    harness.hold = hold
    try:
        await harness.ask(harness.make(QueryCapability()))
        await connection.wait(lambda: bool(held), harness.settings.answer_within_s)
    finally:
        harness.hold = lambda _: False
    if not held:
        raise SkippedError("it sends no 192 for a 292, so there is nothing to leave unanswered")
    connection = await harness.fresh_connection()
    found = await harness.next_request(
        connection, 0, lambda request: request.id == held[0].id, harness.settings.answer_within_s
    )
    if found is None:
        raise FailedError(
            f"the unanswered {held[0].type} with Id {held[0].id!r} again after the reconnect",
            connection.end or f"nothing of it in {harness.settings.answer_within_s:g} s",
        )
    demand(
        found.message == held[0].message,
        "the same message under the same Id",
        found.raw.decode("utf-8", "replace")[:200],
    )
    return 'marked Resend="1"' if found.resend else "not marked as sent before"


async def _fresh_nonce(harness: Harness) -> str:
    nonces = [handshake.nonce for handshake in harness.handshakes if handshake.nonce is not None]
    if len(nonces) < 2:  # noqa: PLR2004 - two to compare
        raise SkippedError("it registered less than twice")
    demand(len(set(nonces)) == len(nonces), "a new Nonce in each registration", "one used twice")
    return f"{len(nonces)} registrations"


def _numbered(harness: Harness) -> None:
    if harness.settings.legacy:
        raise SkippedError("LastSeq belongs to the profile")


async def _same_event(harness: Harness) -> None:
    """201 twice for one call under two Ids: two messages, each answered."""
    message = CreateEvent(call_id=harness.new_call(), event_id="1213243")
    for _ in range(2):
        await harness.ask(harness.make(message))


CHECKS: Final = (
    Check(
        name="duplicate",
        title="It answers a message that comes twice alike, and acts on it once",
        section="repetitions",
        remedy="Keep Seq, (Id, Type, body) and result of what you have answered; when it comes "
        "again, give the same result and do nothing else.",
        run=_duplicate,
    ),
    Check(
        name="one-body-two-ids",
        title="It answers two messages that differ in nothing but their Ids",
        section="repetitions",
        remedy="The Id is part of what makes a duplicate: answer both.",
        run=_same_event,
        roles=(Role.PLATFORM,),
    ),
    Check(
        name="resend",
        title='It takes a message with Resend="1" that it has not seen as a new one',
        section="what-a-receiver-does",
        remedy="Resend says that it may be a repetition; whether it is, Seq or Id and body say.",
        run=_resend,
    ),
    Check(
        name="repeat",
        title='It takes a notice with Repeat="1" as one that counts',
        section="what-a-receiver-does",
        remedy="Repeat says that linkage cannot tell whether it was told before: show it, with "
        "that doubt, and never discard it.",
        run=_repeat,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="expired-command",
        title="It does not carry out a command past its Expire",
        section="expiry",
        remedy="When Time plus Expire seconds is past, answer 309 and do nothing.",
        run=_expired,
        roles=(Role.PLATFORM,),
    ),
)

RECONNECTING: Final = (
    Check(
        name="resumes",
        title="It registers with the LastSeq that it has answered",
        section="resuming",
        remedy="Keep the Seq of the last request that you answered, and send it as LastSeq.",
        run=_resumes,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="redelivery",
        title="It answers what was cut off before, when it comes again",
        section="what-a-receiver-does",
        remedy="Answer each delivery on the connection on which it came.",
        run=_redelivery,
    ),
    Check(
        name="sends-again",
        title="It sends a notice again that was not answered before the connection broke",
        section="what-a-sender-does",
        remedy="Keep each notice until its response has come; after a reconnect send it again "
        "with its Id.",
        run=_sends_again,
        roles=(Role.PLATFORM,),
    ),
    Check(
        name="fresh-nonce",
        title="It uses each Nonce once",
        section="registration",
        remedy="Draw 16 random bytes for each registration.",
        run=_fresh_nonce,
    ),
)
