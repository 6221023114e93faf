"""Configuration: one TOML file, checked as a whole.

Every error names the file, the key and the remedy.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from linkage.config.idle import idle_settings
from linkage.config.keyring import KeyringError
from linkage.config.peers import (
    DEFAULT_PORT,
    PEER_ID,
    Address,
    Addresses,
    AllowList,
    DialectSettings,
    PeerSettings,
    Section,
    parse_address,
)
from linkage.config.secrets import HiddenMapping, Secret
from linkage.ports import Role
from protocol.suggest import suggesting

__all__ = [
    "AdapterSettings",
    "Config",
    "ConfigError",
    "DialectSettings",
    "LimitSettings",
    "ListenerSettings",
    "LogSettings",
    "MessagingSettings",
    "PeerSettings",
    "RetentionSettings",
    "SweepSettings",
    "TimerSettings",
    "TlsSettings",
    "WatchSettings",
    "load_config",
    "parse_address",
]


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are lines for people, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class AdapterSettings(Section):
    """One `[[adapter]]`: a platform behind an adapter of ours.

    `settings` go to the adapter as they are.
    """

    id: Annotated[str, Field(pattern=PEER_ID)]
    kind: str
    settings: HiddenMapping = HiddenMapping()  # there are passwords in it


class TimerSettings(Section):
    """Seconds."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 10.0
    dead_after_s: Annotated[float, Field(gt=0)] = 30.0
    register_within_s: Annotated[float, Field(gt=0)] = 10.0
    answer_within_s: Annotated[float, Field(gt=0)] = 30.0
    command_expire_s: Annotated[int, Field(gt=0)] = 30
    frame_within_s: Annotated[float, Field(gt=0)] = 30.0
    """For a message, with all its fragments, to be complete once it has begun."""

    @model_validator(mode="after")
    def _beats_often_enough(self) -> TimerSettings:
        if self.dead_after_s <= self.heartbeat_s:
            raise ValueError("dead_after_s must be longer than heartbeat_s")
        return self


class LimitSettings(Section):
    """Bounds on what strangers and peers can make linkage hold."""

    connections: Annotated[int, Field(gt=0)] = 12_000
    connections_per_address: Annotated[int, Field(gt=0)] | None = None
    unregistered: Annotated[int, Field(gt=0)] = 256
    unregistered_per_address: Annotated[int, Field(gt=0)] = 128
    connects_per_s: Annotated[float, Field(gt=0)] = 200.0
    """New connections of one address, in the long run."""
    connects_burst: Annotated[int, Field(gt=0)] = 2000
    """New connections of one address, at once."""
    refusals_per_minute: Annotated[float, Field(gt=0)] = 10.0
    """Refused registrations of one peer id from one address; beyond, none is looked at (206)."""
    requests_per_s: Annotated[float, Field(gt=0)] | None = None
    """Requests of one peer; twice as many at once. None: as fast as they can be journalled."""
    message_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    inbox: Annotated[int, Field(gt=0)] = 20_000
    """Work that may wait for the disk; beyond, requests are answered 404."""
    inbox_per_peer: Annotated[int, Field(gt=0)] = 2_000
    """Requests of one peer among it."""
    inbox_wait_s: Annotated[float, Field(gt=0)] = 10.0
    """How long the oldest of it may wait."""
    disk_free_mb: Annotated[int, Field(ge=0)] = 512
    """MiB free on the disk of the store, below which an alarm is raised."""


class RetentionSettings(Section):
    """`[retention]`: how long what is kept."""

    queue_days: Annotated[float, Field(gt=0)] = 7.0
    queue_messages: Annotated[int, Field(gt=0)] = 1_000_000
    queue_bytes: Annotated[int, Field(gt=0)] = 2 * 1024**3
    """Of what one peer has not fetched; beyond, its oldest part is dropped and told by 195."""
    replay_days: Annotated[float, Field(gt=0)] = 3.0
    replay_messages: Annotated[int, Field(gt=0)] = 1_000_000
    """Of what one peer has fetched and can have again."""
    journal_days: Annotated[float, Field(ge=3)] | None = None
    """Older entries go from the database into archive files; None: all stay."""
    journal_bytes: Annotated[int, Field(ge=64 * 1024**2)] | None = None
    """The same where the database gets larger."""


class WatchSettings(Section):
    """`[watch]`: where `/metrics`, `/healthz` and `/readyz` are served, over plain HTTP."""

    listen: Address = ("127.0.0.1", 9464)
    parts: dict[str, Address] = Field(default={})
    """Of the parts that run in processes of their own; `listen` is the core's then."""


