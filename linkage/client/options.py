"""What can be said of any client when it is made."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypedDict

from linkage.client.connecting import Backoff, State
from linkage.client.session import SessionClock
from linkage.config.secrets import Secret
from protocol.dialect import Dialect
from protocol.events import Timers

OPEN_TIMEOUT_S: Final = 30.0
GIVE_UP_AFTER_S: Final = 300.0
"""Long enough for a restart of linkage, or of its host; a program that waits for longer should
have said so."""
COMMAND_EXPIRE_S: Final = 30
"""`Expire` where a command does not say (protocol.md#expiry)."""


class Options(TypedDict, total=False):
    """What can be said of any client, beside where linkage is and who the client is."""

    secret: str | Secret | None
    """The peer's secret; None makes a legacy peer, which does not register and is known by its
    address."""
    ssl: ssl.SSLContext | None
    """How to speak TLS, such as `ssl.create_default_context(cafile=…)`; None: plainly."""
    server_hostname: str | None
    """The name that linkage's certificate must be for; None: the host."""
    dialect: Dialect
    """How linkage is configured to speak with us, where it is not the usual way."""
    timers: Timers
    """When to beat, and when the other side counts as dead; as configured at linkage."""
    state_file: Path | None
    """Keeps `LastSeq` over restarts of the process; without, linkage resumes where it saw the last
    answer."""
    on_state: Callable[[State, str], None] | None
    """Told every change of `state`, with the reason as one line."""
    open_timeout_s: float | None
    """How long `async with` waits for linkage (30); None: for ever."""
    give_up_after_s: float | None
    """How long a client that is open, but not registered, goes on trying before all that wait on
    it get `UnreachableError` (300). None: for ever, as a service may that somebody watches by
    `on_state` or its log."""
    backoff: Backoff
    """Pauses between attempts to connect."""
    clock: SessionClock
    """Where the time comes from; for tests."""
    further: dict[str, Any]
    """More fields for the registration message, such as `app_name` or `vendor`."""
