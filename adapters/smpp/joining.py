"""Parts of a long text that come in: kept on disk one by one, given out when all are there.

A part says what it belongs to in a header within its octets (UDH, with a reference of 8 or 16
bits) or in `sar_…` parameters.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.messaging import sms_text
from adapters.messaging.recorder import Draft
from adapters.smpp import pdu
from adapters.smpp.pdu import ShortMessage, Tag

logger = logging.getLogger("adapters.smpp")

PART: Final = "part:"
UDH_BIT: Final = 0x40
CONCATENATED: Final[Mapping[int, int]] = {0x00: 1, 0x08: 2}
"""Information element of the UDH → octets of its reference; total and number follow."""
MISSING: Final = "[…]"
OPEN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part belongs: into which text, of how many parts, as the how manieth."""

    text: str
    total: int
    number: int


@dataclass
class Whole:
    """A text as it was sent, or what there is of it. `parts`: how many it had."""

    source: str
    to: str
    parts: int
    at: float
    pieces: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Number → data_coding and octets."""

    def content(self, alphabet: str) -> str:
        """The text, octets joined before they are read, `[…]` for each gap."""
        runs: list[tuple[int | None, bytes]] = []
        for number in range(1, self.parts + 1):
            coding, octets = self.pieces.get(number, (None, b""))
            if runs and runs[-1][0] == coding:
                runs[-1] = (coding, runs[-1][1] + octets)
            else:
                runs.append((coding, octets))
        return "".join(
            MISSING if coding is None else sms_text.decode(octets, coding, alphabet)
            for coding, octets in runs
        )


def take_apart(sm: ShortMessage) -> tuple[Place | None, bytes]:
    """Of which text a deliver_sm is a part, if of any, and the octets without their header."""
    octets, place = sm.octets, None
    if sm.esm_class & UDH_BIT and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        place = _of_header(sm, header)
    reference = pdu.number(sm.tlvs, Tag.SAR_REFERENCE)
    if place is None and reference is not None:
        total = pdu.number(sm.tlvs, Tag.SAR_TOTAL) or 0
        number = pdu.number(sm.tlvs, Tag.SAR_NUMBER) or 0
        place = _place(sm, f"s{reference}", total, number)
    return place, octets


def _of_header(sm: ShortMessage, header: bytes) -> Place | None:
    while len(header) > 1:
        element, length = header[0], header[1]
        value, header = header[2 : 2 + length], header[2 + length :]
        width = CONCATENATED.get(element)
        if width is not None and len(value) == width + 2:
            return _place(sm, f"u{width}.{value[:width].hex()}", value[width], value[width + 1])
    return None


def _place(sm: ShortMessage, reference: str, total: int, number: int) -> Place | None:
    if total < 2 or not 1 <= number <= total <= 0xFF:  # noqa: PLR2004 - two parts at least
        return None
    return Place(f"{sm.source}|{sm.to}|{reference}|{total}", total, number)


class Joining:
    """Texts of which parts are missing."""

    def __init__(self) -> None:
        self._open: dict[str, Whole] = {}

    def load(self, memory: Mapping[str, Any], draft: Draft) -> None:
        """Take over what an earlier run has kept."""
        for key, record in memory.items():
            if not key.startswith(PART):
                continue
            try:
                name, number = key.removeprefix(PART).rsplit("|", 1)
                octets = base64.b64decode(record["octets"])
                whole = Whole(record["source"], record["to"], record["parts"], record["at"])
                whole = self._open.setdefault(name, whole)
                whole.pieces[int(number)] = (int(record["coding"]), octets)
            except (KeyError, TypeError, ValueError):
                logger.warning("memory: %s cannot be read, dropped", key)
                draft.memory[key] = None

    def add(
        self, place: Place, sm: ShortMessage, octets: bytes, now: float, draft: Draft
    ) -> Iterator[Whole]:
        """A part has come; the text that it completes, and one whose place it takes."""
        whole, piece = self._open.get(place.text), (sm.coding, octets)
        if whole is not None and whole.pieces.get(place.number, piece) != piece:
            yield self._close(place.text, draft)  # the reference was given again
            whole = None
        if whole is None:
            if len(self._open) >= OPEN_MAX:
                yield self._close(next(iter(self._open)), draft)
            whole = self._open[place.text] = Whole(sm.source, sm.to, place.total, now)
        whole.pieces[place.number] = piece
        if len(whole.pieces) == whole.parts:
            yield self._close(place.text, draft)
            return
        draft.memory[f"{PART}{place.text}|{place.number}"] = {
            "source": sm.source, "to": sm.to, "parts": place.total, "at": whole.at,
            "coding": sm.coding, "octets": base64.b64encode(octets).decode(),
        }  # fmt: skip

    def expire(self, before: float, draft: Draft) -> Iterator[Whole]:
        """Those that began before: what there is of them."""
        for name in [name for name, whole in self._open.items() if whole.at < before]:
            yield self._close(name, draft)

    def _close(self, name: str, draft: Draft) -> Whole:
        whole = self._open.pop(name)
        draft.memory.update({f"{PART}{name}|{number}": None for number in whole.pieces})
        return whole
