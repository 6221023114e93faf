"""What was delivered, once more: 294, its originals and its end."""

from __future__ import annotations

from linkage.core.requests.replay import REPLAY_MAX
from protocol import messages as m
from tests.fakes.core_links import Site, accept, many
from tests.fakes.said import hangup, incoming


async def test_a_replay_brings_the_originals_and_then_its_end(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 5)
    await desk.heard(6)
    await site.settled()

    asked = m.ReplayRequest(from_seq=2, to_seq=4)
    assert (await site.say(desk, asked, "again")).result == 1
    await desk.heard(10)

    assert desk.seqs[6:] == [2, 3, 4, 7]
    assert [request.resend for request in desk.pushed[6:]] == [True, True, True, False]
    assert [r.message for r in desk.pushed[6:9]] == [r.message for r in desk.pushed[1:4]]
    end = desk.pushed[9].message
    assert isinstance(end, m.ReplayEndNotice)
    assert (end.request_id, end.from_seq, end.to_seq, end.count) == ("again", 2, 4, 3)


async def test_a_replay_may_be_of_some_types_only(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    desk.answers = accept
    await site.say(pbx, incoming())
    await many(site, pbx, 3)
    await site.say(pbx, hangup())
    await desk.heard(5)
    await site.settled()

    await site.say(desk, m.ReplayRequest(from_seq=1, numbers=("100", "102")))
    await desk.heard(8)

    assert desk.types[5:] == [100, 102, 194]
    end = desk.pushed[-1].message
    assert isinstance(end, m.ReplayEndNotice)
    assert end.count == 2


async def test_a_replay_of_nothing_ends_at_once(site: Site) -> None:
    desk = await site.connect("desk")

    await site.say(desk, m.ReplayRequest(from_seq=5))
    (end,) = await desk.heard(1)

    assert isinstance(end.message, m.ReplayEndNotice)
    assert end.message.count == 0


async def test_a_replay_has_bounds(site: Site) -> None:
    await site.connect("desk")
    await site.sql("UPDATE peer SET next_seq = 30000 WHERE peer_id = 'desk'")
    await site.restart()
    desk = await site.connect("desk")

    for from_seq, to_seq, result in (
        (0, 3, 103),
        (5, 4, 103),
        (5, 5, 1),
        (1, REPLAY_MAX, 1),
        (1, REPLAY_MAX + 1, 103),
    ):
        asked = m.ReplayRequest(from_seq=from_seq, to_seq=to_seq)
        assert (await site.say(desk, asked)).result == result, asked
