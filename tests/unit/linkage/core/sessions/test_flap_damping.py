"""Two programs that register as one peer: damped, and told as a sum."""

from __future__ import annotations

from pathlib import Path

from linkage.core.sessions.flap_damping import BURST, EVERY_S, SUM_EVERY_S, FlapDamping
from linkage.ports import EntryKind
from protocol.results import Result
from tests.fakes.core_links import FakeLink, Site


async def register(site: Site, name: str = "desk") -> tuple[FakeLink, int, int | None]:
    link = FakeLink(site.core, name)
    response = await site.core.register(link, site.registration(name))
    return link, response.result, response.retry_after_s


async def test_two_that_replace_each_other_are_damped_and_journalled_as_a_sum(
    tmp_path: Path,
) -> None:
    async with Site(tmp_path) as site:
        await register(site)
        for _ in range(BURST):
            here, result, _ = await register(site)
            assert result == 0
        for _ in range(200):
            _, result, retry_s = await register(site)
            assert (result, retry_s) == (Result.RATE_LIMITED, EVERY_S)
        assert here.reasons == [], "who is here stays"
        assert (await register(site, "other"))[1] == 0, "nobody else is held up"

        site.clock.advance(EVERY_S)
        here, result, _ = await register(site)
        assert result == 0
        assert (await register(site))[1] == Result.RATE_LIMITED
        site.clock.advance(SUM_EVERY_S)
        await site.sweep()
        await site.sweep()
        refused = [row.detail for row in site.journal() if row.kind == EntryKind.REFUSED]
        assert len(refused) == 2
        assert "two programs register as desk" in refused[0]
        assert refused[1].startswith("200 more registrations refused")


async def test_who_comes_back_when_nobody_is_here_is_never_held_up(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        for _ in range(5 * BURST):
            link, result, _ = await register(site)
            assert result == 0
            site.core.closed(link, "the network was lost")
        assert EntryKind.REFUSED not in {row.kind for row in site.journal()}


async def test_a_peer_that_leaves_half_open_sessions_now_and_then_is_not_held_up(
    tmp_path: Path,
) -> None:
    async with Site(tmp_path) as site:
        for _ in range(5 * BURST):
            assert (await register(site))[1] == 0
            site.clock.advance(EVERY_S)


def test_what_is_over_is_forgotten() -> None:
    rivals = FlapDamping()
    for number in range(BURST):
        rivals.replaced("desk", float(number))
    assert list(rivals.sums(EVERY_S * BURST + SUM_EVERY_S)) == []
    assert rivals.wait_s("desk", EVERY_S * BURST + SUM_EVERY_S) == 0
