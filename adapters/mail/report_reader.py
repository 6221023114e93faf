"""Reports in mails: delivery status (RFC 3464) and what readers say (RFC 8098)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from adapters.mail import headers
from adapters.mail.headers import Fields
from adapters.mail.message_ids import ids_in
from adapters.mail.mime import Part, Parts
from adapters.mail.reports import Report, Told
from protocol.messages import MailReportStatus as Fate

STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
READ_TYPES: Final = frozenset(
    {"message/disposition-notification", "message/global-disposition-notification"}
)
RETURNED: Final = frozenset(
    {"text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers"}
)
ACTIONS: Final[Mapping[str, Fate | None]] = {
    "failed": Fate.BOUNCED, "delayed": Fate.DELAYED, "delivered": Fate.DELIVERED,
    "relayed": None, "expanded": None,
}  # fmt: skip
RECIPIENTS_MAX: Final = 1_000
REPORT_MAX: Final = 1_000_000
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")
_UNICODE: Final = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_BLANK_LINE: Final = re.compile(rb"\r?\n[ \t]*\r?\n")


def report_in(parts: Parts) -> Report | None:
    """The report that a mail is; None: it is none."""
    envelope_id: str | None = None
    told: list[Told] = []
    message_ids: list[str] = []
    is_report = False
    for part in parts:
        if part.content.type in STATUS_TYPES:
            is_report = True
            groups = list(_groups(parts, part))
            envelope_id = envelope_id or (_envelope_id(groups[0]) if groups else None)
            told += [each for group in groups if (each := _told(group)) is not None]
        elif part.content.type in READ_TYPES:
            is_report = True
            for group in _groups(parts, part):
                message_ids += ids_in(group.raw("original-message-id"))
                told += _was_read(group)
        elif part.content.type in RETURNED:
            returned = Fields(headers.read_fields(parts.octets(part)[:REPORT_MAX]))
            message_ids += ids_in(headers.words(returned.raw("message-id")))
    if not is_report or not told:
        return None
    for name in ("in-reply-to", "references"):  # a threaded bounce, of a mail too large to return
        message_ids += ids_in(headers.words(parts.fields.raw(name)))
    return Report(envelope_id, tuple(message_ids), tuple(told[:RECIPIENTS_MAX]))


def _groups(parts: Parts, part: Part) -> Iterator[Fields]:
    """The groups of fields of a report: of the mail first, then of each recipient."""
    octets = parts.octets(part)[:REPORT_MAX]
    for block in _BLANK_LINE.split(octets, RECIPIENTS_MAX):
        fields = list(headers.read_fields(block))
        if fields:
            yield Fields(fields)


def _envelope_id(group: Fields) -> str | None:
    return group.raw("original-envelope-id") or None


def _told(group: Fields) -> Told | None:
    action = group.raw("action").partition(" ")[0].lower()
    if action not in ACTIONS:
        return None
    found = _STATUS.search(group.raw("status"))
    addresses = [
        address
        for name in ("original-recipient", "final-recipient")
        for address in _addresses(group.raw(name))
    ]
    return Told(tuple(addresses), ACTIONS[action], found[0] if found else "")


def _was_read(group: Fields) -> list[Told]:
    if "displayed" not in group.raw("disposition").lower():
        return []
    written = group.raw("original-recipient") or group.raw("final-recipient")
    return [Told(tuple(_addresses(written)), Fate.READ)]


def _addresses(written: str) -> list[str]:
    """The address of `rfc822; a@c`; read as xtext, too, which some leave as it is."""
    kind, semicolon, address = written.partition(";")
    if not semicolon:
        kind, address = "", written
    address = address.strip().strip("<>")[:320]
    if kind.strip().lower() == "utf-8":
        address = _UNICODE.sub(_unicode, address)
    decoded = _XTEXT.sub(lambda match: chr(int(match[1], 16)), address)
    return [each for each in dict.fromkeys((address, decoded)) if each]


def _unicode(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    is_character = 0x20 < code <= 0x10FFFF and not 0xD800 <= code < 0xE000  # noqa: PLR2004 - Unicode's
    return chr(code) if is_character else "\ufffd"
