"""The configuration: what it may say, and every problem named at once, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.config import Config, ConfigError, load_config
from linkage.ports import Role

SECRET = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "linkage.toml"


def load(file: Path, text: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def problems(file: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    for line in caught.value.problems:
        assert line.startswith(f"{file}: ")
        assert "\n" not in line
    return [line.removeprefix(f"{file}: ") for line in caught.value.problems]


def test_an_empty_file_will_do(file: Path) -> None:
    config = load(file, "")

    assert config.listen == (("127.0.0.1", 7700),)
    assert config.database_path == file.parent / "data" / "linkage.db"
    assert config.timers.command_expire_s == 30


def test_paths_are_relative_to_the_file(file: Path) -> None:
    config = load(file, 'data = "../elsewhere"')

    assert config.data_path == file.parent.parent / "elsewhere"
    assert config.files_path == config.data_path / "files"


def test_peers_are_as_they_are_written(file: Path) -> None:
    config = load(
        file,
        f"""
        listen = ["0.0.0.0:7700", "[::1]:0"]
        [[peer]]
        id = "desk"
        role = "application"
        secret = "{SECRET}"
        numbers = ["110", "119*"]
        [[peer]]
        id = "old"
        role = "platform"
        legacy = true
        address = "10.0.0.9"
        dialect = {{encoding = "gbk", byte_order = "little", empty_token = "EMPTY"}}
        [[adapter]]
        id = "ast"
        kind = "asterisk"
        settings = {{any = "thing"}}
        """,
    )

    assert config.listen == (("0.0.0.0", 7700), ("::1", 0))
    desk, old = config.find_peer("desk"), config.find_peer("old")
    assert desk is not None
    assert old is not None
    assert (desk.role, desk.numbers) == (Role.APPLICATION, ("110", "119*"))
    dialect = old.profile().dialect
    assert (dialect.encoding, dialect.byte_order, dialect.empty_token) == (
        "gbk",
        "little",
        "EMPTY",
    )
    assert (dialect.profile, dialect.fragments, dialect.message_max_bytes) == (
        False,
        False,
        65_535,
    )
    assert config.adapter[0].settings == {"any": "thing"}
    assert config.find_peer("ast") is None


def test_secrets_are_not_shown(file: Path) -> None:
    config = load(file, f'[[peer]]\nid = "a"\nrole = "monitor"\nsecret = "{SECRET}"')

    assert SECRET not in repr(config)
    assert SECRET not in str(config.model_dump())


def test_all_problems_are_told_at_once_each_with_its_key(file: Path) -> None:
    found = problems(
        file,
        """
        listen = ["here"]
        colour = "red"
        [timers]
        heartbeat_s = 0
        [[peer]]
        id = "a b"
        role = "boss"
        secret = "short"
        [[peer]]
        id = "b"
        """,
    )

    keys = {line.partition(": ")[0] for line in found}
    assert {"listen.0", "colour", "timers.heartbeat_s", "peer.0.id", "peer.0.role"} <= keys
    assert any("peer.1.role: is missing" in line for line in found)
    assert any('write it as "HOST:PORT"' in line for line in found)
    assert any("docs/reference/configuration.md" in line for line in found)


def test_contradictions_are_told_one_to_a_line(file: Path) -> None:
    found = problems(
        file,
        f"""
        [[peer]]
        id = "desk"
        role = "application"
        secret = "{SECRET}"
        platform = "nowhere"
        [[peer]]
        id = "desk"
        role = "business-screen"
        secret = "{SECRET}"
        application = "nobody"
        [[peer]]
        id = "pbx"
        role = "platform"
        secret = "{SECRET}"
        dial = "10.0.0.1:7700"
        """,
    )

    assert len(found) == 4
    assert "the id 'desk' is given 2 times" in found[0]
    assert "platform 'nowhere'" in found[1]
    assert "application 'nobody'" in found[2]
    assert "only applications listen" in found[3]


@pytest.mark.parametrize(
    ("peer", "remedy"),
    [
        ('role = "platform"', "set `secret`"),
        ('role = "platform"\nlegacy = true', "set `address` or `dial`"),
        ('role = "platform"\nsecret = "short"', "linkage init"),
        (
            f'role = "platform"\nsecret = "{SECRET}"\ndialect = {{flag_message = 2}}',
            "must differ",
        ),
    ],
)
def test_a_peer_that_cannot_be_is_refused_with_a_remedy(
    file: Path, peer: str, remedy: str
) -> None:
    (found,) = problems(file, f'[[peer]]\nid = "a"\n{peer}')
    assert remedy in found


def test_timers_must_fit_each_other(file: Path) -> None:
    (found,) = problems(file, "[timers]\nheartbeat_s = 30\ndead_after_s = 30")
    assert "dead_after_s must be longer" in found


def test_files_that_cannot_be_read_are_told_in_words(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*linkage init"):
        load_config(file)
    assert "is not valid TOML" in problems(file, "[[[")[0]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file.parent)
