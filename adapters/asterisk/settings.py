"""What `[adapter.settings]` of an adapter of kind `asterisk` may hold.

```toml
[[adapter]]
id = "pbx"
kind = "asterisk"

[adapter.settings]
url = "http://127.0.0.1:8088"       # of Asterisk's HTTP server; /ari is added where it is missing
user = "linkage"                    # a [user] of ari.conf
password = "…"
trunk = "PJSIP/{number}@trunk"      # how numbers outside are dialled
prefixes = { "+86" = "0", "+" = "00" }   # what their beginning is dialled as


[adapter.settings.hotline.12345]
officers = ["1001", "1002"]
strategy = "in-order"               # or "all"

[adapter.settings.officer.1001]
login = "23"
endpoint = "PJSIP/1001"
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from linkage.config.secrets import Secret
from linkage.ports import AdapterRefusedError

NUMBER: Final = r"^[0-9A-Za-z*#+_.-]{1,25}$"
"""What can be a telephone number or an extension here: it goes into URLs and dial strings."""

Number = Annotated[str, Field(pattern=NUMBER)]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9*#]{0,10}$", min_length=1)]
Login = Annotated[str, Field(pattern=r"^\S(.{0,18}\S)?$")]
Endpoint = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]+/[^\s,&]+(&[A-Za-z0-9]+/[^\s,&]+){0,9}$", max_length=400)
]


class SettingsError(AdapterRefusedError):
    """The settings cannot be used. `problems` are lines for people: key, what is wrong, remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Hotline(_Section):
    """A number that callers dial, and who is rung for it; times in seconds."""

    officers: Annotated[tuple[Number, ...], Field(min_length=1)]
    strategy: Literal["in-order", "all"] = "in-order"
    ring_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    record: bool = False


class Officer(_Section):
    """A duty officer's telephone: who works at it, and how Asterisk dials it."""

    login: Login
    endpoint: Endpoint


class Settings(_Section):
    """The whole of `[adapter.settings]`."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")] = "http://127.0.0.1:8088"
    user: Annotated[str, Field(min_length=1)]
    password: Secret
    app: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,20}$")] = "linkage"
    """Name of the Stasis application: what the dialplan calls with `Stasis(linkage,…)`. Prefix of
    every channel, bridge and recording made by this adapter, so it must differ from the app of
    another linkage at the same Asterisk."""
    hotline: Mapping[Number, Hotline] = {}
    officer: Mapping[Number, Officer] = {}
    trunk: str | None = None
    prefixes: Mapping[Prefix, Annotated[str, Field(pattern=r"^[0-9*#+]{0,10}$")]] = {}
    """How the beginning of a number is dialled here, e.g. `"+86" = "0"`, `"+" = "00"`. The longest
    that fits counts; numbers are freed of blanks, brackets and dashes before."""
    sounds: str = "sound:{file_id}"
    """What Asterisk is told to play for a FileId of 203 and 209: a sound of its own."""
    music: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")] = "default"
    """Music-on-hold class for those who are on hold."""
    ring_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long a telephone rings where no hotline or 210 says so: transfers, direct calls."""
    keep_recordings: bool = False
    """Leave recordings at Asterisk after they were fetched."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 8.0
    """How long a request to Asterisk may take before the link counts as lost."""
    ca: Path | None = None
    """Verifies Asterisk's certificate where `url` is https; none: the authorities of the system.
    This and the two after it are PEM files, relative to linkage's configuration."""
    certificate: Path | None = None
    """What linkage shows, where something before Asterisk asks for it; with its `key`."""
    key: Path | None = None

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, value: str) -> str:
        if "@" in value.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError(
                "has a user or password in it, which would be shown: set `user` and `password`"
            )
        return value

    @field_validator("trunk")
    @classmethod
    def _has_number(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(
            r"[A-Za-z0-9]+/[^\s,&]*\{number\}[^\s,&]*", value
        ):
            raise ValueError('write it with {number}, for example "PJSIP/{number}@trunk"')
        return value

    @field_validator("sounds")
    @classmethod
    def _has_file(cls, value: str) -> str:
        if value.count("{file_id}") != 1 or not value.startswith("sound:"):
            raise ValueError('write it with {file_id}, for example "sound:linkage/{file_id}"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        problems = list(self._idle_files())
        problems += [
            f'hotline.{number}: officer "{officer}" is not known; '
            f"add a table [adapter.settings.officer.{officer}] with login and endpoint"
            for number, hotline in self.hotline.items()
            for officer in hotline.officers
            if officer not in self.officer
        ]
        logins: dict[str, str] = {}
        for number, officer in self.officer.items():
            other = logins.setdefault(officer.login, number)
            if other != number:
                problems.append(
                    f'officer.{number}: login "{officer.login}" works at officer.{other} already; '
                    "give each telephone a login of its own"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _idle_files(self) -> Iterator[str]:
        files = {"ca": self.ca, "certificate": self.certificate, "key": self.key}
        given = [name for name, path in files.items() if path is not None]
        if given and not self.url.startswith("https:"):
            yield f"{given[0]}: {self.url} speaks no TLS; write https:// in url, or remove it"
        if (self.certificate is None) is not (self.key is None):
            yield "certificate: set certificate and key, both or none"

    @property
    def base_url(self) -> str:
        """Where ARI is: the URL with `/ari`, without a slash at the end."""
        url = self.url.rstrip("/")
        return url if url.endswith("/ari") else f"{url}/ari"

    def officer_of(self, login: str) -> str | None:
        """The number of the telephone at which somebody works."""
        for number, officer in self.officer.items():
            if officer.login == login:
                return number
        return None


def read_settings(peer_id: str, settings: Mapping[str, Any], folder: Path = Path()) -> Settings:
    """Check the settings of one adapter as a whole; paths in them are relative to `folder`.

    Raises:
        SettingsError: with every problem at once, each with its key and what to do about it.
    """
    try:
        made = Settings.model_validate(dict(settings))
        files = {name: getattr(made, name) for name in ("ca", "certificate", "key")}
        placed = {name: folder / path for name, path in files.items() if path is not None}
        return made.model_copy(update=placed)
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _explain(peer_id, item)]
    raise SettingsError(problems)


_REMEDIES: Final = {
    "user": "set it to the name of a [user] section of Asterisk's ari.conf",
    "password": "set it to the password of that user in ari.conf",
}


def _explain(peer_id: str, item: Any) -> list[str]:
    key = ".".join(str(step) for step in item["loc"])
    where = f"adapter {peer_id}: settings.{key}" if key else f"adapter {peer_id}: settings"
    if item["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        return [f"{where}: is not a setting; there are {known}"]
    if item["type"] == "missing":
        return [f"{where}: is missing; {_REMEDIES.get(key, 'set it')}"]
    text = str(item["msg"]).removeprefix("Value error, ")
    joint = "." if not key else ": "
    return [f"{where}{joint}{line}" for line in text.split("\n")]