class MessagingSettings(Section):
    """`[messaging]`: the bus between the processes of `linkage serve --only`."""

    address: Annotated[str, Field(pattern=r"^(ipc|ipc://.+|tcp://.+:[0-9]+)$")] = "ipc"
    """Where the parts find the core: `ipc` (in the data directory), `ipc://PATH`, or
    `tcp://HOST:PORT` with keys."""
    bind: Annotated[str, Field(pattern=r"^(ipc|ipc://.+|tcp://.+:[0-9]+)$")] | None = None
    """Where the core waits for them; none: at `address`."""
    keys: Path = Path("keys")
    """The directory of the keys, relative to this file."""
    heartbeat_s: Annotated[float, Field(gt=0)] = 1.0
    dead_after_s: Annotated[float, Field(gt=0)] = 10.0
    hold_s: Annotated[float, Field(gt=0)] = 8.0
    """How long a request waits for a core that is not there before it is answered 404."""

    @model_validator(mode="after")
    def _beats_often_enough(self) -> MessagingSettings:
        if self.dead_after_s < 3 * self.heartbeat_s:
            raise ValueError("dead_after_s must be at least three times heartbeat_s")
        return self


class TraceSettings(Section):
    """`[trace]`: where spans of OpenTelemetry go, by OTLP over HTTP; needs `linkage[otel]`."""

    endpoint: Annotated[str, Field(pattern=r"^https?://")] = "http://127.0.0.1:4318"
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The part of the traces begun here that is recorded."""
    service: str | None = None
    """`service.name`; none: the `id` of the file."""
    headers: dict[str, Secret] = Field(default={})  # there may be a token in them

    @field_validator("endpoint")
    @classmethod
    def _has_no_password(cls, value: str) -> str:
        if "@" in value.split("://", 1)[1].split("/", 1)[0]:
            raise ValueError("has a user or password in it, which would be shown: use `headers`")
        return value


class ListenerSettings(Section):
    """One `[[listener]]`: an address to listen on, with TLS or without."""

    address: Address
    tls: bool = False


class TlsSettings(Section):
    """`[tls]`: PEM files, relative to this one."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """Verifies client certificates, which then must name the peer that registers."""
    require_client_certificate: bool = False
    dial_ca: Path | None = None
    """Verifies the peers that are dialled; none: the authorities of the system."""

    @model_validator(mode="after")
    def _fits(self) -> TlsSettings:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("set `certificate` and `key`, both or none")
        if self.require_client_certificate and self.client_ca is None:
            raise ValueError("`require_client_certificate` needs `client_ca` to verify them")
        return self


class SweepSettings(Section):
    """`[sweep]`: when a platform is asked whether a call that nobody speaks of still lives."""

    ask_after_h: Annotated[float, Field(ge=0)] = 4.0
    """Hours without a word of an open operation; 0: never ask."""
    settle_s: Annotated[float, Field(ge=0)] = 60.0
    """After a platform came back, what it is given to tell by itself what it did not tell."""
    every_s: Annotated[float, Field(gt=0)] = 5.0
    """Between two rounds; each looks at a few hundred operations and puts at most 20 questions."""


LogLevel = Literal["debug", "info", "warning", "error"]


class LogSettings(Section):
    """`[log]`: what the log tells and how; the command line goes before it."""

    level: LogLevel = "info"
    format: Literal["text", "json"] = "text"
    levels: dict[str, LogLevel] = Field(default={})
    """Other least levels, by logger, such as `linkage.gateway`."""
    messages: bool = False
    """A line also for every message that was accepted or delivered."""
    mask_numbers: bool = False
    """Show phone numbers by their last two digits only."""


class Config(Section):
    """The whole file. Relative paths are relative to it."""

    id: Annotated[str, Field(pattern=PEER_ID)] = "linkage"
    """The PeerId under which linkage registers where it dials."""
    data: Path = Path("data")
    listen: Addresses = (("127.0.0.1", DEFAULT_PORT),)
    listener: tuple[ListenerSettings, ...] = ()
    """Further addresses, of which some may speak TLS."""
    allow: AllowList = ()
    """Addresses and networks that may connect; none: all."""
    tls: TlsSettings = TlsSettings()
    log: LogSettings = LogSettings()
    watch: WatchSettings | None = None
    trace: TraceSettings | None = None
    messaging: MessagingSettings = MessagingSettings()
    peer: tuple[PeerSettings, ...] = ()
    adapter: tuple[AdapterSettings, ...] = ()
    timers: TimerSettings = TimerSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    sweep: SweepSettings = SweepSettings()
    source: Path = Field(default=Path("linkage.toml"), exclude=True)

    @property
    def data_path(self) -> Path:
        """The data directory, absolute."""
        return (self.source.parent / self.data).resolve()

    @property
    def database_path(self) -> Path:
        """The embedded store."""
        return self.data_path / "linkage.db"

    @property
    def files_path(self) -> Path:
        """Where recordings and other files are kept."""
        return self.data_path / "files"

    @property
    def archive_path(self) -> Path:
        """Where the older part of the journal goes."""
        return self.data_path / "archive"

    @property
    def control_path(self) -> Path:
        """The socket at which a serving linkage answers the command line."""
        return self.data_path / "control.sock"

    @property
    def head_path(self) -> Path:
        """Where the end of the journal is noted, outside the database."""
        return self.data_path / "linkage.head"

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to listen, with TLS and without."""
        return self.plain_addresses + self.tls_addresses

    @property
    def plain_addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to listen without TLS."""
        return self.listen + tuple(item.address for item in self.listener if not item.tls)

    @property
    def tls_addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to listen with TLS."""
        return tuple(item.address for item in self.listener if item.tls)

    def path_of(self, path: Path | None) -> Path | None:
        """A path of the file, absolute; None as it is."""
        return None if path is None else (self.source.parent / path).resolve()

    def find_peer(self, peer_id: str) -> PeerSettings | None:
        """The `[[peer]]` of that id."""
        return next((peer for peer in self.peer if peer.id == peer_id), None)

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for peer in self.peer:
            peer.use_secrets_of(self.source.parent)
        problems = list(self._contradictions())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        ids = Counter([peer.id for peer in self.peer] + [adapter.id for adapter in self.adapter])
        platforms = {peer.id for peer in self.peer if peer.role is Role.PLATFORM}
        platforms |= {adapter.id for adapter in self.adapter}
        applications = {peer.id for peer in self.peer if peer.role is Role.APPLICATION}
        for name, count in ids.items():
            if count > 1:
                yield f"the id {name!r} is given {count} times: give each its own"
        for peer in self.peer:
            if peer.platform is not None and peer.platform not in platforms:
                yield f"peer {peer.id!r}: platform {peer.platform!r} is no peer or adapter here"
            if peer.application is not None and peer.application not in applications:
                yield f"peer {peer.id!r}: application {peer.application!r} is no application here"
            if peer.dial is not None and peer.role is not Role.APPLICATION:
                yield f"peer {peer.id!r}: only applications listen (patent); remove `dial`"
        yield from self._weaknesses()
        yield from idle_settings(self)

    def _weaknesses(self) -> Iterator[str]:
        """What is wrong with secrets and certificates."""
        for peer in self.peer:
            try:
                peer.keys()
            except KeyringError as error:
                yield f"peer {peer.id!r}: {error}"
            if peer.dial is None and (peer.dial_tls or peer.dial_name is not None):
                yield f"peer {peer.id!r}: `dial_tls` and `dial_name` are for peers with `dial`"
            if peer.require_certificate and self.tls.client_ca is None:
                yield f"peer {peer.id!r}: `require_certificate` needs `client_ca` in [tls]"
        if self.tls_addresses and self.tls.certificate is None:
            yield "a [[listener]] with `tls` needs [tls] with `certificate` and `key`"


@suggesting
def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with all problems, each as `FILE: KEY: what is wrong, what to do`.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file; make one with `linkage init DIR`, or name yours with -c FILE"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from None
    return check_config(path, document)


def check_config(path: Path, document: dict[str, Any]) -> Config:
    """What a file says, checked.

    Raises:
        ConfigError: as of `load_config`.
    """
    try:
        return Config.model_validate({**document, "source": path.resolve()})
    except ValidationError as error:
        explained = [line for item in error.errors() for line in _explain(path, item)]
        raise ConfigError(explained) from None


def _explain(path: Path, item: Any) -> list[str]:
    key = ".".join(str(step) for step in item["loc"]) or "file"
    problem = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        problem = "is not a setting; see docs/reference/configuration.md for those there are"
    elif item["type"] == "missing":
        problem = "is missing"
    return [f"{path}: {key}: {line}" for line in problem.splitlines()]
