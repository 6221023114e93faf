"""What the bus between processes is told, and the log, the metrics and the traces of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from linkage.config.fields import Address, HttpUrl, Positive
from linkage.config.secrets import Secret

Endpoint = Annotated[str, Field(pattern=r"^(ipc|ipc://.+|tcp://.+:[0-9]+)$")]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingSettings:
    """The bus between the parts of a linkage that runs in several processes.

    In one process it is not used.
    """

    address: Endpoint = "ipc"
    """where the parts find the core: `ipc` (a socket in the data directory), `ipc://PATH`, or
    `tcp://HOST:PORT`, which needs keys"""
    bind: Endpoint | None = None
    """where the core waits for them, if that is another: `tcp://0.0.0.0:7710`; none: at
    `address`"""
    keys: Path = Path("keys")
    """the directory of the keys for `tcp`; `linkage keys` makes them"""
    heartbeat_s: Positive = 1.0
    """a part that has said nothing for so long says that it lives"""
    dead_after_s: Positive = 10.0
    """one that is silent for so long is gone: its links are closed, what waits for its peers stays
    on disk"""
    hold_s: Positive = 8.0
    """so long a request or a registration waits for a core that is not there, then it is answered
    404 with RetryAfter; well below the time within which peers want their answers"""

    def __post_init__(self) -> None:
        if self.dead_after_s < 3 * self.heartbeat_s:
            raise ValueError("dead_after_s must be at least three times heartbeat_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """To stderr; systemd's journal, a container's runtime or a shell take it from there."""

    level: LogLevel = "info"
    """the least that is told: `"debug"`, `"info"`, `"warning"` or `"error"`; `linkage serve
    --log-level` goes before it"""
    format: Literal["text", "json"] = "text"
    """`"text"` for people, `"json"`: one object to a line; so does `linkage serve --json`"""
    levels: dict[str, LogLevel] = field(default_factory=dict)
    """other least levels, by logger, such as `{ "linkage.gateway" = "debug" }`; how loggers are
    called stands in [how to observe](../how-to/observe.md)"""
    messages: bool = False
    """a line also for every message that was accepted or delivered; those refused have one
    anyway"""
    mask_numbers: bool = False
    """show phone numbers by their last two digits only, also in fields and in errors"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """`GET /metrics` (Prometheus), `/healthz` (does the process still turn) and `/readyz`.

    `/readyz` says whether it can do its work: 503 with the problems in words where not, as JSON
    with `?format=json` or `Accept: application/json`. Plain HTTP: bind it where only the watchers
    are.
    """

    listen: Address = ("127.0.0.1", 9464)
    """where; the table alone, `[watch]`, is enough. Of processes under `--only`: the core's"""
    parts: dict[str, Address] = field(default_factory=dict)
    """where the other processes under `--only` serve theirs, such as
    `{ gateway = "127.0.0.1:9465", "adapter:asterisk1" = "127.0.0.1:9466" }`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Spans of OpenTelemetry, sent by OTLP over HTTP; needs `pip install 'linkage[otel]'`.

    The table alone, `[trace]`, switches it on.
    """

    endpoint: HttpUrl = "http://127.0.0.1:4318"
    """of the collector; `/v1/traces` is added"""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """the part of the traces begun by linkage that is recorded, 0–1; where a sender began one, it
    decides"""
    service: str | None = None
    """`service.name` of the spans; none: the `id` of the file"""
    headers: dict[str, Secret] = field(default_factory=dict)
    """sent with each request, such as `{ authorization = "Bearer …" }`; never shown"""
