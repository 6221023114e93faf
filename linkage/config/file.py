"""Configuration: one TOML file, checked as a whole.

Every error names the file, the key and the remedy.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, model_validator

from linkage.config.core import OverloadLimits, RetentionSettings, SweepSettings
from linkage.config.fields import (
    DEFAULT_PORT,
    Addresses,
    AllowList,
    PeerId,
    Positive,
    Section,
)
from linkage.config.files import FilesSettings
from linkage.config.gateway import ConnectionLimits, ListenerSettings, TimerSettings, TlsFiles
from linkage.config.idle import idle_settings
from linkage.config.keyring import KeyringError
from linkage.config.peers import PeerSettings
from linkage.config.problems import ConfigError, check, placed
from linkage.config.processes import (
    LogSettings,
    MessagingSettings,
    TraceSettings,
    WatchSettings,
)
from linkage.config.secrets import HiddenMapping
from linkage.ports import Role

FOLLOW: Final = frozenset({Role.APPLICATION, Role.COMMUNICATION_SCREEN})
"""Who may subscribe to the events of others; a monitor is told of all, a business screen asks its
application."""


class AdapterSettings(Section):
    """One `[[adapter]]`: a platform behind an adapter of ours."""

    id: PeerId
    """its PeerId; no other peer or adapter has it"""
    kind: str
    """`asterisk`, or the name of an installed adapter of others (entry point group
    `linkage.adapters`)"""
    settings: HiddenMapping = HiddenMapping()  # there are passwords in it
    """what the adapter itself declares; below"""
    checked: Any = Field(default=None, exclude=True, repr=False)
    """The settings as the adapter is given them; None: not checked yet."""


@dataclass(frozen=True, kw_only=True)
class LimitSettings(OverloadLimits, ConnectionLimits):
    """Bounds on what strangers and peers can make linkage hold.

    An address is an IPv4 address, or the /64 of an IPv6 address.
    """

    requests_per_s: Positive | None = None
    """requests of one peer, twice as many at once; beyond, they are answered 206 with
    `RetryAfter`; none: as fast as they can be journalled"""


class Config(Section):
    """The whole file. Relative paths are relative to it."""

    id: PeerId = "linkage"
    """the PeerId under which linkage registers where it dials; also its name in the journal"""
    data: Path = Path("data")
    """directory of the store (`linkage.db`), the kept files (`files/`), archived entries
    (`archive/`) and the noted end of the journal (`linkage.head`)"""
    listen: Addresses = (("127.0.0.1", DEFAULT_PORT),)
    """where to listen, each `"HOST:PORT"` or `"[IPV6]:PORT"`, or one of them as a text; port 0:
    the system chooses. `0.0.0.0` is all of IPv4, `[::]` all of IPv6 and nothing of IPv4: name
    both where both are meant. A name stands for all its addresses"""
    listener: tuple[ListenerSettings, ...] = ()
    """further addresses, of which some may speak TLS; below"""
    allow: AllowList = ()
    """addresses and networks that may connect, such as `["10.0.0.0/8", "127.0.0.1"]`; none given:
    all. Others are closed at once and journalled"""
    tls: TlsFiles = TlsFiles()
    """certificates; below"""
    log: LogSettings = LogSettings()
    """what the log tells, and how; below"""
    watch: WatchSettings | None = None
    """metrics and health over HTTP; below"""
    trace: TraceSettings | None = None
    """traces of OpenTelemetry; below"""
    messaging: MessagingSettings = MessagingSettings()
    """the bus between the processes of `linkage serve --only`; below"""
    peer: tuple[PeerSettings, ...] = ()
    """who may speak to linkage; below"""
    adapter: tuple[AdapterSettings, ...] = ()
    """telephone systems behind an adapter of ours; below"""
    timers: TimerSettings = TimerSettings()
    """below"""
    limits: LimitSettings = LimitSettings()
    """below"""
    retention: RetentionSettings = RetentionSettings()
    """how long what is kept; below"""
    files: FilesSettings = FilesSettings()
    """recordings, faxes and attachments; below"""
    sweep: SweepSettings = SweepSettings()
    """calls whose end was not told; below"""
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
    def link_keys_path(self) -> Path:
        """The keys by which links to files are signed."""
        return self.data_path / "links.keys"

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
        for name in ("tls", "messaging"):
            # Frozen for everybody else: the paths of a file are relative to it, and no further.
            object.__setattr__(self, name, placed(getattr(self, name), self.source.parent))
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
            for name in peer.follows:
                if name != "*" and name not in applications:
                    yield f"peer {peer.id!r}: follows {name!r}, which is no application here"
            if peer.follows and peer.role not in FOLLOW:
                yield f"peer {peer.id!r}: a {peer.role} cannot follow events; remove `follows`"
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
        if self.files.tls and self.tls.certificate is None:
            yield "[files] with `tls` needs [tls] with `certificate` and `key`"
        if self.tls_addresses and self.tls.certificate is None:
            yield "a [[listener]] with `tls` needs [tls] with `certificate` and `key`"


def read_config(path: str | Path) -> Config:
    """Read and check a configuration file, but for what adapters make of their settings.

    Raises:
        ConfigError: with its problems, each as `FILE: KEY: what is wrong, what to do`. Whether
            sections contradict each other is told once each of them is right.
    """
    path = Path(path)
    return check_config(path, read_document(path))


def read_document(path: Path) -> dict[str, Any]:
    """What a file says, not checked.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file; make one with `linkage init DIR`, or name yours with -c FILE"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply"]) from None


def check_config(path: Path, document: Mapping[str, Any]) -> Config:
    """What a file says, checked.

    Raises:
        ConfigError: as of `read_config`.
    """
    return check(Config, {**document, "source": path.resolve()}, str(path))
