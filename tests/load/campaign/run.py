"""One campaign from its start to its verdict."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.load.campaign.ledger import read_ledger
from tests.load.campaign.parts import CrashedError, Part
from tests.load.campaign.plan import Plan, write_config
from tests.load.campaign.platforms import Sent, send_all
from tests.load.campaign.verdict import Report, judge

ROOT: Final = Path(__file__).parents[2]
LOOK_EVERY_S: Final = 0.01
STALLED_AFTER_S: Final = 90.0
"""Nothing was answered or delivered for so long, with everything running: it never will be."""
FORGETFUL: Final = 0.5
"""How often a receiver starts without its `LastSeq`."""

Say = Callable[[str], None]


class StalledError(Exception):
    """The campaign does not come to its end; the text says at what."""


def run_campaign(plan: Plan, folder: Path, say: Say = lambda _line: None) -> Report:
    """Run it in a folder, which keeps the store, the ledgers and the logs.

    Raises:
        CrashedError: a part ended by itself.
        StalledError: notices are neither answered nor delivered any more.
    """
    return asyncio.run(_Campaign(plan, folder, say).run())


class _Campaign:
    def __init__(self, plan: Plan, folder: Path, say: Say) -> None:
        self._plan = plan
        self._folder = folder
        self._say = say
        self._config, self._port = write_config(plan, folder)
        self._sent = Sent()
        self._lot = random.Random(f"{plan.seed} parts")
        self._parts = {
            name: Part(name, self._command(name), folder / f"{name}.log", self._lot)
            for name in plan.server_parts + plan.receiver_ids
        }
        self._killed = 0
        os.environ["PYTHONPATH"] = str(ROOT)  # what is measured is this tree, wherever one stands

    def _command(self, name: str) -> Callable[[], list[str]]:
        python = [sys.executable, "-m"]
        if name in self._plan.server_parts:
            only = ["--only", name] if self._plan.split else []
            serve = [*python, "linkage", "serve", "--log-level", "warning", *only]
            return lambda: [*serve, "-c", str(self._config)]
        ledger = str(self._ledger(name))
        state = str(self._folder / f"{name}.position")
        receive = [*python, "tests.load.campaign.receiver", str(self._port), name, ledger]
        return lambda: receive if self._lot.random() < FORGETFUL else [*receive, state]

    def _ledger(self, name: str) -> Path:
        return self._folder / f"{name}.ledger"

    async def run(self) -> Report:
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts.values():
                    group.create_task(part.run())
                sending = group.create_task(send_all(self._plan, self._port, self._sent))
                killing = group.create_task(self._kill())
                await self._progress("answered", lambda: self._sent.answers, sending)
                await killing
                answered_s = time.monotonic() - began
                await self._progress("delivered", self._delivered, None)
                took_s = time.monotonic() - began
                for name in self._plan.receiver_ids + self._plan.server_parts[::-1]:
                    await self._parts[name].stop()
        except* (CrashedError, StalledError) as errors:
            raise errors.exceptions[0] from None
        finally:
            for part in self._parts.values():
                part.abandon()
        ledgers = {name: read_ledger(self._ledger(name)) for name in self._plan.receiver_ids}
        self._say("everything is stopped; checking what is on disk")
        return judge(
            self._plan, self._sent, ledgers, self._config,
            kills={name: part.kills for name, part in self._parts.items()},
            answered_s=answered_s, took_s=took_s,
        )  # fmt: skip

    async def _kill(self) -> None:
        for kill in self._plan.schedule():
            while self._sent.answers < kill.answered:
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.sleep(kill.delay_s)
            while not self._parts[kill.part].kill():
                await asyncio.sleep(LOOK_EVERY_S)
            self._killed += 1
            self._say(f"killed {kill.part} ({self._killed}) at {self._sent.answers} answers")

    def _delivered(self) -> int:
        """Lines of the ledgers; those seen twice count too, so the last ones are waited for."""
        names = {
            seen.key
            for name in self._plan.receiver_ids
            for seen in read_ledger(self._ledger(name))
        }
        return len(names)

    async def _progress(
        self, what: str, count: Callable[[], int], until: asyncio.Task[None] | None
    ) -> None:
        """Wait until a task is done, or all notices are counted.

        Raises:
            StalledError: the count stands still.
        """
        before, changed_at = -1, time.monotonic()
        while True:
            if until is not None and until.done():
                return
            now = await asyncio.to_thread(count)
            if until is None and now >= len(self._sent.answered):
                return
            if now != before:
                before, changed_at = now, time.monotonic()
            elif time.monotonic() - changed_at > STALLED_AFTER_S:
                raise StalledError(f"{now} of {self._plan.notices} notices are {what}, no more")
            await asyncio.sleep(0.5)
