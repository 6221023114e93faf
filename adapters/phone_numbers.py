"""Telephone numbers as people write them, made into what is dialled: the door to dial strings.

| written | dialled |
|---|---|
| `+86 139 1234 4444`, `tel:+86-139-1234-4444`, `＋８６（139）1234．4444` | `+8613912344444` |
| `010/6655-1234`, `(010) 6655 1234` | `01066551234` |
| `+44 (0)20 7946 0000` | `+442079460000` |
| `alice`, `actor-1`: names, as telephones of the house have them | as they are |
| `anonymous`, `1&2`, `1/2`, `sip:1@2`, `12;34`, control characters | refused |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

WITHHELD: Final = frozenset(
    {"anonymous", "unavailable", "unknown", "restricted", "private", "withheld"}
)
"""What stands in the place of a number that the caller does not show."""

TEL: Final = re.compile(r"tel:\s*", re.IGNORECASE)
CONTEXT: Final = re.compile(r"([^;]*);phone-context=(\+[0-9().-]+)", re.IGNORECASE)
TRUNK_ZERO: Final = re.compile(r"^(\+[^(]*)\(\s*0\s*\)")
"""Between a country's code and the number: it is dialled only within the country."""
SLASH: Final = re.compile(r"\+?[0-9]{2,5}(/[0-9]{2,5})?/[0-9]{4,}", re.ASCII)
"""A slash stands after an area code; elsewhere it parts two numbers, of which none is meant."""
SEPARATORS: Final = re.compile(r"[\s.()\[\]·\u2010-\u2015\u2212\u30fb-]+")
PHONE: Final = re.compile(r"\+?[0-9*#]{1,25}", re.ASCII)
NAME: Final = re.compile(r"(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z][0-9A-Za-z*#+_.-]{0,24}", re.ASCII)


def is_withheld(text: str) -> bool:
    """Whether a caller's number is a word for having none."""
    return text.strip().strip("<>\"'").partition("@")[0].lower() in WITHHELD


def dialable(text: str, prefixes: Mapping[str, str] | None = None) -> str | None:
    """What is dialled for a number, or None where it cannot be one.

    What comes back has nothing in it but `0-9A-Za-z*#+_.-`, at most 25 characters. `prefixes` says
    how the beginning of a number is dialled here, for example `+` as `00`; the longest that fits
    counts.
    """
    if not prefixes and PHONE.fullmatch(text):  # by far most of them
        return text
    if any(unicodedata.category(each) == "Cc" for each in text.strip()):
        return None
    plain = "".join(
        each
        for each in unicodedata.normalize("NFKC", text)
        if unicodedata.category(each) != "Cf"  # marks of direction, from an address book
    ).strip()
    number = _phone(plain)
    if number is None:
        usable = NAME.fullmatch(plain) is not None and plain.lower() not in WITHHELD
        return plain if usable else None
    begins = [each for each in prefixes or {} if number.startswith(each)]
    if prefixes and begins:
        longest = max(begins, key=len)
        number = prefixes[longest] + number.removeprefix(longest)
    return number if PHONE.fullmatch(number) else None


def _phone(text: str) -> str | None:
    """The number in it without what is only there to be read, None where there is more to it."""
    prefix = TEL.match(text)
    if prefix is not None:
        text = text[prefix.end() :]
        local = CONTEXT.fullmatch(text)
        if local is not None:
            text = local[2] + local[1]
    number = SEPARATORS.sub("", TRUNK_ZERO.sub(r"\1", text))
    if SLASH.fullmatch(number):
        number = number.replace("/", "")
    return number if PHONE.fullmatch(number) else None
