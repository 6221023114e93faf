"""Header fields of mails of others: read with limits, and never in doubt about a result."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import getaddresses
from typing import Any, Final

from adapters.mail import charsets
from adapters.mail.addresses import ADDRESS

FIELDS_MAX: Final = 500
FIELD_MAX: Final = 16_384
PARAMETERS_MAX: Final = 4_096
ADDRESSES_MAX: Final = 100
NAME_MAX: Final = 80
_FIELD: Final = re.compile(rb"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL)
_ENCODED: Final = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]{0,4000})\?=")
_BETWEEN: Final = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_WHITE: Final = re.compile(r"\s+")
_MAILBOX: Final = re.compile(r"[^\s<>,;:\"()\[\]@]{1,64}@[^\s<>,;:\"()\[\]@]{1,255}")


class Fields:
    """The header fields of a mail or of a part, the first of a name counts."""

    def __init__(self, fields: Iterable[tuple[str, bytes]]) -> None:
        self._first: dict[str, bytes] = {}
        for name, value in fields:
            self._first.setdefault(name, value)

    def raw(self, name: str) -> str:
        """A field as it stands, unfolded, encoded words and all; empty: there is none."""
        return _WHITE.sub(" ", charsets.decode(self._first.get(name, b""))).strip()

    def text(self, name: str) -> str:
        """A field as people read it."""
        return words(self.raw(name))

    def __contains__(self, name: str) -> bool:
        return name in self._first


def read_fields(block: bytes) -> Iterator[tuple[str, bytes]]:
    """The fields of a header block, name in small letters; what is none is left out."""
    found: list[bytes] = []
    for line in block.splitlines():
        if line[:1] in {b" ", b"\t"} and found:
            if len(found[-1]) + len(line) <= FIELD_MAX:
                found[-1] += b" " + line.strip()
        elif len(found) < FIELDS_MAX:
            found.append(line[:FIELD_MAX])
        else:
            break
    for each in found:
        match = _FIELD.fullmatch(each)
        if match is not None:
            yield match[1].decode("ascii").lower(), match[2].strip()


def words(text: str) -> str:
    """A text with its encoded words (RFC 2047) read.

    Neighbours of one charset are joined before: many programs cut a character in two.
    """
    if "=?" not in text:
        return text
    text = _BETWEEN.sub(r"\1", text)
    out: list[str] = []
    at, label, octets = 0, "", b""
    for match in _ENCODED.finditer(text):
        charset = match[1].partition("*")[0].lower()
        if octets and (match.start() != at or charset != label):
            out.append(charsets.decode(octets, label))
            octets = b""
        out.append(text[at : match.start()])
        label, octets = charset, octets + _octets(match[2], match[3])
        at = match.end()
    if octets:
        out.append(charsets.decode(octets, label))
    return "".join([*out, text[at:]])


def _octets(encoding: str, given: str) -> bytes:
    raw = given.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    return decode_base64(raw)


def decode_base64(given: bytes) -> bytes:
    """What of it can be read."""
    for rest in (given, given + b"==", given[: len(given) // 4 * 4], given[:-1] + b"==="):
        try:
            return binascii.a2b_base64(rest)
        except binascii.Error:
            continue
    return b""


def addresses(field: str) -> list[str]:
    """The addresses in a field, as far as it can be read; groups and names are left out."""
    try:
        found = [address for _, address in getaddresses([field[:FIELD_MAX]])]
    except Exception:  # noqa: BLE001 - the standard library's, recursive, and made for good fields
        found = []
    found = [each for each in found if ADDRESS.fullmatch(each)]
    found = found or _MAILBOX.findall(field[:FIELD_MAX])
    return list(dict.fromkeys(each[:320] for each in found))[:ADDRESSES_MAX]


@dataclass(frozen=True, slots=True)
class Content:
    """What a part says of itself."""

    type: str
    charset: str | None = None
    boundary: bytes | None = None
    name: str | None = None
    is_attachment: bool = False
    encoding: str = ""
    report_type: str = ""


def content_of(fields: Fields) -> Content:
    """Content-Type, Content-Disposition and Content-Transfer-Encoding."""
    kind, parameters = _parameters(fields.raw("content-type"), default="text/plain")
    disposition, others = _parameters(fields.raw("content-disposition"), default="")
    boundary = parameters.get("boundary", "")
    return Content(
        type=kind if kind.count("/") == 1 else "text/plain",
        charset=parameters.get("charset"),
        boundary=boundary.encode("utf-8", "replace") if 0 < len(boundary) <= 200 else None,  # noqa: PLR2004 - 70 are allowed
        name=others.get("filename") or parameters.get("name"),
        is_attachment=disposition == "attachment",
        encoding=fields.raw("content-transfer-encoding").lower()[:40],
        report_type=parameters.get("report-type", "").lower(),
    )


def _parameters(field: str, *, default: str) -> tuple[str, dict[str, str]]:
    """A value in small letters, and its parameters; of `a` and `a*` (RFC 2231) the second."""
    if not field:
        return default, {}
    message = Message()
    try:
        message["Content-Type"] = field[:PARAMETERS_MAX].replace("\r", " ").replace("\n", " ")
        found: list[tuple[str, Any]] = list(message.get_params(failobj=[], unquote=True) or [])
    except Exception:  # noqa: BLE001 - the standard library's, and made for good fields
        return field.partition(";")[0].strip().lower()[:NAME_MAX] or default, {}
    (kind, _), *rest = [*found, ("", "")][: len(found) or 1]
    values: dict[str, str] = {}
    for name, value in rest:
        if isinstance(value, tuple):
            label, _, octets = value
            raw = octets.encode("raw-unicode-escape", "replace")
            values[name.lower()] = charsets.decode(raw, label)
        else:
            values.setdefault(name.lower(), words(value))
    return str(kind).strip().lower()[:NAME_MAX] or default, values
