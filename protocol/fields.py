"""What a field of a message may hold: its text on the wire, its value in Python, its limits.

Every type is one `Value`: `parse` turns the text of an element into a value, `format` the value
into text, and `check` refuses values that the wire cannot carry. The sizes are those of the
patent's field tables (protocol.md#values).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Annotated, Any, Final

NULL_TOKENS: Final = frozenset({"", "NULL", "EMPTY"})
"""Texts that mean "no value" (the patent writes EMPTY in one place and NULL in others)."""

# What XML 1.0 cannot carry, escaped or not: C0 controls but tab, LF and CR, lone surrogates,
# U+FFFE and U+FFFF.
NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
CONTROL: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

FREE_TEXT_MAX: Final = 65_536
NUMBER_MAX: Final = 2**53
COORDINATE_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class Value:
    """One kind of value. `parse` and `check` raise `ValueError` with a reason for people.

    What follows `keeps_space` describes the kind to documentation, schemas and tests: the most
    characters and the shape of a text, the range of a number, the members of a choice.
    """

    name: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    check: Callable[[Any], None]
    keeps_space: bool = False
    normalises: bool = False
    """`parse` may give another text than was written."""
    size: int | None = None
    pattern: str | None = None
    low: int | None = None
    high: int | None = None
    options: type[Enum] | None = None


def text(size: int, *, pattern: str | None = None, name: str | None = None) -> Value:
    """A single line of at most `size` characters, surrounding white space removed.

    One with a pattern has a name of its own, as documentation and schemas call it.
    """
    shape = re.compile(pattern) if pattern else None

    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise ValueError(f"wants text, not {type(value).__name__}")
        if len(value) > size:
            raise ValueError(f"{len(value)} characters, at most {size} fit")
        if value in NULL_TOKENS or value.strip() != value:
            raise ValueError("reads as no value, or has white space around it")
        if CONTROL.search(value):
            raise ValueError("holds a control character")
        if shape is not None and not shape.fullmatch(value):
            raise ValueError(f"does not look like {pattern}")

    return Value(name or f"text{size}", str, str, check, size=size, pattern=pattern)


def seen(written: str) -> str:
    """A text as people compare it: in Unicode's form NFC, without what nobody sees.

    Left out are format characters (zero width, direction of writing, tags), separators of lines
    and paragraphs, variation selectors and fillers.
    """
    if written.isascii():
        return written
    composed = unicodedata.normalize("NFC", written)
    shown = (c for c in composed if not (unicodedata.category(c) in _UNSEEN or _FILLER.match(c)))
    return "".join(shown).strip()


_UNSEEN: Final = frozenset({"Cf", "Zl", "Zp"})
_FILLER: Final = re.compile("[\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def _check_free_text(value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"wants text, not {type(value).__name__}")
    if len(value) > FREE_TEXT_MAX:
        raise ValueError(f"{len(value)} characters, at most {FREE_TEXT_MAX} fit")
    if value.strip() in NULL_TOKENS:
        raise ValueError("reads as no value")
    if NOT_XML.search(value):
        raise ValueError("holds a character that XML cannot carry")


def number(low: int = 0, high: int = NUMBER_MAX) -> Value:
    """A whole number, ASCII digits only."""

    def parse(written: str) -> int:
        digits = written.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 16:  # noqa: PLR2004 - 2**53 has 16
            raise ValueError("is no whole number")
        return int(written)

    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"wants a whole number, not {type(value).__name__}")
        if not low <= value <= high:
            raise ValueError(f"{value} is not within {low}…{high}")

    return Value(f"number{low}..{high}", parse, str, check, low=low, high=high)


def _parse_decimal(written: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", written, re.ASCII):
        raise ValueError("is no decimal number")
    return float(written)


def _format_decimal(value: float) -> str:
    return f"{value:.{COORDINATE_DIGITS}f}".rstrip("0").rstrip(".")


def _check_decimal(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"wants a number, not {type(value).__name__}")
    if not -1e9 < value < 1e9:  # noqa: PLR2004 - also refuses nan and the infinities
        raise ValueError(f"{value} is out of range")


def parse_time(written: str) -> datetime:
    """An aware time from ISO 8601 with a zone, in UTC; milliseconds are kept, finer digits cut."""
    try:
        value = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("is no ISO 8601 time") from None
    if value.tzinfo is None:
        raise ValueError("has no time zone")
    if value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("is out of range") from None
    finer = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - finer) if finer else value


def format_time(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-11-22T08:15:30.125+00:00."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return _format_utc(value)


@lru_cache(maxsize=16)
def _format_utc(value: datetime) -> str:
    # What is journalled together is delivered together, with one time.
    return value.isoformat(timespec="milliseconds")


def _check_time(value: Any) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("wants an aware datetime")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _parse_flag(written: str) -> bool:
    if written not in {"0", "1"}:
        raise ValueError("is neither 0 nor 1")
    return written == "1"


def _check_flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError("wants True or False")


def choice(options: type[Enum]) -> Value:
    """One of an enumeration: its number (IntEnum) or its word (StrEnum) on the wire."""
    by_text = {str(option.value): option for option in options}
    listing = ", ".join(by_text)

    def parse(written: str) -> Enum:
        try:
            return by_text[written]
        except KeyError:
            raise ValueError(f"is none of {listing}") from None

    def check(value: Any) -> None:
        if not isinstance(value, options):
            raise ValueError(f"wants {options.__name__}, one of {listing}")

    name = options.__name__
    return Value(name, parse, lambda value: str(value.value), check, options=options)


FREE_TEXT: Final = Value("text", str, str, _check_free_text, keeps_space=True, size=FREE_TEXT_MAX)
DECIMAL: Final = Value("decimal", _parse_decimal, _format_decimal, _check_decimal)
TIME: Final = Value("time", parse_time, format_time, _check_time)
FLAG: Final = Value("flag", _parse_flag, lambda value: "1" if value else "0", _check_flag)

# --- the field's own types, in the patent's sizes ------------------------------------------------
RequestId = Annotated[str, text(16)]
CallId = Annotated[str, text(20)]
ConferenceId = Annotated[str, text(20)]
LoginId = Annotated[str, text(20)]
EventId = Annotated[str, replace(text(20), parse=seen, normalises=True)]
"""Given by people and compared by them: read as `seen`. The ids of platforms are not touched."""
OpId = Annotated[str, text(20)]
PhoneNum = Annotated[str, text(25)]
PeerId = Annotated[str, text(64, pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*", name="PeerId")]
Ident = Annotated[str, text(64)]
"""An id of something that the protocol names but does not size: FileId, QueueId, StaffId, …"""
Boot = Annotated[str, text(32)]
"""New at each start of a sender; within one its request Ids are unique (protocol.md#boot)."""
Nonce = Annotated[str, text(64, pattern=r".{8,64}", name="Nonce")]
Name = Annotated[str, text(200)]
MailAddress = Annotated[str, text(320)]
"""RFC 5321: a local part of 64 and a domain of 255 characters, and the sign between them."""
Line = Annotated[str, text(1000)]
Url = Annotated[str, text(2000)]
Sha256 = Annotated[str, text(64, pattern=r"[0-9a-f]{64}", name="Sha256")]
Digits = Annotated[str, text(64, pattern=r"[0-9A-Da-d*#]+", name="Digits")]
FreeText = Annotated[str, FREE_TEXT]
Count = Annotated[int, number(0)]
Seconds = Annotated[int, number(0, 10**9)]
ReasonCode = Annotated[int, number(0, 999)]
ResultCode = Annotated[int, number(0, 999)]
Lon = Annotated[float, DECIMAL]
Lat = Annotated[float, DECIMAL]


class Choice(IntEnum):
    """Base of every numbered choice of the catalogue (Action, Mode, Phase, State, …)."""
