"""Secrets in files, two in force while one replaces the other, and none of them in a log."""

from __future__ import annotations

import copy
import json
import logging
import os
import pprint
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from rich.pretty import pretty_repr

import linkage
from linkage.client import Application, ClientError, CommandRefusedError, Platform
from linkage.client import RegistrationRefusedError as Refused
from linkage.client.credentials import Credentials
from linkage.clock import SystemClock
from linkage.config.file import Config, read_config
from linkage.config.keyring import Key, Keyring, KeyringError, _foreign, rotate
from linkage.config.load import load_config
from linkage.config.problems import ConfigError
from linkage.config.secrets import HIDDEN, HiddenMapping, Secret
from linkage.logs.setup import set_up_logging
from linkage.ports import EXPIRED, AdapterContext, Role
from linkage.store.read.reader import StoreReader
from protocol.messages import PlatformLeave, RotateKey
from protocol.results import Result

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
FIRST, SECOND = "the-first-secret-of-all", "the-second-secret-of-all"
DAY = timedelta(days=1)


class Shifted(SystemClock):
    """The wall clock of everybody, moved on by hand."""

    def __init__(self) -> None:
        self.by = timedelta()

    def utc(self) -> datetime:
        return super().utc() + self.by


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# --- the file ------------------------------------------------------------------------------------
def test_the_newest_comes_first_and_an_old_one_ends(tmp_path: Path) -> None:
    text = f"# a comment\n\n{SECOND}\n{FIRST} until 2026-11-22T09:00:00+00:00\n"
    keyring = Keyring(written(tmp_path / "desk", text))
    assert keyring.valid(NOW) == (Secret(SECOND), Secret(FIRST))
    assert keyring.valid(NOW + timedelta(hours=1)) == (Secret(SECOND), Secret(FIRST))
    assert keyring.valid(NOW + timedelta(hours=1, seconds=1)) == (Secret(SECOND),)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_file_that_others_can_reach_is_refused_with_the_remedy(
    tmp_path: Path, mode: int
) -> None:
    path = written(tmp_path / "desk", FIRST, mode)
    with pytest.raises(KeyringError, match=f"run chmod 600 {path}") as caught:
        Keyring(path).keys()
    assert FIRST not in str(caught.value)


@pytest.mark.parametrize(
    ("owner", "mode", "open_to_others"),
    [(0, 0o440, False), (0, 0o444, True), (0, 0o460, True), (1000, 0o440, True)],
)
def test_what_root_hands_to_who_serves_may_be_read_by_a_group(
    owner: int, mode: int, open_to_others: bool
) -> None:
    """As systemd and Kubernetes do."""
    assert bool(mode & _foreign(owner, 1000)) is open_to_others
    assert mode & _foreign(owner, 0), "a file of root's own is root's only"


def test_a_mode_that_is_loosened_later_is_noticed(tmp_path: Path) -> None:
    keyring = Keyring(written(tmp_path / "desk", FIRST))
    assert keyring.valid(NOW) == (Secret(FIRST),)
    keyring.path.chmod(0o644)
    with pytest.raises(KeyringError):
        keyring.keys()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no secret in it"),
        ("# only a comment\n", "has no secret in it"),
        ("too-short\n", "line 1: shorter than 16"),
        (f"{FIRST}\n{SECOND} until yesterday\n", "line 2: write SECRET"),
        (f"{FIRST} until 2026-11-22T09:00:00\n", "line 1: write SECRET"),
        (f"{FIRST} for 2026-11-22T09:00:00+00:00\n", "line 1: write SECRET"),
        (f"{FIRST} until\n", "line 1: write SECRET"),
        ("# " + "x" * 70_000 + "\n" + FIRST, "has more than 65536 bytes"),
    ],
)
def test_a_damaged_file_is_named_and_its_secrets_are_not_told(
    tmp_path: Path, text: str, problem: str
) -> None:
    keyring = Keyring(written(tmp_path / "desk", text))
    with pytest.raises(KeyringError, match=problem) as caught:
        keyring.keys()
    assert str(keyring.path) in str(caught.value)
    assert FIRST not in str(caught.value)
    assert SECOND not in str(caught.value)


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    with pytest.raises(KeyringError, match="no such file"):
        Keyring(path).keys()
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(KeyringError, match="no text"):
        Keyring(path).keys()
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(KeyringError, match="cannot be read: Is a directory"):
        Keyring(path).keys()


def test_a_key_does_not_show_its_secret() -> None:
    assert FIRST not in repr(Key(FIRST))


