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

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from adapters.voice.settings import VoiceSettings
from linkage.config.fields import HttpUrl
from linkage.config.secrets import Secret


def _has_file(sounds: str) -> str:
    if sounds.count("{file_id}") != 1 or not sounds.startswith("sound:"):
        raise ValueError('write it with {file_id}, for example "sound:linkage/{file_id}"')
    return sounds


@dataclass(frozen=True, kw_only=True)
class Settings(VoiceSettings):
    """Asterisk 18–22 with ARI switched on (`http.conf`, `ari.conf`), and a dialplan.

    The dialplan sends calls to `Stasis(linkage,caller,${EXTEN},${CALLERID(num)})`, those of
    officers' telephones to `Stasis(linkage,officer,${EXTEN},${CALLERID(num)})`.

    Numbers may be written as people write them: `+86 139 1234 4444`, `010/6655`, `(010)
    6655-1234`, full width, `tel:` URIs. Blanks, dashes, dots, brackets and the slash after an area
    code are taken out before anything is dialled or compared. What cannot be a number then is
    refused at once (103, or Reason 106 in 110). A transfer or a deflection to a hotline's number
    rings its officers.
    """

    url: HttpUrl = "http://127.0.0.1:8088"
    """of Asterisk's HTTP server; `/ari` is added where it is missing"""
    user: Annotated[str, Field(min_length=1)]
    """a `[user]` of `ari.conf`"""
    password: Secret
    """the password of that user in `ari.conf`"""
    ca: Path | None = None
    """PEM file: verifies Asterisk's certificate where `url` begins with `https://`; none: the
    authorities of the system"""
    certificate: Path | None = None
    """PEM file: what linkage shows where it is asked for a client certificate"""
    key: Path | None = None
    """PEM file: the key of `certificate`"""
    sounds: Annotated[str, AfterValidator(_has_file)] = "sound:{file_id}"
    """what Asterisk plays for a FileId of 203 and 209"""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 8.0
    """how long a request to Asterisk may take before the link counts as lost"""

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
