"""Configuration: one TOML file, checked as a whole.

Every error names the file, the key and the remedy.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from linkage.ports import PeerProfile, Role
from protocol.dialect import Dialect

DEFAULT_PORT: Final = 7700
SECRET_MIN: Final = 16
PORT_MAX: Final = 65_535


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are lines for people, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_address(written: Any) -> Any:
    """`"127.0.0.1:7700"` or `"[::1]:7700"` → (host, port)."""
    if not isinstance(written, str):
        return written
    host, colon, port = written.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > PORT_MAX:
        raise ValueError(f'write it as "HOST:PORT", for example "127.0.0.1:{DEFAULT_PORT}"')
    return host.strip("[]"), int(port)


Address = Annotated[tuple[str, int], BeforeValidator(parse_address)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class DialectSettings(_Section):
    """How a peer differs from the default dialect (PROTOCOL.md section 1)."""

    flag_message: Annotated[int, Field(ge=0, le=255)] = 0x01
    flag_heartbeat: Annotated[int, Field(ge=0, le=255)] = 0x02
    flag_fragment: Annotated[int, Field(ge=0, le=255)] = 0x03
    byte_order: Literal["big", "little"] = "big"
    length_includes_header: bool = False
    encoding: Literal["utf-8", "gb18030", "gbk"] = "utf-8"
    empty_token: Literal["NULL", "EMPTY"] = "NULL"  # noqa: S105 - a word on the wire

    @model_validator(mode="after")
    def _flags_differ(self) -> DialectSettings:
        if len({self.flag_message, self.flag_heartbeat, self.flag_fragment}) < 3:  # noqa: PLR2004 - three flags
            raise ValueError("flag_message, flag_heartbeat and flag_fragment must differ")
        return self


class PeerSettings(_Section):
    """One `[[peer]]`: who may speak to linkage, as what, and about what."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    role: Role
    secret: SecretStr | None = None
    legacy: bool = False
    """Speaks only the patent: no registration, no profile; known by `address` or `dial`."""
    address: str | None = None
    dial: Address | None = None
    numbers: tuple[str, ...] = ("*",)
    """Called numbers whose calls an application gets; `*` at the end matches any rest. The longest
    match wins."""
    logins: tuple[str, ...] = ()
    """LoginIds whose calls an application gets where no number is anybody's but by `*` alone."""
    platform: str | None = None
    """Where an application's call-outs go when nothing else decides."""
    application: str | None = None
    """Whose screen a business screen is."""
    login: str | None = None
    """The LoginId that works at a screen, when its log-in does not say."""
    types: tuple[int, ...] = ()
    """Message types that the peer may send; none given: all of its role."""
    dialect: DialectSettings = DialectSettings()

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SECRET_MIN:
            raise ValueError(f"shorter than {SECRET_MIN} characters: make one with `linkage init`")
        return value

    @model_validator(mode="after")
    def _knows_it(self) -> PeerSettings:
        if self.legacy:
            if self.address is None and self.dial is None:
                raise ValueError("a legacy peer is known by its address: set `address` or `dial`")
        elif self.secret is None:
            raise ValueError("set `secret`, or `legacy = true` with an `address`")
        return self

    def profile(self) -> PeerProfile:
        """What the gateway needs to know of this peer."""
        fragments = not self.legacy
        dialect = Dialect(
            **self.dialect.model_dump(),
            profile=not self.legacy,
            fragments=fragments,
            message_max_bytes=4 * 1024 * 1024 if fragments else 65_535,
        )
        return PeerProfile(
            id=self.id, role=self.role, dialect=dialect, address=self.address, dial=self.dial
        )


class AdapterSettings(_Section):
    """One `[[adapter]]`: a platform behind an adapter of ours.

    `settings` go to the adapter as they are.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    kind: str
    settings: dict[str, Any] = {}


class TimerSettings(_Section):
    """Seconds."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 10.0
    dead_after_s: Annotated[float, Field(gt=0)] = 30.0
    register_within_s: Annotated[float, Field(gt=0)] = 10.0
    answer_within_s: Annotated[float, Field(gt=0)] = 30.0
    command_expire_s: Annotated[int, Field(gt=0)] = 30

    @model_validator(mode="after")
    def _beats_often_enough(self) -> TimerSettings:
        if self.dead_after_s <= self.heartbeat_s:
            raise ValueError("dead_after_s must be longer than heartbeat_s")
        return self


class LimitSettings(_Section):
    """Bounds on what strangers and peers can make linkage hold."""

    connections: Annotated[int, Field(gt=0)] = 12_000
    unregistered: Annotated[int, Field(gt=0)] = 256
    message_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024


class Config(_Section):
    """The whole file. Relative paths are relative to it."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "linkage"
    """The PeerId under which linkage registers where it dials."""
    data: Path = Path("data")
    listen: tuple[Address, ...] = (("127.0.0.1", DEFAULT_PORT),)
    peer: tuple[PeerSettings, ...] = ()
    adapter: tuple[AdapterSettings, ...] = ()
    timers: TimerSettings = TimerSettings()
    limits: LimitSettings = LimitSettings()
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

    def find_peer(self, peer_id: str) -> PeerSettings | None:
        """The `[[peer]]` of that id."""
        return next((peer for peer in self.peer if peer.id == peer_id), None)

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
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


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with all problems, each as `FILE: KEY: what is wrong, what to do`.
    """
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
