"""`[adapter.settings]` is checked with the whole file, and its secrets may lie in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.asterisk import AsteriskAdapter
from linkage.clock import ManualClock
from linkage.config.file import Config
from linkage.config.load import load_config
from linkage.config.problems import ConfigError
from linkage.config.reload import plan_reload
from linkage.config.secrets import Secret
from linkage.logs.redaction import secrets_of
from linkage.ports import AdapterContext
from tests.fakes.hosted_adapter import NO_FILES

ADAPTER = """
[[adapter]]
id = "{id}"
kind = "asterisk"
[adapter.settings]
user = "linkage"
{more}
"""


def load(folder: Path, *tables: str) -> Config:
    path = folder / "linkage.toml"
    path.write_text("".join(tables))
    return load_config(path)


def problems(folder: Path, *tables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, *tables)
    begin = f"{folder / 'linkage.toml'}: "
    assert all(line.startswith(begin) for line in caught.value.problems)
    return [line.removeprefix(begin) for line in caught.value.problems]


def pbx(more: str, peer_id: str = "pbx") -> str:
    return ADAPTER.format(id=peer_id, more=more)


def secret_file(folder: Path, text: str = "hunter22\n", mode: int = 0o600) -> Path:
    path = folder / "pbx.secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_wrong_key_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    assert problems(tmp_path, pbx('password = "p"\ntimout_s = 3')) == [
        "adapter pbx: settings.timout_s: is not a setting: did you mean 'timeout_s'?"
    ]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("colour = 7", "colour: is not a setting"),
        ('[[adapter]]\nid = "two"', "adapter.0.kind: is missing"),
        ("[tls]\ndial_ca = 'a.pem'", "file: [tls] `dial_ca` needs a peer"),
    ],
)
def test_settings_of_an_adapter_are_told_together_with_what_else_is_wrong(
    tmp_path: Path, other: str, told: str
) -> None:
    first, second = problems(tmp_path, other, pbx('password = "p"\ntimout_s = 3'))
    assert first.startswith(told)
    assert second.startswith("adapter pbx: settings.timout_s: is not a setting")


@pytest.mark.parametrize("written", ["adapter = 7", "adapter = [7]", "[adapter]\nid = 'a'"])
def test_what_is_no_adapter_at_all_is_told_once(tmp_path: Path, written: str) -> None:
    told = problems(tmp_path, written)
    assert told
    assert len(set(told)) == len(told)
    assert all(line.startswith("adapter") for line in told)


def test_a_secret_in_a_file_is_read_and_never_shown(tmp_path: Path) -> None:
    secret_file(tmp_path)
    config = load(tmp_path, pbx('password_file = "pbx.secret"'))

    assert config.adapter[0].checked.password == Secret("hunter22")
    assert "hunter22" not in f"{config!r} {config.model_dump()} {config.adapter[0].checked}"
    assert "hunter22" in set(secrets_of(config)), "so that the log hides it"


@pytest.mark.parametrize(
    ("text", "mode", "more", "problem"),
    [
        ("", 0o600, "", "has no secret in it"),
        ("hunter22", 0o644, "", "chmod 600"),
        ("hunter22", 0o600, 'password = "p"', "password is set, too: remove one of them"),
    ],
)
def test_a_file_that_cannot_be_used_is_the_only_problem_told(
    tmp_path: Path, text: str, mode: int, more: str, problem: str
) -> None:
    secret_file(tmp_path, text, mode)
    (told,) = problems(tmp_path, pbx(f'password_file = "pbx.secret"\n{more}'))

    assert told.startswith("adapter pbx: settings.password_file: ")
    assert problem in told


def test_a_file_that_changed_is_new_settings_and_one_that_did_not_is_none(tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    before = load(tmp_path, pbx('password_file = "pbx.secret"'))
    same = load(tmp_path, pbx('password_file = "pbx.secret"'))
    path.write_text("another of them\n")
    after = load(tmp_path, pbx('password_file = "pbx.secret"'))

    assert plan_reload(before, same, ()).again == []
    assert [item.id for item in plan_reload(before, after, ()).again] == ["pbx"]


def test_two_adapters_for_one_application_are_refused(tmp_path: Path) -> None:
    one, other = pbx('password = "p"'), pbx('password = "p"', "pbx2")
    assert problems(tmp_path, one, other) == [
        (
            "adapter pbx2: the application linkage of http://127.0.0.1:8088/ari is adapter pbx's "
            "already"
        )
    ]
    load(tmp_path, one, pbx('password = "p"\napp = "other"', "pbx2"))
    load(tmp_path, one, pbx('password = "p"\nurl = "http://10.0.0.5:8088"', "pbx2"))


def test_credentials_alone_are_taken_up_while_it_runs(tmp_path: Path) -> None:
    secret_file(tmp_path)
    before = load(tmp_path, pbx('password_file = "pbx.secret"')).adapter[0].checked
    secret_file(tmp_path, "another of them")
    after = load(tmp_path, pbx('password_file = "pbx.secret"')).adapter[0].checked
    other = load(tmp_path, pbx('password = "p"\napp = "other"')).adapter[0].checked
    adapter = AsteriskAdapter(
        AdapterContext(peer_id="pbx", settings=before, clock=ManualClock(), files=NO_FILES)
    )

    assert adapter.take_up(after)
    assert not adapter.take_up(other)
