from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from linkage.config.load import load_config
from linkage.ports import Role
from tests.unit.linkage.cli.conftest import Run


def test_the_configuration_is_ready_to_serve(run: Run, tmp_path: Path) -> None:
    result = run("init", tmp_path / "site")

    config = load_config(tmp_path / "site" / "linkage.toml")
    assert result.exit_code == 0, result.output
    assert [(peer.id, peer.role) for peer in config.peer] == [
        ("desk", Role.APPLICATION),
        ("pbx", Role.PLATFORM),
        ("screen1", Role.COMMUNICATION_SCREEN),
    ]
    assert config.listen == (("127.0.0.1", 7700),)
    assert config.data_path == tmp_path / "site" / "data"
    assert f"linkage serve -c {tmp_path}/site/linkage.toml" in result.stdout


def test_every_peer_gets_a_long_secret_of_its_own_that_only_the_user_can_read(
    run: Run, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        run("init", tmp_path / name)
    files = [tmp_path / name / "linkage.toml" for name in ("a", "b")]
    secrets = {
        peer.secret.get_secret_value()
        for file in files
        for peer in load_config(file).peer
        if peer.secret is not None
    }

    assert len(secrets) == 6
    assert min(len(secret) for secret in secrets) >= 32
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_peers_and_addresses_are_as_asked_for(run: Run, tmp_path: Path) -> None:
    result = run(
        "init", tmp_path, "--listen", "0.0.0.0:9000", "--listen", "[::1]:9001",
        "--peer", "application:duty-desk", "--peer", "screen:s1", "--peer", "business-screen:b1",
        "--peer", "monitor:eye", "--json",
    )  # fmt: skip

    told = json.loads(result.stdout)
    config = load_config(Path(told["config"]))
    assert config.listen == (("0.0.0.0", 9000), ("::1", 9001))
    assert [peer["role"] for peer in told["peers"]] == [
        "application", "communication-screen", "business-screen", "monitor",
    ]  # fmt: skip
    assert [peer.secret.get_secret_value() for peer in config.peer if peer.secret] == [
        peer["secret"] for peer in told["peers"]
    ]
    screen = config.find_peer("b1")
    assert screen is not None
    assert screen.application == "duty-desk"


def test_a_configuration_that_is_there_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text("# mine\n")

    result = run("init", tmp_path)

    assert result.exit_code == 1
    assert result.stderr == (
        f"linkage: {path} exists already and was not changed: "
        "remove it, or choose another directory\n"
    )
    assert path.read_text() == "# mine\n"


@pytest.mark.parametrize(
    "option",
    [("--peer", "desk"), ("--peer", "boss:x"), ("--peer", "platform:"), ("--listen", "here")],
)
def test_options_that_make_no_sense_are_misuse(
    run: Run, tmp_path: Path, option: tuple[str, str]
) -> None:
    result = run("init", tmp_path / "site", *option)

    assert result.exit_code == 2
    assert not (tmp_path / "site").exists()


def test_nothing_is_written_that_serve_would_refuse(run: Run, tmp_path: Path) -> None:
    result = run("init", tmp_path / "site", "--peer", "platform:a", "--peer", "application:a")

    assert result.exit_code == 1
    assert "'a' is given 2 times" in result.stderr
    assert not (tmp_path / "site").exists()


def test_an_id_that_toml_would_take_for_syntax_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("init", tmp_path / "site", "--peer", 'platform:a"\nrole = "monitor')

    assert result.exit_code == 1
    assert not (tmp_path / "site").exists()
