"""The sending side: platforms that live on while everything else dies."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from linkage.client import Backoff, Platform
from linkage.client.connecting import State
from tests.load.campaign.plan import SECRET, Notice, Plan

SOON: Final = Backoff(first_s=0.05, most_s=0.5)
AT_ONCE: Final = 128
"""Notices of one platform that wait for their answers: twice a window, so that it is always full
after an outage."""
DUPLICATE: Final = "duplicate"


@dataclass(slots=True)
class Sent:
    """What became of the notices of all platforms. Seconds are monotonic."""

    order: dict[str, list[Notice]] = field(default_factory=dict)
    """What each platform sent, in this order."""
    answered: set[str] = field(default_factory=set)
    """Keys that were answered 0."""
    refused: list[str] = field(default_factory=list)
    """What was answered with anything else, in words."""
    duplicates: int = 0
    """Answers that said «duplicate»: the first answer had been swallowed by a kill."""
    sessions: int = 0
    answers: int = 0
    longest_wait_s: float = 0.0
    """The longest time without any answer while answers were owed."""
    open: int = 0
    last_at: float = field(default_factory=time.monotonic)

    def sending(self, platform: str, notice: Notice) -> None:
        """One more is on its way."""
        self.order[platform].append(notice)
        if not self.open:
            self.last_at = time.monotonic()
        self.open += 1

    def took(self, notice: Notice, result: int, detail: str | None) -> None:
        """It was answered."""
        now = time.monotonic()
        self.longest_wait_s = max(self.longest_wait_s, now - self.last_at)
        self.last_at = now
        self.open -= 1
        self.answers += 1
        self.duplicates += detail == DUPLICATE
        if result == 0:
            self.answered.add(notice.key)
        else:
            self.refused.append(f"{notice.key}: {result} {detail or ''}")


async def send_all(plan: Plan, port: int, sent: Sent) -> None:
    """Let every platform send everything, at the rate of the plan; ends when all is answered."""
    async with asyncio.TaskGroup() as group:
        for name in plan.platform_ids:
            sent.order[name] = []
            group.create_task(_send(plan, port, name, sent))


async def _send(plan: Plan, port: int, name: str, sent: Sent) -> None:
    def seen(state: State, _reason: str) -> None:
        sent.sessions += state is State.READY

    platform = Platform(
        "127.0.0.1", port, name, secret=SECRET, backoff=SOON, open_timeout_s=None, on_state=seen
    )
    room = asyncio.Semaphore(AT_ONCE)
    every_s = plan.connections / plan.rate
    due = time.monotonic()
    async with platform, asyncio.TaskGroup() as group:
        for notice in plan.notices_of(name):
            await room.acquire()
            # After an outage the rate is kept to as well: what was missed is not made up for.
            due = max(due + every_s, time.monotonic() - 1.0)
            if (early_s := due - time.monotonic()) > 0:
                await asyncio.sleep(early_s)
            sent.sending(name, notice)
            group.create_task(_notify(platform, notice, sent, room))


async def _notify(platform: Platform, notice: Notice, sent: Sent, room: asyncio.Semaphore) -> None:
    response = await platform.notify(notice.message)
    sent.took(notice, response.result, response.detail)
    room.release()
