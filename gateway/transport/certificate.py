"""How long a certificate is valid, read from its PEM text.

The standard library tells that only of certificates that a peer has shown, and an expired one of
ours should be found at the start, not by the first vendor who calls. So the few bytes of DER that
lead to the validity (RFC 5280 section 4.1) are walked here.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_LONG: Final = 0x80
_LENGTH_BYTES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when, both inclusive, UTC."""

    since: datetime
    until: datetime


def read_validity(pem: str) -> Validity:
    """Of the first certificate in a PEM text.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    begin = pem.find(_BEGIN)
    end = pem.find(_END, begin)
    if begin < 0 or end < 0:
        raise ValueError("no PEM certificate in it")
    der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(_END)])
    try:
        return _validity(der)
    except (IndexError, UnicodeDecodeError):
        raise ValueError("the certificate is damaged") from None


def _validity(der: bytes) -> Validity:
    _, outer, _ = _element(der, 0, _SEQUENCE)
    _, content, _ = _element(outer, 0, _SEQUENCE)
    tag, _, after = _element(content, 0)
    if tag == _VERSION:
        _, _, after = _element(content, after)  # the serial number
    _, _, after = _element(content, after)  # the algorithm of the signature
    _, _, after = _element(content, after)  # the issuer
    _, validity, _ = _element(content, after, _SEQUENCE)
    tag, since, after = _element(validity, 0)
    until_tag, until, _ = _element(validity, after)
    return Validity(_time(tag, since), _time(until_tag, until))


def _element(data: bytes, at: int, wanted: int | None = None) -> tuple[int, bytes, int]:
    """Tag, content and end of the element that begins there."""
    tag, length = data[at], data[at + 1]
    at += 2
    if length & _LONG:
        count = length & ~_LONG
        if not 1 <= count <= _LENGTH_BYTES_MAX:
            raise ValueError("the certificate is damaged")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    end = at + length
    if end > len(data) or wanted not in {None, tag}:
        raise ValueError("the certificate is damaged")
    return tag, data[at:end], end


def _time(tag: int, content: bytes) -> datetime:
    written = content.decode("ascii")
    if tag == _UTC_TIME:
        # RFC 5280: two digits of a year up to 49 are this century's; `%y` would say up to 68.
        century = "20" if int(written[:2]) < 50 else "19"  # noqa: PLR2004 - the RFC's limit
        written = century + written
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the certificate is damaged")
    return datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
