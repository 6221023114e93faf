"""Prometheus' own tool reads what linkage shows, and the rules that ship with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from linkage.client import Application, Platform
from linkage.config.file import Config
from linkage.server.server import Server
from protocol.messages import CallDirection, IncomingCallNotice

SECRET: Final = "a secret of the tests"
MONITORING: Final = Path(__file__).parents[2] / "docs" / "monitoring"
ROOT: Final = Path(os.environ.get("LINKAGE_REAL_ROOT", "/var/cache/linkage-real/asterisk"))

RULE_TESTS: Final = """
rule_files: [alerts.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'linkage_peer_connected{instance="l", peer="desk", role="application"}'
        values: '0x40'
      - series: 'linkage_queue_depth{instance="l", peer="desk", role="application"}'
        values: '3x40'
      - series: 'linkage_failed_batches_total{instance="l"}'
        values: '0 0 0 0 1 1 1 1 1'
      - series: 'linkage_adapter_state{instance="l", adapter="pbx", state="down"}'
        values: '0x4 1x40'
      - series: 'linkage_registrations_refused_total{instance="l", result="201"}'
        values: '0+60x60'
    alert_rule_test:
      - eval_time: 4m
        alertname: LinkagePeerAway
        exp_alerts: []
      - eval_time: 6m
        alertname: LinkagePeerAway
        exp_alerts:
          - exp_labels: {severity: warning, instance: l, peer: desk, role: application}
            exp_annotations: {summary: "desk is not here, and messages wait for it"}
      - eval_time: 1m
        alertname: LinkageStoreFailing
        exp_alerts:
          - exp_labels: {severity: critical, instance: l}
            exp_annotations:
              summary: "the store of l takes nothing: requests are answered 404"
      - eval_time: 4m
        alertname: LinkageAdapterDown
        exp_alerts:
          - exp_labels: {severity: critical, instance: l, adapter: pbx, state: down}
            exp_annotations: {summary: "no link to pbx: it is down"}
      - eval_time: 12m
        alertname: LinkageStrangers
        exp_alerts:
          - exp_labels: {severity: warning, instance: l}
            exp_annotations:
              summary: "somebody keeps knocking at l: see the Strangers in its journal"
"""


@pytest.fixture(autouse=True)
def _peers() -> None:
    """Not Asterisk is needed here, but promtool."""
    if find_promtool() is None:
        missing = "promtool is missing: run tests/real/provision.sh"
        if os.environ.get("LINKAGE_REQUIRE_REAL") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


def find_promtool() -> str | None:
    return shutil.which("promtool") or shutil.which("promtool", path=str(ROOT.parent / "bin"))


def promtool(*arguments: str, given: bytes = b"", folder: Path = MONITORING) -> str:
    found = find_promtool()
    assert found is not None
    done = subprocess.run(
        [found, *arguments],
        input=given,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    told = done.stdout.decode()
    assert done.returncode == 0, told
    return told


def test_the_rules_and_the_example_are_sound() -> None:
    assert "SUCCESS" in promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    shutil.copy(MONITORING / "alerts.yml", tmp_path)
    (tmp_path / "test.yml").write_text(RULE_TESTS)
    assert "SUCCESS" in promtool("test", "rules", "test.yml", folder=tmp_path)


async def test_what_a_serving_linkage_shows_is_sound(tmp_path: Path) -> None:
    peers = [
        {"id": "desk", "role": "application", "secret": SECRET},
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
        host, port = server.addresses[0]
        assert server.watch is not None
        async with (
            Platform(host, port, "pbx", secret=SECRET) as pbx,
            Application(host, port, "desk", secret=SECRET) as desk,
        ):
            await pbx.notify(IncomingCallNotice(call_id="C1", direction=CallDirection.IN))
            await (await desk.next_notice()).acknowledge()
            text = await asyncio.to_thread(scraped, *server.watch.address)
    assert b"linkage_delivery_answer_seconds_bucket" in text
    promtool("check", "metrics", given=text)


def scraped(host: str, port: int) -> bytes:
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=30) as answer:
        found: bytes = answer.read()
        return found
