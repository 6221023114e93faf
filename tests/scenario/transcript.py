"""Transcripts: what is sent and received, word for word, in a form that people read."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

HEADING = re.compile(r"step (\d+)  (\w+) -> (\w+)")
WAIT = re.compile(r"wait (\d+)")
PLACEHOLDER = re.compile(rb"\{(\w+)\}")
REQUEST_ID = re.compile(rb'^<request Id="([^"]{1,16})" ')
FRAME_MESSAGE = 0x01


@dataclass(frozen=True)
class Line:
    """One message; `seconds` of a line without a message are a pause."""

    step: int = 0
    sender: str = ""
    payload: bytes = b""
    seconds: float = 0.0

    @property
    def is_request(self) -> bool:
        return self.payload.startswith(b"<request")


def read_transcript(path: Path) -> list[Line]:
    lines: list[Line] = []
    step, sender, collected = 0, "", ""
    for written in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if collected and not written.strip():
            lines.append(Line(step, sender, collected.encode()))
            collected = ""
        elif heading := HEADING.fullmatch(written):
            step, sender = int(heading[1]), heading[2]
        elif wait := WAIT.fullmatch(written):
            lines.append(Line(seconds=float(wait[1])))
        elif written.strip() and not written.startswith("#"):
            collected += written.strip()
    return lines


def frame(payload: bytes) -> bytes:
    return struct.pack(">BBH", FRAME_MESSAGE, 0, len(payload)) + payload


class Bindings:
    """Ids that linkage gave, by their name in the transcript; bound where they are first seen."""

    def __init__(self) -> None:
        self._ids: dict[bytes, bytes] = {}

    def bind(self, line: Line, received: bytes) -> None:
        """Take the Id of what came for the name that stands in its place."""
        names = [name for name in PLACEHOLDER.findall(line.payload) if name not in self._ids]
        found = REQUEST_ID.search(received)
        if names and found is not None:
            assert found[1] not in self._ids.values(), "two messages have one Id"
            self._ids[names[0]] = found[1]

    def frame(self, line: Line) -> bytes:
        """The line as it goes over the wire; an Id that is not bound stays as it is written."""
        return frame(PLACEHOLDER.sub(lambda name: self._ids.get(name[1], name[0]), line.payload))
