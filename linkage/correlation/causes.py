"""Why an operation belongs to its event (protocol.md#bindings)."""

from __future__ import annotations

from typing import Final

EXPLICIT: Final = "explicit"
CREATED: Final = "created"
DERIVED: Final = "derived"
COMMAND: Final = "command"
REPLY: Final = "reply"
MANUAL: Final = "manual"
