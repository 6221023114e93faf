"""What an adapter tells and what it keeps: in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from linkage.core.context import Context
from linkage.core.requests.incoming import Handled, Incoming
from linkage.core.requests.request_journal import RequestJournal
from linkage.core.requests.submit import Submit
from linkage.ports import EntryKind, NoticeRequest, Recorded
from protocol import messages as m
from protocol.envelope import Request
from protocol.message import Message
from protocol.results import Result
from tests.fakes.core_links import FakeLink, Site, messages_of
from tests.fakes.said import hangup, incoming


async def adopted(site: Site) -> FakeLink:
    link = FakeLink(site.core, "pbx")
    await site.core.adopt(link, "pbx")
    return link


def notice(site: Site, id_: str, message: Message) -> NoticeRequest:
    return NoticeRequest(Request(id=id_, message=message, time=site.clock.utc()))


async def remember(site: Site, link: FakeLink, memory: Mapping[str, str | None]) -> Recorded:
    return await site.core.record(link, [], memory)


async def test_an_adapter_s_memory_survives(site: Site) -> None:
    link = await adopted(site)
    await remember(site, link, {"channels": '{"a": [1, "二"]}', "gone": "1"})
    await remember(site, link, {"channels": '{"a": [2]}', "gone": None})

    await site.kill()

    assert await site.core.recall("pbx") == {"channels": {"a": [2]}}
    assert await site.core.recall("pbx2") == {}


async def test_what_cannot_be_read_of_an_adapter_s_memory_spoils_but_itself(site: Site) -> None:
    link = await adopted(site)
    await remember(site, link, {"whole": '{"a": 1}', "torn": '{"a": '})

    assert await site.core.recall("pbx") == {"whole": {"a": 1}, "torn": '{"a": '}


async def test_a_record_that_cannot_be_written_is_to_be_tried_again_as_a_whole(site: Site) -> None:
    link = await adopted(site)
    await site.limit_pages()

    told = [notice(site, "a1", incoming())]
    done = await site.core.record(link, told, {"k": f'"{"x" * 200_000}"'})

    assert (done.result, done.retry_after_s, done.responses) == (Result.OVERLOAD, 5, ())
    assert messages_of(site) == []
    await site.limit_pages(1_000_000)
    site.clock.advance(5)
    assert (await site.core.record(link, told, {"k": "1"})).result == 0
    assert len(messages_of(site)) == 1
    assert await site.core.recall("pbx") == {"k": 1}


async def test_a_record_of_a_link_that_is_gone_is_not_taken(site: Site) -> None:
    link = await adopted(site)
    site.core.closed(link, "gone")

    done = await site.core.record(link, [notice(site, "a1", incoming())], {"k": "1"})

    assert done.result == Result.SESSION_EXPIRED
    assert await site.core.recall("pbx") == {}


async def test_a_record_is_one_commit_and_keeps_its_order(site: Site) -> None:
    link = await adopted(site)
    commits = sum(site.core.figures.commits.counts)

    told = [notice(site, "a1", incoming()), notice(site, "a2", hangup())]
    done = await site.core.record(link, told, {"k": "1"})

    assert sum(site.core.figures.commits.counts) == commits + 1
    assert [response.request_id for response in done.responses] == ["a1", "a2"]
    assert [row.type for row in messages_of(site)] == [100, 102]
    assert site.core.figures.requests[102, 0] == 1, "each notice is counted"


async def test_a_refused_notice_stops_neither_the_others_nor_the_memory(site: Site) -> None:
    link = await adopted(site)
    command = m.Hangup(call_id="C1")  # not an adapter's to send

    told = [notice(site, "a1", command), notice(site, "a2", incoming())]
    done = await site.core.record(link, told, {"k": "1"})

    first, second = (response.result for response in done.responses)
    assert first >= 200
    assert second == 0
    assert [row.type for row in messages_of(site)] == [100]
    assert await site.core.recall("pbx") == {"k": 1}


async def test_the_same_record_twice_is_told_once(site: Site) -> None:
    """As where its answer was lost with a core that was killed after the commit."""
    link = await adopted(site)
    told = [notice(site, "a1", incoming()), notice(site, "a2", hangup())]
    await site.core.record(link, told, {"k": "1"})
    await site.kill()
    link = FakeLink(site.core, "pbx")
    await site.core.resume(link, "pbx", ())

    done = await site.core.record(link, told, {"k": "1"})

    assert [(each.result, each.detail) for each in done.responses] == [(0, "duplicate")] * 2
    assert [row.type for row in messages_of(site)] == [100, 102]


@pytest.mark.parametrize("deep", [False, True])
async def test_a_bug_at_one_notice_costs_neither_the_others_nor_the_memory(
    site: Site, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    link = await adopted(site)
    run, refuse = Submit.run, RequestJournal.refuse

    def buggy(submit: Submit, context: Context) -> Handled:
        if submit.request.id == "a2":
            raise ZeroDivisionError
        return run(submit, context)

    def buggy_too(
        journal: RequestJournal, incoming: Incoming, result: int, detail: str
    ) -> Handled:
        if deep:
            raise ZeroDivisionError
        return refuse(journal, incoming, result, detail)

    monkeypatch.setattr(Submit, "run", buggy)
    monkeypatch.setattr(RequestJournal, "refuse", buggy_too)
    told = [
        notice(site, "a1", incoming()),
        notice(site, "a2", replace(incoming(), call_id="C2")),
        notice(site, "a3", hangup()),
    ]

    done = await site.core.record(link, told, {"k": "1"})

    assert [response.result for response in done.responses] == [0, Result.INTERNAL, 0]
    assert [row.type for row in messages_of(site)] == [100, 102]
    assert await site.core.recall("pbx") == {"k": 1}
    refused = [row for row in site.journal() if row.kind == EntryKind.REFUSED]
    assert len(refused) == (0 if deep else 1)


async def test_notices_of_a_record_that_cannot_be_written_are_counted_as_refused(
    site: Site,
) -> None:
    link = await adopted(site)
    await site.limit_pages()

    await site.core.record(link, [notice(site, "a1", incoming())], {"k": f'"{"x" * 200_000}"'})

    assert site.core.figures.requests[100, Result.OVERLOAD] == 1
    await site.limit_pages(1_000_000)
