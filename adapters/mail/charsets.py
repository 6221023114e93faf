"""Octets as text, whatever they are labelled.

| label | read as |
|---|---|
| gb2312, gbk, x-gbk, cp936 … | GB18030, which holds them all: "gb2312" mostly is more |
| utf-8 | UTF-8, or else GB18030 |
| none, us-ascii, or one that nobody knows | UTF-8, or else GB18030, or else Windows-1252 |

A label chooses from this table alone: the standard library would keep each label that it does not
know for ever, and has codecs among its own that take the square of a length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from protocol.fields import NOT_XML

GB: Final = "gb18030"
WINDOWS: Final = (1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)
UTF_8: Final = "utf-8"
CODECS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("gb2312", "gbk", "xgbk", "gb18030", "gb180302000", "gb180302005", "cp936", "ms936", "936",
         "windows936", "euccn", "csgb2312", "csiso58gb231280", "gb231280", "chinese", "cngb"),
        GB,
    ),
    **dict.fromkeys(("utf8", "utf8mb4", "unicode11utf8", "xunicode20utf8"), UTF_8),
    **dict.fromkeys(("big5", "xxbig5", "cnbig5", "csbig5", "big5hkscs", "cp950"), "big5hkscs"),
    "hzgb2312": "hz", "hz": "hz", "utf7": "utf-7", "utf16": "utf-16", "utf16le": "utf-16-le",
    "utf16be": "utf-16-be", "iso2022jp": "iso2022_jp_2", "eucjp": "euc_jp", "xeucjp": "euc_jp",
    "shiftjis": "cp932", "sjis": "cp932", "xsjis": "cp932", "windows31j": "cp932",
    "iso2022kr": "iso2022_kr",
    **dict.fromkeys(("euckr", "ksc56011987", "ksc5601", "cp949", "windows949", "korean"), "cp949"),
    "koi8r": "koi8_r", "koi8u": "koi8_u", "tis620": "cp874", "windows874": "cp874",
    **{f"iso8859{n}": f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)},
    **dict.fromkeys(("iso88591", "latin1", "windows1252", "cp1252"), "cp1252"),
    **{f"windows{n}": f"cp{n}" for n in WINDOWS},
    **{f"cp{n}": f"cp{n}" for n in WINDOWS},
}  # fmt: skip
"""Label without what is no letter or digit → codec."""
_NOISE: Final = re.compile(r"[^a-z0-9]")
LABEL_MAX: Final = 40


def codec_of(label: str | None) -> str | None:
    """The codec of a label; None: there is none to trust."""
    return CODECS.get(_NOISE.sub("", label[:LABEL_MAX].lower())) if label else None


def decode(octets: bytes, label: str | None = None) -> str:
    """The text; what cannot be read is U+FFFD, as is what XML cannot carry. It raises nothing."""
    codec = codec_of(label)
    if codec is None:
        guesses: tuple[str, ...] = (UTF_8, GB)
    else:
        guesses = (codec, {UTF_8: GB}.get(codec, UTF_8))
    for each in guesses:
        try:
            return clean(octets.decode(each))
        except (UnicodeError, ValueError):
            continue
    return clean(octets.decode(codec or "cp1252", "replace"))


def clean(text: str) -> str:
    """Without what XML cannot carry: NUL and other controls, halves of surrogate pairs."""
    return NOT_XML.sub("\ufffd", text)
