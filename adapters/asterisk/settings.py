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

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator

from adapters.voice.settings import VoiceSettings
from linkage.config.secrets import Secret
from linkage.ports import AdapterRefusedError


class SettingsError(AdapterRefusedError):
    """The settings cannot be used. `problems` are lines for people: key, what is wrong, remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(VoiceSettings):
    """The whole of `[adapter.settings]`."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")] = "http://127.0.0.1:8088"
    user: Annotated[str, Field(min_length=1)]
    password: Secret
    sounds: str = "sound:{file_id}"
    """What Asterisk is told to play for a FileId of 203 and 209: a sound of its own."""
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

    @field_validator("sounds")
    @classmethod
    def _has_file(cls, value: str) -> str:
        if value.count("{file_id}") != 1 or not value.startswith("sound:"):
            raise ValueError('write it with {file_id}, for example "sound:linkage/{file_id}"')
        return value

    def problems(self) -> Iterator[str]:
        """As `VoiceSettings.problems`; also files that are of no use."""
        yield from super().problems()
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
        known = ", ".join(
            sorted(Settings.model_fields, key=lambda each: each in VoiceSettings.model_fields)
        )
        return [f"{where}: is not a setting; there are {known}"]
    if item["type"] == "missing":
        return [f"{where}: is missing; {_REMEDIES.get(key, 'set it')}"]
    text = str(item["msg"]).removeprefix("Value error, ")
    joint = "." if not key else ": "
    return [f"{where}{joint}{line}" for line in text.split("\n")]
