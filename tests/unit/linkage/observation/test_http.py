"""Figures, metrics and probes: counted while linkage works, read by who asks over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway import ListenError
from linkage.client import Application, Platform
from linkage.clock import ManualClock
from linkage.config.file import Config
from linkage.hosting import AdapterHost, AdapterState
from linkage.observation import metric_families
from linkage.observation.http import CLIENTS_MAX, HealthServer, Phase
from linkage.observation.instruments import Figures, Histogram
from linkage.observation.lag import LoopLag
from linkage.ports import AdapterContext, AdapterRefusedError, AdapterUnavailableError
from linkage.server.metrics import STUCK_AFTER_S, watch_adapters, watch_core, watch_process
from linkage.server.server import Server
from protocol.messages import (
    CallDirection,
    CreateEvent,
    IncomingCallNotice,
    PlatformStatusNotice,
)
from tests.fakes.core import FakeCore
from tests.fakes.core_links import Site
from tests.fakes.hosted_adapter import NO_FILES, Scripted

SECRET = "a secret of the tests"
ANYWHERE = ("127.0.0.1", 0)


def fetch(
    watch: HealthServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    host, port = watch.address
    request = urllib.request.Request(
        f"http://{host}:{port}{path}", method=method, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def serving() -> HealthServer:
    watch = HealthServer(ANYWHERE)
    watch.phase = Phase.SERVING
    return watch


def config_of(tmp_path: Path, **more: Any) -> Config:
    return Config.model_validate(
        {
            "source": tmp_path / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "watch": {"listen": "127.0.0.1:0"},
            **more,
        }
    )


# --- figures -------------------------------------------------------------------------------------
def test_a_value_falls_into_the_bucket_that_ends_with_it() -> None:
    histogram = Histogram((0.001, 0.01))
    for value in (0.001, 0.0011, 0.01, 60.0):
        histogram.observe(value)
    assert histogram.counts == [1, 2, 1]
    assert histogram.total == pytest.approx(60.0121)


def test_a_clock_that_was_set_back_counts_as_no_time() -> None:
    histogram = Histogram((0.001,))
    histogram.observe(-5.0)
    assert (histogram.counts, histogram.total) == ([1, 0], 0.0)


def test_a_batch_counts_its_works_and_its_failure() -> None:
    figures = Figures()
    figures.committed(2, 0.001, failed=False)
    figures.committed(3, 0.0011, failed=True)
    assert figures.batches.total == 5
    assert sum(figures.commits.counts) == 2
    assert figures.failed_batches == 1


def test_buckets_are_shown_as_prometheus_sums_them() -> None:
    figures = Figures()
    for seconds in (0.0004, 0.003, 99.0):
        figures.queue_of("application").answered.observe(seconds)
    family = next(
        family
        for family in metric_families.core_families(figures)
        if family.name == "linkage_delivery_answer_seconds"
    )
    shown = {
        sample.labels.get("le"): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }
    assert (shown["0.0005"], shown["0.005"], shown["10.0"], shown["+Inf"]) == (1, 2, 2, 3)
    assert {sample.labels["role"] for sample in family.samples} == {"application"}


# --- probes --------------------------------------------------------------------------------------
def test_probes_say_what_is_wrong_and_nothing_where_all_is_well() -> None:
    problems: list[str] = []
    with serving() as watch:
        watch.add_checks(unready=lambda: problems)
        assert fetch(watch, "/readyz") == (200, "ok\n")
        problems.append("the store cannot be written")
        assert fetch(watch, "/healthz") == (200, "ok\n")
        assert fetch(watch, "/readyz") == (503, "the store cannot be written\n")


def test_a_warning_keeps_nobody_from_being_ready() -> None:
    with serving() as watch:
        watch.add_checks(warnings=lambda: ["200 MiB are free"])
        assert fetch(watch, "/readyz") == (200, "ok\nwarning: 200 MiB are free\n")
        assert fetch(watch, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize(
    ("query", "headers"), [("?format=json", {}), ("", {"Accept": "application/json"})]
)
def test_probes_speak_json_to_who_asks_for_it(query: str, headers: dict[str, str]) -> None:
    with serving() as watch:
        watch.add_checks(unready=lambda: ["full"], warnings=lambda: ["low"])
        status, body = fetch(watch, f"/readyz{query}", headers=headers)
    assert status == 503
    assert json.loads(body) == {
        "ok": False,
        "phase": "serving",
        "problems": ["full"],
        "warnings": ["low"],
    }


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STOPPING])
def test_who_starts_or_stops_is_well_but_not_ready(phase: Phase) -> None:
    with HealthServer(ANYWHERE) as watch:
        watch.phase = phase
        assert fetch(watch, "/healthz") == (200, "ok\n")
        assert fetch(watch, "/readyz") == (503, f"linkage is {phase.value}\n")


async def test_a_loop_that_stands_is_unhealthy_but_not_while_linkage_starts() -> None:
    clock = ManualClock()
    watch = HealthServer(ANYWHERE)
    with LoopLag(clock.now) as lag:
        watch_process(watch, lag, clock, ("core",))
        clock.advance(STUCK_AFTER_S + 1)
        assert watch.health() == []
        watch.phase = Phase.SERVING
        assert watch.health() == ["the event loop has stood for 11 s"]


def test_only_three_paths_are_served_and_only_read() -> None:
    with serving() as watch:
        assert fetch(watch, "/")[0] == 404
        assert fetch(watch, "/metrics", "DELETE")[0] == 405
        assert "process_cpu_seconds_total" in fetch(watch, "/metrics")[1]


def test_one_part_that_fails_leaves_the_others_their_say() -> None:
    def broken() -> Iterator[Metric]:
        raise OSError("no store")

    with serving() as watch:
        watch.add_metrics("queues", broken)
        watch.add_metrics("core", lambda: metric_families.work_families(3, 0.5, 7))
        seen = values(fetch(watch, "/metrics")[1])
    assert seen["linkage_inbox", frozenset()] == 3
    assert seen["linkage_scrape_failures_total", frozenset({("part", "queues")})] == 1


def test_watchers_that_say_nothing_do_not_pile_up() -> None:
    with serving() as watch:
        idle = [socket.create_connection(watch.address) for _ in range(CLIENTS_MAX)]
        try:
            late = socket.create_connection(watch.address)
            with late:
                late.settimeout(30)
                assert late.recv(1) == b""
        finally:
            for client in idle:
                client.close()


# --- a whole linkage -----------------------------------------------------------------------------
async def test_a_serving_linkage_tells_rates_queues_and_who_is_here(tmp_path: Path) -> None:
    peers = [
        {"id": "desk", "role": "application", "secret": SECRET},
        {"id": "away", "role": "monitor", "secret": SECRET},
        {"id": "pbx", "role": "platform", "secret": SECRET},
    ]
    async with Server(config_of(tmp_path, peer=peers)) as server:
        assert server.watch is not None
        host, port = server.addresses[0]
        async with (
            Platform(host, port, "pbx", secret=SECRET) as pbx,
            Application(host, port, "desk", secret=SECRET) as desk,
        ):
            await pbx.notify(
                IncomingCallNotice(call_id="C1", direction=CallDirection.IN, to_num="2222")
            )
            await (await desk.next_notice()).acknowledge()
            assert (await desk.send(CreateEvent(call_id="C1", event_id="E1"))).result == 0
            await desk.send(CreateEvent(call_id="no", event_id="E2"), check=False)

            seen = values((await asyncio.to_thread(fetch, server.watch, "/metrics"))[1])

        def value(name: str, **labels: str) -> float:
            return seen[name, frozenset(labels.items())]

        assert value("linkage_requests_total", type="100", result="0") == 1
        assert value("linkage_requests_total", type="201", result="0") == 1
        assert value("linkage_requests_total", type="201", result="301") == 1
        assert value("linkage_request_seconds_count") == 5  # two registrations among them
        assert value("linkage_queue_depth", peer="away", role="monitor") == 2  # 100 and 101
        assert value("linkage_queue_oldest_seconds", peer="away", role="monitor") >= 0
        assert value("linkage_peer_connected", peer="desk", role="application") == 1
        assert value("linkage_peer_connected", peer="away", role="monitor") == 0
        assert value("linkage_connections") == 2
        assert value("linkage_sessions", role="application", state="registered") == 1
        assert value("linkage_sessions", role="none", state="unregistered") == 0
        assert value("linkage_connections_accepted_total") == 2
        assert value("linkage_delivery_wait_seconds_count", role="application") >= 1
        assert value("linkage_delivery_answer_seconds_count", role="application") >= 1
        assert value("linkage_commit_seconds_count") > 0
        assert value("linkage_store_write_seconds_count") > 0
        assert value("linkage_received_bytes_total") > 0
        assert value("linkage_store_bytes", file="database") > 0
        assert value("linkage_disk_free_bytes") > 0
        assert value("linkage_inbox_oldest_seconds") == 0
        assert (await asyncio.to_thread(fetch, server.watch, "/readyz"))[0] == 200


async def test_who_is_turned_away_is_counted_by_reason(tmp_path: Path) -> None:
    config = config_of(tmp_path, allow=["10.0.0.0/8"])
    async with Server(config) as server:
        assert server.watch is not None
        reader, writer = await asyncio.open_connection(*server.addresses[0])
        with suppress(ConnectionError):
            assert not await reader.read(1)
        writer.close()
        seen = values(server.watch.metrics().decode())
    assert seen["linkage_connections_refused_total", frozenset({("reason", "allow")})] == 1


async def test_who_cannot_write_is_well_but_not_ready_until_he_can_again(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        watch = serving()
        watch_core(watch, site.core, site.config.database_path, site.clock)
        pbx = await site.connect("pbx")
        assert watch.readiness() == []
        await site.write_protect()
        assert (await site.say(pbx, PlatformStatusNotice(load=1))).result == 404
        (problem,) = watch.readiness()
        assert problem.startswith("the store cannot be written")
        assert watch.health() == []
        await site.write_protect(on=False)
        site.clock.advance(10)
        await site.sweep()
        assert (await site.say(pbx, PlatformStatusNotice(load=2))).result == 0
        assert watch.readiness() == []


async def test_an_adapter_that_is_down_keeps_linkage_ready_one_that_is_refused_does_not() -> None:
    clock = ManualClock()
    context = AdapterContext(peer_id="asterisk", settings={}, clock=clock, files=NO_FILES)
    adapter, core = Scripted(context), FakeCore(peers=("asterisk",))
    host = AdapterHost(adapter, core, clock, sleep=lambda _: asyncio.sleep(0))
    watch = serving()
    watch_adapters(watch, lambda: [host])
    await host.start()
    async with asyncio.timeout(30):
        await adapter.running.wait()
        adapter.running.clear()
        adapter.runs.put_nowait(AdapterUnavailableError("gone"))
        await adapter.running.wait()
    assert host.figures.restarts == 1
    assert watch.readiness() == []
    adapter.runs.put_nowait(AdapterRefusedError("wrong password"))
    await core.until(lambda: host.state is AdapterState.REFUSED)
    assert watch.readiness() == ["adapter asterisk is refused"]
    seen = values(watch.metrics().decode())
    await host.stop()

    def state(name: str) -> float:
        labels = frozenset({("adapter", "asterisk"), ("state", name)})
        return seen["linkage_adapter_state", labels]

    assert [state(name) for name in metric_families.ADAPTER_STATES] == [0, 0, 0, 1, 0]
    assert seen["linkage_adapter_restarts_total", frozenset({("adapter", "asterisk")})] == 1


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with serving() as watch:
        taken = "{}:{}".format(*watch.address)
        config = config_of(tmp_path, watch={"listen": taken})
        with pytest.raises(ListenError, match=f"watch.listen {taken}: .*choose another address"):
            await Server(config).__aenter__()
