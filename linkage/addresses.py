"""Addresses as people write and reach them."""

from __future__ import annotations


def address_text(host: str, port: int) -> str:
    """`127.0.0.1:7700`, `[::1]:7700`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host: str) -> str:
    """Where to reach, from this machine, who listens at a host: everywhere is also here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
