"""What `[adapter.settings]` of an adapter of kind `smpp` may hold.

```toml
[[adapter]]
id = "sms"
kind = "smpp"

[adapter.settings]
address = "smsc.example:2775"
system_id = "linkage"
password = "…"
sender = "12345"
window = 20
per_second = 100

[adapter.settings.templates]
"closed" = "Your report {number} is closed."

[adapter.settings.groups]
"136" = ["13900000001", "13900000002"]
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from adapters.messaging.settings import MessagingSettings
from linkage.config.fields import Address, Positive
from linkage.config.secrets import Secret

ADDRESS: Final = re.compile(r"\+?[0-9]{1,20}|[ -~]{1,11}|")
"""A number, or up to eleven characters of a name."""


@dataclass(frozen=True, kw_only=True)
class Settings(MessagingSettings):
    """An SMS centre with SMPP 3.4, and our account there as a transceiver."""

    address: Address
    """where the centre listens: `HOST:PORT`"""
    system_id: Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[!-~]+$")]
    """the name of our account there"""
    password: Secret
    """its password"""
    system_type: Annotated[str, Field(max_length=12, pattern=r"^[ -~]*$")] = ""
    """what some centres want to hear beside it"""
    tls: bool = False
    """speak TLS with the centre"""
    ca: Path | None = None
    """PEM file: verifies the centre's certificate; none: the authorities of the system"""
    sender: Annotated[str, Field(pattern=r"^[ -~]{0,20}$")] = ""
    """the number, or the name of up to eleven characters, that texts come from; `ExtNum` of a 220
    is appended to it. Empty: the centre sets it"""
    ton: Annotated[int, Field(ge=0, le=7)] = 0
    """type of numbers without a `+`: 0 as the centre understands them, 2 national; those with a
    `+` are international"""
    enquire_s: Positive = 30.0
    """after so long without a word of the centre it is asked whether it is there"""
    alphabet: Literal["gsm7", "latin-1", "ucs2"] = "gsm7"
    """how texts go out that need no UCS-2: `gsm7` (data_coding 0), `latin-1` (3); `ucs2`: all
    go as UCS-2"""
    default_alphabet: Literal["gsm7", "latin-1", "ascii", "utf-8", "gb18030"] = "gsm7"
    """what the centre means by data_coding 0 in what it delivers"""
    long_messages: Literal["udh", "sar", "payload"] = "udh"
    """how a long text goes: in parts with a header within them (`udh`) or as parameters (`sar`),
    or in one piece that the centre cuts (`payload`)"""
    reference: bool = True
    """send `user_message_reference` with each part: the receipt of a text whose answer was lost
    is known by it. False for a centre that refuses it"""
    join_within_s: Positive = 600.0
    """how long the missing parts of a long text that comes in are waited for"""

    def problems(self) -> Iterator[str]:
        """As `MessagingSettings.problems`; also what of SMPP does not fit together."""
        yield from super().problems()
        if self.ca is not None and not self.tls:
            yield "ca: is of no use without TLS; set tls = true, or remove it"
        if not ADDRESS.fullmatch(self.sender):
            yield f"sender: {self.sender!r} is neither a number nor a name of up to 11 characters"
