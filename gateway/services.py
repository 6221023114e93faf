"""What every part of one gateway shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from gateway.roster import Roster
from gateway.settings import GatewaySettings
from linkage.ports import Clock, CorePort


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The core, the clock, the figures, who is connected, and the work that is going on.

    `work` holds the tasks of all sessions: a submit that was begun is waited for at a shutdown,
    also when its session is gone.
    """

    core: CorePort
    clock: Clock
    settings: GatewaySettings
    roster: Roster
    work: set[asyncio.Task[Any]] = field(default_factory=set)
