"""An adapter of a third party, as an installed package brings it: tells calls, one by one.

It tells each in one record with how many it has told: killed at any moment, it tells none twice.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from linkage.ports import Adapter, AdapterPort, Capability, Notice, Outcome
from protocol.envelope import Request
from protocol.messages import CallDirection, IncomingCallNotice


class FaultAdapter(Adapter):
    """Settings: `calls`, how many it tells."""

    name: ClassVar[str] = "fault"
    capabilities: ClassVar[Capability] = {202: frozenset()}

    async def run(self, port: AdapterPort) -> None:
        """Tell what is not told yet, then wait."""
        memory = await port.load()
        for number in range(memory.get("told", 0), int(self.context.settings["calls"])):
            call = IncomingCallNotice(
                call_id=f"A{number}",
                direction=CallDirection.IN,
                phone_num="139",
                to_num="2222",
            )
            await port.record([Notice(call)], memory={"told": number + 1})
        await asyncio.Event().wait()

    async def execute(self, request: Request) -> Outcome:
        """Never answers: whoever asks is still waiting when this process is killed."""
        self.context.settings.get(str(request.type))
        await asyncio.Event().wait()
        return Outcome()
