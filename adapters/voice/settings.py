"""What the `[adapter.settings]` of every PBX hold: who has which number, and how it is dialled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NUMBER: Final = r"^[0-9A-Za-z*#+_.-]{1,25}$"
"""What can be a telephone number or an extension here: it goes into URLs and dial strings."""

Number = Annotated[str, Field(pattern=NUMBER)]
Prefix = Annotated[str, Field(pattern=r"^\+?[0-9*#]{0,10}$", min_length=1)]
Login = Annotated[str, Field(pattern=r"^\S(.{0,18}\S)?$")]
Endpoint = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]+/[^\s,&]+(&[A-Za-z0-9]+/[^\s,&]+){0,9}$", max_length=400)
]


class Section(BaseModel):
    """A table of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Hotline(Section):
    """A number that callers dial, and who is rung for it; times in seconds."""

    officers: Annotated[tuple[Number, ...], Field(min_length=1)]
    strategy: Literal["in-order", "all"] = "in-order"
    ring_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    record: bool = False


class Officer(Section):
    """A duty officer's telephone: who works at it, and how the platform dials it."""

    login: Login
    endpoint: Endpoint


class VoiceSettings(Section):
    """Settings that do not depend on the platform; an adapter adds those of its link."""

    app: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,20}$")] = "linkage"
    """Prefix of every channel, bridge and recording made by this adapter, so it must differ from
    that of another linkage at the same platform. At Asterisk it is also the name of the Stasis
    application: what the dialplan calls with `Stasis(linkage,…)`."""
    hotline: Mapping[Number, Hotline] = {}
    officer: Mapping[Number, Officer] = {}
    trunk: str | None = None
    prefixes: Mapping[Prefix, Annotated[str, Field(pattern=r"^[0-9*#+]{0,10}$")]] = {}
    """How the beginning of a number is dialled here, e.g. `"+86" = "0"`, `"+" = "00"`. The longest
    that fits counts; numbers are freed of blanks, brackets and dashes before."""
    music: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")] = "default"
    """Music-on-hold class for those who are on hold."""
    ring_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long a telephone rings where no hotline or 210 says so: transfers, direct calls."""
    keep_recordings: bool = False
    """Leave recordings at the platform after they were fetched."""

    @field_validator("trunk")
    @classmethod
    def _has_number(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(
            r"[A-Za-z0-9]+/[^\s,&]*\{number\}[^\s,&]*", value
        ):
            raise ValueError('write it with {number}, for example "PJSIP/{number}@trunk"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(self.problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

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
