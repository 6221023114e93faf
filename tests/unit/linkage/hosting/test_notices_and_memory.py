"""What an adapter records: all of it at once, again until it is taken, and only what is JSON."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from linkage.hosting import AdapterHost
from linkage.ports import Notice, Outcome
from protocol.envelope import Request
from protocol.messages import QueryCall
from protocol.results import Result
from tests.fakes.core import FakeCore
from tests.fakes.hosted_adapter import Pauses, Scripted, answer_to, hang_up, incoming


async def test_notices_and_memory_are_one_record(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    assert adapter.port is not None
    await adapter.port.record([Notice(incoming()), Notice(incoming())], {"a": {"名": 1}, "b": 2})
    await adapter.port.record(memory={"b": None})

    assert len(core.submitted) == 2
    assert core.memory == {"a": '{"名": 1}', "b": None}
    assert await adapter.port.load() == {"a": {"名": 1}}
    assert host.figures.notices == 2


async def test_a_record_is_offered_again_as_it_was(
    host: AdapterHost, core: FakeCore, adapter: Scripted, pauses: Pauses
) -> None:
    core.refusals = [Result.OVERLOAD, Result.OVERLOAD]
    assert adapter.port is not None
    await adapter.port.record([Notice(incoming())], {"a": 1})

    assert core.memory == {"a": "1"}
    assert len(core.submitted) == 3
    assert len({(request.id, request.time) for request in core.submitted}) == 1
    assert pauses.asked == [0.1, 0.2]


@pytest.mark.parametrize("value", [object(), {1, 2}, {("a", "b"): 1}])
async def test_a_memory_that_is_no_json_is_an_error_and_nothing_is_recorded(
    host: AdapterHost, core: FakeCore, adapter: Scripted, value: Any
) -> None:
    assert adapter.port is not None
    with pytest.raises((TypeError, ValueError)):
        await adapter.port.record([Notice(incoming())], {"good": 1, "bad": value})

    assert (core.submitted, core.memory) == ([], {})


async def test_ids_that_a_response_has_no_attribute_for_stand_in_its_detail(
    host: AdapterHost, core: FakeCore, adapter: Scripted
) -> None:
    async def told(_: Request) -> Outcome:
        return Outcome(
            ids={"call_id": "C1", "conference_id": None, "sms_id": "S1", "record_id": "R 2"},
            detail="queued",
        )

    adapter.executing = told
    answer = await answer_to(host, core, hang_up("1"))

    assert (answer.call_id, answer.conference_id) == ("C1", None)
    assert answer.detail == "queued; SmsId S1; RecordId R 2"


async def test_commands_without_a_key_wait_for_nobody(
    host: AdapterHost, core: FakeCore, adapter: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter says which commands are about the same, not the host."""
    gate = asyncio.Event()

    async def wait(_: Request) -> Outcome:
        await gate.wait()
        return Outcome()

    adapter.executing = wait
    monkeypatch.setattr(adapter, "serial_key", lambda _: None)
    for number in ("1", "2"):
        host.push(hang_up(number))
    async with asyncio.timeout(30):
        while len(adapter.begun) < 2:  # noqa: ASYNC110 - the adapter has no event for it
            await asyncio.sleep(0)
    gate.set()
    await core.until(lambda: len(core.answers) == 2)


async def test_what_lives_is_not_known_of_an_adapter_that_is_no_snapshots(
    host: AdapterHost, core: FakeCore, adapter: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        name = "deaf"
        capabilities = adapter.capabilities
        serial_key = staticmethod(lambda _: None)

    monkeypatch.setattr(host._commands.execution, "_adapter", Deaf())
    answer = await answer_to(host, core, Request(id="1", message=QueryCall(call_id="c1")))

    assert (answer.result, answer.detail) == (501, "deaf cannot tell what lives")
