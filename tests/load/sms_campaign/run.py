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

from simulators.sms_centre import SmsCentre
from tests.load.campaign.parts import CrashedError, Part
from tests.load.sms_campaign.desk import Desk
from tests.load.sms_campaign.plan import Plan, behaviour_of, write_config
from tests.load.sms_campaign.verdict import Report, judge

ROOT: Final = Path(__file__).parents[3]
LOOK_EVERY_S: Final = 0.01
STALLED_AFTER_S: Final = 90.0
"""No end was told for so long: some texts are forgotten."""
QUIET_S: Final = 3.0
"""What comes late has come, where nothing was told for so long and the centre holds nothing."""

Say = Callable[[str], None]


def run_campaign(plan: Plan, folder: Path, say: Say = lambda _line: None) -> Report:
    """Run it in a folder, which keeps the store and the log.

    Raises:
        CrashedError: linkage ended by itself.
    """
    return asyncio.run(_Campaign(plan, folder, say).run())


class _Campaign:
    def __init__(self, plan: Plan, folder: Path, say: Say) -> None:
        self._plan, self._folder, self._say = plan, folder, say
        self._killed = 0
        os.environ["PYTHONPATH"] = str(ROOT)  # what is measured is this tree, wherever one stands

    async def run(self) -> Report:
        began = time.monotonic()
        async with SmsCentre(behaviour=behaviour_of) as centre:
            config, port = write_config(self._folder, centre.address[1])
            serve = [sys.executable, "-m", "linkage", "serve", "--log-level", "warning"]
            lot = random.Random(f"{self._plan.seed} parts")
            part = Part(
                "linkage", lambda: [*serve, "-c", str(config)], self._folder / "linkage.log", lot
            )
            desk = Desk(self._plan, port)
            try:
                async with asyncio.TaskGroup() as group:
                    running = group.create_task(part.run())
                    listening = group.create_task(desk.run())
                    await self._kill(part, desk)
                    is_ended = await self._ended(desk, centre)
                    listening.cancel()
                    await part.stop()
                    await running
            except* CrashedError as errors:
                raise errors.exceptions[0] from None
            finally:
                part.abandon()
        return judge(
            self._plan, desk.account, centre, config,
            kills=part.kills, took_s=time.monotonic() - began, is_ended=is_ended,
        )  # fmt: skip

    async def _kill(self, part: Part, desk: Desk) -> None:
        for kill in self._plan.schedule():
            changed, before = time.monotonic(), -1
            while desk.account.ended < kill.told:
                now = time.monotonic()
                if desk.account.ended != before:
                    before, changed = desk.account.ended, now
                if now - changed > STALLED_AFTER_S:
                    return  # the verdict says what was forgotten
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.sleep(kill.delay_s)
            while not part.kill():
                await asyncio.sleep(LOOK_EVERY_S)
            self._killed += 1
            self._say(f"killed linkage ({self._killed}) at {desk.account.ended} ends")

    async def _ended(self, desk: Desk, centre: SmsCentre) -> bool:
        """Wait until nothing more comes; whether everything came to its end."""
        before, changed = None, time.monotonic()
        while True:
            now = time.monotonic()
            counted = (desk.account.ended, sum(map(len, desk.account.words.values())))
            if counted != before:
                before, changed = counted, now
            is_done = desk.is_done.is_set() and not centre.stored
            if is_done and now - changed > QUIET_S:
                return True
            if now - changed > STALLED_AFTER_S:
                return False
            await asyncio.sleep(0.2)
