"""`linkage top`: rates between two scrapes, and the picture of them."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from linkage.cli.commands import cli
from linkage.cli.top.rates import Change, Reading, quantile_of, view
from linkage.cli.top.screen import render
from linkage.client import Platform
from linkage.config.load import load_config
from linkage.server.server import Server
from protocol.messages import CallDirection, IncomingCallNotice

SECRET = "a secret of the tests"
TOML = f"""
listen = ["127.0.0.1:0"]

[watch]
listen = "127.0.0.1:0"

[[peer]]
id = "desk"
role = "application"
secret = "{SECRET}"

[[peer]]
id = "pbx"
role = "platform"
secret = "{SECRET}"
"""
METRICS = """
# TYPE linkage_requests counter
linkage_requests_total{{result="0",type="100"}} {accepted}
linkage_requests_total{{result="203",type="202"}} {refused}
# TYPE linkage_request_seconds histogram
linkage_request_seconds_bucket{{le="0.001"}} {quick}
linkage_request_seconds_bucket{{le="0.01"}} {accepted}
linkage_request_seconds_bucket{{le="+Inf"}} {accepted}
# TYPE linkage_queue_depth gauge
linkage_queue_depth{{peer="desk",role="application"}} 0
linkage_queue_depth{{peer="away",role="monitor"}} 12
# TYPE linkage_queue_oldest_seconds gauge
linkage_queue_oldest_seconds{{peer="away",role="monitor"}} 600
# TYPE linkage_peer_connected gauge
linkage_peer_connected{{peer="desk",role="application"}} 1
# TYPE linkage_adapter_state gauge
linkage_adapter_state{{adapter="asterisk1",state="up"}} 0
linkage_adapter_state{{adapter="asterisk1",state="down"}} 1
# TYPE linkage_alarm_raised gauge
linkage_alarm_raised{{alarm="store"}} 1
linkage_alarm_raised{{alarm="overload"}} 0
"""


def reading(at: float, accepted: int, refused: int, quick: int) -> Reading:
    made = Reading(at)
    made.add(METRICS.format(accepted=accepted, refused=refused, quick=quick))
    return made


def change() -> Change:
    return Change(reading(10.0, 100, 1, 100), reading(12.0, 300, 3, 200))


def test_rates_are_what_grew_between_two_looks() -> None:
    shown = view(change(), ["the store cannot be written"])
    assert shown["accepted_per_s"] == 100
    assert shown["refused_per_s"] == 1
    assert shown["types"][0] == {
        "type": 100,
        "name": "IncomingCallNotice",
        "accepted_per_s": 100,
        "refused_per_s": 0,
    }
    # Half of the 200 new ones within 1 ms, half within 10 ms: the 99th of a hundred is near 10.
    assert shown["answer_p99_s"] == pytest.approx(0.001 + 0.009 * 0.98)
    assert shown["alarms"] == ["store"]


def test_who_waits_most_stands_first() -> None:
    shown = view(change(), [])
    assert [row["peer"] for row in shown["peers"]] == ["away", "desk"]
    assert shown["peers"][0] == {
        "peer": "away",
        "role": "monitor",
        "connected": False,
        "waiting": 12,
        "oldest_s": 600,
    }
    (adapter,) = shown["adapters"]
    assert (adapter["adapter"], adapter["state"]) == ("asterisk1", "down")
    assert adapter["command_p95_s"] is None


def test_a_linkage_that_was_started_anew_counts_from_nothing() -> None:
    shown = view(Change(reading(10.0, 300, 3, 200), reading(12.0, 50, 0, 50)), [])
    assert shown["accepted_per_s"] == 25


def test_parts_in_processes_of_their_own_are_added_up() -> None:
    made = reading(1.0, 5, 0, 5)
    made.add("# TYPE linkage_connections gauge\nlinkage_connections 3\n")
    made.add("# TYPE linkage_connections gauge\nlinkage_connections 4\n")
    assert made.value("linkage_connections") == 7


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ([], None),
        ([(1.0, 0.0), (float("inf"), 0.0)], None),
        ([(1.0, 10.0), (float("inf"), 10.0)], 0.5),
        ([(1.0, 0.0), (float("inf"), 10.0)], 1.0),
    ],
)
def test_a_median_is_interpolated(
    buckets: list[tuple[float, float]], expected: float | None
) -> None:
    assert quantile_of(0.5, buckets) == expected


def test_the_picture_shows_what_matters() -> None:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(render(view(change(), ["a \x1b[31mproblem"])))
    text = capture.get()
    assert "✗ a \\e[31mproblem" in text
    assert "! alarm: store" in text
    assert "IncomingCallNotice" in text
    assert "10 min" in text
    assert "asterisk1" in text


def test_no_text_of_a_linkage_is_obeyed_by_the_terminal() -> None:
    evil = "\x1b]0;title\x07"
    shown = view(change(), [evil]) | {"versions": [evil], "parts": [evil]}
    shown["peers"] = [row | {"peer": evil, "role": evil} for row in shown["peers"]]
    shown["adapters"] = [row | {"adapter": evil, "state": evil} for row in shown["adapters"]]
    shown["types"] = [row | {"type": evil, "name": evil} for row in shown["types"]]
    console = Console(width=200, file=io.StringIO())
    with console.capture() as capture:
        console.print(render(shown))
    assert "\\e]0;title\\x07" in capture.get()
    assert "\x1b" not in capture.get()


def test_without_a_watch_it_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('listen = ["127.0.0.1:0"]\n')
    result = CliRunner().invoke(cli, ["top", "--once", "-c", str(path)])
    assert result.exit_code == 1
    assert "no [watch] there: add it and restart linkage" in result.output


def test_where_nobody_answers_it_says_so() -> None:
    result = CliRunner().invoke(cli, ["top", "--once", "--address", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert "is linkage serving, with [watch]?" in result.output


async def test_it_watches_a_serving_linkage(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(TOML)
    async with Server(load_config(path)) as server:
        assert server.watch is not None
        place = "{}:{}".format(*server.watch.address)
        host, port = server.addresses[0]
        async with Platform(host, port, "pbx", secret=SECRET) as pbx:
            await pbx.notify(IncomingCallNotice(call_id="C1", direction=CallDirection.IN))
            result = await asyncio.to_thread(
                CliRunner().invoke,
                cli,
                ["top", "--once", "--json", "--every", "0.2", "--address", place],
            )
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["problems"] == []
    assert shown["connections"] == 1
    assert {row["peer"]: row["waiting"] for row in shown["peers"]} == {"desk": 1, "pbx": 0}
    assert shown["journal_seq"] > 0
