"""What lives in a fake Asterisk: channels, bridges, and the recordings made of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

SOUND_BYTES = 32_000
WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def wav(promised_bytes: int, sound: bytes) -> bytes:
    """A WAV as Asterisk writes it, whose header promises so much."""
    size = 36 + promised_bytes
    fmt = (16, 1, 1, 8000, 16_000, 2, 16)
    head = WAV_HEADER.pack(b"RIFF", size, b"WAVE", b"fmt ", *fmt, b"data", promised_bytes)
    return head + sound


WAV = wav(SOUND_BYTES, bytes(SOUND_BYTES))

CAUSES = {"busy": 17, "no_answer": 19, "rejected": 21, "unallocated": 1, "congestion": 34}


@dataclass
class Line:
    """A channel."""

    id: str
    name: str
    state: str
    args: list[str]
    number: str = ""
    exten: str = "s"
    in_app: bool = False
    bridge: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    """What was set of the functions that a channel has, by name with brackets."""
    music: bool = False
    muted: bool = False
    holds: bool = False
    """Its telephone has put the other side on hold."""
    silent: set[str] = field(default_factory=set)
    """Directions in which no sound goes: "in" from it, "out" to it."""

    def set(self, name: str, value: str) -> None:
        (self.functions if name.endswith("()") else self.variables)[name] = value


@dataclass
class Bridge:
    """A bridge, and the recordings that are made of it."""

    id: str
    kind: str = "stasis"
    """Its class: "parking" and "basic" are not the application's."""
    type: str = "mixing"
    members: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    music: bool = False


def describe_bridge(bridge: Bridge) -> dict[str, Any]:
    return {
        "id": bridge.id,
        "bridge_class": bridge.kind,
        "channels": list(bridge.members),
    }
