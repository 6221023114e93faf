"""What the `[adapter.settings]` of every PBX hold: who has which number, and how it is dialled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

NUMBER: Final = r"^[0-9A-Za-z*#+_.-]{1,25}$"
"""What can be a telephone number or an extension here: it goes into URLs and dial strings."""


def _has_number(trunk: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+/[^\s,&]*\{number\}[^\s,&]*", trunk):
        raise ValueError('write it with {number}, for example "PJSIP/{number}@trunk"')
    return trunk


Number = Annotated[str, Field(pattern=NUMBER)]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9*#]{0,10}$", min_length=1)]
Login = Annotated[str, Field(pattern=r"^\S(.{0,18}\S)?$")]
Endpoint = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]+/[^\s,&]+(&[A-Za-z0-9]+/[^\s,&]+){0,9}$", max_length=400)
]
RingS = Annotated[float, Field(gt=0, le=600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hotline:
    """A number that callers dial, and who is rung for it."""

    officers: Annotated[tuple[Number, ...], Field(min_length=1)]
    """numbers of `officer` tables"""
    strategy: Literal["in-order", "all"] = "in-order"
    """`"in-order"` or `"all"` at once"""
    ring_s: RingS = 20.0
    """how long each rings"""
    record: bool = False
    """record every call from its answer on"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A duty officer's telephone: who works at it, and how the platform dials it."""

    login: Login
    """the LoginId of who works there; each telephone its own"""
    endpoint: Endpoint
    """how the platform dials it, such as `"PJSIP/1001"`; several telephones that ring together:
    `"PJSIP/1001&PJSIP/1011"`"""


@dataclass(frozen=True, kw_only=True)
class VoiceSettings:
    """Settings that do not depend on the platform; an adapter adds those of its link."""

    app: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,20}$")] = "linkage"
    """prefix of every channel, bridge and recording of this adapter: letters, digits and `_`, at
    most 20. At Asterisk it is the name of the Stasis application, too. Another linkage at the same
    platform needs another, for the one that connects last has the application: the other stops
    with an alarm until its place is free"""
    hotline: Mapping[Number, Hotline] = field(default_factory=dict)
    """by number: a number that callers dial; below"""
    officer: Mapping[Number, Officer] = field(default_factory=dict)
    """by number: a duty officer's telephone; below"""
    trunk: Annotated[str, AfterValidator(_has_number)] | None = None
    """how numbers outside are dialled (transfers, 210, 204), such as `"PJSIP/{number}@trunk"`;
    without it only officers can be"""
    prefixes: Mapping[Prefix, Annotated[str, Field(pattern=r"^[0-9*#+]{0,10}$")]] = field(
        default_factory=dict
    )
    """what the beginning of a number is dialled as, such as `{ "+86" = "0", "+" = "00" }`; the
    longest that fits counts"""
    music: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")] = "default"
    """music-on-hold class for those on hold"""
    ring_s: RingS = 30.0
    """how long a telephone rings where no hotline and no 210 (`Timeout`) says so"""
    keep_recordings: bool = False
    """leave recordings at the platform after they were fetched"""

    def __post_init__(self) -> None:
        problems = list(self.problems())
        if problems:
            raise ValueError("\n".join(problems))

    def problems(self) -> Iterator[str]:
        """What of the settings does not fit together, a line each."""
        for number, hotline in self.hotline.items():
            for officer in hotline.officers:
                if officer not in self.officer:
                    yield (
                        f'hotline.{number}: officer "{officer}" is not known; add a table '
                        f"[adapter.settings.officer.{officer}] with login and endpoint"
                    )
        logins: dict[str, str] = {}
        for number, one in self.officer.items():
            other = logins.setdefault(one.login, number)
            if other != number:
                yield (
                    f'officer.{number}: login "{one.login}" works at officer.{other} already; '
                    "give each telephone a login of its own"
                )

    def officer_of(self, login: str) -> str | None:
        """The number of the telephone at which somebody works."""
        for number, officer in self.officer.items():
            if officer.login == login:
                return number
        return None
