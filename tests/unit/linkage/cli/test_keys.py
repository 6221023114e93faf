"""`serve --only`, `keys`, `init --bus`: what a person sees of the parts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkage.cli import cli
from linkage.clock import SystemClock
from linkage.config.file import Config
from linkage.config.load import load_config
from linkage.config.problems import ConfigError
from linkage.doctor_checks import examine
from linkage.ports.probe import State
from linkage.server.part import PartError
from linkage.server.process import check_part, open_part, part_names
from tests.fakes.core_bench import PEERS


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def site(tmp_path: Path) -> Path:
    run("init", str(tmp_path / "site"), "--bus", "127.0.0.1:7710")
    return tmp_path / "site" / "linkage.toml"


def test_init_makes_keys_and_a_file_that_names_them(site: Path) -> None:
    config = load_config(site)

    assert config.messaging.address == "tcp://127.0.0.1:7710"
    assert config.messaging.keys == site.parent / "keys"
    assert stat.S_IMODE((site.parent / "keys" / "core.key").stat().st_mode) == 0o600
    assert {path.name for path in (site.parent / "keys").iterdir()} == {
        "core.key", "core.pub", "gateway.key", "gateway.pub",
    }  # fmt: skip


def test_a_bus_that_is_no_address_is_misuse(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "site"), "--bus", "nowhere"])

    assert result.exit_code == 2
    assert "HOST:PORT" in result.output
    assert not (tmp_path / "site").exists()


def test_keys_makes_what_is_missing_and_leaves_the_rest(site: Path) -> None:
    with site.open("a", encoding="utf-8") as file:
        file.write('\n[[adapter]]\nid = "pbx-1"\nkind = "asterisk"\n')
    before = (site.parent / "keys" / "core.key").read_bytes()

    told = json.loads(run("keys", "-c", str(site), "--part", "gateway:east", "--json"))

    assert told["made"] == ["adapter:pbx-1", "gateway:east"]
    assert told["kept"] == ["core", "gateway"]
    assert (site.parent / "keys" / "core.key").read_bytes() == before
    assert "left as it is" in run("keys", "-c", str(site))


def test_keys_for_a_part_that_cannot_be_are_refused(site: Path) -> None:
    result = CliRunner().invoke(cli, ["keys", "-c", str(site), "--part", "adapter:nobody"])

    assert result.exit_code == 1
    assert "'adapter:nobody' is no part: there are core, gateway" in result.output


def test_serve_of_a_part_without_its_key_names_the_remedy(site: Path) -> None:
    (site.parent / "keys" / "gateway.key").unlink()
    result = CliRunner().invoke(cli, ["serve", "--only", "gateway", "-c", str(site)])

    assert result.exit_code == 1
    assert "linkage keys" in result.output.splitlines()[-1]


def bus_of(path: Path) -> tuple[State, str]:
    (found,) = [item for item in examine(path, SystemClock().utc()) if item.name == "bus"]
    return found.state, found.detail


def test_doctor_says_whether_the_parts_could_find_each_other(site: Path) -> None:
    assert bus_of(site) == (State.OK, "tcp://127.0.0.1:7710, with keys of gateway")
    (site.parent / "keys" / "core.key").chmod(0o644)
    assert bus_of(site)[0] is State.BROKEN
    (site.parent / "keys" / "core.key").unlink()
    assert bus_of(site) == (State.OK, "tcp://127.0.0.1:7710, with keys of gateway")


def test_doctor_says_where_the_bus_of_one_host_is(tmp_path: Path) -> None:
    run("init", str(tmp_path))

    assert bus_of(tmp_path / "linkage.toml")[1].startswith(f"ipc://{tmp_path}/data/bus/")


# --- parts ---------------------------------------------------------------------------------------
def config(folder: Path) -> Config:
    adapter = {"id": "sim", "kind": "none"}
    return Config.model_validate(
        {"source": folder / "linkage.toml", "peer": list(PEERS), "adapter": [adapter]}
    )


def test_the_parts_are_those_of_the_configuration(tmp_path: Path) -> None:
    assert list(part_names(config(tmp_path))) == ["core", "gateway", "adapter:sim"]


@pytest.mark.parametrize("name", ["core", "gateway", "gateway:east", "adapter:sim"])
def test_every_part_can_be_opened_by_its_name(tmp_path: Path, name: str) -> None:
    assert open_part(config(tmp_path), name).name == name


@pytest.mark.parametrize("name", ["", "gate", "gateway:", "gateway:a b", "adapter:x", "core:1"])
def test_what_is_no_part_is_refused_with_those_that_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartError, match="there are core, gateway, adapter:sim, gateway:NAME"):
        check_part(config(tmp_path), name)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('address = "udp://x:1"', "messaging.address"),
        ("dead_after_s = 2", "three times heartbeat_s"),
    ],
)
def test_a_bus_that_cannot_work_is_an_error_of_the_file(
    tmp_path: Path, table: str, told: str
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(f"[messaging]\n{table}\n")

    with pytest.raises(ConfigError, match=told):
        load_config(path)
