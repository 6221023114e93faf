"""Connecting, registering, heartbeats (protocol.md#frame, #connections)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from protocol.envelope import Request, Response
from protocol.frames import Heartbeat, heartbeat
from protocol.registration import TIME_TOLERANCE_S
from protocol.roles import Role
from simulators.conformance.connection import Connection, Item
from simulators.conformance.harness import Harness, advise, demand, describe
from simulators.conformance.model import Check, FailedError, SkippedError

HEARTBEATS_SENT: Final = 10
"""So many that its own, which may fall into that time, are not taken for answers."""
LATE: Final = 1.5
"""How many times its period a heartbeat may be late before it is worth a word."""
SLACK_S: Final = 1.0
PERIODS: Final = 2
"""How often the time after which a peer counts as dead is waited for its silence."""


async def _connects(harness: Harness) -> str:
    try:
        await harness.connection()
    except SkippedError as error:
        where = "to us at " if harness.settings.listen else "from us at "
        raise FailedError(f"a connection {where}{harness.address}", str(error)) from None
    return harness.address


async def _registers(harness: Harness) -> str | None:
    _unless_legacy(harness)
    await harness.connection()
    handshake = harness.handshakes[0]
    if handshake.dialled:
        demand(not handshake.form, "our registration (190) taken", "; ".join(handshake.form))
        return "we registered with it"
    demand(not handshake.form, "a registration as the first message", "; ".join(handshake.form))
    return f"as {handshake.peer_id}"


async def _proves(harness: Harness) -> str | None:
    _unless_legacy(harness)
    await harness.connection()
    handshake = harness.handshakes[0]
    if handshake.dialled and handshake.nonce is None:
        raise SkippedError("we dialled it, and it let us register")
    if handshake.form:
        raise SkippedError("there was no registration to judge")
    demand(not handshake.proof, "a Digest of this secret, now", "; ".join(handshake.proof))
    return None


async def _waits(harness: Harness) -> str | None:
    _unless_legacy(harness)
    await harness.connection()
    handshake = harness.handshakes[0]
    if handshake.dialled:
        raise SkippedError("we dialled it")
    demand(
        not handshake.premature,
        "nothing but heartbeats until the registration is answered",
        "; ".join(handshake.premature),
    )
    return None


async def _refused(harness: Harness) -> str | None:
    _unless_legacy(harness)
    if not harness.settings.listen:
        raise SkippedError("it listens: see judges-registration")
    await harness.connection()
    before = len(harness.handshakes)
    harness.reception.refuse_next = True
    try:
        await harness.fresh_connection()
    except SkippedError:
        harness.forgive()
        if len(harness.handshakes) == before:
            raise
    refused = [handshake for handshake in harness.handshakes[before:] if handshake.refused]
    if not refused:
        raise SkippedError("it did not register again")
    demand(
        not refused[0].after_refusal,
        "nothing on a connection whose registration was refused",
        "; ".join(refused[0].after_refusal),
    )
    await harness.connection()
    return "it came back after RetryAfter"


async def _judges(harness: Harness) -> str | None:
    _unless_legacy(harness)
    if harness.settings.listen:
        raise SkippedError("it connects to us, and proves itself")
    reception = harness.reception
    nonce = secrets.token_hex(16)
    faults = {
        "a wrong secret": [reception.introduction(secret=secrets.token_hex(16))],
        "a clock that is off": [reception.introduction(skew_s=-3 * TIME_TOLERANCE_S)],
        "a registration sent twice": [
            reception.introduction(nonce=nonce),
            reception.introduction(nonce=nonce),
        ],
    }
    for fault, requests in faults.items():
        responses = [await _knock(harness, request) for request in requests]
        last = responses[-1]
        demand(
            last is None or not last.accepted,
            f"{fault} refused with 201",
            "nothing" if last is None else describe(last),
        )
    return None


async def _knock(harness: Harness, request: Request) -> Response | None:
    """Register on a connection of its own; None: it was closed without an answer."""
    connection = await harness.stranger()
    try:
        return await harness.ask(request, connection=connection)
    except FailedError:
        if connection.closed:
            return None
        raise
    finally:
        await _hang_up(harness, connection)


async def _stranger(harness: Harness) -> str | None:
    _unless_legacy(harness)
    if harness.settings.listen:
        raise SkippedError("it connects to us")
    connection = await harness.stranger()
    request = harness.probe()
    try:
        response = await harness.ask(request, connection=connection)
    except FailedError:
        if connection.closed:
            return "it closed the connection"
        raise
    finally:
        await _hang_up(harness, connection)
    demand(not response.accepted, "result 200 before registration", describe(response))
    return describe(response)


async def _hang_up(harness: Harness, connection: Connection) -> None:
    connection.cut()
    await connection.wait(lambda: connection.closed, harness.settings.answer_within_s)


async def _leaves_heartbeats_alone(harness: Harness) -> str | None:
    connection = await harness.connection()
    await connection.stay(
        harness.settings.quiet_s
    )  # what it does on being registered is not our matter
    mark = connection.mark
    beat = heartbeat(harness.settings.dialect)
    for _ in range(HEARTBEATS_SENT):
        await connection.send(beat, harness.settings.answer_within_s)
    await connection.stay(harness.settings.quiet_s)
    demand(not connection.closed, "the connection kept", connection.end)
    heard = connection.since(mark)
    responses = [item for item in heard if isinstance(item, Response)]
    demand(not responses, "no answer to a heartbeat", f"{len(responses)} responses")
    beats = sum(isinstance(item, Heartbeat) for item in heard)
    demand(
        beats < HEARTBEATS_SENT,
        "no answer to a heartbeat",
        f"{beats} heartbeats for {HEARTBEATS_SENT}",
    )
    return None


async def _beats(harness: Harness) -> str | None:
    connection = await harness.connection()
    settings = harness.settings
    loop = asyncio.get_running_loop()
    mark, began = connection.mark, loop.time()
    give_up = began + PERIODS * settings.dead_after_s
    found = await connection.find(_anything, mark, settings.dead_after_s)
    while found is not None and not isinstance(found, Heartbeat):
        if loop.time() > give_up:
            raise SkippedError("it has too much to say to be silent")
        mark, began = connection.mark, loop.time()  # it spoke, so no heartbeat was due
        found = await connection.find(_anything, mark, settings.dead_after_s)
    waited_s = loop.time() - began
    demand(
        found is not None,
        f"a heartbeat after {settings.heartbeat_s:g} s without sending",
        connection.end
        if connection.closed
        else f"silence for {settings.dead_after_s:g} s: it counts as dead",
    )
    advise(
        waited_s <= LATE * settings.heartbeat_s + SLACK_S,
        f"a heartbeat after {settings.heartbeat_s:g} s without sending",
        f"one after {waited_s:.1f} s",
    )
    return f"after {waited_s:.1f} s"


def _anything(_: Item) -> bool:
    return True


def _unless_legacy(harness: Harness) -> None:
    if harness.settings.legacy:
        raise SkippedError("it speaks only the patent: nobody registers")


CHECKS: Final = (
    Check(
        name="connects",
        title="It connects to linkage, or takes linkage's connection",
        section="connections",
        remedy="Check the address, and that nothing between the two machines drops connections.",
        run=_connects,
    ),
    Check(
        name="registers",
        title="Its first message is its registration (190 or 290)",
        section="registration",
        remedy="Send one frame (flag 01, 00, length in two bytes big-endian, which counts the "
        "payload only) with the request 190 or 290 before all else. It needs PlatformId or "
        "AppId, ProtoVer, Time, Nonce and Digest.",
        run=_registers,
    ),
    Check(
        name="digest",
        title="Digest, Time and Nonce prove that it knows the secret",
        section="digest",
        remedy="Digest is the lower-case hex HMAC-SHA256, with the secret in UTF-8 as the key, "
        "over Type, PeerId, Time and Nonce as sent, joined by single line feeds. Time has a "
        "zone and is within 300 s; Nonce has 8–64 characters.",
        run=_proves,
    ),
    Check(
        name="waits-for-registration",
        title="It sends only heartbeats until its registration is answered",
        section="registration",
        remedy="Keep messages back until the response to the registration has Result 0–9.",
        run=_waits,
    ),
    Check(
        name="judges-registration",
        title="It refuses a registration with a wrong secret, clock or used nonce",
        section="registration",
        remedy="Compute the Digest of linkage's 190 yourself, compare Time with your clock, "
        "remember each Nonce for ten minutes; answer 201.",
        run=_judges,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="refuses-strangers",
        title="It takes nothing from who has not registered",
        section="registration",
        remedy="Answer 200, or close, until linkage's registration was accepted.",
        run=_stranger,
        roles=(Role.APPLICATION,),
    ),
    Check(
        name="heartbeats-unanswered",
        title="It does not answer heartbeats",
        section="heartbeats",
        remedy="A frame with flag 02 is a sign of life and nothing else: send nothing for it.",
        run=_leaves_heartbeats_alone,
    ),
    Check(
        name="sends-heartbeats",
        title="It sends heartbeats while it has nothing to say",
        section="heartbeats",
        remedy="Send the four bytes 02 00 00 00 when nothing was sent for 10 s; after 30 s of "
        "silence linkage takes a peer for dead.",
        run=_beats,
    ),
)

LATE_CHECKS: Final = (
    Check(
        name="refused-registration",
        title="It sends nothing after its registration was refused, and comes back later",
        section="registration",
        remedy="On a Result of 10 or more, close; after 404 and 206 try again after RetryAfter "
        "seconds with a new Nonce.",
        run=_refused,
    ),
)