# --- rotation ------------------------------------------------------------------------------------
def test_rotation_writes_a_new_secret_and_ends_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "desk"
    new = rotate(path, "desk", [Key(FIRST)], DAY, NOW)
    keyring = Keyring(path)
    assert keyring.keys() == (Key(new), Key(FIRST, NOW + DAY))
    assert len(new) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [item.name for item in path.parent.iterdir()] == ["desk"]


def test_rotation_without_grace_ends_all_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    keys = [Key(SECOND), Key(FIRST, NOW + DAY)]
    new = rotate(path, "desk", keys, timedelta(), NOW)
    assert Keyring(path).keys() == (Key(new),)


def test_a_second_rotation_keeps_what_the_first_one_promised_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    keys = [Key(SECOND), Key(FIRST, NOW + DAY), Key("an-ended-secret-of-old", NOW - DAY)]
    rotate(path, "desk", keys, 2 * DAY, NOW)
    kept = Keyring(path).keys()
    assert [key.until for key in kept] == [None, NOW + 2 * DAY, NOW + DAY]


def test_two_rotations_at_once_do_not_lose_a_secret(tmp_path: Path) -> None:
    path = written(tmp_path / "desk", FIRST)
    (tmp_path / "desk.new").write_text("another one writes here")
    with pytest.raises(KeyringError, match=r"desk.new: another rotation is under way"):
        rotate(path, "desk", [Key(FIRST)], DAY, NOW)
    assert Keyring(path).keys() == (Key(FIRST),)


def test_a_rotation_does_not_write_over_what_another_has_just_written(tmp_path: Path) -> None:
    path = written(tmp_path / "desk", FIRST)
    read = Keyring(path).keys()
    theirs = rotate(path, "desk", read, DAY, NOW)
    with pytest.raises(KeyringError, match="another rotation has just written it: try again"):
        rotate(path, "desk", read, DAY, NOW)
    assert Keyring(path).keys()[0] == Key(theirs)
    assert [each.name for each in tmp_path.iterdir()] == ["desk"]


@pytest.mark.parametrize("before", ["a secret with blanks", "#a-secret-like-a-comment"])
def test_a_secret_that_no_file_can_hold_is_not_rotated_into_one(
    tmp_path: Path, before: str
) -> None:
    path = tmp_path / "desk"
    with pytest.raises(KeyringError, match=r"end it at once with --grace 0"):
        rotate(path, "desk", [Key(before)], DAY, NOW)
    assert not path.exists()
    new = rotate(path, "desk", [Key(before)], timedelta(), NOW)
    assert Keyring(path).keys() == (Key(new),)


def test_a_rotation_that_cannot_write_leaves_everything_as_it_is(tmp_path: Path) -> None:
    blocked = written(tmp_path / "secrets", "a file where the directory should be")
    with pytest.raises(KeyringError, match="cannot be written"):
        rotate(blocked / "desk", "desk", [Key(FIRST)], DAY, NOW)


# --- the configuration ---------------------------------------------------------------------------
PEERS = """
data = "data"
listen = ["127.0.0.1:0"]
[[peer]]
id = "desk"
role = "application"
{desk}
[[peer]]
id = "pbx"
role = "platform"
secret = "{first}"
"""


def configured(directory: Path, desk: str) -> Path:
    path = directory / "linkage.toml"
    return written(path, PEERS.format(desk=desk, first=FIRST))


def test_a_secret_may_lie_in_a_file_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    written(tmp_path / "keys" / "d", SECOND)
    config = load_config(configured(tmp_path, 'secret_file = "keys/d"'))
    desk, pbx = config.peer
    assert desk.secret is not None
    assert desk.secret.get_secret_value() == SECOND
    assert pbx.valid_secrets(NOW) == (Secret(FIRST),)
    assert pbx.secret_path == tmp_path / "secrets" / "pbx"


@pytest.mark.parametrize(
    ("desk", "problem"),
    [
        ('secret_file = "keys/d"', "peer 'desk': .*keys/d: no such file"),
        ('secret_file = "loose"', "peer 'desk': .*loose: others may read .* chmod 600"),
        (f'secret_file = "loose"\nsecret = "{FIRST}"', "peer.0: .* both set"),
        ("", "peer.0: set `secret` or `secret_file`"),
        ('secret = "short"', "peer.0.secret: shorter than 16"),
    ],
)
def test_what_is_wrong_with_a_secret_is_a_configuration_error(
    tmp_path: Path, desk: str, problem: str
) -> None:
    written(tmp_path / "loose", SECOND, 0o644)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_config(configured(tmp_path, desk))
    assert SECOND not in str(caught.value)
    assert FIRST not in str(caught.value)


