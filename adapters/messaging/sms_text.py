"""Texts as SMS: the alphabets of GSM 03.38, and parts as they are billed.

| alphabet | in one part | in each of several | counts |
|---|---|---|---|
| GSM-7 | 160 | 153 | a character of the extension table twice |
| UCS-2 | 70 | 67 | a character outside the basic plane twice |
| Latin-1 | 140 | 134 | |

Neither an escape nor a surrogate is ever torn from what belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from protocol.fields import FREE_TEXT_MAX, NOT_XML, NULL_TOKENS

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final[Mapping[str, int]] = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E,
    "|": 0x40, "€": 0x65,
}  # fmt: skip
ESCAPE: Final = 0x1B
GSM: Final[Mapping[str, bytes]] = {
    **{each: bytes((code,)) for code, each in enumerate(BASIC) if code != ESCAPE},
    **{each: bytes((ESCAPE, code)) for each, code in EXTENSION.items()},
}
EXTENDED: Final = {code: each for each, code in EXTENSION.items()}
GSM_CODING, LATIN_CODING, UCS2_CODING = 0, 3, 8
SHIFTED: Final = frozenset("\x0e\x0f")
CODECS: Final[Mapping[int, str]] = {
    1: "ascii", 2: "latin-1", 3: "latin-1", 4: "latin-1", 5: "shift_jis", 6: "iso8859-5",
    7: "iso8859-8", 8: "utf-16-be", 10: "iso2022_jp", 13: "euc_jp", 14: "euc_kr", 15: "gb18030",
}  # fmt: skip
"""data_coding → codec; 15 is what centres in China say for GBK. 0 is the centre's own alphabet."""
ALPHABET_MASK, EIGHT_BIT, UCS2_BIT, CODED_MAX = 0x0C, 0x04, 0x08, 0x10
GENERAL_MAX, GROUP_MASK, WAITING_UCS2, CLASS_GROUP = 0x80, 0xF0, 0xE0, 0xF0


@dataclass(frozen=True, slots=True)
class Parts:
    """A text as it is submitted: the octets of each part, and their `data_coding`."""

    coding: int
    octets: tuple[bytes, ...]


@lru_cache(maxsize=16)  # it is counted before it is sent, and a batch sends one to many
def split(text: str, alphabet: str = "gsm7") -> Parts:
    """Cut a text into as few parts as it takes.

    Args:
        text: of any length, and not empty.
        alphabet: what the centre makes of data_coding 0 or 3: `gsm7`, `latin-1`; `ucs2`: send all
            as UCS-2.
    """
    if alphabet == "gsm7" and GSM.keys() >= set(text):
        return Parts(GSM_CODING, _cut([GSM[each] for each in text], 160, 153))
    if alphabet == "latin-1" and all(each <= "\xff" for each in text):
        return Parts(LATIN_CODING, _cut([each.encode("latin-1") for each in text], 140, 134))
    units = [each.encode("utf-16-be", "surrogatepass") for each in text]
    return Parts(UCS2_CODING, _cut(units, 140, 134))


def _cut(characters: Iterable[bytes], single: int, each: int) -> tuple[bytes, ...]:
    characters = list(characters)
    whole = b"".join(characters)
    if len(whole) <= single:
        return (whole,)
    parts, part = [], bytearray()
    for character in characters:
        if len(part) + len(character) > each:
            parts.append(bytes(part))
            part.clear()
        part += character
    return (*parts, bytes(part))


def _coding_of_group(coding: int) -> int:
    """The alphabet in a coding group (3GPP TS 23.038, 4): class, message waiting, deletion."""
    if coding < GENERAL_MAX:  # general, and the same marked for automatic deletion
        is_ucs2, is_8_bit = coding & ALPHABET_MASK == UCS2_BIT, bool(coding & EIGHT_BIT)
    else:
        is_ucs2 = coding & GROUP_MASK == WAITING_UCS2
        is_8_bit = coding & GROUP_MASK == CLASS_GROUP and bool(coding & EIGHT_BIT)
    return UCS2_CODING if is_ucs2 else LATIN_CODING if is_8_bit else GSM_CODING


def decode(octets: bytes, coding: int, alphabet: str = "gsm7") -> str:
    """The text of a message that came in; what cannot be read is U+FFFD. It raises nothing.

    Args:
        octets: of all parts, joined: a part may end within a character.
        coding: its data_coding.
        alphabet: what the centre means by 0: `gsm7`, or a codec's name.
    """
    if coding >= CODED_MAX:
        coding = _coding_of_group(coding)
    if coding == GSM_CODING and alphabet == "gsm7":
        return _decode_gsm(octets)
    codec = alphabet if coding == GSM_CODING else CODECS.get(coding, "latin-1")
    return octets.decode("utf-16-be" if codec == "ucs2" else codec, "replace")


def _decode_gsm(octets: bytes) -> str:
    if ESCAPE not in octets:
        return "".join([BASIC[each] if each < len(BASIC) else "\ufffd" for each in octets])
    text, escaped = [], False
    for each in octets:
        if each == ESCAPE:
            escaped = True
            continue
        basic = BASIC[each] if each < len(BASIC) else "\ufffd"
        text.append(EXTENDED.get(each, basic) if escaped else basic)
        escaped = False
    return "".join(text)


def content(text: str) -> str | None:
    """A text as an element `Content` can hold it; None: there is nothing in it."""
    clean = NOT_XML.sub("\ufffd", text)[:FREE_TEXT_MAX]
    if clean.strip() in NULL_TOKENS:
        return f'"{clean.strip()}"' if clean.strip() else None  # who writes NULL has written it
    return clean
