"""One `[[peer]]`: who may speak to linkage, as what, and about what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr, field_validator, model_validator

from linkage.config.fields import Address, AllowList, PeerId, Positive, Section
from linkage.config.keyring import SECRET_MIN, Key, Keyring
from linkage.config.secrets import Secret
from linkage.ports import PeerProfile, Rate, Role
from protocol.dialect import Dialect, DialectSettings


def _with_port(address: tuple[str, int]) -> tuple[str, int]:
    if not address[1]:
        raise ValueError("the port is 0: write the one at which the peer listens")
    return address


class PeerSettings(Section):
    """One `[[peer]]`: who may speak to linkage, as what, and about what."""

    id: PeerId
    """the PeerId: letters, digits, `.`, `_`, `-`, at most 64"""
    role: Role
    """`application`, `monitor` (sees every event, commands nothing), `platform`,
    `communication-screen`, `business-screen`"""
    inline_secret: Secret | None = Field(default=None, alias="secret")
    """at least 16 characters; required unless `legacy` or `secret_file`. The registration is
    signed with it, it never travels. A file `secrets/ID` beside this one, as `linkage peer
    rotate` writes it, goes before it"""
    secret_file: Path | None = None
    """the file with the secret instead; its user's only (mode 600), or root's and readable by a
    group (640), else it is refused"""
    legacy: bool = False
    """speaks only what is the patent's: no registration, none of the profile; known by `address`
    or `dial`"""
    address: str | None = None
    """the host that a legacy peer connects from, or a peer whose dialect is to hold before its
    registration"""
    dial: Annotated[Address, AfterValidator(_with_port)] | None = None
    """`"HOST:PORT"` of an application that listens, as the patent has it: linkage dials it"""
    dial_tls: bool = False
    """speak TLS where linkage dials"""
    dial_name: str | None = None
    """the name that the dialled peer's certificate must be for; none: the host of `dial`"""
    allow: AllowList = ()
    """addresses and networks that this peer may come from; none given: those of the whole file"""
    require_tls: bool = False
    """refused (201) where it comes without TLS"""
    require_certificate: bool = False
    """refused (201) without a client certificate that names it; needs `client_ca`"""
    requests_per_s: Positive | None = None
    """of this peer, faster ones are answered 206; none: as in `[limits]`"""
    numbers: tuple[str, ...] = ("*",)
    """called numbers whose calls an application gets; `*` at the end matches any rest, the longest
    match wins"""
    logins: tuple[str, ...] = ()
    """LoginIds whose calls an application gets where no number is anybody's but by `*` alone; of a
    screen, those who may work at it (another is refused, 202), none given: anybody"""
    follows: tuple[str, ...] = ()
    """applications whose events an application or a communication screen may subscribe to by 291;
    `*`: of all"""
    platform: str | None = None
    """where an application's call-outs go when nothing else decides"""
    application: str | None = None
    """whose screen a business screen is"""
    login: str | None = None
    """the LoginId that works at a screen, when its log-in does not say"""
    types: tuple[int, ...] = ()
    """message types that the peer may send; none given: all of its role"""
    dialect: DialectSettings = DialectSettings()
    """how the peer differs where the patent is silent; below"""
    _keyring: Keyring | None = PrivateAttr(default=None)

    @field_validator("inline_secret")
    @classmethod
    def _long_enough(cls, value: Secret | None) -> Secret | None:
        if value is not None and len(value) < SECRET_MIN:
            raise ValueError(f"shorter than {SECRET_MIN} characters: make one with `linkage init`")
        return value

    @model_validator(mode="after")
    def _knows_it(self) -> PeerSettings:
        if self.legacy:
            if self.address is None and self.dial is None:
                raise ValueError("a legacy peer is known by its address: set `address` or `dial`")
        elif self.inline_secret is None and self.secret_file is None:
            raise ValueError("set `secret` or `secret_file`, or `legacy = true` with an `address`")
        if self.inline_secret is not None and self.secret_file is not None:
            raise ValueError("`secret` and `secret_file` are both set: remove one of them")
        return self

    # --- its secrets -----------------------------------------------------------------------------
    def use_secrets_of(self, directory: Path) -> None:
        """Say where the configuration lies: relative to it lie the files with secrets."""
        if not self.legacy:
            self._keyring = Keyring(directory / (self.secret_file or Path("secrets", self.id)))

    @property
    def secret_path(self) -> Path | None:
        """Where the file with its secrets lies, or would lie; None for a legacy peer."""
        return None if self._keyring is None else self._keyring.path

    def keys(self) -> tuple[Key, ...]:
        """Its secrets as they stand now on disk, the newest first; none for a legacy peer.

        Raises:
            KeyringError: the file cannot be used. Nothing else is then used in its place: a file
                that was taken away may be meant to shut the peer out.
        """
        keyring = self._keyring
        if keyring is not None and (self.secret_file is not None or keyring.exists()):
            return keyring.keys()
        inline = self.inline_secret
        return () if inline is None else (Key(inline),)

    def valid_secrets(self, now: datetime) -> tuple[Secret, ...]:
        """Those that prove who it is, at this time of the wall clock, the newest first.

        Raises:
            KeyringError: as of `keys`.
        """
        return tuple(key.secret for key in self.keys() if key.is_valid(now))

    @property
    def secret(self) -> Secret | None:
        """The newest.

        Raises:
            KeyringError: as of `keys`.
        """
        keys = self.keys()
        return keys[0].secret if keys else None

    def profile(self, requests_per_s: float | None = None) -> PeerProfile:
        """What the gateway needs to know of this peer.

        Args:
            requests_per_s: of a peer that sets none of its own; None: as fast as it likes.
        """
        per_s = self.requests_per_s or requests_per_s
        fragments = not self.legacy
        dialect = Dialect(
            **asdict(self.dialect),
            profile=not self.legacy,
            fragments=fragments,
            message_max_bytes=4 * 1024 * 1024 if fragments else 65_535,
        )
        return PeerProfile(
            id=self.id,
            role=self.role,
            dialect=dialect,
            address=self.address,
            dial=self.dial,
            dial_tls=self.dial_tls,
            dial_name=self.dial_name,
            allow=self.allow,
            require_tls=self.require_tls,
            require_certificate=self.require_certificate,
            requests=None if per_s is None else Rate(per_s=per_s, burst=max(1.0, 2 * per_s)),
        )