def test_no_secret_shows_in_what_a_configuration_prints(tmp_path: Path) -> None:
    path = configured(tmp_path, f'secret = "{SECOND}"')
    adapter = '\n[[adapter]]\nid = "a"\nkind = "x"\nsettings = {password = "hunter-hunter-2"}\n'
    written(path, path.read_text() + adapter)
    trace = '\n[trace]\nheaders = {authorization = "hunter-hunter-2"}\n'
    written(path, path.read_text() + trace)
    config = read_config(path)
    key = config.peer[0].keys()[0]
    nothing: dict[str, Any] = dict.fromkeys(("clock", "files"))
    given = AdapterContext(peer_id="a", settings=config.adapter[0].settings, **nothing)
    ways = {
        "repr": repr(config),
        "str": str(config),
        "format": f"{config} {config.adapter[0].settings} {config.peer[0].secret:>20}",
        "percent": "%s %r" % (config.peer, [config.trace]),  # noqa: UP031 - as a log line does it
        "dump": str(config.model_dump()),
        "json": config.model_dump_json(),
        "dict": str([dict(config), *map(dict, config.adapter)]),
        "vars": str([vars(item) for item in (config, *config.peer, *config.adapter)]),
        "asdict": str([asdict(key), asdict(given), given, key]),
        "deep": repr(copy.deepcopy(config)),
        "pprint": pprint.pformat([config.model_dump(), config.adapter[0].settings]),
        "rich": pretty_repr([config, config.model_dump(), config.adapter[0].settings]),
        "client": repr(Credentials(Role.PLATFORM, "pbx", FIRST, {}).__dict__),
    }
    for way, shown in ways.items():
        for text in (FIRST, SECOND, "hunter-hunter-2"):
            assert text not in shown, way
    assert HIDDEN in ways["json"]
    with pytest.raises(TypeError):
        json.dumps(config.model_dump(include={"adapter"}))
    assert config.adapter[0].settings["password"] == "hunter-hunter-2"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"peer": [{"id": "d", "role": "application", "secret": "too-short"}]},
        {"peer": [{"id": "d", "role": "application", "secret": ["too-short"]}]},
        {"peer": [{"id": "d", "role": "application", "secrte": "too-short"}]},
        {"peer": [{"id": "d", "role": "too-short", "secret": "too-short-but-long-enough"}]},
        {"trace": {"endpoint": "http://user:too-short@collector:4318"}},
        {"trace": {"headers": {"authorization": ["too-short"]}}},
        {"adapter": [{"id": "a", "kind": "x", "settings": "too-short"}]},
    ],
)
def test_no_secret_shows_in_what_is_said_of_a_wrong_configuration(
    spoilt: dict[str, Any],
) -> None:
    try:
        Config.model_validate(spoilt)
    except ValueError as error:
        told = "".join(traceback.format_exception(error))
        assert "too-short" not in told
    else:
        pytest.fail("it is wrong")


def test_a_secret_compares_and_is_not_pickled() -> None:
    assert Secret(FIRST) == Secret(FIRST) == FIRST
    assert Secret(FIRST) != Secret(SECOND)
    assert len({Secret(FIRST), Secret(Secret(FIRST))}) == 1
    assert Secret(FIRST) != 7
    with pytest.raises(TypeError, match="not pickled"):
        Secret(FIRST).__reduce__()
    with pytest.raises(TypeError, match="a secret is a text"):
        Secret(cast("str", 7))
    assert HiddenMapping({"a": [{"b": 1}]}) == {"a": [{"b": 1}]}


# --- serving -------------------------------------------------------------------------------------
@asynccontextmanager
async def serving(config: Config, clock: Shifted) -> AsyncIterator[tuple[str, int]]:
    async with linkage.Server(config, clock) as server:
        yield server.addresses[0]


async def comes_in(address: tuple[str, int], secret: str, clock: Shifted) -> bool:
    try:
        async with Platform(*address, "pbx", secret=secret, clock=clock):
            return True
    except Refused as refused:
        return refused.response.result != Result.BAD_CREDENTIALS


async def test_a_serving_linkage_takes_up_a_new_secret_and_lets_the_old_one_end(
    tmp_path: Path,
) -> None:
    config = load_config(configured(tmp_path, f'secret = "{SECOND}"'))
    clock = Shifted()
    pbx = config.peer[1]
    assert pbx.secret_path is not None
    async with serving(config, clock) as address:
        assert await comes_in(address, FIRST, clock)
        new = rotate(pbx.secret_path, "pbx", pbx.keys(), DAY, clock.utc())
        assert await comes_in(address, FIRST, clock)
        assert await comes_in(address, new, clock)
        assert not await comes_in(address, SECOND, clock)
        clock.by = 2 * DAY
        assert not await comes_in(address, FIRST, clock)
        assert await comes_in(address, new, clock)
        last = rotate(pbx.secret_path, "pbx", pbx.keys(), timedelta(), clock.utc())
        assert not await comes_in(address, new, clock)
        assert await comes_in(address, last, clock)


