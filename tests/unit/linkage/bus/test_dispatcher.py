"""What the core does for a part while it is still taking a link."""

from __future__ import annotations

import asyncio
from pathlib import Path

from linkage.bus.dispatcher import Dispatcher
from linkage.bus.part import Part
from linkage.ports import LinkPort
from tests.fakes.core_links import Site
from tests.fakes.said import incoming


class Nowhere:
    """A file store that nobody uses here."""

    async def save(self, *_: object) -> None:
        raise AssertionError


def dispatcher_of(site: Site) -> tuple[Dispatcher, Part]:
    part = Part(b"p1", "gateway", "i1", lambda _identity, _envelope: True, site.core)
    return Dispatcher(site.core, Nowhere(), frozenset()), part  # type: ignore[arg-type]  # no file comes


def link_of(site: Site, peer: str) -> LinkPort | None:
    return site.core._queues.of(peer).link


async def test_a_link_that_goes_while_the_core_takes_it_leaves_nothing(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        dispatcher, part = dispatcher_of(site)
        taking = dispatcher.adopt(part, 1, "10.0.0.1:5", 64, "pbx")
        dispatcher.closed(part, 1, "cut")
        await taking

        assert link_of(site, "pbx") is None


async def test_deliveries_begin_that_were_asked_for_while_the_core_took_the_link(
    tmp_path: Path,
) -> None:
    async with Site(tmp_path) as site:
        pbx = await site.connect("pbx")
        await site.say(pbx, incoming())
        dispatcher, part = dispatcher_of(site)
        taking = dispatcher.adopt(part, 1, "10.0.0.1:5", 64, "desk")
        dispatcher.begin(part, 1)
        await taking
        await site.settled()
        await asyncio.sleep(0)

        assert site.core._queues.of("desk").pushed == [1]
