"""`linkage peer rotate` and `linkage init --tls`."""

from __future__ import annotations

import json
import ssl
import stat
from pathlib import Path

import pytest

from gateway import TlsFiles
from gateway.transport.certificate import read_validity
from gateway.transport.tls import Tls
from linkage.cli.simulate.tls import client_context
from linkage.clock import SystemClock
from linkage.config.keyring import Keyring
from linkage.config.load import load_config
from tests.unit.linkage.cli.conftest import Run

PEER = '[[peer]]\nid = "a"\nrole = "platform"\nsecret = "0123456789abcdef"\n'


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path).exit_code == 0
    return tmp_path / "linkage.toml"


# --- peer rotate ---------------------------------------------------------------------------------
def test_rotating_writes_a_file_that_goes_before_the_configuration(run: Run, site: Path) -> None:
    old = load_config(site).peer[0].secret
    result = run("peer", "rotate", "desk", "-c", site)
    assert result.exit_code == 0, result.output
    assert old is not None
    assert old.get_secret_value() not in result.output
    keys = Keyring(site.parent / "secrets" / "desk").keys()
    assert keys[0].secret.get_secret_value() not in result.output
    assert keys[1].secret == old.get_secret_value()
    assert keys[1].until is not None
    left_s = (keys[1].until - SystemClock().utc()).total_seconds()
    assert 86_300 < left_s <= 86_400
    assert 'secret_file = "secrets/desk"' in result.output
    new = load_config(site).peer[0].secret
    assert new is not None
    assert new.get_secret_value() == keys[0].secret


def test_programs_are_told_the_new_secret(run: Run, site: Path) -> None:
    result = run("peer", "rotate", "pbx", "--grace", "0", "--json", "-c", site)
    told = json.loads(result.stdout)
    (key,) = Keyring(Path(told["file"])).keys()
    assert told == {
        "peer": "pbx", "file": str(site.parent / "secrets" / "pbx"),
        "secret": key.secret, "old_until": None,
    }  # fmt: skip


def test_an_unknown_or_legacy_peer_has_no_secret_to_rotate(run: Run, site: Path) -> None:
    legacy = '\n[[peer]]\nid = "old"\nrole = "platform"\nlegacy = true\naddress = "10.0.0.9"\n'
    site.write_text(site.read_text() + legacy)
    for peer_id, problem in (("nobody", "there are: desk, pbx, screen1, old"), ("old", "legacy")):
        result = run("peer", "rotate", peer_id, "-c", site)
        assert result.exit_code == 1
        assert problem in result.stderr


@pytest.mark.parametrize("grace", ["24", "-1h", "1w", "", "h", "367d", "999999999d", "1.5h"])
def test_a_grace_that_is_none_is_misuse(run: Run, site: Path, grace: str) -> None:
    result = run("peer", "rotate", "desk", "--grace", grace, "-c", site)
    assert result.exit_code == 2
    assert not (site.parent / "secrets").exists()


def test_a_loose_file_is_one_line_with_the_remedy(run: Run, site: Path) -> None:
    run("peer", "rotate", "desk", "-c", site)
    (site.parent / "secrets" / "desk").chmod(0o640)
    result = run("peers", "-c", site)
    assert result.exit_code == 1
    assert "chmod 600" in result.stderr
    assert len(result.stderr.splitlines()) == 1


# --- init --tls ----------------------------------------------------------------------------------
def test_init_tls_makes_all_that_tls_needs(run: Run, tmp_path: Path) -> None:
    result = run(
        "init", tmp_path, "--tls", "--listen", "0.0.0.0:7701", "--listen", "[2001:db8::7]:7702",
        "--listen", "linkage.example:7703",
        "--peer", "application:desk.1", "--peer", "platform:pbx",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "linkage.toml")
    assert config.plain_addresses == ()
    assert config.tls_addresses == (
        ("0.0.0.0", 7701), ("2001:db8::7", 7702), ("linkage.example", 7703),
    )  # fmt: skip
    Tls(config.tls, SystemClock())
    folder = tmp_path / "tls"
    keys = sorted(folder.rglob("*.key"))
    assert [path.relative_to(folder).as_posix() for path in keys] == [
        "ca.key", "peers/desk.1.key", "peers/pbx.key", "server.key",
    ]  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    for path in folder.rglob("*.pem"):
        until = read_validity(path.read_text()).until
        assert (until - SystemClock().utc()).days > 800


def test_the_certificates_fit_each_other_and_name_what_they_are_for(
    run: Run, tmp_path: Path
) -> None:
    run("init", tmp_path, "--tls", "--listen", "10.1.2.3:7701", "--peer", "application:desk")
    config = load_config(tmp_path / "linkage.toml")
    server = Tls(config.tls, SystemClock()).server()
    for name in ("localhost", "127.0.0.1", "::1", "10.1.2.3"):
        shown = shake_hands(server, client_context(config, "desk"), name)
        assert shown["subject"] == ((("commonName", "desk"),),)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"10\.9\.9\.9"):
        shake_hands(server, client_context(config, "desk"), "10.9.9.9")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Both ends in memory; what the client has shown."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    open_ends = set(ends)
    while open_ends:
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.discard(end)
    return dict(ends[1].getpeercert() or {})


def test_init_tls_overwrites_no_key(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path, "--tls")
    before = (tmp_path / "tls" / "ca.key").read_bytes()
    again = run("init", tmp_path, "--tls")
    assert again.exit_code == 1
    assert "linkage.toml exists already" in again.stderr
    (tmp_path / "linkage.toml").unlink()
    third = run("init", tmp_path, "--tls")
    assert third.exit_code == 1
    assert "tls exists already" in third.stderr
    assert not (tmp_path / "linkage.toml").exists()
    assert (tmp_path / "tls" / "ca.key").read_bytes() == before


def test_files_that_a_simulator_cannot_use_are_one_line(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path, "--tls")
    (tmp_path / "tls" / "ca.pem").write_text("rubbish")
    result = run("simulate", "platform", "--id", "pbx", "-c", tmp_path / "linkage.toml")
    assert result.exit_code == 1
    assert "TLS: " in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[listener]]\naddress = "127.0.0.1:1"\ntls = true\n', "needs [tls] with `certificate`"),
        ('[tls]\ncertificate = "a"\n', "both or none"),
        ("[tls]\nrequire_client_certificate = true\n", "needs `client_ca`"),
        ('allow = ["10.0.0.0/33"]\n', "write it as"),
        ('allow = ["10.1.2.3/8"]\n', "has host bits set"),
        (PEER + "require_certificate = true\n", "needs `client_ca` in [tls]"),
        (PEER + "dial_tls = true\n", "are for peers with `dial`"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    run: Run, tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(text)
    result = run("peers", "-c", path)
    assert result.exit_code == 1
    assert problem in result.stderr


def test_a_configuration_without_tls_names_no_files(run: Run, site: Path) -> None:
    assert load_config(site).tls == TlsFiles()
