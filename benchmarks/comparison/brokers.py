"""Where benchmarks/provision.sh has put the brokers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REMEDY: Final = "run benchmarks/provision.sh (Debian)"


def broker_root() -> Path:
    """The folder that they were unpacked into."""
    given = os.environ.get("LINKAGE_BENCH_ROOT")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "linkage-bench" / "brokers"


def nats_server() -> Path:
    """The program of NATS."""
    return broker_root() / "usr/sbin/nats-server"


def erlang_root() -> Path:
    """Erlang, for RabbitMQ."""
    return broker_root() / "usr/lib/erlang"


def rabbitmq_home() -> Path | None:
    """RabbitMQ itself; None: it is not there."""
    found = sorted((broker_root() / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return found[-1] if found else None
