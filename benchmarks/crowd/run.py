"""One run: a server with so many peers, the crowd, those who work in it, and the figures."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.comparison.frames import SECRET
from benchmarks.comparison.linkage_rig import Caller, Desk
from benchmarks.comparison.load import Flow, Load, latencies
from benchmarks.crowd.guests import Crowd
from benchmarks.process import BenchmarkError, Child, Memory, memory
from benchmarks.serving import port_of, serve_command
from protocol.roles import Role

SPARE: Final = 512
"""Descriptors beside those of the connections."""
DEAD_AFTER_S: Final = 30.0
"""The protocol's own, also where beats come faster: a slow disk is no reason to drop anybody."""
DEAD_AFTER_BEATS: Final = 3
REGISTER_WITHIN_S: Final = 60.0
"""For the same reason."""
TALKERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do.

    Args:
        connections: how many guests.
        minutes: how long they stay once all are there.
        rate: notices a second, of all that work together.
        heartbeat_s: the interval, at both ends.
    """

    connections: int
    minutes: float
    rate: float
    heartbeat_s: float


def allow_descriptors(wanted: int) -> None:
    """Raise the limit of open files for this process and those that it starts.

    Raises:
        BenchmarkError: it may not be raised so far; with the remedy.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, PermissionError):
            raise BenchmarkError(
                f"{wanted} open files are needed, {hard} are allowed: run as root, or raise "
                f"`nofile` in /etc/security/limits.conf, or take fewer --connections"
            ) from None
    elif soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    else:
        return
    print(f"open files: raised from {soft} to {wanted}", file=sys.stderr)


def guest_list(connections: int) -> list[tuple[Role, str]]:
    """Platforms and applications in turn."""
    roles = (Role.PLATFORM, Role.APPLICATION)
    return [(roles[number % 2], f"guest{number}") for number in range(connections)]


def configuration(plan: Plan) -> str:
    """A linkage.toml with every guest, and limits that let them all in at once."""
    everybody = plan.connections + SPARE
    lines = [
        'listen = ["127.0.0.1:0"]',
        f"[timers]\nheartbeat_s = {plan.heartbeat_s}\nregister_within_s = {REGISTER_WITHIN_S}",
        f"dead_after_s = {max(DEAD_AFTER_S, plan.heartbeat_s * DEAD_AFTER_BEATS)}",
        f"[limits]\nconnections = {everybody}\nunregistered = {everybody}",
        f"unregistered_per_address = {everybody}",
        f"connects_per_s = {everybody}\nconnects_burst = {everybody}",
    ]
    peers = [(Role.APPLICATION, "desk"), *((Role.PLATFORM, f"pbx{n}") for n in range(TALKERS))]
    for role, peer_id in [*peers, *guest_list(plan.connections)]:
        lines.append(f'[[peer]]\nid = "{peer_id}"\nrole = "{role}"\nsecret = "{SECRET}"')
        if role is Role.APPLICATION:
            # Each has a number of its own: a call is one application's, not everybody's.
            number = "2222" if peer_id == "desk" else peer_id.replace("guest", "9")
            lines.append(f'numbers = ["{number}"]')
    return "\n".join(lines) + "\n"


async def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Do it; returns the figures."""
    path = folder / "linkage.toml"
    path.write_text(configuration(plan), encoding="utf-8")
    path.chmod(0o600)
    began = time.perf_counter()
    server = Child(serve_command(path), folder / "server.log")
    try:
        port = await port_of(server)
        started_s = time.perf_counter() - began
        figures = await _stay(plan, server, port)
    finally:
        server.stop()
    return {"started_s": round(started_s, 2), **figures}


async def _stay(plan: Plan, server: Child, port: int) -> dict[str, Any]:
    before = memory(server.pid)
    crowd = Crowd(port, plan.heartbeat_s)
    # From the first on: the first would be dead before the last is there.
    beating = asyncio.get_running_loop().create_task(crowd.beat())
    try:
        began, cpu = time.perf_counter(), server.cpu_s()
        await crowd.enter(guest_list(plan.connections))
        entered_s, entered_cpu_s = time.perf_counter() - began, server.cpu_s() - cpu
        print(f"{len(crowd)} are registered after {entered_s:.1f} s", file=sys.stderr)
        idle_core = await _share(server, asyncio.sleep(2 * plan.heartbeat_s))
        settled = memory(server.pid)
        flow = Flow()
        load = Load(flow, await _talkers(flow, port), delivers=True)
        staying = _report(crowd, server, load.keep_pace(plan.rate, plan.minutes * 60))
        busy_core = await _share(server, staying)
        at_end, present = memory(server.pid), len(crowd)
    finally:
        beating.cancel()
        crowd.leave()
    return {
        "entered_s": round(entered_s, 2),
        "entered_cpu_s": round(entered_cpu_s, 2),
        **_memory_figures(plan, before, settled, at_end),
        "present": present,
        "dropped": len(crowd.dropped),
        "heartbeats": crowd.beats,
        "heartbeats_late": latencies(crowd.late),
        "idle_core": idle_core,
        "busy_core": busy_core,
        "notices": {
            "sent": flow.sent,
            "delivered": flow.delivered,
            "refused": flow.refused,
            "answer": latencies(flow.answers),
            "delivery": latencies(flow.deliveries),
        },
    }


async def _talkers(flow: Flow, port: int) -> Sequence[Caller]:
    loop = asyncio.get_running_loop()
    desk = Desk(flow)
    callers = [Caller(f"pbx{number}", flow) for number in range(TALKERS)]
    for peer in (desk, *callers):
        await loop.create_connection(lambda peer=peer: peer, "127.0.0.1", port)  # type: ignore[misc]  # a default binds it now
        await peer.registered
    return callers


async def _share(server: Child, work: Any) -> float:
    """The server's share of its core while something lasts."""
    began, cpu = time.perf_counter(), server.cpu_s()
    await work
    return round((server.cpu_s() - cpu) / (time.perf_counter() - began), 4)


async def _report(crowd: Crowd, server: Child, work: Any) -> None:
    """Say every half minute how it stands."""
    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(_run(work))
        began = time.perf_counter()
        while not talking.done():
            await asyncio.wait({talking}, timeout=30)
            minutes, held = (time.perf_counter() - began) / 60, memory(server.pid)
            print(
                f"{minutes:5.1f} min: {len(crowd)} there, {len(crowd.dropped)} dropped, "
                f"{held.pss_kib / 1024:.0f} MiB",
                file=sys.stderr,
            )


async def _run(work: Any) -> None:
    await work


def _memory_figures(plan: Plan, before: Memory, settled: Memory, at_end: Memory) -> dict[str, Any]:
    def each(kib: int) -> float:
        return round(kib / plan.connections, 2)

    return {
        "memory": {
            "before": asdict(before),
            "settled": asdict(settled),
            "at_end": asdict(at_end),
        },
        "rss_kib_each": each(settled.rss_kib - before.rss_kib),
        "pss_kib_each": each(settled.pss_kib - before.pss_kib),
    }
