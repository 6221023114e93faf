"""What `[adapter.settings]` of an adapter of kind `hylafax` may hold.

```toml
[[adapter]]
id = "fax"
kind = "hylafax"

[adapter.settings]
address = "fax.example:4559"
user = "linkage"
password = "…"
number = "12345"
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from linkage.config.fields import Address, Positive, PositiveInt
from linkage.config.secrets import Secret


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A HylaFAX server, and who we are there."""

    address: Address
    """where its hfaxd listens: `HOST:PORT` (4559 is usual)"""
    user: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")] = "linkage"
    """the name that we log in with; jobs belong to it"""
    password: Secret | None = None
    """its password, where `hosts.hfaxd` wants one"""
    number: Annotated[str, Field(max_length=32)] = ""
    """the number that faxes come in on: `ToNum` of a 130"""
    receive: bool = True
    """whether received faxes are taken from there. The server must let us read them: in the
    modem's configuration `RecvFileMode: 0644`"""
    retries: Annotated[int, Field(ge=0, le=99)] = 3
    """how often a fax is tried again, where its 230 does not say (`Retry`)"""
    give_up_after_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 10_800.0
    """after so long without success the server gives up"""
    resolution: Literal["standard", "fine", "superfine"] = "fine"
    """of faxes whose 230 does not say (`Resolution`)"""
    paper: Literal["a4", "letter"] = "a4"
    """size of the pages"""
    blocked: tuple[str, ...] = ()
    """numbers that are faxed nothing (Reason 108), `*` at the end: all that begin so"""
    poll_s: Positive = 2.0
    """seconds between two looks at the queues there"""
    response_s: Annotated[float, Field(gt=0, le=25)] = 10.0
    """how long an answer of the server is waited for"""
    fax_bytes: PositiveInt = 50_000_000
    """larger faxes are neither sent nor taken"""
