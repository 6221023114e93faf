"""The types of settings: what may be written for an address, a network, a figure."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from linkage.ports import Network

DEFAULT_PORT: Final = 7700
PORT_MAX: Final = 65_535
PEER_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

PeerId = Annotated[str, Field(pattern=PEER_ID)]
Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def parse_address(written: Any) -> Any:
    """`"127.0.0.1:7700"`, `"desk.example:7700"` or `"[::1]:7700"` → (host, port)."""
    if not isinstance(written, str):
        return written
    host, colon, port = written.strip().rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= PORT_MAX
    if not colon or not is_port:
        raise ValueError(f'write it as "HOST:PORT", for example "127.0.0.1:{DEFAULT_PORT}"')
    if host in {"", "*"}:
        raise ValueError(
            f'write which addresses: "0.0.0.0:{port}" is all of IPv4, "[::]:{port}" all of IPv6'
        )
    return _host(host), int(port)


def _host(written: str) -> str:
    bare = written[1:-1] if written.startswith("[") and written.endswith("]") else None
    if bare is None and not set(written) & set(":[]/ \t"):
        return _name(written)
    try:
        ipaddress.IPv6Address(written if bare is None else bare)
    except ValueError:
        raise ValueError(
            f'write it as "HOST:PORT" or "[IPV6]:PORT": {written!r} is neither'
        ) from None
    if bare is None:
        raise ValueError(f'write an IPv6 address in brackets: "[{written}]:PORT"')
    return bare


def _name(written: str) -> str:
    try:
        written.encode("idna")
    except UnicodeError:
        raise ValueError(f"{written!r} is no name of a host") from None
    return written


def _one_or_more(written: Any) -> Any:
    return [written] if isinstance(written, str) else written


Address = Annotated[tuple[str, int], BeforeValidator(parse_address)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(_one_or_more)]
"""A list of them, or one as it is."""


def parse_network(written: Any) -> Any:
    """`"10.0.0.0/8"`, `"127.0.0.1"`, `"2001:db8::/32"` → a network."""
    if not isinstance(written, str):
        return written
    try:
        return ipaddress.ip_network(written)
    except ValueError as error:
        raise ValueError(f'{error}: write it as "10.0.0.0/8" or "127.0.0.1"') from None


def _without_password(url: str) -> str:
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("has a user or password in it, which would be shown: set them beside it")
    return url


HttpUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$"), AfterValidator(_without_password)
]
"""Of a server; a user or password has no place in it."""
AllowList = tuple[Annotated[Network, BeforeValidator(parse_network)], ...]


class Section(BaseModel):
    """A table of the file: no unknown keys, nothing that changes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # it may be a secret
    )
