from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkage.cli import cli
from linkage.doctor_checks import (
    check_adapters,
    check_data,
    check_listen,
    check_secrets,
    check_store,
    check_trace,
    examine,
    read,
)
from linkage.ports.probe import Finding, State

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def by_name(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_site_that_is_ready_has_nothing_broken(alarm_config: Path) -> None:
    alarm_config.chmod(0o600)

    findings = by_name(examine(alarm_config, NOW))

    assert not [one for one in findings.values() if one.state is State.BROKEN]
    assert findings["configuration"].detail == f"{alarm_config}: 2 peers, 0 adapters"
    assert findings["store"].detail.endswith("15 journal entries")
    assert {"python", "packages", "secrets", "data", "disk"} <= set(findings)


def test_a_configuration_that_is_wrong_is_told_problem_by_problem(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text("a = 1\nb = 2\n")

    config, findings = read(path)

    assert config is None
    assert [finding.state for finding in findings] == [State.BROKEN, State.BROKEN]


def test_secrets_that_others_can_read_are_worth_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.touch(mode=0o600)
    path.chmod(0o644)

    finding = check_secrets(path)

    assert (finding.state, finding.remedy) == (State.WARNING, f"chmod 600 {path}")


def test_a_data_directory_that_cannot_be_is_broken(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    assert check_data(tmp_path / "data").state is State.BROKEN
    assert check_data(tmp_path / "new" / "data").state is State.OK


def test_a_port_is_free_or_taken_or_not_ours(listening: tuple[str, int]) -> None:
    assert check_listen("127.0.0.1", closed_port()).state is State.OK
    assert check_listen(*listening).state is State.NOTE
    assert check_listen("192.0.2.1", 7700).state is State.BROKEN


def test_a_clock_behind_the_journal_is_broken(alarm_config: Path) -> None:
    config, _ = read(alarm_config)
    assert config is not None

    finding = check_store(config, NOW - timedelta(days=1))

    assert (finding.name, finding.state) == ("clock", State.BROKEN)
    assert finding.remedy == "set the clock; run NTP"


def test_a_file_that_is_no_store_is_broken(alarm_config: Path) -> None:
    config, _ = read(alarm_config)
    assert config is not None
    config.database_path.write_bytes(b"no database, but long enough to be looked at" * 100)

    assert check_store(config, NOW).state is State.BROKEN


def with_adapter(alarm_config: Path, kind: str, **settings: str) -> list[Finding]:
    lines = [f'{name} = "{value}"' for name, value in settings.items()]
    table = ["[[adapter]]", 'id = "ast"', f'kind = "{kind}"', "[adapter.settings]", *lines, ""]
    alarm_config.write_text(alarm_config.read_text() + "\n".join(["", *table]))
    config, _ = read(alarm_config)
    assert config is not None
    return list(check_adapters(config))


def test_an_adapters_platform_is_asked_and_one_that_is_away_is_a_warning(
    alarm_config: Path,
) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    (away,) = with_adapter(alarm_config, "asterisk", url=url, user="linkage", password="p")

    assert (away.name, away.state) == ("adapter ast", State.WARNING)
    assert "cannot be reached" in away.detail


def test_an_adapter_that_is_wrongly_set_is_broken_each_key_told(alarm_config: Path) -> None:
    wrong = with_adapter(alarm_config, "asterisk", colour="red")

    assert {(finding.name, finding.state) for finding in wrong} == {("adapter ast", State.BROKEN)}
    assert [finding.detail.partition(": ")[0] for finding in wrong] == [
        "settings.user", "settings.password", "settings.colour",
    ]  # fmt: skip


def test_an_adapter_that_is_not_there_is_broken(alarm_config: Path) -> None:
    (unknown,) = with_adapter(alarm_config, "semaphore")

    assert unknown.state is State.BROKEN
    assert "there are: asterisk" in unknown.detail


def test_a_healthy_installation_is_told_nothing_of_what_only_developers_need(
    alarm_config: Path,
) -> None:
    told = [finding for finding in examine(alarm_config, NOW) if finding.state is not State.OK]

    words = " ".join(f"{finding.name} {finding.detail} {finding.remedy}" for finding in told)
    words = words.replace(str(alarm_config.parent), "")
    for tool in ("pytest", "hypothesis", "sipp", "Asterisk", "asterisk", "test-real", "chroot"):
        assert tool not in words


def test_the_library_of_an_adapter_is_asked_for_where_one_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for name in [name for name in sys.modules if name.startswith("adapters.asterisk")]:
        monkeypatch.delitem(sys.modules, name)
    without = tmp_path / "without.toml"
    without.write_text(f'data = "{tmp_path}/data"\nlisten = ["127.0.0.1:0"]\n', encoding="utf-8")
    configured = tmp_path / "configured.toml"
    adapter = '[[adapter]]\nid = "pbx"\nkind = "asterisk"\n'
    configured.write_text(without.read_text(encoding="utf-8") + adapter, encoding="utf-8")

    assert not any("aiohttp" in finding.detail for finding in examine(without, NOW))
    (broken,) = [one for one in examine(configured, NOW) if one.name == "adapter pbx"]
    assert broken.state is State.BROKEN
    assert "pip install 'linkage[asterisk]'" in broken.detail


def test_the_command_ends_with_status_1_where_something_is_broken(tmp_path: Path) -> None:
    broken = CliRunner().invoke(cli, ["doctor", "--json", "-c", str(tmp_path / "none.toml")])
    shown = CliRunner().invoke(cli, ["doctor", "-c", str(tmp_path / "none.toml")])

    states = {finding["name"]: finding["state"] for finding in json.loads(broken.stdout)}
    assert broken.exit_code == 1
    assert (states["python"], states["configuration"]) == ("ok", "broken")
    assert shown.exit_code == 1
    assert "✗  configuration" in shown.stdout


def test_a_collector_that_is_away_is_a_warning(listening: tuple[str, int]) -> None:
    host, port = listening
    assert check_trace(f"http://{host}:{port}").state is State.OK
    away = check_trace(f"http://127.0.0.1:{closed_port()}")
    assert away.state is State.WARNING
    assert away.remedy is not None
    assert "spans are dropped meanwhile" in away.remedy


def test_a_check_that_fails_itself_says_so_and_the_others_go_on(alarm_config: Path) -> None:
    trace = '[trace]\nendpoint = "http://no..name:4318"\n'
    adapter = '[[adapter]]\nid = "pbx2"\nkind = "asterisk"\n'
    alarm_config.write_text(f"{alarm_config.read_text()}\n{trace}{adapter}")

    found = list(examine(alarm_config, NOW))

    (broken,) = [finding for finding in found if finding.name == "trace"]
    assert broken.state is State.BROKEN
    assert "cannot be checked" in broken.detail
    assert found[-1].name == "adapter pbx2", "those behind it were not asked any more"


def test_traces_without_their_library_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    found = check_trace("http://127.0.0.1:4318")
    assert found.state is State.BROKEN
    assert found.remedy == "pip install 'linkage[otel]', or remove [trace]"
