"""The configuration: what it may say, and every problem named at once, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkage.config.file import Config, read_config
from linkage.config.problems import ConfigError
from linkage.ports import Role

SECRET = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "linkage.toml"


def load(file: Path, text: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return read_config(file)


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
    assert any(
        "colour: is not a setting: there are adapter, allow, data" in line for line in found
    )


def test_a_key_that_nobody_knows_is_told_with_the_one_that_was_meant(file: Path) -> None:
    found = problems(file, "listn = []\n[timers]\nhartbeat_s = 5\n[watch]\nlisten_at = 'a:1'")

    assert sorted(found) == [
        "listn: is not a setting: did you mean 'listen'?",
        "timers.hartbeat_s: is not a setting: did you mean 'heartbeat_s'?",
        "watch.listen_at: is not a setting: did you mean 'listen'?",
    ]


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
        read_config(file)
    assert "is not valid TOML" in problems(file, "[[[")[0]
    assert "nested too deeply" in problems(file, f"a = {'[' * 100_000}")[0]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(file.parent)


# --- addresses -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('["127.0.0.1:7700"]', (("127.0.0.1", 7700),)),
        ('"127.0.0.1:7700"', (("127.0.0.1", 7700),)),
        ('"[::]:7700"', (("::", 7700),)),
        ('"[::1]:0"', (("::1", 0),)),
        ('"[fe80::1%eth0]:7700"', (("fe80::1%eth0", 7700),)),
        ('"desk.example:7700"', (("desk.example", 7700),)),
        ("[]", ()),
    ],
)
def test_addresses_are_taken_as_they_are_meant(
    file: Path, written: str, meant: tuple[tuple[str, int], ...]
) -> None:
    assert load(file, f"listen = {written}").listen == meant


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        (":5000", '"0.0.0.0:5000" is all of IPv4, "[::]:5000" all of IPv6'),
        ("*:5000", '"0.0.0.0:5000" is all of IPv4, "[::]:5000" all of IPv6'),
        ("::1:5000", '"[::1]:PORT"'),
        ("::", '"HOST:PORT"'),
        ("[::1:5000", '"[IPV6]:PORT"'),
        ("[desk]:5000", '"[IPV6]:PORT"'),
        ("tcp://127.0.0.1:5000", '"HOST:PORT"'),
        ("127.0.0.1", '"HOST:PORT"'),
        ("127.0.0.1:", '"HOST:PORT"'),
        ("no..name:7700", "no name of a host"),
        ("127.0.0.1:65536", '"HOST:PORT"'),
        ("127.0.0.1:٧٧", '"HOST:PORT"'),
        ("5000", '"HOST:PORT"'),
    ],
)
def test_an_address_that_is_none_is_named_with_what_it_should_be(
    file: Path, written: str, remedy: str
) -> None:
    [found] = problems(file, f'listen = ["{written}"]')
    assert found.startswith("listen.0: ")
    assert remedy in found


def test_a_peer_is_not_dialled_at_port_0(file: Path) -> None:
    [found] = problems(
        file, f'[[peer]]\nid = "a"\nrole = "application"\nsecret = "{SECRET}"\ndial = "a:0"'
    )
    assert "the port is 0" in found


# --- settings that would do nothing --------------------------------------------------------------
def of_peer(role: str, settings: str, secret: str = f'secret = "{SECRET}"') -> str:
    return f'[[peer]]\nid = "it"\nrole = "{role}"\n{secret}\n{settings}'


LEGACY = 'legacy = true\naddress = "10.0.0.9"'
IDLE = {
    "numbers of a platform": (of_peer("platform", 'numbers = ["110"]'), "`numbers` is for app"),
    "numbers of a monitor": (of_peer("monitor", 'numbers = ["110"]'), "`numbers` is for app"),
    "logins of a platform": (of_peer("platform", 'logins = ["1"]'), "`logins` is for"),
    "a platform's platform": (of_peer("platform", 'platform = "it"'), "`platform` is for app"),
    "a login of an application": (of_peer("application", 'login = "1"'), "`login` is for"),
    "an application's application": (
        of_peer("application", 'application = "it"'), "`application` is for business-screens",
    ),
    "a type that nobody sends": (of_peer("platform", "types = [100, 201]"), "no platform sends"),
    "an address of who registers": (
        of_peer("platform", 'address = "10.0.0.9"'), "come from there only, write `allow`",
    ),
    "a secret of a legacy peer": (of_peer("platform", LEGACY), "it has no secret"),
    "a name without TLS": (
        of_peer("application", 'dial = "10.0.0.9:7701"\ndial_name = "desk"'), "`dial_tls`",
    ),
    "who may come, of one that is only dialled": (
        of_peer(
            "application", 'legacy = true\ndial = "10.0.0.9:7701"\nallow = ["10.0.0.9"]', secret=""
        ),
        "linkage only dials it",
    ),
    "a certificate that nobody is shown": (
        '[tls]\ncertificate = "a.pem"\nkey = "a.key"', "add a [[listener]] with `tls = true`",
    ),
    "an authority without listener": ('[tls]\nclient_ca = "ca.pem"', "needs a [[listener]]"),
    "an authority for nobody dialled": ('[tls]\ndial_ca = "ca.pem"', "a peer with `dial_tls`"),
    "an address twice": (
        'listen = ["127.0.0.1:7700"]\n[[listener]]\naddress = "127.0.0.1:7700"', "given 2 times",
    ),
    "watching a part that is none": (
        '[watch.parts]\ncore = "127.0.0.1:9465"', "'core' is no part here: there are gateway",
    ),
    "keys for no network": ('[messaging]\nkeys = "elsewhere"', "`keys` are for `tcp://`"),
    "a pause between no questions": ("[sweep]\nask_after_h = 0\nevery_s = 9", "nothing is ever"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), IDLE.values(), ids=list(IDLE))
def test_a_setting_without_effect_is_refused(file: Path, text: str, problem: str) -> None:
    assert [line for line in problems(file, text) if problem in line]


@pytest.mark.parametrize(
    "text",
    [
        of_peer("platform", '[peer.dialect]\nencoding = "gbk"'),
        of_peer("platform", 'address = "10.0.0.9"\n[peer.dialect]\nencoding = "gbk"'),
        of_peer("application", 'numbers = ["110*"]\nlogins = ["1"]\ntypes = [201, 210]'),
        of_peer("communication-screen", 'login = "1"\nlogins = ["1", "2"]'),
        of_peer("platform", 'numbers = ["*"]'),
        of_peer("platform", f'{LEGACY}\nallow = ["10.0.0.0/8"]', secret=""),
        "listen = []\n[watch.parts]\ngateway = '127.0.0.1:1'\n'gateway:two' = '127.0.0.1:2'",
    ],
)
def test_what_has_an_effect_is_taken(file: Path, text: str) -> None:
    load(file, text)
