"""The campaign: a centre that lies, honest texts between the lies, the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from linkage.client import Application
from protocol import messages as m
from simulators.clock import RealClock
from simulators.sms_centre import SmsCentre
from tests.load.fuzz.target import CANARY_SECRET, Target
from tests.load.sms_fuzz.damage import make_end, make_pdu

DESK: Final = "canary-desk"
CITIZEN: Final = "13900000077"
ROUND: Final = 250
"""Damaged PDUs between two honest texts."""
ENDS: Final = 5
"""How often a lie ends the link: the adapter comes back after a pause, a longer one each time."""
SERVED_WITHIN_S: Final = 60.0
MiB: Final = 1024 * 1024
GROWTH_MAX: Final = 8 * MiB
"""Over the second half: what is kept of texts of which parts are missing is bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzz:
    """How many damaged PDUs, of which seed."""

    pdus: int = 10_000
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Report:
    """The verdict: `failures` in words (none: it passed), and the figures."""

    plan: Fuzz
    took_s: float = 0.0
    ways: dict[str, int] = field(default_factory=dict)
    received: int = 0
    """Texts that the application was told: what of the lies could be read, and the honest."""
    honest: int = 0
    """Texts that were sent and delivered, and answered, between the lies."""
    links: int = 0
    rss_mib: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"ok": not self.failures, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{sum(self.ways.values())} damaged PDUs, seed {self.plan.seed}: {self.ways}"
        yield f"  took      {self.took_s:.0f} s, over {self.links} links"
        yield f"  received  {self.received} texts were told to the application"
        yield f"  honest    {self.honest} texts sent, delivered and answered meanwhile"
        if self.rss_mib:
            half = self.rss_mib[len(self.rss_mib) // 2]
            yield (
                f"  memory    {self.rss_mib[0]:.0f} MiB at first, {half:.0f} half way, "
                f"{self.rss_mib[-1]:.0f} at the end"
            )
        for failure in self.failures:
            yield f"FAILED: {failure}"
        if not self.failures:
            yield "it served throughout: no traceback, every honest text was told, memory is flat"
        plan = self.plan
        yield f"again: python -m tests.load.sms_fuzz --pdus {plan.pdus} --seed {plan.seed}"


def configure(folder: Path, port: int, *, centre_port: int) -> Path:
    """One application, and the adapter at the centre that lies."""
    path = folder / "linkage.toml"
    path.write_text(
        f'listen = ["127.0.0.1:{port}"]\n[[peer]]\nid = "{DESK}"\nrole = "application"\n'
        f'secret = "{CANARY_SECRET}"\nnumbers = ["12345"]\n'
        '[[adapter]]\nid = "sms"\nkind = "smpp"\n[adapter.settings]\n'
        f'address = "127.0.0.1:{centre_port}"\nsystem_id = "linkage"\npassword = "secret"\n'
        'sender = "12345"\nresponse_s = 5.0\n',
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


def run_fuzz(plan: Fuzz, folder: Path) -> Report:
    """Run a campaign in `folder`; the store and the log stay there."""
    return asyncio.run(_Campaign(plan, folder).run())


class _Campaign:
    def __init__(self, plan: Fuzz, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self.report = Report(plan=plan)
        self._told: Counter[str | None] = Counter()
        self._ways: Counter[str] = Counter()

    async def run(self) -> Report:
        report, began = self.report, time.monotonic()
        async with SmsCentre(clock=RealClock(speed=20.0), on_event=self._note) as centre:
            where = partial(configure, centre_port=centre.address[1])
            target = Target(self._folder, where)
            try:
                await target.child.listens(target.port)
                address = ("127.0.0.1", target.port)
                async with Application(*address, DESK, secret=CANARY_SECRET) as desk:
                    listening = asyncio.get_running_loop().create_task(self._listen(desk))
                    try:
                        await self._attack(centre, desk, target)
                    finally:
                        listening.cancel()
                        await asyncio.wait({listening})
            finally:
                target.child.stop()
        report.took_s, report.ways = time.monotonic() - began, dict(self._ways)
        report.failures += [f"the log says: {line}" for line in target.complaints()]
        half = report.rss_mib[len(report.rss_mib) // 2 :]
        if half and (half[-1] - half[0]) * MiB > GROWTH_MAX:
            report.failures.append(
                f"memory grows: {half[-1] - half[0]:.0f} MiB in the second half"
            )
        return report

    def _note(self, what: str) -> None:
        self.report.links += what.endswith("is bound")

    async def _listen(self, desk: Application) -> None:
        async for notice in desk.notices():
            if isinstance(notice.message, m.SmsReceivedNotice):
                self.report.received += 1
                self._told[notice.message.content] += 1

    async def _attack(self, centre: SmsCentre, desk: Application, target: Target) -> None:
        rounds = -(-self._plan.pdus // ROUND)
        for turn in range(rounds):
            if not await self._is_served(centre, desk, turn):
                return
            self.report.rss_mib.append(target.rss() / MiB)
            for number in range(turn * ROUND, min((turn + 1) * ROUND, self._plan.pdus)):
                way, data = make_pdu(self._plan.seed, number)
                self._ways[way] += 1
                centre.send_raw(data)
                await centre.drain()
            if turn % max(1, rounds // ENDS) == rounds // ENDS - 1:
                centre.send_raw(make_end(self._plan.seed, turn))
        if await self._is_served(centre, desk, rounds):
            self.report.rss_mib.append(target.rss() / MiB)

    async def _is_served(self, centre: SmsCentre, desk: Application, turn: int) -> bool:
        """An honest text goes out, its receipt comes, and a citizen's text comes in."""
        try:
            async with asyncio.timeout(SERVED_WITHIN_S):
                await self._send(desk, f"138{turn:08}")
                question = f"honest question {turn}"
                centre.receive(CITIZEN, "12345", question)
                while not self._told[question]:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.report.failures.append(f"after {turn * ROUND} PDUs honest texts are not served")
            return False
        self.report.honest += 1
        return True

    async def _send(self, desk: Application, number: str) -> None:
        """Until one was delivered: what the lies answer in the centre's name is believed."""
        text = m.SendSms(receivers=(m.Receiver(phone_num=number),), content="Where are you?")
        while True:
            reply = await desk.send(text, check=False)
            if reply.response.accepted:
                async for outcome in reply.outcomes():
                    if isinstance(outcome, m.SmsReportNotice) and outcome.status is not None:
                        if outcome.status is m.SmsReportStatus.DELIVERED:
                            return
                        break
                    if getattr(outcome, "status", None) is m.SmsSendStatus.FAILED:
                        break
            await asyncio.sleep(0.1)
