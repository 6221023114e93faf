"""Figures, metrics and probes: counted while linkage works, read by who asks over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import ListenError
from linkage.app import Server
from linkage.client import Application, Platform
from linkage.config import Config
from linkage.observation.figures import COMMIT_BOUNDS_S, Figures
from linkage.observation.http import Watch
from linkage.observation.metrics import Snapshot
from protocol.messages import CallDirection, CreateEvent, IncomingCallNotice

SECRET = "a secret of the tests"


def fetch(watch: Watch, path: str, method: str = "GET") -> tuple[int, str]:
    host, port = watch.address
    request = urllib.request.Request(f"http://{host}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
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


def still() -> Snapshot:
    return Snapshot(figures=Figures(), inbox=3, journal_seq=7, connections=2)


def test_a_commit_falls_into_the_bucket_of_its_time() -> None:
    figures = Figures()
    figures.committed(2, 0.001, failed=False)
    figures.committed(3, 0.0011, failed=False)
    figures.committed(1, 60.0, failed=True)

    assert figures.commits[0] == 1
    assert figures.commits[1] == 1
    assert figures.commits[len(COMMIT_BOUNDS_S)] == 1
    assert (figures.committed_works, figures.failed_batches) == (6, 1)


def test_probes_say_what_is_wrong_and_nothing_where_all_is_well() -> None:
    problems = ["the store cannot be written"]
    with Watch(("127.0.0.1", 0), still, unhealthy=list, unready=lambda: problems) as watch:
        assert fetch(watch, "/healthz") == (200, '{"ok": true, "problems": []}')
        status, body = fetch(watch, "/readyz")
        assert status == 503
        assert json.loads(body) == {"ok": False, "problems": problems}


def test_only_three_paths_are_served_and_only_read() -> None:
    with Watch(("127.0.0.1", 0), still, unhealthy=list, unready=list) as watch:
        assert fetch(watch, "/")[0] == 404
        assert fetch(watch, "/metrics", "DELETE")[0] == 405
        assert values(fetch(watch, "/metrics")[1])["linkage_inbox", frozenset()] == 3


async def test_a_serving_linkage_tells_rates_queues_and_who_is_here(tmp_path: Path) -> None:
    peers = [
        {"id": "desk", "role": "application", "secret": SECRET},
        {"id": "away", "role": "monitor", "secret": SECRET},
        {"id": "pbx", "role": "platform", "secret": SECRET},
    ]
    config = Config.model_validate(
        {
            "source": tmp_path / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "watch": {"listen": "127.0.0.1:0"},
            "peer": peers,
        }
    )
    async with Server(config) as server:
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
        assert value("linkage_queue_depth", peer="away", role="monitor") == 2  # 100 and 101
        assert value("linkage_queue_oldest_seconds", peer="away", role="monitor") >= 0
        assert value("linkage_peer_connected", peer="desk", role="application") == 1
        assert value("linkage_peer_connected", peer="away", role="monitor") == 0
        assert value("linkage_connections") == 2
        assert value("linkage_commit_seconds_count") > 0
        assert (await asyncio.to_thread(fetch, server.watch, "/readyz"))[0] == 200


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with Watch(("127.0.0.1", 0), still, unhealthy=list, unready=list) as watch:
        taken = "{}:{}".format(*watch.address)
        config = Config.model_validate(
            {
                "source": tmp_path / "linkage.toml",
                "listen": ["127.0.0.1:0"],
                "watch": {"listen": taken},
            }
        )
        with pytest.raises(ListenError, match=f"watch.listen {taken}: .*choose another address"):
            await Server(config).__aenter__()