async def test_a_session_is_ended_with_its_secret_and_its_peer_is_told(tmp_path: Path) -> None:
    config = load_config(configured(tmp_path, f'secret = "{SECOND}"'))
    desk = config.peer[0]
    clock = Shifted()
    assert desk.secret_path is not None
    async with linkage.Server(config, clock) as server:
        address = server.addresses[0]
        async with Application(*address, "desk", secret=SECOND, clock=clock) as application:
            new = rotate(desk.secret_path, "desk", desk.keys(), DAY, clock.utc())
            assert server._core is not None
            await server._core.credential_expiry.look()
            with pytest.raises(CommandRefusedError) as caught:
                await application.send(RotateKey(key_id="2", digest="x" * 64))
            assert caught.value.response.result == Result.BAD_VALUE, "it is in its grace"
            clock.by = 2 * DAY
            await server._core.credential_expiry.look()
            told = (await application.next_notice()).message
            assert isinstance(told, PlatformLeave)
            assert (told.result, told.reason) == (Result.SESSION_EXPIRED, EXPIRED)
            with pytest.raises(Refused):  # it comes again, with what it knows
                await application.next_notice()
        async with Application(*address, "desk", secret=new, clock=clock) as application:
            await server._core.credential_expiry.look()
            with pytest.raises(CommandRefusedError):
                await application.send(RotateKey(key_id="2", digest="x" * 64))


@pytest.mark.parametrize("spoil", ["chmod", "unlink", "rubbish"])
async def test_a_file_that_cannot_be_used_any_more_lets_nobody_in_and_says_so(
    tmp_path: Path, spoil: str
) -> None:
    path = written(tmp_path / "key", SECOND)
    config = load_config(configured(tmp_path, 'secret_file = "key"'))
    clock = Shifted()
    async with serving(config, clock) as address:
        if spoil == "chmod":
            path.chmod(0o644)
        elif spoil == "unlink":
            path.unlink()
        else:
            written(path, "rubbish")
        with pytest.raises(Refused):
            async with Application(*address, "desk", secret=SECOND, clock=clock):
                pass
        assert await comes_in(address, FIRST, clock)
    with StoreReader.open(config.database_path) as reader:
        details = [entry.detail or "" for entry in reader.entries()]
    assert any("no secret of 'desk'" in detail and str(path) in detail for detail in details)
    assert not any(SECOND in detail for detail in details)


async def test_linkage_introduces_itself_with_each_secret_in_force_in_turn(
    tmp_path: Path,
) -> None:
    clock = Shifted()
    async with Application.listen("127.0.0.1", 0, "desk", secret=SECOND, clock=clock) as desk:
        host, port = desk.address
        path = configured(tmp_path, f'secret = "{SECOND}"\ndial = "{host}:{port}"')
        config = load_config(path)
        rotate(tmp_path / "secrets" / "desk", "desk", config.peer[0].keys(), DAY, clock.utc())
        # The desk does not know the new secret yet: the second attempt is with the old one.
        async with serving(config, clock):
            await desk.wait_ready()


@pytest.mark.parametrize("as_json", [False, True])
async def test_no_secret_is_ever_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logging(level="debug", as_json=as_json)
    try:
        config = load_config(configured(tmp_path, f'secret = "{SECOND}"'))
        clock = Shifted()
        pbx = config.peer[1]
        assert pbx.secret_path is not None
        async with serving(config, clock) as address:
            async with Application(*address, "desk", secret=SECOND, clock=clock):
                assert await comes_in(address, FIRST, clock)
            new = rotate(pbx.secret_path, "pbx", pbx.keys(), DAY, clock.utc())
            assert await comes_in(address, new, clock)
            with pytest.raises(ClientError):
                async with Application(*address, "desk", secret=FIRST, clock=clock):
                    pass
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    logged = capfd.readouterr().err
    assert "pbx" in logged
    assert "desk" in logged
    assert not any(secret in logged for secret in (FIRST, SECOND, new))
    journal = config.database_path.read_bytes()
    wal = config.database_path.with_name(config.database_path.name + "-wal")
    journal += wal.read_bytes() if wal.exists() else b""
    assert not any(secret.encode() in journal for secret in (FIRST, SECOND, new))
