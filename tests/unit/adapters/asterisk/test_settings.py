"""Settings of the Asterisk adapter: what is wrong is said with its key and a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.asterisk.settings import Settings
from linkage.config.adapters import SettingsError, read_settings
from linkage.ports import AdapterRefusedError

GOOD: dict[str, Any] = {
    "url": "http://127.0.0.1:8088",
    "user": "linkage",
    "password": "secret",
    "hotline": {"12345": {"officers": ["1001"], "strategy": "all", "record": True}},
    "officer": {"1001": {"login": "23", "endpoint": "PJSIP/1001"}},
}


def problems(**changes: Any) -> list[str]:
    settings = {key: value for key, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(SettingsError) as error:
        read_settings(Settings, "pbx", settings)
    return error.value.problems


def test_good_settings_are_taken() -> None:
    settings = read_settings(Settings, "pbx", GOOD)
    assert settings.base_url == "http://127.0.0.1:8088/ari"
    assert settings.officer_of("23") == "1001"
    assert settings.officer_of("24") is None
    assert "secret" not in repr(settings)


def test_paths_are_relative_to_the_configuration() -> None:
    https = GOOD | {"url": "https://pbx:8089", "ca": "tls/ca.pem"}
    assert read_settings(Settings, "pbx", https, Path("/etc/linkage")).ca == Path(
        "/etc/linkage/tls/ca.pem"
    )
    there = https | {"ca": "/etc/ssl/ca.pem"}
    assert read_settings(Settings, "pbx", there, Path("/etc/linkage")).ca == Path(
        "/etc/ssl/ca.pem"
    )


def test_files_for_tls_without_tls_have_no_effect() -> None:
    [problem] = problems(ca="ca.pem")
    assert problem.startswith("adapter pbx: settings.ca: ")
    assert "write https:// in url" in problem
    [problem] = problems(url="https://pbx:8089", certificate="a.pem")
    assert "certificate and key, both or none" in problem


@pytest.mark.parametrize("url", ["http://pbx:8088/ari", "http://pbx:8088/ari/"])
def test_the_url_may_name_ari_or_not(url: str) -> None:
    assert read_settings(Settings, "pbx", GOOD | {"url": url}).base_url == "http://pbx:8088/ari"


def test_settings_that_cannot_be_used_refuse_the_adapter_for_good() -> None:
    assert issubclass(SettingsError, AdapterRefusedError)


@pytest.mark.parametrize(
    ("changes", "key", "remedy"),
    [
        ({"user": None}, "settings.user", "ari.conf"),
        ({"password": None}, "settings.password", "ari.conf"),
        ({"colour": "red"}, "settings.colour", "there are app, ca"),
        ({"url": "pbx:8088"}, "settings.url", "http"),
        ({"app": "my app"}, "settings.app", "pattern"),
        ({"trunk": "PJSIP/trunk"}, "settings.trunk", "PJSIP/{number}@trunk"),
        ({"sounds": "{file_id}"}, "settings.sounds", "sound:linkage/{file_id}"),
        (
            {"hotline": {"12345": {"officers": ["1002"]}}},
            "settings.hotline.12345",
            "[adapter.settings.officer.1002]",
        ),
        ({"hotline": {"12345": {"officers": []}}}, "settings.hotline.12345.officers", "1 item"),
        (
            {"officer": {"1001": {"login": "23", "endpoint": "1001"}}},
            "settings.officer.1001.endpoint",
            "pattern",
        ),
        (
            {
                "officer": {
                    "1001": {"login": "23", "endpoint": "PJSIP/1001"},
                    "1002": {"login": "23", "endpoint": "PJSIP/1002"},
                }
            },
            "settings.officer.1002",
            "a login of its own",
        ),
    ],
)
def test_what_is_wrong_names_its_key_and_what_to_do(
    changes: dict[str, Any], key: str, remedy: str
) -> None:
    (problem,) = problems(**changes)
    assert problem.startswith(f"adapter pbx: {key}")
    assert remedy in problem


def test_all_problems_are_told_at_once() -> None:
    found = problems(user=None, url="nowhere", colour="red")
    assert len(found) == 3
